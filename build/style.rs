//! Style sheets without comments, and without the white space that means nothing.

use anyhow::{bail, ensure};
use cssparser::{Parser, ToCss as _, Token};

pub(crate) fn minify(path: &str, css: &str) -> anyhow::Result<String> {
    let mut out = String::with_capacity(css.len());
    copy(path, &mut Parser::new(css), &mut out)?;
    Ok(out)
}

/// Tokens as they are written, up to the end of the block.
fn copy(path: &str, tokens: &mut Parser<'_>, out: &mut String) -> anyhow::Result<()> {
    let (mut gap, mut separated) = ("", true);
    loop {
        let start = tokens.position();
        let at = tokens.current_source_location();
        let place = || format!("{path}:{}:{}", at.line + 1, at.column);
        let Ok(token) = tokens.next_including_whitespace_and_comments().cloned() else { return Ok(()) };
        ensure!(!token.is_parse_error(), "{}: unexpected {}", place(), token.to_css_string());
        match token {
            Token::WhiteSpace(_) => {
                gap = " ";
                continue;
            }
            // Alone it keeps what stands around it apart.
            Token::Comment(_) if gap.is_empty() => {
                gap = "/**/";
                continue;
            }
            Token::Comment(_) => continue,
            _ => {}
        }
        // Not before a colon or an opening parenthesis, nor behind a closing one: `a :hover` and `and (` need it.
        let separates = matches!(token, Token::CurlyBracketBlock | Token::Comma | Token::Semicolon);
        if !(separated || separates) {
            out.push_str(gap);
        }
        gap = "";
        separated = separates || matches!(token, Token::Colon);
        out.push_str(tokens.slice_from(start));

        let close = match token {
            Token::CurlyBracketBlock => "}",
            Token::SquareBracketBlock => "]",
            Token::ParenthesisBlock | Token::Function(_) => ")",
            _ => continue,
        };
        match tokens.parse_nested_block(|inner| Ok::<_, cssparser::ParseError<()>>(copy(path, inner, out))) {
            Ok(copied) => copied?,
            Err(_) => bail!("{}: cannot be read", place()),
        }
        ensure!(tokens.slice_from(start).ends_with(close), "{}: nothing closes this", place());
        out.push_str(close);
    }
}

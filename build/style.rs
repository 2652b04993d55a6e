//! Style sheets without comments and without white space that has no meaning.

use super::source::{Problem, Source};

/// # Errors
///
/// The first position from which the tokenizer cannot continue.
pub(crate) fn strip(text: &str) -> Result<String, Problem> {
    let mut source = Source::new(text);
    let mut css = String::with_capacity(text.len());
    let mut open: Vec<(char, usize)> = Vec::new();
    // Whether white space after the previous token has no meaning.
    let mut separated = true;
    loop {
        let gap = skip_gap(&mut source)?;
        let start = source.position();
        let Some(first) = source.next() else { break };
        // White space before a colon or `(`, and after `)`, has a meaning: `a :hover`, `and (`.
        if !separated && !matches!(first, '{' | '}' | ',' | ';' | ')' | ']') {
            css.push_str(gap);
        }
        separated = matches!(first, '{' | '}' | ',' | ';' | ':' | '(' | '[');
        match first {
            '"' | '\'' => read_string(&mut source, first, start)?,
            '\\' => _ = source.next(),
            '(' if css.ends_with("url") && !matches!(source.peek(), Some('"' | '\'')) => {
                return Err(source.problem(start, "put the address in quotes"));
            }
            '{' | '(' | '[' => open.push((first, start)),
            '}' | ')' | ']' => match (open.pop(), first) {
                (Some(('{', _)), '}') | (Some(('(', _)), ')') | (Some(('[', _)), ']') => {}
                _ => return Err(source.problem(start, "this bracket closes nothing")),
            },
            _ => {}
        }
        css.push_str(source.since(start));
    }
    match open.pop() {
        Some((_, position)) => Err(source.problem(position, "nothing closes this bracket")),
        None => Ok(css),
    }
}

/// Skips white space and comments. Returns what replaces them: a comment without white space still separates two tokens.
fn skip_gap(source: &mut Source<'_>) -> Result<&'static str, Problem> {
    let mut gap = "";
    loop {
        let position = source.position();
        source.take_while(char::is_whitespace);
        if source.position() > position {
            gap = " ";
        } else if source.take("/*") {
            if !source.take_through("*/") {
                return Err(source.problem(position, "nothing closes this comment"));
            }
            if gap.is_empty() {
                gap = "/**/";
            }
        } else {
            return Ok(gap);
        }
    }
}

fn read_string(source: &mut Source<'_>, quote: char, start: usize) -> Result<(), Problem> {
    while let Some(c) = source.next() {
        match c {
            '\\' => _ = source.next(),
            '\n' => break,
            c if c == quote => return Ok(()),
            _ => {}
        }
    }
    Err(source.problem(start, "nothing closes this string"))
}

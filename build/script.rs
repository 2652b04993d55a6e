//! JavaScript modules without comments, indentation and blank lines. Everything else stays as it is written, so that the
//! served files can still be read and debugged.
//!
//! This is a tokenizer, not a parser: it finds where strings, templates, regular expressions and comments end. It does
//! not find syntax errors; `scripts/test` does.

use super::source::{Problem, Source};

/// No value ends with these words, so a slash after them starts a regular expression.
const OPERATOR_WORDS: [&str; 14] = [
    "await",
    "case",
    "delete",
    "do",
    "else",
    "in",
    "instanceof",
    "new",
    "of",
    "return",
    "throw",
    "typeof",
    "void",
    "yield",
];

/// A statement follows the parentheses after these words, so a slash after the parentheses starts a regular expression.
const CONTROL_WORDS: [&str; 4] = ["for", "if", "while", "with"];

#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) code: String,
    /// The specifiers of the static imports, in order.
    pub(crate) imports: Vec<String>,
}

struct Open {
    /// `(`, `[`, `{`, or a backtick for `${` in a template.
    bracket: char,
    position: usize,
    /// Whether this is `(` after a control word.
    control: bool,
}

/// The previous token, as far as it decides what a slash or a string means.
#[derive(Clone, Copy, PartialEq)]
enum Previous<'a> {
    /// The start of the file, or a punctuator that an operand follows.
    Operator,
    Dot,
    /// An identifier, a keyword or a number.
    Word(&'a str),
    /// A token that can only end a value.
    Value,
    /// `}`, `++` or `--`: only a parser can tell whether it ends a value.
    Ambiguous,
}

impl Previous<'_> {
    /// Whether a slash that follows starts a regular expression. `None` if only a parser can tell.
    fn precedes_regex(self) -> Option<bool> {
        match self {
            Self::Operator => Some(true),
            Self::Word(word) => Some(OPERATOR_WORDS.contains(&word)),
            // A number can end with a dot, such as `1.`.
            Self::Value | Self::Dot => Some(false),
            Self::Ambiguous => None,
        }
    }
}

/// # Errors
///
/// The first position from which the tokenizer cannot continue.
pub(crate) fn strip(text: &str) -> Result<Script, Problem> {
    let mut source = Source::new(text);
    let (mut code, mut imports) = (String::with_capacity(text.len()), Vec::new());
    let mut open = Vec::new();
    let mut previous = Previous::Operator;
    loop {
        let gap = skip_gap(&mut source)?;
        let start = source.position();
        let Some(first) = source.next() else { break };
        if !code.is_empty() {
            code.push_str(gap);
        }
        previous = match first {
            '"' | '\'' => {
                read_string(&mut source, first, start)?;
                if matches!(previous, Previous::Word("from" | "import")) {
                    let specifier = source.since(start + 1);
                    imports.push(specifier[..specifier.len() - 1].to_owned());
                }
                Previous::Value
            }
            '`' => read_template(&mut source, start, &mut open)?,
            '(' | '[' | '{' => {
                let control = first == '(' && matches!(previous, Previous::Word(word) if CONTROL_WORDS.contains(&word));
                open.push(Open { bracket: first, position: start, control });
                Previous::Operator
            }
            ')' | ']' | '}' => match open.pop() {
                Some(Open { bracket: '(', control: true, .. }) if first == ')' => Previous::Operator,
                Some(Open { bracket: '(', .. }) if first == ')' => Previous::Value,
                Some(Open { bracket: '[', .. }) if first == ']' => Previous::Value,
                Some(Open { bracket: '{', .. }) if first == '}' => Previous::Ambiguous,
                Some(Open { bracket: '`', position, .. }) if first == '}' => {
                    read_template(&mut source, position, &mut open)?
                }
                _ => return Err(source.problem(start, "this bracket closes nothing")),
            },
            '/' => match previous.precedes_regex() {
                Some(true) => {
                    read_regex(&mut source, start)?;
                    Previous::Value
                }
                Some(false) => Previous::Operator,
                None => {
                    let message = "is this a division or a regular expression? Put one operand in parentheses";
                    return Err(source.problem(start, message));
                }
            },
            '+' if source.take("+") => Previous::Ambiguous,
            '-' if source.take("-") => Previous::Ambiguous,
            '.' if source.take("..") => Previous::Operator,
            '.' => Previous::Dot,
            _ if is_word(first) => {
                source.take_while(is_word);
                // After a dot, a keyword is a name.
                if previous == Previous::Dot { Previous::Value } else { Previous::Word(source.since(start)) }
            }
            _ => Previous::Operator,
        };
        code.push_str(source.since(start));
    }
    if let Some(Open { position, .. }) = open.last() {
        return Err(source.problem(*position, "nothing closes this bracket"));
    }
    code.push('\n');
    Ok(Script { code, imports })
}

/// Skips white space and comments. Returns what replaces them: a line break if there was one, since it can end a
/// statement.
fn skip_gap(source: &mut Source<'_>) -> Result<&'static str, Problem> {
    let start = source.position();
    loop {
        source.take_while(is_space);
        let position = source.position();
        if source.take("//") {
            source.take_while(|c| !is_line_end(c));
        } else if source.take("/*") {
            if !source.take_through("*/") {
                return Err(source.problem(position, "nothing closes this comment"));
            }
        } else {
            break;
        }
    }
    let skipped = source.since(start);
    Ok(match skipped {
        "" => "",
        _ if skipped.contains(is_line_end) => "\n",
        _ => " ",
    })
}

fn read_string(source: &mut Source<'_>, quote: char, start: usize) -> Result<(), Problem> {
    while let Some(c) = source.next() {
        match c {
            '\\' => _ = source.next(),
            '\n' | '\r' => break,
            c if c == quote => return Ok(()),
            _ => {}
        }
    }
    Err(source.problem(start, "nothing closes this string"))
}

/// Reads a template to its end, or to the start of the next expression in it.
fn read_template<'a>(source: &mut Source<'_>, start: usize, open: &mut Vec<Open>) -> Result<Previous<'a>, Problem> {
    while let Some(c) = source.next() {
        match c {
            '\\' => _ = source.next(),
            '`' => return Ok(Previous::Value),
            '$' if source.take("{") => {
                open.push(Open { bracket: '`', position: start, control: false });
                return Ok(Previous::Operator);
            }
            _ => {}
        }
    }
    Err(source.problem(start, "nothing closes this template"))
}

/// Reads a regular expression with its flags.
fn read_regex(source: &mut Source<'_>, start: usize) -> Result<(), Problem> {
    let mut in_class = false;
    while let Some(c) = source.next() {
        match c {
            '\\' => _ = source.next(),
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => {
                source.take_while(is_word);
                return Ok(());
            }
            c if is_line_end(c) => break,
            _ => {}
        }
    }
    Err(source.problem(start, "nothing closes this regular expression"))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '#')
}

/// White space in ECMAScript includes the byte order mark, but not U+0085.
fn is_space(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

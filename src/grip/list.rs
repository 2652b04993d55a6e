//! The list syntax of GRIP headers: `first; name=value; name="quoted", second`.
//!
//! It is read like Pushpin reads it (`core/httpheaders.cpp`). Commas outside double quotes separate entries. The first
//! token of an entry is taken literally, including quotes. Parameters may be quoted, with backslash escapes. An entry
//! whose parameters do not parse is dropped without an error, and the other entries are kept.

/// One entry of a list: its first token, and its parameters in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) token: &'a str,
    pub(super) params: Vec<(&'a str, String)>,
}

impl Entry<'_> {
    /// Returns a parameter's value. Names are compared without regard to case.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        let (_, value) = self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}

/// Parses one header line.
pub(super) fn parse(line: &str) -> impl Iterator<Item = Entry<'_>> {
    split_unquoted(line, ',').filter_map(entry)
}

fn entry(text: &str) -> Option<Entry<'_>> {
    let (token, params) = text.split_once(';').unwrap_or((text, ""));
    let token = token.trim();
    if token.is_empty() {
        return None;
    }
    Some(Entry { token, params: self::params(params)? })
}

/// Parses parameters: the text after the first semicolon of an entry.
pub(super) fn params(text: &str) -> Option<Vec<(&str, String)>> {
    split_unquoted(text, ';').map(str::trim).filter(|p| !p.is_empty()).map(param).collect()
}

/// Parses one header line whose entries are `name=value` pairs.
pub(super) fn parse_pairs(line: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = split_unquoted(line, ',').filter(|entry| entry.contains('=')).filter_map(param);
    pairs.map(|(name, value)| (name.to_owned(), value)).filter(|(name, _)| !name.is_empty())
}

fn param(text: &str) -> Option<(&str, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let value = value.trim();
    match value.strip_prefix('"') {
        Some(quoted) => Some((name.trim(), unquote(quoted)?)),
        None => Some((name.trim(), value.to_owned())),
    }
}

/// Returns the text before the closing quote, or `None` if there is no closing quote or it is not the end.
fn unquote(quoted: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().trim().is_empty().then_some(text),
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
}

/// Splits at separators outside double quotes. Inside quotes a backslash escapes the next character.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let literal = escaped;
        escaped = quoted && c == '\\' && !literal;
        if c == '"' && !literal {
            quoted = !quoted;
        }
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(line: &str) -> Vec<&str> {
        parse(line).map(|entry| entry.token).collect()
    }

    #[test]
    fn entries_are_split_at_commas_outside_quotes() {
        assert_eq!(tokens(r#"a; x="1,2", b;y=3 ,, c"#), ["a", "b", "c"]);
    }

    #[test]
    fn parameters_are_unquoted_and_the_token_is_not() {
        let entries: Vec<_> = parse(r#"a b; prev-id="q\" x"; Filter=f; flag"#).collect();
        assert_eq!(entries[0].token, "a b");
        assert_eq!(entries[0].param("Prev-ID"), Some("q\" x"));
        assert_eq!(entries[0].param("filter"), Some("f"));
        assert_eq!(entries[0].param("flag"), Some(""));
        assert_eq!(entries[0].param("missing"), None);
    }

    #[test]
    fn only_the_entry_that_does_not_parse_is_dropped() {
        assert_eq!(tokens(r#"b, a; x="open"#), ["b"]);
        assert_eq!(tokens(r#"a; x="shut"tail, b"#), ["b"]);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(line in any::<String>()) {
            for entry in parse(&line) {
                prop_assert!(!entry.token.is_empty());
            }
        }

        #[test]
        fn a_quoted_value_parses_to_what_was_quoted(value in any::<String>()) {
            let quoted = value.replace('\\', r"\\").replace('"', "\\\"");
            let line = format!("a; v=\"{quoted}\", b");
            let entries: Vec<_> = parse(&line).collect();
            prop_assert_eq!(entries[0].param("v"), Some(value.as_str()));
            prop_assert_eq!(entries[1].token, "b");
        }
    }
}

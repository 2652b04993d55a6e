//! The list syntax of GRIP headers: `first; name=value; name="quoted", second`.
//!
//! As Pushpin reads it (`core/httpheaders.cpp`): items are split at commas outside double quotes; an
//! item's first token is taken literally, quotes and all; parameters may be quoted with backslash
//! escapes; an item whose parameters do not parse is dropped, alone and without an error.

/// One item of a header: its first token and its parameters in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) token: &'a str,
    pub(super) params: Vec<(&'a str, String)>,
}

impl Item<'_> {
    /// A parameter's value; its name is compared without regard to case.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        let (_, value) = self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}

/// Reads one header line.
pub(super) fn parse(line: &str) -> impl Iterator<Item = Item<'_>> {
    split_unquoted(line, ',').filter_map(item)
}

fn item(text: &str) -> Option<Item<'_>> {
    let (token, params) = text.split_once(';').unwrap_or((text, ""));
    let token = token.trim();
    if token.is_empty() {
        return None;
    }
    Some(Item { token, params: self::params(params)? })
}

/// Reads parameters: what follows an item's first semicolon.
pub(super) fn params(text: &str) -> Option<Vec<(&str, String)>> {
    split_unquoted(text, ';').map(str::trim).filter(|p| !p.is_empty()).map(param).collect()
}

/// Reads one header line whose items are each a `name=value`.
pub(super) fn parse_pairs(line: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = split_unquoted(line, ',').filter(|item| item.contains('=')).filter_map(param);
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

/// The text up to the closing quote; `None` when there is none, or something behind it.
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

/// Splits at a separator that stands outside double quotes; inside them a backslash escapes.
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
        parse(line).map(|item| item.token).collect()
    }

    #[test]
    fn items_are_split_at_commas_outside_quotes() {
        assert_eq!(tokens(r#"a; x="1,2", b;y=3 ,, c"#), ["a", "b", "c"]);
    }

    #[test]
    fn parameters_are_unquoted_and_the_token_is_not() {
        let items: Vec<_> = parse(r#"a b; prev-id="q\" x"; Filter=f; flag"#).collect();
        assert_eq!(items[0].token, "a b");
        assert_eq!(items[0].param("Prev-ID"), Some("q\" x"));
        assert_eq!(items[0].param("filter"), Some("f"));
        assert_eq!(items[0].param("flag"), Some(""));
        assert_eq!(items[0].param("missing"), None);
    }

    #[test]
    fn an_item_that_does_not_parse_is_dropped_alone() {
        assert_eq!(tokens(r#"b, a; x="open"#), ["b"]);
        assert_eq!(tokens(r#"a; x="shut"tail, b"#), ["b"]);
    }

    proptest! {
        #[test]
        fn no_header_panics(line in any::<String>()) {
            for item in parse(&line) {
                prop_assert!(!item.token.is_empty());
            }
        }

        #[test]
        fn a_quoted_value_reads_back(value in any::<String>()) {
            let quoted = value.replace('\\', r"\\").replace('"', "\\\"");
            let line = format!("a; v=\"{quoted}\", b");
            let items: Vec<_> = parse(&line).collect();
            prop_assert_eq!(items[0].param("v"), Some(value.as_str()));
            prop_assert_eq!(items[1].token, "b");
        }
    }
}

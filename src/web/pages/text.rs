//! Links and emoji in a text. `client/text.js` does the same for messages that arrive later; the vectors in
//! `tests/client/vectors/text.json` test both.

use unicode_properties::UnicodeEmoji as _;
use url::Url;

/// A text of only emoji is shown large if it has at most this many UTF-16 units. A family of four has eleven.
const MAX_EMOJI_UNITS: usize = 24;

/// Characters that follow an address in a sentence, and are not part of it.
const TRAILING: &[char] = &['.', ',', ';', ':', '!', '?', '\'', '*', '_', '~', '`', '’', '”', '»', '…'];
const BRACKETS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) is_link: bool,
}

/// Splits a text into links and the text between them. The pieces together are the text. Takes time linear in its
/// length.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let piece = |text: &str, is_link| Piece { text: text.to_owned(), is_link };
    let mut found = Vec::new();
    let (mut from, mut search) = (0, 0);
    while let Some(at) = next_scheme(text, search) {
        // Part of a longer word, as in "xhttp://a".
        if text[..at].chars().next_back().is_some_and(char::is_alphanumeric) {
            search = at + 1;
            continue;
        }
        search = text[at..].find(ends_address).map_or(text.len(), |length| at + length);
        let address = trim(&text[at..search]);
        if address.ends_with("://") || Url::parse(address).is_err() {
            continue;
        }
        if at > from {
            found.push(piece(&text[from..at], false));
        }
        found.push(piece(address, true));
        from = at + address.len();
    }
    if from < text.len() || found.is_empty() {
        found.push(piece(&text[from..], false));
    }
    found
}

/// The position of the next `http://` or `https://`.
fn next_scheme(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let starts =
        |at: usize, scheme: &[u8]| bytes.get(at..at + scheme.len()).is_some_and(|b| b.eq_ignore_ascii_case(scheme));
    (from..bytes.len()).find(|&at| starts(at, b"http://") || starts(at, b"https://"))
}

/// Whether an address ends before this character: white space as defined by Unicode or JavaScript, a character that no
/// address contains, or punctuation of languages that write no space after it.
fn ends_address(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{feff}' | '<' | '>' | '"')
        || matches!(c, '、' | '。' | '《'..='】' | '！' | '（' | '）' | '，' | '：' | '；' | '？')
}

/// Removes the punctuation of the sentence from the end, and closing brackets that were opened before the address.
fn trim(mut address: &str) -> &str {
    let surplus = |(opening, closing)| {
        let count = |c: char| address.matches(c).count();
        (closing, count(closing).saturating_sub(count(opening)))
    };
    let mut surplus = BRACKETS.map(surplus);
    while let Some(last) = address.chars().next_back() {
        match surplus.iter_mut().find(|(closing, _)| *closing == last) {
            Some((_, count @ 1..)) => *count -= 1,
            _ if TRAILING.contains(&last) => {}
            _ => break,
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address
}

/// Whether a text consists of a few emoji.
pub(super) fn is_emoji_alone(text: &str) -> bool {
    let joins = |c: char| matches!(c, '\u{200d}' | '\u{fe0f}' | ' ');
    // ASCII is excluded, because digits, `#` and `*` have the property Emoji too: they can be part of one.
    let emoji = |c: char| !c.is_ascii() && c.is_emoji_char_or_emoji_component();
    text.encode_utf16().count() <= MAX_EMOJI_UNITS
        && text.chars().any(|c| c != ' ')
        && text.chars().all(|c| joins(c) || emoji(c))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn pieces_and_emoji_equal_those_of_the_script() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/client/vectors/text.json")).unwrap();
        for pair in vectors["pieces"].as_array().unwrap() {
            let text = pair[0].as_str().unwrap();
            let found: Vec<Value> =
                pieces(text).iter().map(|piece| serde_json::json!([piece.text, piece.is_link])).collect();
            assert_eq!(Value::from(found), pair[1], "{text:?}");
        }
        for pair in vectors["emoji"].as_array().unwrap() {
            let text = pair[0].as_str().unwrap();
            assert_eq!(is_emoji_alone(text), pair[1].as_bool().unwrap(), "{text:?}");
        }
    }
}

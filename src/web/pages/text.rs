//! What a text shows beside its letters: links, and emoji that stand alone. `client/text.js` does the same for what comes
//! later; `tests/client/vectors/text.json` holds both to it.

use unicode_properties::UnicodeEmoji as _;
use url::Url;

/// Emoji that stand alone are shown large, up to so many UTF-16 units: a family of four has eleven.
const MOST_ALONE: usize = 24;

/// What follows an address in a sentence and is not a part of it.
const TRAILING: &[char] = &['.', ',', ';', ':', '!', '?', '\'', '*', '_', '~', '`', '’', '”', '»', '…'];
const BRACKETS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) is_link: bool,
}

/// The text in pieces, of which some are links. Together they are the text. In time linear in its length.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let piece = |text: &str, is_link| Piece { text: text.to_owned(), is_link };
    let mut found = Vec::new();
    let (mut from, mut look) = (0, 0);
    while let Some(at) = next_scheme(text, look) {
        // A part of a longer word, as in "xhttp://a".
        if text[..at].chars().next_back().is_some_and(char::is_alphanumeric) {
            look = at + 1;
            continue;
        }
        look = text[at..].find(ends_address).map_or(text.len(), |length| at + length);
        let address = trimmed(&text[at..look]);
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

/// Where the next `http://` or `https://` begins.
fn next_scheme(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let begins =
        |at: usize, scheme: &[u8]| bytes.get(at..at + scheme.len()).is_some_and(|b| b.eq_ignore_ascii_case(scheme));
    (from..bytes.len()).find(|&at| begins(at, b"http://") || begins(at, b"https://"))
}

/// White space, by Unicode's and by JavaScript's word, what no address holds, and what parts sentences that have no white
/// space.
fn ends_address(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{feff}' | '<' | '>' | '"')
        || matches!(c, '、' | '。' | '《'..='】' | '！' | '（' | '）' | '，' | '：' | '；' | '？')
}

/// Without the full stop of the sentence, and without a bracket that was opened before the address.
fn trimmed(mut address: &str) -> &str {
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

/// Whether a text is a few emoji and nothing else.
pub(super) fn is_emoji_alone(text: &str) -> bool {
    let joins = |c: char| matches!(c, '\u{200d}' | '\u{fe0f}' | ' ');
    // Digits, `#` and `*` are emoji too, in Unicode's word for what can be made one.
    let emoji = |c: char| !c.is_ascii() && c.is_emoji_char_or_emoji_component();
    text.encode_utf16().count() <= MOST_ALONE
        && text.chars().any(|c| c != ' ')
        && text.chars().all(|c| joins(c) || emoji(c))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn texts_fall_into_the_pieces_that_the_script_finds() {
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

//! What somebody says in a room, before and after the store has numbered it.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use super::{MessageId, Timestamp};

/// The longest name of an author, in characters (Unicode scalar values).
const MAX_AUTHOR_CHARS: usize = 64;
/// The longest text of a message, in characters: with four bytes each it stays below the 32 KiB
/// that the smallest of the proxies publishes in one item.
const MAX_TEXT_CHARS: usize = 4_000;

/// Who a message is from: 1 to 64 characters, without control characters and without white space
/// at its ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Author(String);

/// What a message says: 1 to 4,000 characters, not all white space, without control characters
/// but newline and tab. Line ends are newlines; everything else is kept byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text(String);

/// A message that no store has numbered yet. Everyone may see it already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// Chosen by the sender as its idempotency key, or drawn by the server.
    pub provisional_id: Uuid,
    /// Who wrote it.
    pub from: Author,
    /// What was written.
    pub text: Text,
    /// When the server took it in.
    pub date: Timestamp,
}

/// A message in a room's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its place in the log, and its event id.
    pub id: MessageId,
    /// The draft's.
    pub provisional_id: Uuid,
    /// The draft's.
    pub from: Author,
    /// The draft's.
    pub text: Text,
    /// The draft's.
    pub date: Timestamp,
}

/// Why a message is refused. The display says what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// No author, or one of more than 64 characters.
    #[error("\"from\" must have 1 to {MAX_AUTHOR_CHARS} characters")]
    AuthorLength,
    /// No text, nothing but white space, or more than 4,000 characters.
    #[error("\"text\" must have 1 to {MAX_TEXT_CHARS} characters and more than white space")]
    TextLength,
    /// A control character in the author's name.
    #[error("\"from\" must not hold the control character U+{:04X}; remove it", u32::from(*.0))]
    AuthorControl(char),
    /// A control character in the text.
    #[error("\"text\" must not hold the control character U+{:04X}; remove it", u32::from(*.0))]
    TextControl(char),
}

impl Author {
    /// Reads a name, without the white space around it.
    pub fn parse(name: &str) -> Result<Self, MessageError> {
        let name = name.trim();
        if let Some(c) = name.chars().find(|c| c.is_control()) {
            return Err(MessageError::AuthorControl(c));
        }
        if !(1..=MAX_AUTHOR_CHARS).contains(&name.chars().count()) {
            return Err(MessageError::AuthorLength);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Text {
    /// Reads a text. A carriage return, alone or before a newline, is a line end: HTML forms send
    /// both (HTML, "multipart form data" and "URL-encoded form data": newlines become CR LF).
    pub fn parse(text: &str) -> Result<Self, MessageError> {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        if let Some(c) = text.chars().find(|c| c.is_control() && !"\n\t".contains(*c)) {
            return Err(MessageError::TextControl(c));
        }
        if text.trim().is_empty() || text.chars().count() > MAX_TEXT_CHARS {
            return Err(MessageError::TextLength);
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Draft {
    /// This draft's message, once the store has found its place.
    pub fn into_message(self, id: MessageId) -> Message {
        let Self { provisional_id, from, text, date } = self;
        Message { id, provisional_id, from, text, date }
    }

    /// Whether this message says what the draft says: what a repeated post must do.
    pub fn has_same_content(&self, message: &Message) -> bool {
        self.from == message.from && self.text == message.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits_count_characters_not_bytes() {
        assert!(Text::parse(&"😀".repeat(4_000)).is_ok());
        assert_eq!(Text::parse(&"a".repeat(4_001)), Err(MessageError::TextLength));
        assert!(Author::parse(&"é".repeat(64)).is_ok());
        assert_eq!(Author::parse(&"é".repeat(65)), Err(MessageError::AuthorLength));
    }

    #[test]
    fn a_message_of_white_space_is_none() {
        assert_eq!(Text::parse(" \n\t\u{2003}"), Err(MessageError::TextLength));
        assert_eq!(Author::parse("  "), Err(MessageError::AuthorLength));
    }

    #[test]
    fn text_is_kept_byte_for_byte_but_for_the_line_ends_of_forms() {
        let text = "  $& <script> \u{2028} שלום 👩‍👩‍👧 \t\n";
        assert_eq!(Text::parse(text).unwrap().as_str(), text);
        assert_eq!(Text::parse("a\r\nb\rc\n").unwrap().as_str(), "a\nb\nc\n");
    }

    #[test]
    fn control_characters_are_named() {
        assert_eq!(Text::parse("a\0b"), Err(MessageError::TextControl('\0')));
        assert_eq!(Author::parse("a\nb"), Err(MessageError::AuthorControl('\n')));
        assert!(Text::parse("\u{1b}[2J").unwrap_err().to_string().contains("U+001B"));
    }

    proptest! {
        #[test]
        fn no_input_panics_and_what_is_accepted_is_accepted_again(input in any::<String>()) {
            if let Ok(text) = Text::parse(&input) {
                prop_assert_eq!(Text::parse(text.as_str()), Ok(text.clone()));
            }
            if let Ok(author) = Author::parse(&input) {
                prop_assert_eq!(Author::parse(author.as_str()), Ok(author.clone()));
            }
        }
    }
}

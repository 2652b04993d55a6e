//! Messages, before and after the store has given them an id.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use super::{MessageId, Timestamp};

/// The longest name of an author, in characters (Unicode scalar values).
const MAX_AUTHOR_CHARS: usize = 64;
/// The longest text of a message, in characters. With four bytes each it stays below 32 KiB, the smallest limit of a
/// proxy for one published item.
const MAX_TEXT_CHARS: usize = 4_000;

/// The name of a message's author: 1 to 64 characters, without control characters, and without white space at its ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Author(String);

/// The text of a message: 1 to 4,000 characters, not only white space, and without control characters except newline
/// and tab. Line ends are newlines; everything else is kept byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text(String);

/// A message that has no id yet. It may already be shown to everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// The sender's idempotency key, or an id that the server generated.
    pub provisional_id: Uuid,
    /// The author.
    pub from: Author,
    /// The text.
    pub text: Text,
    /// The time at which the server received it.
    pub date: Timestamp,
}

/// A message in a room's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The message's position in the log, and its event id.
    pub id: MessageId,
    /// The id of the draft.
    pub provisional_id: Uuid,
    /// The author.
    pub from: Author,
    /// The text.
    pub text: Text,
    /// The time at which the server received it.
    pub date: Timestamp,
}

/// Why a message is refused. The text says how to correct it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The author's name is empty or has more than 64 characters.
    #[error("\"from\" must have 1 to {MAX_AUTHOR_CHARS} characters")]
    AuthorLength,
    /// The text is empty, has only white space, or has more than 4,000 characters.
    #[error("\"text\" must have 1 to {MAX_TEXT_CHARS} characters and more than white space")]
    TextLength,
    /// The author's name contains a control character.
    #[error("\"from\" must not contain the control character U+{:04X}; remove it", u32::from(*.0))]
    AuthorControl(char),
    /// The text contains a control character.
    #[error("\"text\" must not contain the control character U+{:04X}; remove it", u32::from(*.0))]
    TextControl(char),
}

impl Author {
    /// Parses a name. White space at its ends is removed.
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
    /// Parses a text. A carriage return, alone or before a newline, becomes a newline: HTML forms send CR LF for each
    /// newline (HTML, "multipart form data" and "URL-encoded form data").
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
    /// Returns the message with the id that the store has chosen.
    pub fn into_message(self, id: MessageId) -> Message {
        let Self { provisional_id, from, text, date } = self;
        Message { id, provisional_id, from, text, date }
    }

    /// Returns whether a message has the author and the text of this draft. A repeated post must have both.
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
    fn white_space_alone_is_refused() {
        assert_eq!(Text::parse(" \n\t\u{2003}"), Err(MessageError::TextLength));
        assert_eq!(Author::parse("  "), Err(MessageError::AuthorLength));
    }

    #[test]
    fn text_is_kept_byte_for_byte_except_for_line_ends() {
        let text = "  $& <script> \u{2028} שלום 👩‍👩‍👧 \t\n";
        assert_eq!(Text::parse(text).unwrap().as_str(), text);
        assert_eq!(Text::parse("a\r\nb\rc\n").unwrap().as_str(), "a\nb\nc\n");
    }

    #[test]
    fn control_characters_are_refused_by_name() {
        assert_eq!(Text::parse("a\0b"), Err(MessageError::TextControl('\0')));
        assert_eq!(Author::parse("a\nb"), Err(MessageError::AuthorControl('\n')));
        assert!(Text::parse("\u{1b}[2J").unwrap_err().to_string().contains("U+001B"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_accepted_input_parses_to_itself(input in any::<String>()) {
            if let Ok(text) = Text::parse(&input) {
                prop_assert_eq!(Text::parse(text.as_str()), Ok(text.clone()));
            }
            if let Ok(author) = Author::parse(&input) {
                prop_assert_eq!(Author::parse(author.as_str()), Ok(author.clone()));
            }
        }
    }
}

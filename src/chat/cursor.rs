//! Positions in a room's log.
//!
//! A room's messages are numbered 1, 2, 3 … without a gap. A message's id is `<epoch>-<seq>`, and the same string is the
//! cursor after it: the event id, the JSON `id`, and GRIP's `id` and `prev-id` are all the same. The cursor of an empty
//! room is `0`.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// The greatest number that a message can have. It has sixteen digits, the width of the store's sort key, and is below
/// 2^53, so JavaScript represents it exactly.
pub const MAX_SEQ: u64 = 9_007_199_254_740_991;

/// Digits of a generated epoch.
const EPOCH_DIGITS: usize = 8;
/// Digits of the longest epoch that is parsed. It is longer than a generated one, in case eight digits are ever too
/// few.
const MAX_EPOCH_DIGITS: usize = 13;

/// Identifies one continuous numbering of a room's messages: a short string of digits and lower-case letters.
///
/// It is generated at random when a room's first message is written, and again when the room's history was lost or all
/// of it has expired. Without it, a cursor from before a loss would look valid again as soon as the new history had grown
/// past it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(String);

impl Epoch {
    /// Generates an epoch of 41 random bits, so that a room practically never has the same epoch twice.
    pub fn generate() -> Self {
        const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        Self((0..EPOCH_DIGITS).map(|_| char::from(DIGITS[rand::random_range(0..DIGITS.len())])).collect())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Epoch {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let digits = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase();
        if (1..=MAX_EPOCH_DIGITS).contains(&text.len()) && text.bytes().all(digits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(CursorError)
        }
    }
}

/// The id of a message: its epoch and its number in the room, formatted as `<epoch>-<seq>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    /// The numbering that the message belongs to.
    pub epoch: Epoch,
    /// The message's number, from 1 to [`MAX_SEQ`].
    pub seq: u64,
}

/// A position in a room's log: everything before it is known, and everything after it is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cursor {
    /// Before the first message: the cursor of an empty room, formatted as `0`.
    Start,
    /// After a message.
    After(MessageId),
}

/// The error for a text that is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: pass an id exactly as an event or a JSON answer gave it")]
pub struct CursorError;

// === impl MessageId ===

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

impl FromStr for MessageId {
    type Err = CursorError;

    /// Parses strictly: a position has a single spelling, without signs, leading zeros or white space.
    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (epoch, seq) = text.split_once('-').ok_or(CursorError)?;
        if seq.starts_with('0') || !seq.bytes().all(|b| b.is_ascii_digit()) {
            return Err(CursorError);
        }
        let seq = seq.parse().map_err(|_| CursorError)?;
        if seq > MAX_SEQ {
            return Err(CursorError);
        }
        Ok(Self { epoch: epoch.parse()?, seq })
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

// === impl Cursor ===

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("0"),
            Self::After(id) => id.fmt(f),
        }
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        match text {
            "0" => Ok(Self::Start),
            id => id.parse().map(Self::After),
        }
    }
}

impl From<MessageId> for Cursor {
    fn from(id: MessageId) -> Self {
        Self::After(id)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_cursor_of_an_empty_room_is_zero() {
        assert_eq!("0".parse(), Ok(Cursor::Start));
        assert_eq!(Cursor::Start.to_string(), "0");
    }

    #[test]
    fn a_position_has_a_single_spelling() {
        for text in [
            "",
            "00",
            "-",
            "e-",
            "-1",
            "e-0",
            "e-01",
            "e-+1",
            "e- 1",
            " e-1",
            "e-1 ",
            "E-1",
            "é-1",
            "e-1-2",
            "e-9007199254740992",
            "e-99999999999999999999999",
            "abcdefghijklmn-1",
            "<script>",
            "e_1",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_formatted_cursor_parses_to_itself(epoch in "[0-9a-z]{1,13}", seq in 1..=MAX_SEQ) {
            let cursor = Cursor::After(MessageId { epoch: Epoch(epoch), seq });
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn parsing_never_panics_and_accepts_only_formatted_cursors(text in any::<String>()) {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }

        #[test]
        fn a_generated_epoch_is_valid(_ in 0..8) {
            let epoch = Epoch::generate();
            prop_assert_eq!(epoch.as_str().parse(), Ok(epoch));
        }
    }
}

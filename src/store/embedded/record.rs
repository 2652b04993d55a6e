//! The tables of the file, and the encoding of a message.
//!
//! | table | key | value |
//! |---|---|---|
//! | `messages` | room, number: consecutive messages of a room are one range | the message, as below |
//! | `meta` | `format` | the version of this format: [`FORMAT`] |
//!
//! | bytes of a message | content |
//! |---|---|
//! | 1 | flags: it is the first of its epoch ([`FIRST`]), it has an expiry ([`EXPIRES`]) |
//! | 16 | the provisional id |
//! | 8 | the date, in Unix milliseconds; little-endian, as all numbers here |
//! | 8 | the expiry, in Unix milliseconds; zero if there is none |
//! | 1 + n | the length of the epoch, then the epoch |
//! | 2 + n | the length of the author, then the author |
//! | the rest | the text |
//!
//! The fields that are compared most come first, at fixed offsets, so that a search for a key reads a few bytes per message.

use redb::TableDefinition;
use uuid::Uuid;

use crate::{
    chat::{Author, MAX_SEQ, Message, MessageId, RoomId, Text, Timestamp},
    store::{Activity, Record, Retention, StoreError},
};

/// The format that this program writes, and the newest that it reads. Each change of the format gets a new number.
pub(super) const FORMAT: u64 = 1;
/// The key of the format in the table `meta`.
pub(super) const FORMAT_KEY: &str = "format";

pub(super) type Key = (&'static str, u64);
pub(super) type Value = &'static [u8];

pub(super) const MESSAGES: TableDefinition<'static, Key, Value> = TableDefinition::new("messages");
pub(super) const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");

const FIRST: u8 = 1;
const EXPIRES: u8 = 2;

/// An entry of the table of messages, whose fields are not validated yet.
pub(super) struct Entry<'a> {
    pub(super) room: &'a str,
    pub(super) seq: u64,
    pub(super) first: bool,
    pub(super) provisional_id: Uuid,
    pub(super) epoch: &'a str,
    date: Timestamp,
    expiry: Option<Timestamp>,
    author: &'a str,
    text: &'a str,
}

/// Encodes the value of a message.
pub(super) fn encode(message: &Message, first: bool, expiry: Option<Timestamp>) -> Vec<u8> {
    let (epoch, author, text) = (message.id.epoch.as_str(), message.from.as_str(), message.text.as_str());
    let mut value = Vec::with_capacity(36 + epoch.len() + author.len() + text.len());
    value.push(if first { FIRST } else { 0 } | if expiry.is_some() { EXPIRES } else { 0 });
    value.extend_from_slice(message.provisional_id.as_bytes());
    value.extend_from_slice(&message.date.as_millis().to_le_bytes());
    value.extend_from_slice(&expiry.map_or(0, Timestamp::as_millis).to_le_bytes());
    // An epoch has at most 13 digits, an author at most 64 characters of four bytes.
    value.push(u8::try_from(epoch.len()).expect("a short epoch"));
    value.extend_from_slice(epoch.as_bytes());
    value.extend_from_slice(&u16::try_from(author.len()).expect("a short name").to_le_bytes());
    value.extend_from_slice(author.as_bytes());
    value.extend_from_slice(text.as_bytes());
    value
}

/// Decodes an entry of the table.
pub(super) fn decode<'a>((room, seq): (&'a str, u64), value: &'a [u8]) -> Result<Entry<'a>, StoreError> {
    parse(room, seq, value).ok_or_else(|| invalid(room, seq))
}

fn parse<'a>(room: &'a str, seq: u64, value: &'a [u8]) -> Option<Entry<'a>> {
    let (flags, rest) = value.split_first()?;
    let (provisional_id, rest) = rest.split_first_chunk()?;
    let (date, rest) = rest.split_first_chunk()?;
    let (expiry, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first()?;
    let (epoch, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first_chunk()?;
    let (author, text) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let expiry = Timestamp::from_millis(i64::from_le_bytes(*expiry));
    Some(Entry {
        room,
        seq,
        first: flags & FIRST != 0,
        provisional_id: Uuid::from_bytes(*provisional_id),
        epoch: str::from_utf8(epoch).ok()?,
        date: Timestamp::from_millis(i64::from_le_bytes(*date)),
        expiry: (flags & EXPIRES != 0).then_some(expiry),
        author: str::from_utf8(author).ok()?,
        text: str::from_utf8(text).ok()?,
    })
}

impl Entry<'_> {
    pub(super) fn is_visible(&self, retention: Retention, now: Timestamp) -> bool {
        !retention.has_expired(self.date, self.expiry, now)
    }

    pub(super) fn id(&self) -> Result<MessageId, StoreError> {
        let epoch = self.epoch.parse().ok().filter(|_| (1..=MAX_SEQ).contains(&self.seq));
        Ok(MessageId { epoch: epoch.ok_or_else(|| invalid(self.room, self.seq))?, seq: self.seq })
    }

    pub(super) fn activity(&self) -> Result<Activity, StoreError> {
        let room = RoomId::parse(self.room).map_err(|_| invalid(self.room, self.seq))?;
        Ok(Activity { room, at: self.date })
    }

    pub(super) fn record(&self, retention: Retention, now: Timestamp) -> Result<Record, StoreError> {
        let message = Message {
            id: self.id()?,
            provisional_id: self.provisional_id,
            from: Author::parse(self.author).map_err(|_| invalid(self.room, self.seq))?,
            text: Text::parse(self.text).map_err(|_| invalid(self.room, self.seq))?,
            date: self.date,
        };
        Ok(Record { message, first: self.first, visible: self.is_visible(retention, now) })
    }
}

fn invalid(room: &str, seq: u64) -> StoreError {
    StoreError::Corrupt(format!("room {room:?}, number {seq}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Draft;
    use proptest::prelude::*;

    fn message(text: &str, millis: i64) -> Message {
        let draft = Draft {
            provisional_id: Uuid::from_u128(7),
            from: Author::parse("Åda").unwrap(),
            text: Text::parse(text).unwrap(),
            date: Timestamp::from_millis(millis),
        };
        draft.into_message("e-57".parse().unwrap())
    }

    #[test]
    fn an_invalid_value_is_reported_with_its_room_and_number() {
        let whole = encode(&message("hi", 0), false, None);
        let mut no_text = whole.clone();
        no_text.truncate(whole.len() - 2);
        let mut no_utf8 = whole.clone();
        *no_utf8.last_mut().unwrap() = 0xff;
        for value in [&[], &whole[..20], &no_text, &no_utf8] {
            let record =
                decode(("a", 57), value).and_then(|entry| entry.record(Retention::FOREVER, Timestamp::from_millis(0)));
            assert!(record.unwrap_err().to_string().contains("room \"a\", number 57"), "{value:?}");
        }
    }

    #[test]
    fn a_number_that_no_cursor_can_have_is_invalid() {
        let value = encode(&message("hi", 0), false, None);
        let decode =
            |seq| decode(("a", seq), &value).and_then(|e| e.record(Retention::FOREVER, Timestamp::from_millis(0)));
        assert!(decode(1).is_ok() && decode(MAX_SEQ).is_ok());
        for seq in [0, MAX_SEQ + 1, u64::MAX] {
            assert!(matches!(decode(seq), Err(StoreError::Corrupt(_))), "{seq}");
        }
    }

    proptest! {
        #[test]
        fn a_message_decodes_to_what_was_encoded(text in "\\PC{1,40}x", millis in 0_i64..4_000_000_000_000, first: bool) {
            let message = message(&text, millis);
            let value = encode(&message, first, Some(message.date));
            let at = |millis| decode(("a", 57), &value).and_then(|e| e.record(Retention::FOREVER, Timestamp::from_millis(millis)));
            prop_assert_eq!(at(millis - 1).unwrap(), Record { message: message.clone(), first, visible: true });
            prop_assert_eq!(at(millis).unwrap(), Record { message, first, visible: false });
        }

        #[test]
        fn no_value_panics(value in any::<Vec<u8>>()) {
            let _ = decode(("a", 1), &value).and_then(|entry| entry.record(Retention::FOREVER, Timestamp::now()));
        }
    }
}

//! The item of a message.
//!
//! | attribute | type | content |
//! |---|---|---|
//! | `pk` | S | `room#<room>` |
//! | `sk` | S | `m#<seq, 16 digits>`, so that keys sort like numbers |
//! | `epoch` | S | the epoch of the message's id |
//! | `first` | BOOL | `true` on the first message of an epoch, absent on all others |
//! | `provisional_id`, `author`, `text`, `date` | S | the message |
//! | `expires_at` | N | Unix seconds, for DynamoDB's TTL; absent if messages are kept forever |

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    chat::{Author, MAX_SEQ, Message, MessageId, RoomId, Text, Timestamp},
    store::{Record, Retention, StoreError},
};

pub(super) const PARTITION_KEY: &str = "pk";
pub(super) const SORT_KEY: &str = "sk";
pub(super) const EXPIRES_AT: &str = "expires_at";
const EPOCH: &str = "epoch";
const FIRST: &str = "first";
const PROVISIONAL_ID: &str = "provisional_id";
const AUTHOR: &str = "author";
const TEXT: &str = "text";
const DATE: &str = "date";

pub(super) type Item = HashMap<String, AttributeValue>;

/// The partition key of a room.
pub(super) fn partition(room: &RoomId) -> AttributeValue {
    AttributeValue::S(format!("room#{room}"))
}

/// The sort key of a number. [`MAX_SEQ`] has sixteen digits.
pub(super) fn sort_key(seq: u64) -> AttributeValue {
    AttributeValue::S(format!("m#{seq:016}"))
}

/// The number of a sort key, if it is one that a cursor can have, in the spelling of [`sort_key`].
fn number(key: &str) -> Option<u64> {
    let seq = key.strip_prefix("m#")?.parse().ok().filter(|seq| (1..=MAX_SEQ).contains(seq))?;
    (sort_key(seq).as_s().is_ok_and(|same| same == key)).then_some(seq)
}

pub(super) fn encode(room: &RoomId, message: &Message, first: bool, expiry: Option<Timestamp>) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let mut item = Item::from([
        (PARTITION_KEY.to_owned(), partition(room)),
        (SORT_KEY.to_owned(), sort_key(message.id.seq)),
        (EPOCH.to_owned(), text(message.id.epoch.as_str())),
        (PROVISIONAL_ID.to_owned(), text(&message.provisional_id.to_string())),
        (AUTHOR.to_owned(), text(message.from.as_str())),
        (TEXT.to_owned(), text(message.text.as_str())),
        (DATE.to_owned(), text(&message.date.to_string())),
    ]);
    if first {
        item.insert(FIRST.to_owned(), AttributeValue::Bool(true));
    }
    if let Some(expiry) = expiry {
        item.insert(EXPIRES_AT.to_owned(), AttributeValue::N(expiry.as_secs().to_string()));
    }
    item
}

pub(super) fn decode(item: &Item, retention: Retention, now: Timestamp) -> Result<Record, StoreError> {
    let invalid = |attribute: &str| {
        let key = |name| item.get(name).and_then(|value| value.as_s().ok()).map_or("?", String::as_str);
        StoreError::Corrupt(format!("{} {}: attribute {attribute:?}", key(PARTITION_KEY), key(SORT_KEY)))
    };
    let text = |name| item.get(name).and_then(|v| v.as_s().ok()).ok_or_else(|| invalid(name));
    let seq = number(text(SORT_KEY)?).ok_or_else(|| invalid(SORT_KEY))?;
    let message = Message {
        id: MessageId { epoch: text(EPOCH)?.parse().map_err(|_| invalid(EPOCH))?, seq },
        provisional_id: text(PROVISIONAL_ID)?.parse().map_err(|_| invalid(PROVISIONAL_ID))?,
        from: Author::parse(text(AUTHOR)?).map_err(|_| invalid(AUTHOR))?,
        text: Text::parse(text(TEXT)?).map_err(|_| invalid(TEXT))?,
        date: text(DATE)?.parse().map_err(|_| invalid(DATE))?,
    };
    let expiry = match item.get(EXPIRES_AT) {
        Some(value) => {
            let seconds: i64 = value.as_n().ok().and_then(|n| n.parse().ok()).ok_or_else(|| invalid(EXPIRES_AT))?;
            Some(Timestamp::from_millis(seconds.saturating_mul(1000)))
        }
        None => None,
    };
    let first = item.get(FIRST).is_some_and(|value| value == &AttributeValue::Bool(true));
    let visible = !retention.has_expired(message.date, expiry, now);
    Ok(Record { message, first, visible })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Draft;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn message(text: &str, millis: i64) -> Message {
        let draft = Draft {
            provisional_id: Uuid::from_u128(7),
            from: Author::parse("Ada").unwrap(),
            text: Text::parse(text).unwrap(),
            date: Timestamp::from_millis(millis),
        };
        draft.into_message("e-57".parse().unwrap())
    }

    #[test]
    fn an_invalid_item_is_reported_with_its_key_and_attribute() {
        let room = RoomId::parse("a").unwrap();
        let mut item = encode(&room, &message("hi", 0), false, None);
        item.insert(DATE.to_owned(), AttributeValue::S("yesterday".to_owned()));
        let error = decode(&item, Retention::FOREVER, Timestamp::now()).unwrap_err();
        assert!(error.to_string().contains("room#a m#0000000000000057: attribute \"date\""), "{error}");
    }

    #[test]
    fn a_sort_key_has_one_spelling_and_a_number_that_a_cursor_can_have() {
        assert_eq!(number("m#0000000000000001"), Some(1));
        assert_eq!(number("m#9007199254740991"), Some(MAX_SEQ));
        for key in ["m#0000000000000000", "m#9007199254740992", "m#57", "m#+000000000000057", "m#", "0000000000000057"]
        {
            assert_eq!(number(key), None, "{key}");
        }
    }

    proptest! {
        #[test]
        fn a_message_decodes_to_what_was_encoded(text in "\\PC{1,40}x", millis in 0_i64..4_000_000_000_000, first: bool) {
            let room = RoomId::parse("a").unwrap();
            let message = message(&text, millis);
            let item = encode(&room, &message, first, Some(message.date));
            let before_expiry = Timestamp::from_millis(millis - 2_000);
            let record = decode(&item, Retention::FOREVER, before_expiry).unwrap();
            prop_assert_eq!(record, Record { message, first, visible: true });
        }
    }
}

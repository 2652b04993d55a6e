//! The item of a room in the list of rooms. All these items share one partition.
//!
//! | attribute | type | content |
//! |---|---|---|
//! | `pk` | S | `rooms` |
//! | `sk` | S | the room's name |
//! | `at` | N | the date of a message that is less than a minute older than the newest, in Unix milliseconds |
//! | `expires_at` | N | Unix seconds, for DynamoDB's TTL: when the messages of that minute have expired |

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use super::message_item::{EXPIRES_AT, Item, PARTITION_KEY, SORT_KEY};
use crate::{
    chat::{RoomId, Timestamp},
    store::{Activity, Retention, StoreError},
};

pub(super) const PARTITION: &str = "rooms";
pub(super) const AT: &str = "at";

/// How accurate the dates of the list are.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn millis(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.as_millis().to_string())
}

pub(super) fn encode(room: &RoomId, at: Timestamp, retention: Retention) -> Item {
    let mut item = Item::from([
        (PARTITION_KEY.to_owned(), AttributeValue::S(PARTITION.to_owned())),
        (SORT_KEY.to_owned(), AttributeValue::S(room.to_string())),
        (AT.to_owned(), millis(at)),
    ]);
    // The room's newest message may be up to a minute younger.
    if let Some(expiry) = retention.expiry(at.plus(MINUTE)) {
        item.insert(EXPIRES_AT.to_owned(), AttributeValue::N(expiry.as_secs().to_string()));
    }
    item
}

/// Decodes a room; `None` if all of its messages have expired.
pub(super) fn decode(item: &Item, retention: Retention, now: Timestamp) -> Result<Option<Activity>, StoreError> {
    let name = item.get(SORT_KEY).and_then(|value| value.as_s().ok()).map_or("?", String::as_str);
    let invalid = |attribute: &str| StoreError::Corrupt(format!("{PARTITION} {name}: attribute {attribute:?}"));
    let number = |value: &AttributeValue| value.as_n().ok().and_then(|number| number.parse::<i64>().ok());
    let room = RoomId::parse(name).ok().filter(|room| room.as_str() == name).ok_or_else(|| invalid(SORT_KEY))?;
    let at = Timestamp::from_millis(item.get(AT).and_then(number).ok_or_else(|| invalid(AT))?);
    let expiry = match item.get(EXPIRES_AT) {
        None => None,
        Some(value) => {
            let secs = number(value).ok_or_else(|| invalid(EXPIRES_AT))?;
            Some(Timestamp::from_millis(secs.saturating_mul(1000)))
        }
    };
    Ok((!retention.has_expired(at.plus(MINUTE), expiry, now)).then_some(Activity { room, at }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn an_item_decodes_to_what_was_encoded_until_its_minute_has_expired() {
        let (room, date) = (RoomId::parse("café").unwrap(), at(1_700_000_000_123));
        let hour: Retention = "1h".parse().unwrap();
        let mut item = encode(&room, date, hour);
        assert_eq!(item[EXPIRES_AT], AttributeValue::N((1_700_000_000 + 60 + 3_600).to_string()));
        let activity = Activity { room: room.clone(), at: date };
        // A retention that was lengthened later does not apply to the messages that are already stored.
        for retention in [hour, Retention::FOREVER] {
            assert_eq!(decode(&item, retention, at(1_700_003_659_999)).unwrap(), Some(activity.clone()));
            assert_eq!(decode(&item, retention, at(1_700_003_660_123)).unwrap(), None);
        }
        let forever = encode(&room, date, Retention::FOREVER);
        assert!(!forever.contains_key(EXPIRES_AT));
        assert_eq!(decode(&forever, hour, at(1_700_003_660_123)).unwrap(), None);
        item.insert(AT.to_owned(), AttributeValue::S("yesterday".to_owned()));
        let error = decode(&item, hour, date).unwrap_err();
        assert!(error.to_string().contains("rooms café: attribute \"at\""), "{error}");
    }

    proptest! {
        #[test]
        fn no_item_panics(name in any::<String>(), millis in any::<i64>(), expiry in any::<Option<i64>>()) {
            let mut item = Item::from([
                (SORT_KEY.to_owned(), AttributeValue::S(name)),
                (AT.to_owned(), AttributeValue::N(millis.to_string())),
            ]);
            item.extend(expiry.map(|secs| (EXPIRES_AT.to_owned(), AttributeValue::N(secs.to_string()))));
            let _ = decode(&item, "1h".parse().unwrap(), at(0));
        }
    }
}

//! The items that a room's events are published as.

use super::{
    channels::{messages_channel, provisional_channel},
    event::Event,
    sse,
};
use crate::{
    chat::{Cursor, Draft, RoomId},
    grip::{Formats, Item},
    store::Appended,
};

/// Returns the item that shows a message before it is stored.
pub fn provisional_item(room: &RoomId, draft: &Draft) -> Item {
    Item::ephemeral(&provisional_channel(room), formats(&Event::provisional(draft)))
}

/// Returns the item that retracts a provisional message.
pub fn retraction_item(room: &RoomId, draft: &Draft) -> Item {
    Item::ephemeral(&provisional_channel(room), formats(&Event::retraction(draft)))
}

/// Returns the item of a stored message.
pub fn persisted_item(room: &RoomId, appended: &Appended) -> Item {
    let event = Event::message(&appended.message);
    let id = Cursor::from(appended.message.id.clone());
    Item::sequenced(&messages_channel(room), id.to_string(), appended.prev.to_string(), formats(&event))
}

/// Encodes an event for every kind of connection that can be subscribed to a room's channels.
fn formats(event: &Event) -> Formats {
    Formats::http_stream(sse::event(event))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::chat::{Author, Text, Timestamp};

    fn draft() -> Draft {
        Draft {
            provisional_id: Uuid::from_u128(1),
            from: Author::parse("Ada").unwrap(),
            text: Text::parse("a\nb").unwrap(),
            date: Timestamp::from_millis(0),
        }
    }

    const FIELDS: &str = r#"\"provisionalId\":\"00000000-0000-0000-0000-000000000001\",\"from\":\"Ada\",\"text\":\"a\\nb\",\"date\":\"1970-01-01T00:00:00.000Z\""#;

    #[test]
    fn provisional_items_have_no_id() {
        let room = RoomId::parse("a").unwrap();
        for (item, rest) in
            [(provisional_item(&room, &draft()), ""), (retraction_item(&room, &draft()), r#",\"retracted\":true"#)]
        {
            let expected = format!(
                r#"{{"channel":"provisional-a","formats":{{"http-stream":{{"content":"event: message\ndata: {{{FIELDS}{rest}}}\n\n"}}}}}}"#
            );
            assert_eq!(serde_json::to_string(&item).unwrap(), expected);
        }
    }

    #[test]
    fn a_stored_message_names_the_cursor_before_it() {
        let message = draft().into_message("e-2".parse().unwrap());
        let appended = Appended::new(message, false, false);
        let item = persisted_item(&RoomId::parse("a").unwrap(), &appended);
        let expected = format!(
            r#"{{"channel":"messages-a","id":"e-2","prev-id":"e-1","formats":{{"http-stream":{{"content":"event: message\nid: e-2\ndata: {{\"id\":\"e-2\",{FIELDS}}}\n\n"}}}}}}"#
        );
        assert_eq!(serde_json::to_string(&item).unwrap(), expected);
    }
}

//! The values that the templates show. `client/render.js` and `client/grouping.js` create the same elements for
//! messages that arrive later.

use std::time::Duration;

use super::{author, link::query, text};
use crate::{
    chat::{Author, Message, RoomId, Timestamp},
    feed,
    store::Activity,
};

/// The longest pause between two messages of a group. A group is shown with one header, that of its first message.
const GROUP_PAUSE: Duration = Duration::from_mins(5);

/// The longest time from the first to the last message of a group, so that the time in the header stays close to all of
/// them.
const GROUP_LENGTH: Duration = Duration::from_mins(15);

/// A message.
pub(super) struct MessageView {
    pub(super) id: String,
    pub(super) seq: String,
    pub(super) provisional_id: String,
    pub(super) class: String,
    /// The day in words, if this is the first message of its day.
    pub(super) day: Option<String>,
    pub(super) from: String,
    pub(super) initials: String,
    pub(super) pieces: Vec<text::Piece>,
    pub(super) date: String,
    pub(super) time: String,
}

/// The person who reads the page.
pub(super) struct ReaderView {
    pub(super) name: String,
    pub(super) initials: String,
    pub(super) hue: u32,
    /// `?user=…`.
    pub(super) query: String,
}

/// A room in the list.
pub(super) struct RoomView {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) date: String,
    pub(super) time: String,
    pub(super) current: bool,
}

impl MessageView {
    /// A page of a room's log as one reader sees it, oldest message first.
    pub(super) fn all(messages: Vec<Message>, reader: &Author) -> Vec<Self> {
        /// The previous message, and the start of its group.
        struct Previous {
            from: Author,
            date: Timestamp,
            group_start: Timestamp,
        }

        let mut previous: Option<Previous> = None;
        let view = |message: Message| {
            let (from, date) = (message.from.clone(), message.date);
            let new_day = previous.as_ref().is_none_or(|previous| previous.date.day() != date.day());
            let continues = |previous: &&Previous| {
                !new_day
                    && previous.from == from
                    && date <= previous.date.plus(GROUP_PAUSE)
                    && date <= previous.group_start.plus(GROUP_LENGTH)
            };
            let group_start = previous.as_ref().filter(continues).map(|previous| previous.group_start);
            previous = Some(Previous { from, date, group_start: group_start.unwrap_or(date) });
            Self::new(message, reader, new_day, group_start.is_none())
        };
        messages.into_iter().map(view).collect()
    }

    /// An empty message, which the script copies and fills.
    pub(super) fn blank() -> Self {
        Self {
            id: String::new(),
            seq: String::new(),
            provisional_id: String::new(),
            class: "message".to_owned(),
            day: None,
            from: String::new(),
            initials: String::new(),
            pieces: Vec::new(),
            date: String::new(),
            time: String::new(),
        }
    }

    fn new(message: Message, reader: &Author, new_day: bool, leads: bool) -> Self {
        let from = message.from.to_string();
        let text = message.text.to_string();
        let class = |applies: bool, name| if applies { name } else { "" };
        Self {
            // The order of `className` in client/render.js.
            class: format!(
                "message hue-{}{}{}{}",
                author::hue(&from),
                class(message.from == *reader, " own"),
                class(text::is_emoji_alone(&text), " emoji"),
                class(leads, " lead"),
            ),
            id: message.id.to_string(),
            seq: message.id.seq.to_string(),
            provisional_id: message.provisional_id.to_string(),
            day: new_day.then(|| message.date.day()),
            initials: author::initials(&from),
            from,
            pieces: text::pieces(&text),
            date: message.date.to_string(),
            time: format!("{} UTC", message.date.clock()),
        }
    }
}

impl ReaderView {
    pub(super) fn new(author: &Author) -> Self {
        let name = author.to_string();
        let query = query(&[("user", Some(&name))]);
        Self { initials: author::initials(&name), hue: author::hue(&name), query, name }
    }
}

impl RoomView {
    pub(super) fn all(rooms: Vec<Activity>, current: Option<&RoomId>) -> Vec<Self> {
        let view = |Activity { room, at }| Self {
            current: current == Some(&room),
            path: feed::path_segment(&room),
            name: room.to_string(),
            date: at.to_string(),
            time: at.short_day(),
        };
        rooms.into_iter().map(view).collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::chat::{MessageId, Text};

    const MINUTE: i64 = 60_000;

    /// The classes of a log of messages: author, minutes since the start of 2 January 2026 (UTC), and text.
    fn shown(log: &[(&str, i64, &str)]) -> Vec<String> {
        let message = |&(from, minute, text): &(&str, i64, &str)| Message {
            id: MessageId { epoch: "e".parse().unwrap(), seq: 1 },
            provisional_id: Uuid::nil(),
            from: Author::parse(from).unwrap(),
            text: Text::parse(text).unwrap(),
            date: Timestamp::from_millis(1_767_312_000_000 + minute * MINUTE),
        };
        let views = MessageView::all(log.iter().map(message).collect(), &Author::parse("Ada").unwrap());
        views.into_iter().map(|view| format!("{}{}", view.class, view.day.map_or("", |_| " (day)"))).collect()
    }

    #[test]
    fn messages_of_one_author_in_a_row_are_a_group() {
        let log = [("Bob", 0, "a"), ("Bob", 5, "b"), ("Bob", 11, "c"), ("Ada", 11, "👍"), ("Bob", 12, "d")];
        let expected = [
            "message hue-4 lead (day)",
            "message hue-4",
            "message hue-4 lead",
            "message hue-11 own emoji lead",
            "message hue-4 lead",
        ];
        assert_eq!(shown(&log), expected);
    }

    #[test]
    fn a_group_has_a_maximum_length() {
        let log = [0, 4, 8, 12, 15, 16, 20, 24, 28, 31, 32].map(|minute| ("Bob", minute, "a"));
        let leads: Vec<bool> = shown(&log).iter().map(|class| class.contains(" lead")).collect();
        assert_eq!(leads, [true, false, false, false, false, true, false, false, false, false, true]);
    }

    #[test]
    fn the_first_message_of_a_day_shows_the_day() {
        let midnight = 24 * 60;
        let log = [("Bob", midnight - 1, "a"), ("Bob", midnight, "b"), ("Bob", midnight + 1, "c")];
        assert_eq!(shown(&log), ["message hue-4 lead (day)", "message hue-4 lead (day)", "message hue-4"]);
    }
}

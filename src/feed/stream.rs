//! The responses that carry the pages of a stream.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use http::HeaderMap;

use super::{
    Variant,
    channels::{messages_channel, provisional_channel},
    next_link::NextLink,
    page::{NextStep, StreamPage},
    sse,
};
use crate::{
    chat::{Cursor, RoomId},
    grip::{Hold, HoldChannel, NextPage},
};

/// The silence after which a keep-alive is sent. It is below the 30 s after which the strictest common proxies close an
/// idle connection, and short enough for a page to consider a stream dead after 45 s.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(20);

/// The time after which a proxy requests again what the store could not return.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A response that carries a page as Server-Sent Events.
#[derive(Clone, Debug)]
pub struct SseResponse {
    /// Instructions for the proxy.
    pub grip: HeaderMap,
    /// Events for the client.
    pub body: String,
}

/// Makes the responses of all streams.
#[derive(Clone, Copy, Debug)]
pub struct Feed {
    recheck: Duration,
}

impl Feed {
    /// Creates a feed whose streams are rechecked by their proxies at least once in an interval.
    pub fn new(recheck: Duration) -> Self {
        Self { recheck }
    }

    /// Encodes a page of a room's stream, and tells the proxy to hold the stream or to request the next page.
    pub fn sse_response(&self, room: &RoomId, variant: Variant, page: &StreamPage) -> SseResponse {
        let cursor = page.cursor();
        let grip = match page.next {
            NextStep::Page => NextPage { next: NextLink { variant, page: Some(cursor) }.path(room) }.headers(),
            NextStep::Hold => sse_hold(room, variant, &cursor, self.recheck_of(room)).headers(),
            NextStep::HoldAndRetry => sse_hold(room, variant, &cursor, RETRY_AFTER.min(self.recheck)).headers(),
        };
        SseResponse { grip, body: sse::page(page) }
    }

    /// Returns the interval at which proxies recheck a room's streams.
    ///
    /// It is the same for all streams of a room, so that one read serves them all. Rooms are spread over a quarter of
    /// the interval, so that their rechecks do not all come at once.
    fn recheck_of(&self, room: &RoomId) -> Duration {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        // The remainder is below 100, so it is exact.
        let share = (hasher.finish() % 100) as f64 / 100.0;
        self.recheck.mul_f64(1.0 - share / 4.0)
    }
}

fn sse_hold(room: &RoomId, variant: Variant, cursor: &Cursor, recheck: Duration) -> Hold {
    let mut channels = vec![HoldChannel { channel: messages_channel(room), prev_id: Some(cursor.to_string()) }];
    if variant == Variant::Full {
        channels.push(HoldChannel { channel: provisional_channel(room), prev_id: None });
    }
    Hold {
        channels,
        keep_alive: sse::keep_alive(),
        keep_alive_after: KEEP_ALIVE_AFTER,
        next: NextLink { variant, page: None }.path(room),
        recheck,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        chat::{Author, Draft, Message, Text, Timestamp},
        store::ResetReason,
    };

    fn room() -> RoomId {
        RoomId::parse("café").unwrap()
    }

    fn message(id: &str) -> Message {
        let draft = Draft {
            provisional_id: Uuid::from_u128(1),
            from: Author::parse("Ada").unwrap(),
            text: Text::parse("<hi>\n\u{2028}").unwrap(),
            date: Timestamp::from_millis(0),
        };
        draft.into_message(id.parse().unwrap())
    }

    fn page(after: &str, messages: &[&str]) -> StreamPage {
        StreamPage {
            opening: false,
            reset: None,
            after: after.parse().unwrap(),
            messages: messages.iter().map(|id| message(id)).collect(),
            next: NextStep::Hold,
        }
    }

    fn feed() -> Feed {
        Feed::new(Duration::from_secs(60))
    }

    #[test]
    fn a_stream_is_held_after_the_last_message_of_its_page() {
        let response = feed().sse_response(&room(), Variant::Full, &page("e-1", &["e-2", "e-3"]));
        assert_eq!(response.grip["grip-channel"], "messages-caf%C3%A9; prev-id=e-3, provisional-caf%C3%A9");
        assert!(response.grip["grip-link"].to_str().unwrap().starts_with("</rooms/caf%C3%A9/recover/>; rel=next"));
        assert_eq!(response.grip["grip-keep-alive"], r"event: keep-alive\ndata: {}\n\n; format=cstring; timeout=20");
        assert_eq!(
            response.body,
            "event: message\nid: e-2\ndata: {\"id\":\"e-2\",\"provisionalId\":\"00000000-0000-0000-0000-000000000001\",\
             \"from\":\"Ada\",\"text\":\"<hi>\\n\u{2028}\",\"date\":\"1970-01-01T00:00:00.000Z\"}\n\n"
                .to_owned() + &response.body[response.body.find("event: message\nid: e-3").unwrap()..]
        );
    }

    #[test]
    fn the_stream_of_an_empty_room_is_held_at_zero() {
        let response = feed().sse_response(&room(), Variant::Full, &StreamPage { opening: true, ..page("0", &[]) });
        assert!(response.grip["grip-channel"].to_str().unwrap().contains("prev-id=0,"));
        assert_eq!(response.body, "event: stream-open\nid: 0\ndata: {\"lastEventId\":\"0\"}\n\n");
    }

    #[test]
    fn a_reset_comes_before_the_stream_opens_and_has_a_data_line() {
        let reset = Some(ResetReason::Ahead);
        let page = StreamPage { opening: true, reset, ..page("e-9", &[]) };
        let response = feed().sse_response(&room(), Variant::Full, &page);
        assert!(response.body.starts_with(
            "event: stream-reset\nid: e-9\ndata: {\"reason\":\"ahead\",\"lastEventId\":\"e-9\"}\n\nevent: stream-open\n"
        ));
    }

    #[test]
    fn a_page_that_is_not_the_last_links_to_the_next_page_and_holds_nothing() {
        let page = StreamPage { next: NextStep::Page, ..page("0", &["e-1"]) };
        let response = feed().sse_response(&room(), Variant::Persisted, &page);
        assert_eq!(response.grip.len(), 1);
        assert_eq!(response.grip["grip-link"], "</rooms/caf%C3%A9/recover/persisted/after/e-1/>; rel=next");
    }

    #[test]
    fn a_stream_of_persisted_messages_has_one_channel_and_its_own_next_link() {
        let response = feed().sse_response(&room(), Variant::Persisted, &page("e-1", &[]));
        assert_eq!(response.grip["grip-channel"], "messages-caf%C3%A9; prev-id=e-1");
        assert!(response.grip["grip-link"].to_str().unwrap().starts_with("</rooms/caf%C3%A9/recover/persisted/>"));
    }

    #[test]
    fn a_stream_that_could_not_be_read_is_held_at_its_cursor_and_rechecked_soon() {
        let page = StreamPage::unchanged("e-7".parse().unwrap());
        let response = feed().sse_response(&room(), Variant::Persisted, &page);
        assert_eq!(response.grip["grip-channel"], "messages-caf%C3%A9; prev-id=e-7");
        assert_eq!(response.grip["grip-link"], "</rooms/caf%C3%A9/recover/persisted/>; rel=next; timeout=5");
        assert_eq!(response.body, "");
    }

    #[test]
    fn a_room_has_one_recheck_interval_and_rooms_are_spread_over_a_quarter_of_it() {
        let intervals: Vec<_> =
            (0..50).map(|n| feed().recheck_of(&RoomId::parse(&format!("r{n}")).unwrap()).as_secs()).collect();
        assert!(intervals.iter().all(|s| (45..=60).contains(s)), "{intervals:?}");
        assert!(intervals.iter().any(|s| *s != intervals[0]), "{intervals:?}");
        assert_eq!(feed().recheck_of(&room()), feed().recheck_of(&room()));
    }
}

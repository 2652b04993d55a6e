//! What a stream makes of items, answers and slow readers, without a socket.

use proptest::prelude::*;

use super::{
    model::{Event, item, judge, message, send, stream, terms},
    *,
};

impl Stream {
    fn take(&mut self, item: &Arc<Item>) -> Effects {
        let mut effects = Effects::default();
        let sub = self.sub_of(item).expect("it listens on the channel");
        self.offer(sub, item, &mut effects);
        if effects.ask.is_some() {
            self.begin_to_ask(false);
        }
        effects
    }
}

#[test]
fn items_in_turn_are_sent() {
    let mut stream = stream(0);
    assert_eq!(stream.take(&message(1)), Effects::default());
    stream.take(&message(2));
    assert_eq!((stream.said().as_str(), stream.prev()), ("1,2,", 2));
}

#[test]
fn a_gap_is_asked_for_and_what_came_meanwhile_follows_the_answer() {
    let mut stream = stream(0);
    let effects = stream.take(&message(3));
    assert_eq!(effects, Effects { ask: Some(false), forget: Some("messages".into()), soon: false });
    assert_eq!(stream.take(&message(4)), Effects::default());
    assert_eq!(stream.take(&message(5)), Effects::default());
    assert_eq!(stream.said(), "");
    assert_eq!(stream.answer(4), Effects::default());
    assert_eq!(stream.said(), "1,2,3,4,5,");
}

#[test]
fn an_answer_beyond_what_was_held_back_is_checked_once_more() {
    let mut stream = stream(0);
    stream.take(&message(2));
    assert_eq!(stream.answer(3).ask, Some(false));
    stream.begin_to_ask(false);
    assert_eq!(stream.answer(3).ask, None);
    assert_eq!(stream.said(), "1,2,3,");
}

#[test]
fn an_answer_that_ends_before_what_was_held_back_is_asked_for_again() {
    let mut stream = stream(0);
    stream.take(&message(3));
    assert_eq!(stream.answer(1).ask, Some(false));
    stream.begin_to_ask(false);
    stream.answer(3);
    assert_eq!(stream.said(), "1,2,3,");
}

#[test]
fn without_an_answer_items_in_turn_go_on_and_a_gap_waits() {
    let mut stream = stream(0);
    stream.begin_to_ask(false);
    stream.take(&message(1));
    assert_eq!(stream.said(), "");
    let mut effects = Effects::default();
    stream.go_on_unanswered(Instant::now(), &mut effects);
    assert_eq!(stream.said(), "1,");
    assert!(stream.take(&message(3)).soon, "who publishes is there again");
    assert_eq!(stream.said(), "1,");
    assert!(stream.take(&message(4)).soon);
    assert_eq!(stream.begin_to_ask(false), None, "it waits for its time");
    stream.retrying = None;
    assert!(stream.begin_to_ask(false).is_some());
    stream.answer(3);
    assert_eq!(stream.said(), "1,2,3,4,");
    assert!(!stream.take(&message(6)).soon, "it asks at once");
}

#[test]
fn what_came_before_the_link_failed_does_not_make_it_ask_sooner() {
    let mut stream = stream(0);
    stream.begin_to_ask(false);
    stream.take(&message(2));
    let mut effects = Effects::default();
    stream.go_on_unanswered(Instant::now(), &mut effects);
    assert!(!effects.soon);
}

#[test]
fn what_is_held_back_and_too_much_is_asked_for_again() {
    let mut stream = stream(0);
    stream.begin_to_ask(false);
    let last = u32::try_from(MOST_HELD_BACK).unwrap() + 3;
    (1..=last).for_each(|n| drop(stream.take(&message(n))));
    assert_eq!(stream.answer(0).ask, Some(false));
    stream.begin_to_ask(false);
    stream.answer(last);
    assert_eq!(stream.said().matches(',').count(), last as usize);
}

#[test]
fn a_slow_reader_is_recovered_on_a_reliable_channel_and_skips_on_another() {
    let mut stream = stream(0);
    let loose = item("loose", "", None, send("x,"));
    let mut sent = 0;
    while stream.outlet.has_room() {
        sent += 1;
        stream.take(&message(sent));
    }
    assert_eq!(stream.take(&message(sent + 1)), Effects::default());
    assert_eq!(stream.take(&message(sent + 2)), Effects::default());
    assert_eq!(stream.take(&loose), Effects::default());
    assert_eq!(stream.prev(), sent);
    stream.outlet.clear();
    assert!(stream.caught_up() && !stream.caught_up());
    assert!(stream.begin_to_ask(false).is_some());
    stream.answer(sent + 2);
    stream.take(&message(sent + 3));
    assert_eq!(stream.said(), format!("{},{},{},", sent + 1, sent + 2, sent + 3));
}

#[test]
fn a_slow_reader_asks_when_it_has_caught_up_and_not_before() {
    let mut stream = stream(0);
    let page = "x".repeat(1 << 20);
    stream.outlet.push_always(&Frame::new(page.as_bytes()).unwrap());
    assert_eq!(stream.begin_to_ask(true), None, "an answer would have no place to wait in");
    stream.outlet.clear();
    assert!(stream.caught_up());
    assert!(stream.begin_to_ask(false).is_some());
}

#[test]
fn an_item_without_an_id_ends_the_reliability_of_its_channel() {
    let mut stream = stream(0);
    stream.take(&item("messages", "", Some("0"), send("a,")));
    stream.take(&item("messages", "9", Some("7"), send("b,")));
    assert_eq!(stream.said(), "a,b,");
}

#[test]
fn a_hint_asks_at_once_and_a_close_ends_the_stream() {
    let mut stream = stream(0);
    assert_eq!(stream.take(&item("loose", "", None, Action::Hint)).ask, Some(true));
    stream.answer(0);
    stream.take(&item("loose", "", None, Action::Close));
    stream.take(&message(1));
    assert_eq!(stream.said(), "");
}

#[test]
fn a_hint_while_an_answer_is_on_its_way_asks_once_more() {
    let mut stream = stream(0);
    stream.begin_to_ask(false);
    stream.begin_to_ask(true);
    assert_eq!(stream.answer(0).ask, Some(false));
    stream.begin_to_ask(false);
    assert_eq!(stream.answer(0).ask, None);
}

#[test]
fn keep_alives_come_when_nothing_else_was_sent() {
    let mut stream = stream(0);
    let after = Duration::from_secs(20);
    stream.terms.keep_alive = Some(KeepAlive { frame: Frame::new(b"k,").unwrap(), after, interval: false });
    let begin = stream.sent;
    assert_eq!(stream.keep_alive(begin + after / 2), Some(begin + after));
    assert_eq!(stream.said(), "");
    assert_eq!(stream.keep_alive(begin + after), Some(begin + after * 2));
    assert_eq!(stream.said(), "k,");
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => Just(Event::Publish),
        2 => Just(Event::Lose),
        1 => (0u32..5).prop_map(Event::Repeat),
        1 => Just(Event::Recheck),
        3 => any::<bool>().prop_map(|late| Event::Answer { late }),
        1 => Just(Event::Fail),
        2 => Just(Event::Drain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The promise, in any order of events: each message once, in order, and in the end all of them.
    #[test]
    fn no_stream_has_a_gap_or_a_double(events in proptest::collection::vec(event(), 0..400)) {
        let (said, all) = judge(events);
        prop_assert_eq!(said, all);
    }
}

// === the end of the edge ===

fn events(body_ends: bool) -> Stream {
    Stream::new(terms(0), Outlet::new(false, Some(body_ends)), HeaderValue::from_static("a"), None)
}

#[test]
fn a_client_of_an_event_stream_is_asked_to_stay_away() {
    let mut stream = events(true);
    stream.send_away(Duration::from_millis(2_500));
    assert_eq!(stream.outlet.queued(), "retry: 2500\n\n");
    // Nor is it asked twice, or after its end.
    stream.send_away(Duration::from_secs(1));
    assert_eq!(stream.outlet.queued(), "retry: 2500\n\n");
}

#[test]
fn no_event_is_cut_by_what_the_edge_says_at_its_end() {
    for (body_ends, frames, asks) in [
        (false, &[][..], false),
        (true, &["data: 1\n\n"], true),
        (true, &["data: 1\r\n\r\n"], true),
        (true, &["data: 1\n"], false),
        (true, &["data: 1\n\n", "data: 2"], false),
        (true, &["data: 1\n", "\n"], false),
        (false, &["data: 2\n\n"], true),
    ] {
        let mut stream = events(body_ends);
        for frame in frames {
            stream.outlet.push_always(&Frame::new(frame.as_bytes()).unwrap());
        }
        stream.send_away(Duration::from_secs(1));
        assert_eq!(stream.outlet.queued().contains("retry"), asks, "{body_ends} {frames:?}");
    }
}

#[test]
fn what_is_no_event_stream_just_ends() {
    let mut stream = stream(0);
    stream.send_away(Duration::from_secs(1));
    assert_eq!(stream.outlet.queued(), "");
}

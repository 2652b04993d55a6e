//! How a stream handles items, answers and slow readers, without a socket.

use proptest::prelude::*;

use super::{
    model::{Event, item, message, run, send, settings, stream},
    state::MAX_HELD_BACK,
    *,
};
use crate::edge::items::Frame;

impl HeldStream {
    /// Offers an item, and starts the request that it causes.
    fn receive(&mut self, item: &Arc<Item>) -> Effects {
        let mut effects = Effects::default();
        let subscription = self.subscription_of(item).expect("it subscribes to the channel");
        self.offer(subscription, item, &mut effects);
        if effects.request.is_some() {
            self.request(Priority::Low);
        }
        effects
    }

    fn fail(&mut self) -> Effects {
        let mut effects = Effects::default();
        self.resume_after_failure(Instant::now(), &mut effects);
        effects
    }

    fn fill_queue(&mut self) {
        self.queue.push_unbounded(&Frame::new("x".repeat(1 << 20).as_bytes()).expect("it is not empty"));
        assert!(!self.queue.has_room());
    }
}

#[test]
fn items_in_order_are_sent() {
    let mut stream = stream(0);
    assert_eq!(stream.receive(&message(1)), Effects::default());
    stream.receive(&message(2));
    assert_eq!((stream.sent().as_str(), stream.prev()), ("1,2,", 2));
}

#[test]
fn a_gap_is_requested_and_later_items_follow_the_answer() {
    let mut stream = stream(0);
    let effects = stream.receive(&message(3));
    let expected = Effects { request: Some(Priority::Low), forget: Some("messages".into()), retry_soon: false };
    assert_eq!(effects, expected);
    assert_eq!(stream.receive(&message(4)), Effects::default());
    assert_eq!(stream.receive(&message(5)), Effects::default());
    assert_eq!(stream.sent(), "");
    assert_eq!(stream.answer(4), Effects::default());
    assert_eq!(stream.sent(), "1,2,3,4,5,");
}

#[test]
fn an_answer_beyond_the_items_held_back_is_checked_once_more() {
    let mut stream = stream(0);
    stream.receive(&message(2));
    assert_eq!(stream.answer(3).request, Some(Priority::Low));
    stream.request(Priority::Low);
    assert_eq!(stream.answer(3).request, None);
    assert_eq!(stream.sent(), "1,2,3,");
}

#[test]
fn an_answer_that_ends_before_the_items_held_back_is_requested_again() {
    let mut stream = stream(0);
    stream.receive(&message(3));
    assert_eq!(stream.answer(1).request, Some(Priority::Low));
    stream.request(Priority::Low);
    stream.answer(3);
    assert_eq!(stream.sent(), "1,2,3,");
}

#[test]
fn after_a_failure_items_in_order_are_sent_and_a_gap_waits() {
    let mut stream = stream(0);
    stream.request(Priority::Low);
    stream.receive(&message(1));
    assert_eq!(stream.sent(), "");
    stream.fail();
    assert_eq!(stream.sent(), "1,");
    assert!(stream.receive(&message(3)).retry_soon, "the publisher runs again");
    assert_eq!(stream.sent(), "1,");
    assert!(stream.receive(&message(4)).retry_soon);
    assert_eq!(stream.request(Priority::Low), None, "the pause is not over");
    stream.retry();
    assert!(stream.request(Priority::Low).is_some());
    stream.answer(3);
    assert_eq!(stream.sent(), "1,2,3,4,");
    assert!(!stream.receive(&message(6)).retry_soon, "it requests the link at once");
}

#[test]
fn an_item_from_before_the_failure_does_not_shorten_the_pause() {
    let mut stream = stream(0);
    stream.request(Priority::Low);
    stream.receive(&message(2));
    assert!(!stream.fail().retry_soon);
}

#[test]
fn a_hint_before_a_failure_causes_no_second_request_after_the_retry() {
    let mut stream = stream(0);
    stream.request(Priority::Low);
    stream.request(Priority::High);
    stream.fail();
    stream.retry();
    assert!(stream.request(Priority::Low).is_some());
    assert_eq!(stream.answer(0).request, None);
}

#[test]
fn items_beyond_those_held_back_are_requested_again() {
    let mut stream = stream(0);
    stream.request(Priority::Low);
    let last = u32::try_from(MAX_HELD_BACK).unwrap() + 3;
    (1..=last).for_each(|n| drop(stream.receive(&message(n))));
    assert_eq!(stream.answer(0).request, Some(Priority::Low));
    stream.request(Priority::Low);
    stream.answer(last);
    assert_eq!(stream.sent().matches(',').count(), last as usize);
}

#[test]
fn a_slow_reader_is_recovered_on_a_reliable_channel_and_skips_on_another() {
    let mut stream = stream(0);
    let loose = item("loose", "", None, send("x,"));
    let mut sent = 0;
    while stream.queue.has_room() {
        sent += 1;
        stream.receive(&message(sent));
    }
    assert_eq!(stream.receive(&message(sent + 1)), Effects::default());
    assert_eq!(stream.receive(&message(sent + 2)), Effects::default());
    assert_eq!(stream.receive(&loose), Effects::default());
    assert_eq!(stream.prev(), sent);
    stream.queue.clear();
    assert!(stream.catch_up() && !stream.catch_up());
    assert!(stream.request(Priority::Low).is_some());
    stream.answer(sent + 2);
    stream.receive(&message(sent + 3));
    assert_eq!(stream.sent(), format!("{},{},{},", sent + 1, sent + 2, sent + 3));
}

#[test]
fn a_slow_reader_requests_the_link_when_it_has_caught_up_and_not_before() {
    let mut stream = stream(0);
    stream.fill_queue();
    assert_eq!(stream.request(Priority::High), None, "an answer would not fit into the queue");
    stream.queue.clear();
    assert!(stream.catch_up());
    assert!(stream.request(Priority::Low).is_some());
}

/// Such an item may be newer than the answer, and nothing else would show that it is missing.
#[test]
fn an_item_during_a_request_is_kept_although_the_reader_has_not_caught_up() {
    let mut stream = stream(0);
    stream.fill_queue();
    stream.receive(&message(1));
    // The reader has read something, but not everything.
    stream.queue.clear();
    assert!(stream.request(Priority::Low).is_some());
    stream.receive(&message(2));
    assert!(!stream.catch_up());
    assert_eq!(stream.answer(1), Effects::default());
    assert_eq!(stream.sent(), "1,2,");
}

#[test]
fn items_held_back_wait_through_all_pages_of_an_answer() {
    let mut stream = stream(0);
    stream.request(Priority::Low);
    stream.receive(&message(2));
    stream.turn_page(Link { uri: "/page".into(), recheck_after: Duration::from_secs(60) });
    stream.receive(&message(3));
    assert_eq!(stream.request(Priority::High).as_deref(), Some("/page"));
    assert_eq!(stream.answer(1), Effects::default());
    assert_eq!(stream.sent(), "1,2,3,");
}

#[test]
fn a_page_waits_for_a_slow_reader() {
    let mut stream = stream(0);
    stream.request(Priority::Low);
    stream.receive(&message(2));
    stream.turn_page(Link { uri: "/page".into(), recheck_after: Duration::from_secs(60) });
    stream.fill_queue();
    assert_eq!(stream.request(Priority::High), None);
    stream.queue.clear();
    assert!(stream.catch_up());
    assert_eq!(stream.request(Priority::Low).as_deref(), Some("/page"));
    stream.answer(1);
    assert_eq!(stream.sent(), "1,2,");
}

#[test]
fn an_item_without_an_id_ends_the_reliability_of_its_channel() {
    let mut stream = stream(0);
    stream.receive(&item("messages", "", Some("0"), send("a,")));
    stream.receive(&item("messages", "9", Some("7"), send("b,")));
    assert_eq!(stream.sent(), "a,b,");
}

#[test]
fn a_hint_requests_the_link_at_once_and_a_close_ends_the_stream() {
    let mut stream = stream(0);
    assert_eq!(stream.receive(&item("loose", "", None, Action::Hint)).request, Some(Priority::High));
    stream.answer(0);
    stream.receive(&item("loose", "", None, Action::Close));
    stream.receive(&message(1));
    assert_eq!(stream.sent(), "");
}

#[test]
fn a_hint_during_a_request_causes_another_request() {
    let mut stream = stream(0);
    stream.request(Priority::Low);
    stream.request(Priority::High);
    assert_eq!(stream.answer(0).request, Some(Priority::Low));
    stream.request(Priority::Low);
    assert_eq!(stream.answer(0).request, None);
}

#[test]
fn a_closed_stream_requests_nothing_and_stays_closed() {
    let mut stream = stream(0);
    stream.request(Priority::Low);
    stream.receive(&message(2));
    stream.close();
    assert_eq!(stream.request(Priority::High), None);
    assert_eq!(stream.fail(), Effects::default());
    assert_eq!(stream.answer(2), Effects::default());
    stream.receive(&message(1));
    assert!(stream.is_closing());
    assert_eq!(stream.sent(), "");
}

#[test]
fn a_keep_alive_is_sent_after_silence() {
    let mut stream = stream(0);
    let after = Duration::from_secs(20);
    stream.settings.keep_alive = Some(KeepAlive { frame: Frame::new(b"k,").unwrap(), after, periodic: false });
    let start = stream.last_sent;
    assert_eq!(stream.keep_alive(start + after / 2), Some(start + after));
    assert_eq!(stream.sent(), "");
    assert_eq!(stream.keep_alive(start + after), Some(start + after * 2));
    assert_eq!(stream.sent(), "k,");
}

/// Items and the keep-alive often meet in one round of the shard, above all on a busy machine.
#[test]
fn a_periodic_keep_alive_is_sent_together_with_items() {
    let after = Duration::from_secs(20);
    for (periodic, sent) in [(true, "1,k,"), (false, "1,")] {
        let mut stream = stream(0);
        stream.settings.keep_alive = Some(KeepAlive { frame: Frame::new(b"k,").unwrap(), after, periodic });
        let start = stream.last_sent;
        stream.receive(&message(1));
        assert_eq!(stream.keep_alive(start + after), Some(start + after * 2));
        assert_eq!(stream.sent(), sent);
    }
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

    /// The guarantee, for any order of events: each message once, in order, and in the end all of them.
    #[test]
    fn no_stream_has_a_gap_or_a_duplicate(events in proptest::collection::vec(event(), 0..400)) {
        let (sent, all) = run(events);
        prop_assert_eq!(sent, all);
    }
}

// === The end of the edge ===

fn event_stream(body_ends: bool) -> HeldStream {
    HeldStream::new(settings(0), WriteQueue::new(false, Some(body_ends)), HeaderValue::from_static("a"), None, None)
}

#[test]
fn the_client_of_a_drained_event_stream_gets_a_retry_delay_once() {
    let mut stream = event_stream(true);
    stream.drain(Duration::from_millis(2_500));
    assert_eq!(stream.queue.queued(), "retry: 2500\n\n");
    stream.drain(Duration::from_secs(1));
    assert_eq!(stream.queue.queued(), "retry: 2500\n\n");
}

#[test]
fn no_event_is_cut_by_the_retry_delay() {
    for (body_ends, frames, is_sent) in [
        (false, &[][..], false),
        (true, &["data: 1\n\n"], true),
        (true, &["data: 1\r\n\r\n"], true),
        (true, &["data: 1\n"], false),
        (true, &["data: 1\n\n", "data: 2"], false),
        (true, &["data: 1\n", "\n"], false),
        (false, &["data: 2\n\n"], true),
    ] {
        let mut stream = event_stream(body_ends);
        for frame in frames {
            stream.queue.push_unbounded(&Frame::new(frame.as_bytes()).unwrap());
        }
        stream.drain(Duration::from_secs(1));
        assert_eq!(stream.queue.queued().contains("retry"), is_sent, "{body_ends} {frames:?}");
    }
}

#[test]
fn a_stream_that_is_no_event_stream_ends_without_a_retry_delay() {
    let mut stream = stream(0);
    stream.drain(Duration::from_secs(1));
    assert_eq!(stream.queue.queued(), "");
}

//! What a stream makes of items, answers and slow readers, without a socket.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn item(channel: &str, id: &str, prev: Option<&str>, action: Action<Option<Frame>>) -> Arc<Item> {
    Arc::new(Item {
        channel: channel.into(),
        id: (!id.is_empty()).then(|| id.into()),
        prev_id: prev.map(Id::from),
        no_seq: false,
        meta: BTreeMap::new(),
        stream: Some(action),
        response: None,
    })
}

/// The nth message, which names the one before it.
fn message(n: u32) -> Arc<Item> {
    item("messages", &n.to_string(), Some(&(n - 1).to_string()), send(&format!("{n},")))
}

fn send(content: &str) -> Action<Option<Frame>> {
    Action::Send(Frame::new(content.as_bytes()))
}

fn terms(prev: u32) -> Terms {
    let subscription = |channel: &str, prev_id: Option<u32>| Subscription {
        channel: channel.to_owned(),
        prev_id: prev_id.map(|id| id.to_string()),
        filters: Vec::new(),
    };
    Terms {
        listener: Listener::new(vec![subscription("messages", Some(prev)), subscription("loose", None)], &[]),
        keep_alive: None,
        link: Some(Link { uri: "/next".into(), recheck: Duration::from_secs(60) }),
    }
}

/// A stream that has everything up to this message. It speaks HTTP/1.0, so that what it writes can be read here.
fn stream(prev: u32) -> Stream {
    Stream::new(terms(prev), Outlet::new(false), HeaderValue::from_static("a"), None)
}

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

    /// An answer that holds all that follows what the stream has, up to this message.
    fn answer(&mut self, upto: u32) -> Effects {
        let from = self.prev();
        let body: String = (from + 1..=upto).map(|n| format!("{n},")).collect();
        if let Some(frame) = Frame::new(body.as_bytes()) {
            self.outlet.push_always(&frame);
        }
        self.terms = terms(upto.max(from));
        let mut effects = Effects::default();
        self.go_on(&mut effects);
        effects
    }

    fn prev(&self) -> u32 {
        self.terms.listener.subs[0].prev_id.as_ref().expect("it is reliable").parse().expect("a number")
    }

    fn said(&self) -> String {
        self.outlet.queued()
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
    assert_eq!(effects, Effects { ask: Some(false), forget: Some("messages".into()) });
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
    stream.go_on_unanswered(&mut effects);
    assert_eq!(stream.said(), "1,");
    stream.take(&message(3));
    assert_eq!(stream.said(), "1,");
    assert_eq!(stream.begin_to_ask(false), None, "it waits for its time");
    stream.retrying = false;
    assert!(stream.begin_to_ask(false).is_some());
    stream.answer(3);
    assert_eq!(stream.said(), "1,2,3,");
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

/// What happens to a stream, in any order.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The next message is stored and published.
    Publish,
    /// It is stored, and its publication lost.
    Lose,
    /// One of the last messages is published once more.
    Repeat(u32),
    /// The next link is asked, as at its time.
    Recheck,
    /// The answer comes: as the log was when it was asked, or as it is now.
    Answer { late: bool },
    /// The link is not answered.
    Fail,
    /// The reader has taken everything.
    Drain,
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
        let mut stream = stream(0);
        let (mut stored, mut said) = (0, String::new());
        let mut asked_at = None;
        let ask = |stream: &mut Stream, wanted: bool, stored: u32, asked_at: &mut Option<u32>| {
            if wanted && stream.begin_to_ask(false).is_some() {
                *asked_at = Some(stored);
            }
        };
        for event in events.into_iter().chain([Event::Drain, Event::Fail]) {
            let mut effects = Effects::default();
            let mut offer = |stream: &mut Stream, n| stream.offer(0, &message(n), &mut effects);
            match event {
                Event::Publish => {
                    stored += 1;
                    offer(&mut stream, stored);
                }
                Event::Lose => stored += 1,
                Event::Repeat(back) if stored > back => offer(&mut stream, stored - back),
                Event::Repeat(_) => {}
                Event::Recheck => {
                    stream.retrying = false;
                    effects.ask = Some(false);
                }
                Event::Answer { late } => if let Some(then) = asked_at.take() {
                    effects = stream.answer(if late { stored } else { then });
                },
                Event::Fail => if asked_at.take().is_some() {
                    stream.go_on_unanswered(&mut effects);
                    stream.retrying = false;
                },
                Event::Drain => {
                    said += &stream.said();
                    stream.outlet.clear();
                    effects.ask = stream.caught_up().then_some(false);
                }
            }
            ask(&mut stream, effects.ask.is_some(), stored, &mut asked_at);
        }
        // What is still missing comes with the next recheck, and what it asks for.
        for _ in 0..3 {
            said += &stream.said();
            stream.outlet.clear();
            if asked_at.take().is_some() || stream.begin_to_ask(false).is_some() {
                stream.answer(stored);
            }
        }
        said += &stream.said();
        let all: String = (1..=stored).map(|n| format!("{n},")).collect();
        prop_assert_eq!(said, all);
    }
}

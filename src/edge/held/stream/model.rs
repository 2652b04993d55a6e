//! The judge of streams: what happens in any order, and that it leaves each message once and in order.
//!
//! The property test and the fuzz target put the same question to it.

use std::collections::BTreeMap;

use super::*;

/// What happens to a stream.
#[derive(Clone, Copy, Debug)]
pub(in crate::edge) enum Event {
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

pub(in crate::edge) fn item(channel: &str, id: &str, prev: Option<&str>, action: Action<Option<Frame>>) -> Arc<Item> {
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
pub(in crate::edge) fn message(n: u32) -> Arc<Item> {
    item("messages", &n.to_string(), Some(&(n - 1).to_string()), send(&format!("{n},")))
}

pub(in crate::edge) fn send(content: &str) -> Action<Option<Frame>> {
    Action::Send(Frame::new(content.as_bytes()))
}

pub(in crate::edge) fn terms(prev: u32) -> Terms {
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
pub(in crate::edge) fn stream(prev: u32) -> Stream {
    Stream::new(terms(prev), Outlet::new(false, None), HeaderValue::from_static("a"), None)
}

impl Stream {
    /// An answer that holds all that follows what the stream has, up to this message.
    pub(in crate::edge) fn answer(&mut self, upto: u32) -> Effects {
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

    pub(in crate::edge) fn prev(&self) -> u32 {
        self.terms.listener.subs[0].prev_id.as_ref().expect("it is reliable").parse().expect("a number")
    }

    pub(in crate::edge) fn said(&self) -> String {
        self.outlet.queued()
    }
}

/// What a stream has said in the end, and what it should have: each message once, in order, and all of them.
pub(in crate::edge) fn judge(events: impl IntoIterator<Item = Event>) -> (String, String) {
    let mut stream = stream(0);
    let (mut stored, mut said) = (0, String::new());
    let mut asked_at = None;
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
                stream.retrying = None;
                effects.ask = Some(false);
            }
            Event::Answer { late } => {
                if let Some(then) = asked_at.take() {
                    effects = stream.answer(if late { stored } else { then });
                }
            }
            Event::Fail => {
                if asked_at.take().is_some() {
                    stream.go_on_unanswered(Instant::now(), &mut effects);
                    stream.retrying = None;
                }
            }
            Event::Drain => {
                said += &stream.said();
                stream.outlet.clear();
                effects.ask = stream.caught_up().then_some(false);
            }
        }
        if effects.ask.is_some() && stream.begin_to_ask(false).is_some() {
            asked_at = Some(stored);
        }
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
    (said, (1..=stored).map(|n| format!("{n},")).collect())
}

//! A model test of held streams: whatever happens in whatever order, a stream sends each message once and in order.
//!
//! The property test and the fuzz target both run it.

use std::collections::BTreeMap;

use super::*;
use crate::{
    edge::{
        held::subscriber::Subscriber,
        items::{Frame, Id},
    },
    grip,
};

/// What happens to a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// The next message is stored and published.
    Publish,
    /// The next message is stored, and its publication is lost.
    Lose,
    /// One of the last messages is published once more.
    Repeat(u32),
    /// The next link is due.
    Recheck,
    /// The answer arrives, with the messages of when it was requested, or with those of now.
    Answer { late: bool },
    /// The request fails.
    Fail,
    /// The reader has read everything.
    Drain,
}

pub(super) fn item(channel: &str, id: &str, prev: Option<&str>, action: Action<Option<Frame>>) -> Arc<Item> {
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
pub(super) fn message(n: u32) -> Arc<Item> {
    item("messages", &n.to_string(), Some(&(n - 1).to_string()), send(&format!("{n},")))
}

pub(super) fn send(content: &str) -> Action<Option<Frame>> {
    Action::Send(Frame::new(content.as_bytes()))
}

pub(super) fn settings(prev: u32) -> Settings {
    let subscription = |channel: &str, prev_id: Option<u32>| grip::Subscription {
        channel: channel.to_owned(),
        prev_id: prev_id.map(|id| id.to_string()),
        filters: Vec::new(),
    };
    Settings {
        subscriber: Subscriber::new(vec![subscription("messages", Some(prev)), subscription("loose", None)], &[]),
        keep_alive: None,
        link: Some(Link { uri: "/next".into(), recheck_after: Duration::from_secs(60) }),
    }
}

/// A stream that has everything up to this message. Its client speaks HTTP/1.0, so that its queue has no chunks.
pub(super) fn stream(prev: u32) -> HeldStream {
    HeldStream::new(settings(prev), WriteQueue::new(false, None), HeaderValue::from_static("a"), None, None)
}

impl HeldStream {
    /// Handles an answer with all messages after the stream's last, up to this one.
    pub(super) fn answer(&mut self, upto: u32) -> Effects {
        let from = self.prev();
        let body: String = (from + 1..=upto).map(|n| format!("{n},")).collect();
        let mut effects = Effects::default();
        if self.push_answer(Frame::new(body.as_bytes()).as_ref()) {
            self.resume(settings(upto.max(from)), false, &mut effects);
        }
        effects
    }

    pub(super) fn prev(&self) -> u32 {
        let prev_id = self.settings.subscriber.subscriptions[0].prev_id.as_ref();
        prev_id.expect("it is reliable").parse().expect("a number")
    }

    pub(super) fn sent(&self) -> String {
        self.queue.queued()
    }
}

/// Returns what a stream has sent after these events, and what it should have sent: all messages, in order.
pub(crate) fn run(events: impl IntoIterator<Item = Event>) -> (String, String) {
    let mut stream = stream(0);
    let (mut stored, mut sent) = (0, String::new());
    let mut requested_at = None;
    for event in events.into_iter().chain([Event::Drain, Event::Fail]) {
        let mut effects = Effects::default();
        let mut offer = |stream: &mut HeldStream, n| stream.offer(0, &message(n), &mut effects);
        match event {
            Event::Publish => {
                stored += 1;
                offer(&mut stream, stored);
            }
            Event::Lose => stored += 1,
            Event::Repeat(back) if stored > back => offer(&mut stream, stored - back),
            Event::Repeat(_) => {}
            Event::Recheck => {
                stream.retry();
                effects.request = Some(Priority::Low);
            }
            Event::Answer { late } => {
                if let Some(then) = requested_at.take() {
                    effects = stream.answer(if late { stored } else { then });
                }
            }
            Event::Fail => {
                if requested_at.take().is_some() {
                    stream.resume_after_failure(Instant::now(), &mut effects);
                    stream.retry();
                }
            }
            Event::Drain => {
                sent += &stream.sent();
                stream.queue.clear();
                effects.request = stream.catch_up().then_some(Priority::Low);
            }
        }
        if effects.request.is_some() && stream.request(Priority::Low).is_some() {
            requested_at = Some(stored);
        }
    }
    // What is still missing comes with the next recheck, and with the requests that follow from it.
    for _ in 0..3 {
        sent += &stream.sent();
        stream.queue.clear();
        if requested_at.take().is_some() || stream.request(Priority::Low).is_some() {
            stream.answer(stored);
        }
    }
    sent += &stream.sent();
    (sent, (1..=stored).map(|n| format!("{n},")).collect())
}

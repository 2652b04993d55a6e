//! A backend with a log: numbered items on a reliable channel, streams that start after any number, and a next link
//! that answers with what a stream missed.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use serde_json::{Value, json};

use super::setup::{Setup, hold};
use crate::support::{
    eventually::eventually,
    scripted::{Asked, Reply},
    stack::SOON,
    wire::Answer,
};

/// A log on one channel. Item 3 is the line `3`.
pub(crate) struct Room<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) channel: String,
    log: Log,
}

/// The state that the script of the backend shares with the rule.
#[derive(Clone)]
struct Log {
    channel: String,
    /// The number of the newest item.
    head: Arc<AtomicU64>,
    /// Header fields for every response with a hold.
    extra: Arc<[(String, String)]>,
}

/// The name of the path of the next link.
pub(crate) const NEXT: &str = "next";

impl<'a> Room<'a> {
    pub(crate) fn new(setup: &'a Setup) -> Self {
        Self::with(setup, "120", &[])
    }

    /// Creates a log whose link has this timeout in seconds, with more header fields for every response with a hold.
    pub(crate) fn with(setup: &'a Setup, recheck: &str, extra: &[(&str, &str)]) -> Self {
        let channel = setup.channel("log");
        let link = ("Grip-Link".to_owned(), format!("<{}>; rel=next; timeout={recheck}", setup.path(NEXT)));
        let extra = extra.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let log =
            Log { channel: channel.clone(), head: Arc::new(AtomicU64::new(0)), extra: extra.chain([link]).collect() };
        let room = Self { setup, channel, log };
        let log = room.log.clone();
        setup.script("stream", move |received| {
            let from = received.query().and_then(|query| query.strip_prefix("from=")?.parse().ok());
            log.answer(from.unwrap_or(log.head.load(SeqCst)))
        });
        room.serve_next();
        room
    }

    /// Makes the next link answer correctly again, after a rule has replaced its response.
    pub(crate) fn serve_next(&self) {
        let log = self.log.clone();
        self.setup.script(NEXT, move |received| log.answer(log.last_of(received)));
    }

    /// Opens a stream of the items after `from`, and waits for those that exist.
    pub(crate) async fn open(&self, from: u64) -> anyhow::Result<Answer> {
        let mut answer = self.setup.get(&format!("stream?from={from}")).await?;
        answer.reads(&lines(from, self.head())).await?;
        Ok(answer)
    }

    /// Opens a stream from the first item on, and waits until its first recheck is over: from then on every request has
    /// a reason in the rule. The stream has received one more item.
    pub(crate) async fn open_settled(&self) -> anyhow::Result<Answer> {
        let before = self.recoveries().len();
        let mut answer = self.open(0).await?;
        self.wait_for_requests(before + 1).await;
        self.becomes_live(&mut answer).await?;
        Ok(answer)
    }

    /// Publishes one more item, and waits until the stream has it, directly or from the link.
    pub(crate) async fn becomes_live(&self, answer: &mut Answer) -> anyhow::Result<()> {
        // Appended earlier, it might be part of the response of the link, which arrives before the stream is held again.
        let all_answered = || self.recoveries().iter().all(|received| received.answered);
        eventually(SOON, "responses of the link", all_answered).await;
        self.publish_next(1).await?;
        answer.reads(&lines(0, self.head())).await
    }

    /// Waits until the next link has been requested so many times.
    pub(crate) async fn wait_for_requests(&self, times: usize) {
        self.setup.wait_for_requests(NEXT, times).await;
    }

    pub(crate) fn head(&self) -> u64 {
        self.log.head.load(SeqCst)
    }

    /// Adds an item to the log without publishing it.
    pub(crate) fn append(&self) -> u64 {
        self.log.head.fetch_add(1, SeqCst) + 1
    }

    /// The item of the log as it is published.
    pub(crate) fn item(&self, n: u64) -> Value {
        let mut item = super::stream_item(&self.channel, &format!("{n}\n"));
        item["id"] = json!(n.to_string());
        item["prev-id"] = json!((n - 1).to_string());
        item
    }

    /// Adds so many items, and publishes them one by one.
    pub(crate) async fn publish_next(&self, count: u64) -> anyhow::Result<()> {
        for _ in 0..count {
            let n = self.append();
            self.publish(&[n]).await?;
        }
        Ok(())
    }

    /// Publishes items of the log in one request.
    pub(crate) async fn publish(&self, items: &[u64]) -> anyhow::Result<()> {
        self.setup.publish(&items.iter().map(|&n| self.item(n)).collect::<Vec<_>>()).await
    }

    /// Does the same with `no-seq`, past the proxy's sequencing: streams that miss the item before notice at once.
    pub(crate) async fn publish_unsequenced(&self, items: &[u64]) -> anyhow::Result<()> {
        let unsequenced = |&n: &u64| {
            let mut item = self.item(n);
            item["no-seq"] = json!(true);
            item
        };
        self.setup.publish(&items.iter().map(unsequenced).collect::<Vec<_>>()).await
    }

    /// An item that makes streams perform an action, with these `prev-id` and `id`.
    pub(crate) fn action(&self, action: &str, ids: Option<(u64, u64)>) -> Value {
        let mut item = json!({ "channel": self.channel, "formats": { "http-stream": { "action": action } } });
        if let Some((prev, id)) = ids {
            item["prev-id"] = json!(prev.to_string());
            item["id"] = json!(id.to_string());
        }
        item
    }

    /// A hold of this log after item `prev`.
    pub(crate) fn hold_at(&self, prev: u64, body: &str) -> Reply {
        let reply = hold(body).header("Grip-Channel", &format!("{}; prev-id={prev}", self.channel));
        reply.header("Grip-Link", &self.link(NEXT))
    }

    /// A next link to the path with this name.
    pub(crate) fn link(&self, name: &str) -> String {
        format!("<{}>; rel=next; timeout=120", self.setup.path(name))
    }

    /// The requests of the proxy for the next link.
    pub(crate) fn recoveries(&self) -> Vec<Asked> {
        self.setup.requests(NEXT)
    }

    /// How many of them are for streams whose last item is `last`.
    pub(crate) fn recoveries_from(&self, last: u64) -> usize {
        self.recoveries().iter().filter(|received| self.log.last_of(received) == last).count()
    }
}

impl Log {
    /// The items after `from`, and a hold after those.
    fn answer(&self, from: u64) -> Reply {
        let head = self.head.load(SeqCst);
        let channel = format!("{}; prev-id={head}", self.channel);
        let reply = hold(&lines(from, head)).header("Grip-Channel", &channel);
        self.extra.iter().fold(reply, |reply, (name, value)| reply.header(name, value))
    }

    /// The last item of the stream, according to the proxy.
    fn last_of(&self, received: &Asked) -> u64 {
        let prefix = format!("{}; last-id=", self.channel);
        let last =
            received.headers.all("grip-last").into_iter().find_map(|line| line.strip_prefix(&prefix)?.parse().ok());
        last.unwrap_or(self.head.load(SeqCst))
    }
}

/// The items after `from`, up to and including `until`.
pub(crate) fn lines(from: u64, until: u64) -> String {
    (from + 1..=until).map(|n| format!("{n}\n")).collect()
}

//! A backend with a log: numbered items on a reliable channel, streams from any number on, and a next link that answers
//! what a stream lacks.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use serde_json::{Value, json};

use super::stand::{Stand, hold};
use crate::support::{
    eventually::eventually,
    scripted::{Asked, Reply},
    stack::SOON,
    wire::Answer,
};

/// One log on one channel. Item 3 is the line `3`.
pub(crate) struct Room<'a> {
    pub(crate) stand: &'a Stand,
    pub(crate) channel: String,
    log: Log,
}

/// What the backend's script knows.
#[derive(Clone)]
struct Log {
    channel: String,
    /// The number of the newest item.
    head: Arc<AtomicU64>,
    /// Also on every answer that holds.
    extra: Arc<[(String, String)]>,
}

/// The name of the next link's path.
pub(crate) const NEXT: &str = "next";

impl<'a> Room<'a> {
    pub(crate) fn new(stand: &'a Stand) -> Self {
        Self::with(stand, "120", &[])
    }

    /// With the timeout of its link in seconds, and headers for every answer that holds.
    pub(crate) fn with(stand: &'a Stand, recheck: &str, extra: &[(&str, &str)]) -> Self {
        let channel = stand.channel("log");
        let link = ("Grip-Link".to_owned(), format!("<{}>; rel=next; timeout={recheck}", stand.path(NEXT)));
        let extra = extra.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let log =
            Log { channel: channel.clone(), head: Arc::new(AtomicU64::new(0)), extra: extra.chain([link]).collect() };
        let room = Self { stand, channel, log };
        let log = room.log.clone();
        stand.script("stream", move |asked| {
            let from = asked.query().and_then(|query| query.strip_prefix("from=")?.parse().ok());
            log.answer(from.unwrap_or(log.head.load(SeqCst)))
        });
        room.serve_next();
        room
    }

    /// Answers the next link as a good backend does, after a test had it answered in another way.
    pub(crate) fn serve_next(&self) {
        let log = self.log.clone();
        self.stand.script(NEXT, move |asked| log.answer(log.last_of(asked)));
    }

    /// A stream of what follows item `from`. What is there already has come.
    pub(crate) async fn open(&self, from: u64) -> anyhow::Result<Answer> {
        let mut answer = self.stand.get(&format!("stream?from={from}")).await?;
        answer.reads(&lines(from, self.head())).await?;
        Ok(answer)
    }

    /// A stream from the first item on whose first recheck is over, so that what is asked now has a reason in the test.
    /// It has got one item more.
    pub(crate) async fn open_settled(&self) -> anyhow::Result<Answer> {
        let before = self.recoveries().len();
        let mut answer = self.open(0).await?;
        self.asked_times(before + 1).await;
        self.becomes_live(&mut answer).await?;
        Ok(answer)
    }

    /// Says one item more, which comes at once or behind what the link was asked for.
    pub(crate) async fn becomes_live(&self, answer: &mut Answer) -> anyhow::Result<()> {
        // Written earlier it might be in the link's answer, which comes before the stream is held again.
        let all_answered = || self.recoveries().iter().all(|asked| asked.answered);
        eventually(SOON, "answers at the link", all_answered).await;
        self.say(1).await?;
        answer.reads(&lines(0, self.head())).await
    }

    /// Waits until the next link was asked so often.
    pub(crate) async fn asked_times(&self, times: usize) {
        self.stand.asked_times(NEXT, times).await;
    }

    pub(crate) fn head(&self) -> u64 {
        self.log.head.load(SeqCst)
    }

    /// Adds an item to the log, and publishes nothing.
    pub(crate) fn write(&self) -> u64 {
        self.log.head.fetch_add(1, SeqCst) + 1
    }

    /// What is published of an item of the log.
    pub(crate) fn item(&self, n: u64) -> Value {
        let mut item = super::stream_item(&self.channel, &format!("{n}\n"));
        item["id"] = json!(n.to_string());
        item["prev-id"] = json!((n - 1).to_string());
        item
    }

    /// Adds so many items, and publishes them one by one.
    pub(crate) async fn say(&self, count: u64) -> anyhow::Result<()> {
        for _ in 0..count {
            let n = self.write();
            self.publish(&[n]).await?;
        }
        Ok(())
    }

    /// Publishes items of the log in one request.
    pub(crate) async fn publish(&self, items: &[u64]) -> anyhow::Result<()> {
        self.stand.publish(&items.iter().map(|&n| self.item(n)).collect::<Vec<_>>()).await
    }

    /// The same past the proxy's sequencing: streams that lack the item before notice at once.
    pub(crate) async fn publish_unsequenced(&self, items: &[u64]) -> anyhow::Result<()> {
        let unsequenced = |&n: &u64| {
            let mut item = self.item(n);
            item["no-seq"] = json!(true);
            item
        };
        self.stand.publish(&items.iter().map(unsequenced).collect::<Vec<_>>()).await
    }

    /// What makes a stream behave so, as the next item behind `prev`, if it is one.
    pub(crate) fn action(&self, action: &str, ids: Option<(u64, u64)>) -> Value {
        let mut item = json!({ "channel": self.channel, "formats": { "http-stream": { "action": action } } });
        if let Some((prev, id)) = ids {
            item["prev-id"] = json!(prev.to_string());
            item["id"] = json!(id.to_string());
        }
        item
    }

    /// A hold of the room that says so of itself and no more.
    pub(crate) fn hold_at(&self, prev: u64, body: &str) -> Reply {
        let reply = hold(body).header("Grip-Channel", &format!("{}; prev-id={prev}", self.channel));
        reply.header("Grip-Link", &self.link(NEXT))
    }

    /// A next link to the path of that name.
    pub(crate) fn link(&self, name: &str) -> String {
        format!("<{}>; rel=next; timeout=120", self.stand.path(name))
    }

    /// The requests of the proxy for what its streams lack.
    pub(crate) fn recoveries(&self) -> Vec<Asked> {
        self.stand.asked(NEXT)
    }

    /// Those among them for streams that have come as far as item `last`.
    pub(crate) fn recoveries_from(&self, last: u64) -> usize {
        self.recoveries().iter().filter(|asked| self.log.last_of(asked) == last).count()
    }
}

impl Log {
    /// What follows item `from`, and a hold behind it.
    fn answer(&self, from: u64) -> Reply {
        let head = self.head.load(SeqCst);
        let channel = format!("{}; prev-id={head}", self.channel);
        let reply = hold(&lines(from, head)).header("Grip-Channel", &channel);
        self.extra.iter().fold(reply, |reply, (name, value)| reply.header(name, value))
    }

    /// Where the proxy says that the stream stands.
    fn last_of(&self, asked: &Asked) -> u64 {
        let prefix = format!("{}; last-id=", self.channel);
        let last = asked.headers.all("grip-last").into_iter().find_map(|line| line.strip_prefix(&prefix)?.parse().ok());
        last.unwrap_or(self.head.load(SeqCst))
    }
}

/// The items behind `from`, up to and including `until`.
pub(crate) fn lines(from: u64, until: u64) -> String {
    (from + 1..=until).map(|n| format!("{n}\n")).collect()
}

//! A backend with a log of long items, which it sends in pages.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

use anyhow::ensure;
use serde_json::{Value, json};

use super::{Setup, hold, stream_item};
use crate::support::scripted::{Asked, Reply};

/// Items in a page.
pub(super) const PAGE: u64 = 10;
const ITEM_BYTES: usize = 100_000;

#[derive(Clone)]
pub(super) struct Log {
    channel: String,
    next: String,
    recheck: u64,
    /// The number of the newest item.
    head: Arc<AtomicU64>,
    /// Whether streams end after it.
    ended: Arc<AtomicBool>,
}

impl Log {
    /// Creates a log. Streams start at the path `stream`, after item 0, and their link is rechecked every `recheck`
    /// seconds.
    pub(super) fn new(setup: &Setup, recheck: u64) -> Self {
        let (channel, next) = (setup.channel("log"), setup.path("next"));
        let log = Self { channel, next, recheck, head: Arc::default(), ended: Arc::default() };
        let (stream, next) = (log.clone(), log.clone());
        setup.script("stream", move |_| stream.held_at(0, ""));
        setup.script("next", move |received| next.page(received));
        log
    }

    /// Adds an item, and returns it as it is published.
    pub(super) fn append(&self, setup: &Setup) -> Value {
        let n = self.head.fetch_add(1, SeqCst) + 1;
        let mut item = stream_item(&setup.channel("log"), &item_of(n));
        (item["id"], item["prev-id"]) = (json!(n.to_string()), json!((n - 1).to_string()));
        item
    }

    /// From now on the newest item is the last.
    pub(super) fn end(&self) {
        self.ended.store(true, SeqCst);
    }

    fn page(&self, received: &Asked) -> Reply {
        let of_query = received.query().and_then(|query| query.strip_prefix("from="));
        let prefix = format!("{}; last-id=", self.channel);
        let of_last = received.headers.get("grip-last").and_then(|last| last.strip_prefix(&prefix));
        let from: u64 = of_query.or(of_last).and_then(|from| from.parse().ok()).unwrap_or_default();
        let head = self.head.load(SeqCst);
        let until = head.min(from + PAGE);
        let body: String = (from + 1..=until).map(item_of).collect();
        if until < head {
            return Reply::ok(body).header("Grip-Link", &format!("<{}?from={until}>; rel=next", self.next));
        }
        if self.ended.load(SeqCst) { Reply::ok(body) } else { self.held_at(until, &body) }
    }

    fn held_at(&self, last: u64, body: &str) -> Reply {
        let link = format!("<{}>; rel=next; timeout={}", self.next, self.recheck);
        hold(body).header("Grip-Channel", &format!("{}; prev-id={last}", self.channel)).header("Grip-Link", &link)
    }
}

/// A line in which a missing part is noticed.
pub(super) fn item_of(n: u64) -> String {
    format!("{n:05}{}\n", "-".repeat(ITEM_BYTES))
}

/// The numbers of the received items; an error if one is not complete.
pub(super) fn numbers(text: &str) -> anyhow::Result<Vec<u64>> {
    text.split_inclusive('\n')
        .map(|line| {
            let n = line.get(..5).and_then(|n| n.parse().ok()).unwrap_or_default();
            ensure!(line == item_of(n), "an incomplete item of {} bytes: {:?}", line.len(), line.get(..20));
            Ok(n)
        })
        .collect()
}

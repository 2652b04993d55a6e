//! Metrics of posts, by outcome.

use prometheus_client::metrics::counter::Counter;

use super::{
    ALL,
    catalogue::{By, Catalogue},
};

pub(super) struct Metrics {
    posts: By<Counter, 2>,
}

impl Metrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        Self {
            posts: catalogue
                .counters(
                    "gripchat_posts_total",
                    &["outcome", "reason"],
                    "Posts by outcome; the reason is the error code, or the kind of the store's error",
                )
                .initialized([
                    ["stored", ""],
                    ["duplicate", ""],
                    ["refused", "invalid_message"],
                    ["refused", "idempotency_key_reused"],
                    ["failed", "unavailable"],
                    ["failed", "deadline"],
                    ["failed", "interrupted"],
                ]),
        }
    }

    fn count(&self, outcome: &'static str, reason: &'static str) {
        self.posts.get([outcome, reason]).inc();
    }
}

/// Records a post whose message is in the store. `duplicate`: an earlier post with the same key stored it.
pub fn stored(duplicate: bool) {
    ALL.posts.count(if duplicate { "duplicate" } else { "stored" }, "");
}

/// Records a post that was refused with this error code.
pub fn refused(code: &'static str) {
    ALL.posts.count("refused", code);
}

/// Records a post that could not be stored.
pub fn failed(reason: &'static str) {
    ALL.posts.count("failed", reason);
}

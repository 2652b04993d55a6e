//! Posts, by what became of them.

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
                    "Posts by what became of them; the reason is the code of the error, or what the store failed by",
                )
                .beginning_with([
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

/// A message is in the store: since now, or since an earlier post of the same.
pub fn stored(duplicate: bool) {
    ALL.posts.count(if duplicate { "duplicate" } else { "stored" }, "");
}

/// A post was refused, with the code of this error.
pub fn refused(code: &'static str) {
    ALL.posts.count("refused", code);
}

/// A post could not be stored.
pub fn failed(reason: &'static str) {
    ALL.posts.count("failed", reason);
}

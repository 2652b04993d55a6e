//! Waits for conditions that no event announces.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Returns as soon as `holds`, and panics with `what` if that takes longer than `within`.
pub(crate) async fn eventually(within: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < within, "not within {within:?}: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

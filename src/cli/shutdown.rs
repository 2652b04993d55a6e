//! Signals, and the shutdown they start.

use std::time::Duration;

use anyhow::Context as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tracing::info;

use super::process::print_error;
use crate::{edge, serve::Stop};

/// The status that shells report for a program that was ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// Announces the shutdown at the first SIGTERM or SIGINT, and starts it after the delay. A second signal ends the
/// process at once: every acknowledged message is stored, and the rest is repaired as after a crash.
pub(super) fn on_signal(delay: Duration) -> anyhow::Result<Stop> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut either = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let stop = Stop::default();
    let Stop { announced, started } = stop.clone();
    tokio::spawn(async move {
        either().await;
        announced.cancel();
        tokio::spawn(async move {
            either().await;
            print_error("gripchat: stopped at once, by a second signal");
            #[expect(clippy::disallowed_methods, reason = "the second signal asks for exactly this")]
            std::process::exit(INTERRUPTED);
        });
        if !delay.is_zero() {
            info!("shutdown announced: readiness fails, and requests are served for {delay:?} more");
        }
        sleep(delay).await;
        started.cancel();
    });
    Ok(stop)
}

/// The same shutdown, for an edge.
pub(super) fn edge_stop(Stop { announced, started }: Stop) -> edge::Stop {
    edge::Stop { announced, started, ..edge::Stop::default() }
}

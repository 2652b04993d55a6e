//! When to stop.

use std::time::Duration;

use anyhow::Context as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tracing::info;

use crate::serve::Stop;

/// As shells tell of a program that a SIGINT has ended.
const INTERRUPTED: i32 = 130;

/// Announces the stop at the first SIGTERM or SIGINT, and begins it after the delay. A second one ends the process,
/// whatever is under way: what is acknowledged is stored, and the rest is repaired as after a crash.
pub(super) fn signalled(delay: Duration) -> anyhow::Result<Stop> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut either = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let stop = Stop::default();
    let Stop { announced, begun } = stop.clone();
    tokio::spawn(async move {
        either().await;
        announced.cancel();
        tokio::spawn(async move {
            either().await;
            eprintln!("gripchat: stopped at once");
            std::process::exit(INTERRUPTED);
        });
        if !delay.is_zero() {
            info!("told to stop: readiness fails, and nothing else changes for {delay:?}");
        }
        sleep(delay).await;
        begun.cancel();
    });
    Ok(stop)
}

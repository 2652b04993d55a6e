//! When to stop.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

/// As shells tell of a program that a SIGINT has ended.
const INTERRUPTED: i32 = 130;

/// Ends at the first SIGTERM or SIGINT. A second one ends the process, whatever is under way: what
/// is acknowledged is stored, and the rest is repaired as after a crash.
pub(super) fn signalled() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut either = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(async move {
        either().await;
        tokio::spawn(async move {
            either().await;
            eprintln!("gripchat: stopped at once");
            std::process::exit(INTERRUPTED);
        });
    })
}

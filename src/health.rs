//! Whether a part of the program can do its work: checks that are named, cached, and answered as JSON.
//!
//! Probes come from anywhere and at any rate. So what they ask is looked at once a second at most, for
//! all of them, and within a deadline.

use std::{
    fmt,
    future::Future,
    time::{Duration, Instant},
};

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio::{sync::Mutex, time::timeout};

/// A look takes no longer than this: Kubernetes gives a probe one second, unless it is told otherwise.
const WITHIN: Duration = Duration::from_millis(800);
/// What was found is told for so long.
const FRESH: Duration = Duration::from_secs(1);

/// What was found of one thing. The reason is for operators, and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    name: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What was found last, kept for as long as it is fresh.
#[derive(Debug, Default)]
pub struct Latest(Mutex<Option<(Instant, Vec<Check>)>>);

#[derive(Serialize)]
struct Body {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<Check>,
}

impl Check {
    /// Of something that is as it should be, or why it is not.
    pub fn new(name: impl Into<String>, found: Result<(), String>) -> Self {
        Self { name: name.into(), ok: found.is_ok(), reason: found.err() }
    }

    /// The server is to go on: `false` once it was told to stop.
    pub fn running(goes_on: bool) -> Self {
        Self::new("running", if goes_on { Ok(()) } else { Err("the server is stopping".to_owned()) })
    }

    /// Whether it is as it should be.
    pub fn is_ok(&self) -> bool {
        self.ok
    }
}

impl Latest {
    /// What was found last, or what this finds. Whoever asks meanwhile waits for that.
    pub async fn get_or_check(&self, look: impl Future<Output = Vec<Check>>) -> Vec<Check> {
        let mut known = self.0.lock().await;
        if let Some((at, checks)) = &*known
            && at.elapsed() < FRESH
        {
            return checks.clone();
        }
        let checks = look.await;
        *known = Some((Instant::now(), checks.clone()));
        checks
    }
}

/// What a look finds, within the time that there is for it.
pub async fn within_deadline<E: fmt::Display>(look: impl Future<Output = Result<(), E>>) -> Result<(), String> {
    match timeout(WITHIN, look).await {
        Ok(found) => found.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {WITHIN:?}")),
    }
}

/// That the program is alive: it answers.
pub async fn alive() -> Response {
    said(StatusCode::OK, "ok", Vec::new())
}

/// That work may be sent here, or not; with what was found, for those who may know.
pub fn readiness(ready: bool, checks: Vec<Check>) -> Response {
    if ready { said(StatusCode::OK, "ready", checks) } else { said(StatusCode::SERVICE_UNAVAILABLE, "unready", checks) }
}

fn said(code: StatusCode, status: &'static str, checks: Vec<Check>) -> Response {
    (code, [(header::CACHE_CONTROL, "no-store")], Json(Body { status, checks })).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn found(looks: &AtomicUsize) -> Vec<Check> {
        looks.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
        vec![Check::new("a", Ok(()))]
    }

    #[tokio::test]
    async fn many_probes_are_one_look() {
        let (latest, looks) = (Latest::default(), AtomicUsize::new(0));
        let probes = (0..100).map(|_| latest.get_or_check(found(&looks)));
        let all = futures_util::future::join_all(probes).await;
        assert!(all.iter().all(|checks| checks == &[Check::new("a", Ok(()))]));
        assert_eq!(looks.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_is_found_is_not_told_for_ever() {
        let (latest, looks) = (Latest::default(), AtomicUsize::new(0));
        latest.get_or_check(found(&looks)).await;
        tokio::time::sleep(FRESH).await;
        latest.get_or_check(found(&looks)).await;
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_a_reason() {
        let reason = within_deadline(std::future::pending::<Result<(), String>>()).await.unwrap_err();
        assert_eq!(reason, "no answer within 800ms");
    }
}

//! Health checks: named, cached, and returned as JSON.
//!
//! Probes come from any client and at any rate. So the checks run at most once a second for all probes, and each has a
//! deadline.

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

/// The time limit of one check. By default, a Kubernetes probe waits one second.
const CHECK_DEADLINE: Duration = Duration::from_millis(800);
/// How long results are cached.
const CACHE_FOR: Duration = Duration::from_secs(1);

/// The result of one check. The reason is for operators, and must not contain secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    name: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The latest results of all checks.
#[derive(Debug, Default)]
pub struct CachedChecks(Mutex<Option<(Instant, Vec<Check>)>>);

#[derive(Serialize)]
struct Body {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<Check>,
}

impl Check {
    /// Creates a result. An error is the reason why the check failed.
    pub fn new(name: impl Into<String>, outcome: Result<(), String>) -> Self {
        Self { name: name.into(), ok: outcome.is_ok(), reason: outcome.err() }
    }

    /// Creates the check that fails once the server is stopping.
    pub fn running(running: bool) -> Self {
        Self::new("running", if running { Ok(()) } else { Err("the server is stopping".to_owned()) })
    }

    /// Returns whether the check succeeded.
    pub fn is_ok(&self) -> bool {
        self.ok
    }
}

impl CachedChecks {
    /// Returns the cached results, or runs the checks. Concurrent callers wait for the same results.
    pub async fn get_or_check(&self, checks: impl Future<Output = Vec<Check>>) -> Vec<Check> {
        let mut cached = self.0.lock().await;
        if let Some((at, results)) = &*cached
            && at.elapsed() < CACHE_FOR
        {
            return results.clone();
        }
        let results = checks.await;
        *cached = Some((Instant::now(), results.clone()));
        results
    }
}

/// Runs one check within its deadline.
pub async fn within_deadline<E: fmt::Display>(check: impl Future<Output = Result<(), E>>) -> Result<(), String> {
    match timeout(CHECK_DEADLINE, check).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {CHECK_DEADLINE:?}")),
    }
}

/// The response to a liveness probe.
pub async fn alive() -> Response {
    respond(StatusCode::OK, "ok", Vec::new())
}

/// The response to a readiness probe, with the results that the client may see.
pub fn readiness(ready: bool, checks: Vec<Check>) -> Response {
    if ready {
        respond(StatusCode::OK, "ready", checks)
    } else {
        respond(StatusCode::SERVICE_UNAVAILABLE, "unready", checks)
    }
}

fn respond(code: StatusCode, status: &'static str, checks: Vec<Check>) -> Response {
    (code, [(header::CACHE_CONTROL, "no-store")], Json(Body { status, checks })).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn check(runs: &AtomicUsize) -> Vec<Check> {
        runs.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
        vec![Check::new("a", Ok(()))]
    }

    #[tokio::test]
    async fn many_probes_share_one_run_of_the_checks() {
        let (cache, runs) = (CachedChecks::default(), AtomicUsize::new(0));
        let probes = (0..100).map(|_| cache.get_or_check(check(&runs)));
        let all = futures_util::future::join_all(probes).await;
        assert!(all.iter().all(|checks| checks == &[Check::new("a", Ok(()))]));
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn cached_results_expire() {
        let (cache, runs) = (CachedChecks::default(), AtomicUsize::new(0));
        cache.get_or_check(check(&runs)).await;
        tokio::time::sleep(CACHE_FOR).await;
        cache.get_or_check(check(&runs)).await;
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_fails_within_its_deadline() {
        let started = tokio::time::Instant::now();
        let reason = within_deadline(std::future::pending::<Result<(), String>>()).await.unwrap_err();
        assert_eq!(reason, "no answer within 800ms");
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
}

//! `/healthz` and `/readyz`: what probes get, what they cost, and what they get before shutdown.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::future::try_join_all;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{
    conformance::setup::Setup,
    support::{
        backend::Backend,
        edge::Edge,
        fault::{FaultProxy, Mode},
        ports::free_port,
        scripted::ScriptedBackend,
        stack::{Answer, Kind, SOON, Stack, answer, http},
        trials::{on_stacks, trials},
    },
};

/// A change is visible after two seconds: results are cached for one, and a check takes at most one.
const NOTICED_WITHIN: Duration = SOON;
/// For each of twenty probes at once while the store hangs. If each of them ran the check, one after another, the last one
/// would take 16 s. That one check ends after 800 ms shows in the reason, and a test of src/web/readiness.rs with a
/// paused clock proves that it is the time of a whole probe.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = on_stacks![
        [APART] => a_backend_with_store_and_proxy_is_alive_and_ready,
        [EDGE_DYNAMODB] => a_backend_that_reaches_no_proxy_is_not_ready,
        [EDGE_DYNAMODB] => a_backend_without_its_store_is_alive_but_not_ready,
        [EDGE_DYNAMODB] => a_store_that_hangs_delays_no_probe,
        [EDGE_DYNAMODB] => many_probes_cause_one_check_of_the_store_per_second,
        [EDGE_EMBEDDED] => readiness_fails_before_requests_do,
    ];
    trials.extend(trials![
        [] => one_of_two_proxies_is_enough_to_be_ready,
        [] => an_edge_reports_its_backend_on_its_control_port,
        [] => an_edge_that_is_stopping_is_not_ready,
    ]);
    trials
}

async fn probe(url: &str) -> anyhow::Result<Answer> {
    answer(http()?.get(url)).await
}

/// Sends probes until the status is this, and returns the body.
async fn becomes(url: &str, status: u16) -> anyhow::Result<Value> {
    let started = Instant::now();
    loop {
        let answer = probe(url).await?;
        if answer.status == status {
            return Ok(answer.body);
        }
        ensure!(started.elapsed() < NOTICED_WITHIN, "the status does not become {status}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The failed checks: the first word of the name, and the reason.
fn failed(body: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = body["checks"].as_array().into_iter().flatten().filter(|check| check["ok"] == false);
    let word = |check: &Value| text(&check["name"]).split(' ').next().unwrap_or_default().to_owned();
    checks.map(|check| (word(check), text(&check["reason"]))).collect()
}

async fn a_backend_with_store_and_proxy_is_alive_and_ready(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let backend = stack.backend.url();
    let alive = probe(&format!("{backend}/healthz")).await?;
    assert_eq!((alive.status, &alive.body), (200, &json!({"status": "ok"})));
    let ready = probe(&format!("{backend}/readyz")).await?;
    let proxy = format!("proxy http://{}/publish/", stack.control.addr());
    let checks = ["running", "store", &proxy].map(|name| json!({"name": name, "ok": true}));
    assert_eq!((ready.status, &ready.body), (200, &json!({"status": "ready", "checks": checks})));

    // A request through the proxy can come from any client.
    let proxy = stack.proxy.url();
    let ready = probe(&format!("{proxy}/readyz")).await?;
    assert_eq!((ready.status, &ready.body), (200, &json!({"status": "ready"})));
    let response = http()?.get(format!("{proxy}/healthz")).send().await?;
    assert_eq!(response.headers()["cache-control"], "no-store");
    Ok(())
}

async fn a_backend_that_reaches_no_proxy_is_not_ready(kind: Kind) -> anyhow::Result<()> {
    let grip = |control| format!("http://{control}/?iss=me&key=S3CR3T&verify-iss=pushpin&verify-key=changeme");
    let stack = Stack::start(kind).await?;
    stack.control.set(Mode::Refuse);
    let body = becomes(&format!("{}/readyz", stack.backend.url()), 503).await?;
    assert_eq!(body["status"], "unready");
    let failed = failed(&body);
    assert_eq!(failed.len(), 1, "{body}");
    assert!(failed[0].0 == "proxy" && !failed[0].1.is_empty(), "{body}");
    // The response never contains a key, neither directly nor through the proxy.
    let keyed = grip(stack.control.addr());
    if stack.is_shared() {
        let another = stack.another_backend_with(&[("GRIP_URL", &keyed)]).await?;
        let body = becomes(&format!("{}/readyz", another.url()), 503).await?;
        assert!(!body.to_string().contains("S3CR3T"), "{body}");
    }
    let through = becomes(&format!("{}/readyz", stack.proxy.url()), 503).await?;
    assert_eq!(through, json!({"status": "unready"}));
    stack.control.set(Mode::Pass);
    becomes(&format!("{}/readyz", stack.backend.url()), 200).await?;
    Ok(())
}

async fn a_backend_without_its_store_is_alive_but_not_ready(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let backend = stack.backend.url();
    stack.store().set(Mode::Refuse);
    let body = becomes(&format!("{backend}/readyz"), 503).await?;
    assert_eq!(failed(&body)[0].0, "store", "{body}");
    assert_eq!(probe(&format!("{backend}/healthz")).await?.status, 200);
    stack.store().set(Mode::Pass);
    becomes(&format!("{backend}/readyz"), 200).await?;
    Ok(())
}

async fn a_store_that_hangs_delays_no_probe(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    stack.store().set(Mode::Hang);
    let url = format!("{}/readyz", stack.backend.url());
    becomes(&url, 503).await?;
    let probe = async || {
        let started = Instant::now();
        let answer = answer(stack.http().get(&url)).await?;
        ensure!(started.elapsed() < ANSWERED_WITHIN, "{:?}", started.elapsed());
        Ok(answer)
    };
    for answer in try_join_all((0..20).map(|_| probe())).await? {
        assert_eq!(failed(&answer.body), [("store".to_owned(), "no answer within 800ms".to_owned())]);
    }
    Ok(())
}

async fn many_probes_cause_one_check_of_the_store_per_second(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let url = format!("{}/readyz", stack.backend.url());
    becomes(&url, 200).await?;
    // What one check costs, once the last result has expired.
    let before = stack.store().bytes_up();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    probe(&url).await?;
    let cost = stack.store().bytes_up() - before;
    assert!(cost > 0, "the store is checked");
    let (before, started) = (stack.store().bytes_up(), Instant::now());
    for _ in 0..10 {
        try_join_all((0..20).map(|_| answer(stack.http().get(&url)))).await?;
    }
    let checks = (stack.store().bytes_up() - before) / cost;
    // One check per started second, and one more because requests differ a little in size.
    assert!(checks <= started.elapsed().as_secs() + 2, "{checks} checks for 200 probes in {:?}", started.elapsed());
    Ok(())
}

async fn readiness_fails_before_requests_do(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start_with(kind, &[("SHUTDOWN_DELAY", "8s")]).await?;
    let mut stack = stack;
    let url = format!("{}/readyz", stack.backend.url());
    becomes(&url, 200).await?;
    let stopping = Instant::now();
    stack.backend.terminate()?;
    let body = becomes(&url, 503).await?;
    assert_eq!(failed(&body), [("running".to_owned(), "the server is stopping".to_owned())]);
    let post = stack.room_at(&stack.backend.url(), "lobby").post("still served").await;
    let within = stopping.elapsed() < Duration::from_millis(7_800);
    ensure!(post.is_ok() || !within, "refused too early: {post:?}");
    assert!(stack.backend.ended().await?.success(), "{}", stack.backend.log());
    ensure!(stopping.elapsed() >= Duration::from_secs(8), "the backend stopped after {:?}", stopping.elapsed());
    Ok(())
}

async fn one_of_two_proxies_is_enough_to_be_ready() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let scripted = ScriptedBackend::start().await?;
    let edge = Edge::start(scripted.addr()).await?;
    let one = FaultProxy::start(edge.control_addr()).await?;
    let nowhere = free_port()?;
    let urls = format!("http://{} http://127.0.0.1:{nowhere}", one.addr());
    let data = folder.path().to_string_lossy();
    let env = [("STORE", "embedded"), ("DATA_DIR", &*data), ("GRIP_URL", &urls), ("SHUTDOWN_DELAY", "0s")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let backend = Backend::start(env).await?;
    let url = format!("{}/readyz", backend.url());
    let answer = probe(&url).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(failed(&answer.body).len(), 1, "the other proxy is reported: {answer:?}");
    one.set(Mode::Refuse);
    assert_eq!(failed(&becomes(&url, 503).await?).len(), 2);
    Ok(())
}

async fn an_edge_reports_its_backend_on_its_control_port() -> anyhow::Result<()> {
    let scripted = ScriptedBackend::start().await?;
    let edge = Edge::start_with(scripted.addr(), &[("CONTROL_KEY", "S3CR3T")]).await?;
    let control = format!("http://{}", edge.control_addr());
    // Probes need no token.
    let alive = probe(&format!("{control}/healthz")).await?;
    assert_eq!((alive.status, alive.body), (200, json!({"status": "ok"})));
    let ready = probe(&format!("{control}/readyz")).await?;
    let checks = ["running", "backend"].map(|name| json!({"name": name, "ok": true}));
    assert_eq!((ready.status, ready.body), (200, json!({"status": "ready", "checks": checks})));

    let nobody = Edge::start(([127, 0, 0, 1], free_port()?).into()).await?;
    let answer = probe(&format!("http://{}/readyz", nobody.control_addr())).await?;
    assert_eq!(answer.status, 503);
    let failed = failed(&answer.body);
    assert!(failed[0].0 == "backend" && failed[0].1.contains("refused"), "{answer:?}");
    Ok(())
}

async fn an_edge_that_is_stopping_is_not_ready() -> anyhow::Result<()> {
    let mut setup = Setup::on_edge(&[("SHUTDOWN_DELAY", "8s")]).await?;
    let url = format!("http://{}/readyz", setup.control_addr());
    becomes(&url, 200).await?;
    setup.answer("", crate::support::scripted::Reply::ok("still served"));
    let stopping = Instant::now();
    setup.edge()?.terminate()?;
    let body = becomes(&url, 503).await?;
    assert_eq!(failed(&body)[0].0, "running");
    let served = setup.get("").await;
    ensure!(served.is_ok() || stopping.elapsed() > Duration::from_millis(7_800), "{served:?}");
    assert!(setup.edge_mut()?.ended().await?.success());
    ensure!(stopping.elapsed() < SOON, "{:?}", stopping.elapsed());
    Ok(())
}

//! The metrics of the edge.

use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    conformance::setup::{Setup, hold, stream_item},
    support::{
        metrics::Metrics,
        scripted::Reply,
        stack::{SOON, http},
        trials::trials,
        wire::Request,
    },
};

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => streams_and_deliveries_are_counted,
        [] => requests_to_the_backend_are_counted,
        [] => a_connection_above_the_limit_is_counted,
        [] => a_stream_above_the_limit_of_its_address_is_counted,
        [] => metrics_need_a_token_if_publishing_does,
    ]
}

async fn metrics_once(setup: &Setup, what: &str, holds: impl Fn(&Metrics) -> bool) -> anyhow::Result<Metrics> {
    let (http, base) = (http()?, format!("http://{}", setup.control_addr()));
    let started = Instant::now();
    loop {
        let metrics = Metrics::of(&http, &base).await?;
        if holds(&metrics) {
            return Ok(metrics);
        }
        anyhow::ensure!(started.elapsed() < SOON, "not within {SOON:?}: {what}: {metrics:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn streams_and_deliveries_are_counted() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let channel = setup.channel("a");
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(setup.open(hold("held ").header("Grip-Channel", &channel), "held ").await?);
    }
    metrics_once(&setup, "two streams", |metrics| metrics.get("gripchat_edge_open_streams", &[]) == 2.0).await?;
    setup.publish(&[stream_item(&channel, "1 ")]).await?;
    setup.publish(&[stream_item("nobody-listens", "2 ")]).await?;
    let mut known = stream_item(&channel, "3 ");
    known["id"] = json!("three");
    setup.publish(&[known.clone(), known]).await?;
    for stream in &mut streams {
        stream.reads("held 1 3 ").await?;
    }
    let metrics =
        metrics_once(&setup, "four deliveries", |metrics| metrics.get("gripchat_edge_deliveries_total", &[]) == 4.0)
            .await?;
    assert_eq!(metrics.get("gripchat_edge_open_streams", &[]), 2.0);
    assert_eq!(metrics.get("gripchat_edge_channels", &[]), 1.0);
    assert!(metrics.get("gripchat_edge_open_connections", &[]) >= 2.0);
    let items = |outcome| metrics.get("gripchat_edge_items_total", &[("outcome", outcome)]);
    assert_eq!((items("accepted"), items("unheard"), items("repeated")), (2.0, 1.0, 1.0));

    drop(streams.pop());
    metrics_once(&setup, "a client has gone", |metrics| {
        metrics.get("gripchat_edge_streams_ended_total", &[("reason", "gone")]) == 1.0
            && metrics.get("gripchat_edge_open_streams", &[]) == 1.0
    })
    .await?;
    setup.publish(&[json!({ "channel": channel, "formats": { "http-stream": { "action": "close" } } })]).await?;
    metrics_once(&setup, "the backend has ended a stream", |metrics| {
        metrics.get("gripchat_edge_streams_ended_total", &[("reason", "closed")]) == 1.0
            && metrics.get("gripchat_edge_open_connections", &[]) == 0.0
            && metrics.get("gripchat_edge_channels", &[]) == 0.0
    })
    .await?;
    Ok(())
}

async fn requests_to_the_backend_are_counted() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    setup.answer("", Reply::status("500 Internal Server Error"));
    setup.get("").await?;
    let link = format!("<{}>; rel=next", setup.path("next"));
    let channel = format!("{}; prev-id=1", setup.channel("a"));
    let held = || hold("").header("Grip-Channel", &channel).header("Grip-Link", &link);
    setup.answer("next", held());
    let _stream = setup.open(held(), "").await?;
    let metrics = metrics_once(&setup, "the next link is requested a second later", |metrics| {
        metrics.get("gripchat_edge_recoveries_total", &[("outcome", "answered")]) == 1.0
    })
    .await?;
    assert_eq!(metrics.get("gripchat_edge_recovery_streams_sum", &[]), 1.0);
    let asked = |purpose, outcome| {
        let labels = [("purpose", purpose), ("outcome", outcome)];
        metrics.get("gripchat_edge_backend_request_duration_seconds_count", &labels)
    };
    assert_eq!((asked("client", "failed"), asked("client", "answered")), (1.0, 1.0));
    assert_eq!(asked("recovery", "answered"), 1.0);
    Ok(())
}

async fn a_connection_above_the_limit_is_counted() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[("MAX_CONNECTIONS", "1")]).await?;
    let _held = setup.open(hold("").header("Grip-Channel", &setup.channel("a")), "").await?;
    assert_eq!(setup.get("").await?.status, 503);
    metrics_once(&setup, "the refusal", |metrics| {
        metrics.get("gripchat_edge_refused_total", &[("reason", "full")]) == 1.0
    })
    .await?;
    Ok(())
}

async fn a_stream_above_the_limit_of_its_address_is_counted() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[("MAX_STREAMS_PER_ADDRESS", "1")]).await?;
    let _held = setup.open(hold("").header("Grip-Channel", &setup.channel("a")), "").await?;
    assert_eq!(setup.get("").await?.status, 429);
    metrics_once(&setup, "the refusal", |metrics| {
        metrics.get("gripchat_edge_refused_total", &[("reason", "address")]) == 1.0
    })
    .await?;
    Ok(())
}

async fn metrics_need_a_token_if_publishing_does() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[("CONTROL_KEY", "the key of the control port")]).await?;
    let mut answer = Request::new("GET", "/metrics").send(setup.control_addr()).await?;
    assert_eq!(answer.status, 401);
    assert!(!String::from_utf8(answer.whole().await?)?.contains("gripchat_"));
    Ok(())
}

//! The metrics of the backend.

use std::time::Duration;

use libtest_mimic::Trial;
use tokio::time::{Instant, sleep};

use crate::support::{
    fault::Mode,
    metrics::Metrics,
    stack::{Kind, SOON, Stack},
    trials::on_stacks,
};

const KEY: &str = "5d0e9a4c-7a0f-4be5-8f6a-2f9d3c1b0a87";

pub(super) fn trials() -> Vec<Trial> {
    on_stacks![
        [APART] => posts_are_counted_by_outcome,
        [APART] => stream_openings_and_resets_are_counted_by_kind_and_reason,
        [EDGE_EMBEDDED] => a_publish_that_fails_and_is_retried_is_counted,
        [EDGE_DYNAMODB] => errors_of_the_store_are_counted,
        [EDGE_EMBEDDED] => requests_are_counted_by_route_and_labels_contain_nothing_that_clients_chose,
        [APART] => metrics_cannot_be_read_through_the_proxy,
    ]
}

async fn metrics(stack: &Stack) -> anyhow::Result<Metrics> {
    Metrics::of(stack.http(), &stack.backend.url()).await
}

/// Waits until the metrics satisfy the condition, and returns them.
async fn metrics_once(stack: &Stack, what: &str, holds: impl Fn(&Metrics) -> bool) -> anyhow::Result<Metrics> {
    let started = Instant::now();
    loop {
        let metrics = metrics(stack).await?;
        if holds(&metrics) {
            return Ok(metrics);
        }
        anyhow::ensure!(started.elapsed() < SOON, "not within {SOON:?}: {what}: {metrics:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn posts_are_counted_by_outcome(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    room.post("one").await?;
    assert_eq!(room.post_with("two", &[("Idempotency-Key", KEY)]).await?.status, 200);
    assert_eq!(room.post_with("two", &[("Idempotency-Key", KEY)]).await?.status, 200);
    assert_eq!(room.post_with("another", &[("Idempotency-Key", KEY)]).await?.status, 422);
    assert_eq!(room.post_with("", &[]).await?.status, 400);

    // The sender of a refused post does not wait for the items of that post.
    let published =
        |metrics: &Metrics| metrics.get("gripchat_publish_duration_seconds_count", &[("outcome", "published")]);
    let metrics = metrics_once(&stack, "nine items are published", |metrics| published(metrics) == 9.0).await?;
    let posts = |outcome, reason| metrics.get("gripchat_posts_total", &[("outcome", outcome), ("reason", reason)]);
    assert_eq!((posts("stored", ""), posts("duplicate", "")), (2.0, 1.0));
    assert_eq!((posts("refused", "idempotency_key_reused"), posts("refused", "invalid_message")), (1.0, 1.0));
    assert_eq!(metrics.get("gripchat_posts_total", &[]), 5.0, "no other posts are counted");

    let items = |item| metrics.get("gripchat_publish_duration_seconds_count", &[("item", item)]);
    // A recent duplicate is published again, even if the post that repeated its key is retracted.
    assert_eq!((items("provisional"), items("persisted"), items("retraction")), (4.0, 4.0, 1.0));
    let appends = |outcome| metrics.get("gripchat_store_append_duration_seconds_count", &[("outcome", outcome)]);
    assert_eq!((appends("stored"), appends("duplicate"), appends("failed")), (2.0, 2.0, 0.0));
    let searches = metrics.get("gripchat_store_read_duration_seconds_count", &[("operation", "key_search")]);
    assert_eq!(searches, 3.0);
    match kind {
        Kind::EdgeEmbedded => {
            assert_eq!(metrics.get("gripchat_embedded_commit_appends_sum", &[]), 2.0, "a duplicate needs no commit");
            assert!(metrics.get("gripchat_embedded_file_bytes", &[]) > 0.0);
            assert_eq!(metrics.get("gripchat_embedded_queue_appends", &[]), 0.0);
        }
        Kind::PushpinDynamoDb | Kind::EdgeDynamoDb => {
            assert!(metrics.get("gripchat_dynamodb_consumed_units_total", &[("kind", "write")]) >= 2.0);
        }
    }
    Ok(())
}

async fn stream_openings_and_resets_are_counted_by_kind_and_reason(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let first = room.post("one").await?;
    let first = first["id"].as_str().unwrap_or_default();
    room.post("two").await?;
    let ahead = first.replace("-1", "-900");
    let mut streams = Vec::new();
    for cursor in [None, Some(first), Some(ahead.as_str()), Some("zzz-1"), Some("not a cursor")] {
        let mut stream = room.stream(cursor).await?;
        anyhow::ensure!(stream.next_named("stream-open", SOON).await.is_some(), "{cursor:?}");
        streams.push(stream);
    }
    let metrics = metrics(&stack).await?;
    let openings = |kind| metrics.get("gripchat_stream_openings_total", &[("kind", kind)]);
    assert_eq!((openings("fresh"), openings("resumed"), openings("reset")), (1.0, 1.0, 3.0));
    for reason in ["ahead", "epoch", "malformed"] {
        assert_eq!(metrics.get("gripchat_stream_resets_total", &[("reason", reason)]), 1.0, "{reason}");
    }
    assert_eq!(metrics.get("gripchat_stream_replayed_messages_total", &[]), 1.0);
    // The proxy requests the next link soon after its first stream of a room.
    metrics_once(&stack, "a recovery is counted", |metrics| {
        metrics.get("gripchat_stream_recoveries_total", &[("outcome", "served")]) > 0.0
    })
    .await?;
    Ok(())
}

async fn a_publish_that_fails_and_is_retried_is_counted(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    stack.control.set(Mode::Refuse);
    stack.room("lobby").post("one").await?;
    let requests = |metrics: &Metrics, outcome| metrics.get("gripchat_publish_requests_total", &[("outcome", outcome)]);
    let failed = metrics_once(&stack, "the retries are counted", |metrics| {
        metrics.get("gripchat_publish_retries_total", &[]) > 0.0
    })
    .await?;
    assert!(requests(&failed, "unreachable") > 0.0);
    assert!(failed.get("gripchat_publish_duration_seconds_count", &[("outcome", "unconfirmed")]) >= 1.0);
    assert_eq!(failed.get("gripchat_publish_dropped_items_total", &[("reason", "ephemeral")]), 1.0);
    assert_eq!(failed.get("gripchat_publish_queue_items", &[]), 1.0, "the stored message is waiting");
    stack.control.set(Mode::Pass);
    let empty =
        metrics_once(&stack, "nothing is waiting", |metrics| metrics.get("gripchat_publish_queue_items", &[]) == 0.0)
            .await?;
    assert!(requests(&empty, "published") > requests(&failed, "published"));
    Ok(())
}

async fn errors_of_the_store_are_counted(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    stack.store().set(Mode::Refuse);
    let room = stack.room("lobby");
    assert_eq!(room.post_with("lost", &[]).await?.status, 503);
    assert_eq!(room.get("").await?.status, 503);
    let retracted =
        |metrics: &Metrics| metrics.get("gripchat_publish_duration_seconds_count", &[("item", "retraction")]);
    let metrics = metrics_once(&stack, "the retraction", |metrics| retracted(metrics) == 1.0).await?;
    assert_eq!(metrics.get("gripchat_posts_total", &[("outcome", "failed")]), 1.0);
    for operation in ["append", "latest"] {
        let errors = metrics.get("gripchat_store_errors_total", &[("store", "dynamodb"), ("operation", operation)]);
        assert_eq!(errors, 1.0, "{operation}");
    }
    Ok(())
}

async fn requests_are_counted_by_route_and_labels_contain_nothing_that_clients_chose(kind: Kind) -> anyhow::Result<()> {
    const NAME: &str = "n4me-of-a-cl13nt";
    let stack = Stack::start(kind).await?;
    let at = |path: &str| format!("{}{path}", stack.backend.url());
    stack.room(NAME).post(NAME).await?;
    stack.http().get(at(&format!("/{NAME}?user={NAME}"))).send().await?;
    stack.http().get(at(&format!("/{NAME}/{NAME}"))).send().await?;
    let odd = reqwest::Method::from_bytes(b"N4ME")?;
    stack.http().request(odd, at("/")).send().await?;
    let metrics = metrics(&stack).await?;
    let requests = |route, method, status| {
        let labels = [("route", route), ("method", method), ("status", status)];
        metrics.get("gripchat_http_request_duration_seconds_count", &labels)
    };
    assert_eq!(requests("/rooms/{room}/messages/", "POST", "200"), 1.0);
    assert_eq!(requests("/{room}", "GET", "200"), 1.0);
    assert_eq!(requests("none", "GET", "404"), 1.0);
    assert_eq!(requests("/", "other", "405"), 1.0);
    for label in ["route", "method", "reason", "operation"] {
        let values = metrics.values(label);
        assert!(!values.iter().any(|value| value.contains(NAME) || *value == "N4ME"), "{values:?}");
    }
    Ok(())
}

async fn metrics_cannot_be_read_through_the_proxy(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    metrics(&stack).await?;
    let answer = stack.http().get(format!("{}/metrics", stack.proxy.url())).send().await?;
    assert_eq!(answer.status(), 404);
    assert!(!answer.text().await?.contains("gripchat_"));
    Ok(())
}

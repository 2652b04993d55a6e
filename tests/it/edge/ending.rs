//! What happens when a client disconnects, and when the edge stops.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use libtest_mimic::Trial;
use serde_json::json;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use super::{Setup, hold, stream_item};
use crate::support::{
    eventually::eventually,
    scripted::Reply,
    stack::SOON,
    trials::trials,
    wire::{Answer, Connection},
};

/// From SIGTERM to the exit, if all clients read. An edge that waits for something waits for ten seconds.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// Concurrent requests. The pool keeps as many connections to the backend for a while.
const AT_ONCE: usize = 20;
const CYCLES: usize = 2_000;

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => disconnected_clients_leave_no_descriptor_open,
        [] => the_backend_is_notified_once_when_a_client_disconnects,
        [] => the_backend_is_not_notified_when_it_ended_the_stream_itself,
        [] => sigterm_ends_streams_and_answers_held_responses,
        [] => a_request_held_after_sigterm_ends_at_once,
        [] => sigterm_does_not_wait_for_the_last_stream,
        [] => sigterm_ends_streams_one_by_one_and_serves_requests_meanwhile,
        [] => sigterm_does_not_complete_a_partial_event,
    ]
}

fn with_gone(setup: &Setup) -> Reply {
    let gone = format!("<{}?of=link>; rel=gone", setup.path("gone"));
    setup.answer("gone", Reply::ok(""));
    hold("").header("Grip-Channel", &setup.channel("a")).header("Grip-Link", &gone)
}

async fn the_backend_is_notified_once_when_a_client_disconnects() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let mut answer = setup.open(with_gone(&setup), "").await?;
    setup.becomes_live(&mut answer, &setup.channel("a")).await?;
    drop(answer);
    let received = &setup.wait_for_requests("gone", 1).await[0];
    assert_eq!((&*received.method, received.query(), &*received.text()), ("POST", Some("of=link"), ""));
    assert_eq!(received.headers.get("host"), Some("wire.test"));
    assert!(received.headers.get("grip-sig").is_some());
    // The backend is not notified of it again after another client has disconnected.
    drop(setup.open(with_gone(&setup), "").await?);
    setup.wait_for_requests("gone", 2).await;
    assert_eq!(setup.requests("gone").len(), 2);
    Ok(())
}

async fn the_backend_is_not_notified_when_it_ended_the_stream_itself() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let a = setup.channel("a");
    let mut ended = setup.open(with_gone(&setup), "").await?;
    setup.becomes_live(&mut ended, &a).await?;
    setup.publish(&[json!({ "channel": a, "formats": { "http-stream": { "action": "close" } } })]).await?;
    ended.ends_within(SOON).await?;
    // The notification of a later client would arrive after the one for this client.
    drop(setup.open(with_gone(&setup), "").await?);
    setup.wait_for_requests("gone", 1).await;
    assert_eq!(setup.requests("gone").len(), 1);
    Ok(())
}

async fn sigterm_ends_streams_and_answers_held_responses() -> anyhow::Result<()> {
    let mut setup = Setup::on_edge(&[]).await?;
    let a = setup.channel("a");
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(setup.open(hold("body ").header("Grip-Channel", &a), "body ").await?);
    }
    let response = Reply::ok("nothing came").header("Grip-Hold", "response").header("Grip-Channel", &a);
    setup.answer("response", response);
    let (mut response, signalled) = tokio::try_join!(setup.get("response"), async {
        setup.wait_for_requests("response", 1).await;
        for stream in &mut streams {
            setup.becomes_live(stream, &a).await?;
        }
        setup.edge()?.terminate()?;
        Ok(Instant::now())
    })?;
    assert_eq!(response.status, 200);
    response.ends_as("nothing came").await?;
    for stream in &mut streams {
        stream.ends_within(SOON).await?;
    }
    assert!(setup.edge_mut()?.ended().await?.success());
    ensure!(signalled.elapsed() < STOP_TIMEOUT, "{:?}", signalled.elapsed());
    Ok(())
}

/// Its client keeps the connection open, so only the end of the stream can wake the edge.
async fn sigterm_does_not_wait_for_the_last_stream() -> anyhow::Result<()> {
    let mut setup = Setup::on_edge(&[]).await?;
    let a = setup.channel("a");
    let mut stream = setup.open(hold("body ").header("Grip-Channel", &a), "body ").await?;
    setup.becomes_live(&mut stream, &a).await?;
    // After the recheck, which follows the first subscription by a second, nothing else wakes the edge.
    sleep(Duration::from_millis(1_500)).await;
    let signalled = Instant::now();
    setup.edge()?.terminate()?;
    assert!(setup.edge_mut()?.ended().await?.success());
    ensure!(signalled.elapsed() < STOP_TIMEOUT, "{:?}", signalled.elapsed());
    Ok(())
}

/// The backend was still answering when the edge received SIGTERM.
async fn a_request_held_after_sigterm_ends_at_once() -> anyhow::Result<()> {
    let mut setup = Setup::on_edge(&[]).await?;
    let gate = Arc::new(Semaphore::new(0));
    for mode in ["stream", "response"] {
        let reply = Reply::status("200 OK").header("Grip-Hold", mode).header("Grip-Channel", &setup.channel("a"));
        setup.answer(mode, reply.until(&gate).part("body"));
    }
    let (mut stream, mut response, signalled) = tokio::try_join!(setup.get("stream"), setup.get("response"), async {
        setup.wait_for_requests("stream", 1).await;
        setup.wait_for_requests("response", 1).await;
        let signalled = Instant::now();
        setup.edge()?.terminate()?;
        // The edge accepts no more connections.
        let closed = async || while Connection::open(setup.http_addr()).await.is_ok() {};
        timeout(SOON, closed()).await?;
        gate.add_permits(1);
        Ok(signalled)
    })?;
    stream.ends_as("body").await?;
    response.ends_as("body").await?;
    assert!(setup.edge_mut()?.ended().await?.success());
    ensure!(signalled.elapsed() < STOP_TIMEOUT, "{:?}", signalled.elapsed());
    Ok(())
}

/// Groups of streams end at the same pace.
async fn sigterm_ends_streams_one_by_one_and_serves_requests_meanwhile() -> anyhow::Result<()> {
    const STREAMS: usize = 500;
    // Ten milliseconds for each would be 5 s; half of that allows for an inexact pace. The requests below have this long.
    const AT_LEAST: Duration = Duration::from_millis(2_500);

    let mut setup = Setup::on_edge(&[]).await?;
    let a = setup.channel("a");
    let event = |text: &str| stream_item(&a, &format!("data: {text}\n\n"));
    let reply = Reply::ok("data: body\n\n").header("Grip-Hold", "stream").header("Grip-Channel", &a);
    setup.answer("", reply.header("Content-Type", "text/event-stream; charset=utf-8"));
    setup.answer("else", Reply::ok("served"));
    setup.answer("plain", hold("refused").header("Grip-Channel", &a));
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut answer = setup.get("").await?;
        answer.reads("data: body\n\n").await?;
        streams.push(answer);
    }
    // Once the newest stream is held, the others are as well.
    let newest = streams.pop().context("there are streams")?;
    while !newest.text().contains("live") {
        setup.publish(&[event("live")]).await?;
        sleep(Duration::from_millis(20)).await;
    }
    streams.push(newest);
    let signalled = Instant::now();
    setup.edge()?.terminate()?;
    let log = || setup.edge().is_ok_and(|edge| edge.log().contains("stopping"));
    eventually(SOON, "that it stops", log).await;
    // One request of each kind while streams end, and one published item.
    let meanwhile = [event("published meanwhile")];
    let (mut other, mut late, mut plain, ()) =
        tokio::try_join!(setup.get("else"), setup.get(""), setup.get("plain"), setup.publish(&meanwhile))?;
    ensure!(signalled.elapsed() < AT_LEAST, "this machine is too slow to see it: {:?}", signalled.elapsed());
    assert_eq!((other.status, other.headers.get("connection")), (200, Some("close")));
    other.ends_as("served").await?;
    assert_eq!((plain.status, plain.headers.get("retry-after")), (503, Some("5")));
    plain.whole().await?;
    assert_eq!(late.status, 200, "an EventSource does not reconnect after another status");
    late.ends_within(SOON).await?;

    let ended = async |stream: &mut Answer| {
        stream.ends_within(SOON).await?;
        anyhow::Ok((Instant::now(), stream.text()))
    };
    let ends = try_join_all(streams.iter_mut().map(ended)).await?;
    let first = ends.iter().map(|(at, _)| *at).min().context("there are streams")?;
    let last = ends.iter().map(|(at, _)| *at).max().context("there are streams")?;
    ensure!(last - first > AT_LEAST, "all ended within {:?}", last - first);
    let texts = || ends.iter().map(|(_, text)| text).chain([&late.text()]).cloned().collect::<Vec<_>>();
    let mut pauses = Vec::new();
    for text in texts() {
        let (events, retry) = text.rsplit_once("retry: ").with_context(|| text.clone())?;
        ensure!(events.ends_with("\n\n"), "within an event: {text:?}");
        pauses.push(retry.strip_suffix("\n\n").context("a whole line")?.parse::<u64>()?);
    }
    assert!(pauses.iter().all(|pause| (1_000..=10_000).contains(pause)), "{pauses:?}");
    pauses.sort_unstable();
    pauses.dedup();
    assert!(pauses.len() > STREAMS / 2, "the pauses are not random: {pauses:?}");
    let got = ends.iter().filter(|(_, text)| text.contains("published meanwhile")).count();
    ensure!(got > STREAMS / 4, "only {got} streams got what was published while the others ended");
    assert!(setup.edge_mut()?.ended().await?.success());
    Ok(())
}

/// The edge does not complete an event of which the backend has sent only a part.
async fn sigterm_does_not_complete_a_partial_event() -> anyhow::Result<()> {
    let mut setup = Setup::on_edge(&[]).await?;
    let reply = Reply::ok("data: half").header("Grip-Hold", "stream").header("Grip-Channel", &setup.channel("a"));
    setup.answer("half", reply.header("Content-Type", "text/event-stream"));
    let mut half = setup.get("half").await?;
    half.reads("data: half").await?;
    setup.edge()?.terminate()?;
    half.ends_as("data: half").await?;
    assert!(setup.edge_mut()?.ended().await?.success());
    Ok(())
}

async fn disconnected_clients_leave_no_descriptor_open() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    setup.answer("", hold("body").header("Grip-Channel", &setup.channel("a")));
    let cycle = async |setup: &Setup| {
        let mut answer = setup.get("").await?;
        answer.reads("body").await
    };
    try_join_all((0..AT_ONCE).map(|_| cycle(&setup))).await?;
    let before = setup.edge()?.descriptors()?;
    for _ in 0..CYCLES / AT_ONCE {
        try_join_all((0..AT_ONCE).map(|_| cycle(&setup))).await?;
    }
    let edge = setup.edge()?;
    let few = || edge.descriptors().is_ok_and(|now| now <= before + AT_ONCE);
    eventually(SOON, "as few descriptors as before", few).await;
    Ok(())
}

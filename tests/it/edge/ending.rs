//! What goes with a client, and with the edge.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use libtest_mimic::Trial;
use serde_json::json;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use super::{Stand, hold, stream_item};
use crate::support::{
    eventually::eventually,
    scripted::Reply,
    stack::SOON,
    trials::trials,
    wire::{Answer, Connection},
};

/// From SIGTERM to the end, when all clients read.
const ENDS_WITHIN: Duration = Duration::from_secs(2);
/// Connections to the backend, which are kept for a while, are as many as requests at a time.
const AT_ONCE: usize = 20;
const CYCLES: usize = 2_000;

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => clients_that_go_leave_no_descriptor_behind,
        [] => when_a_client_goes_the_backend_is_told_once,
        [] => when_the_backend_ends_a_stream_it_is_not_told,
        [] => on_sigterm_streams_end_and_held_responses_are_answered,
        [] => what_is_held_after_sigterm_ends_at_once,
        [] => on_sigterm_the_last_stream_is_not_waited_for,
        [] => on_sigterm_streams_end_one_after_the_other_and_all_goes_on_until_then,
        [] => on_sigterm_an_event_that_is_not_whole_stays_so,
    ]
}

fn with_gone(stand: &Stand) -> Reply {
    let gone = format!("<{}?of=link>; rel=gone", stand.path("gone"));
    stand.answer("gone", Reply::ok(""));
    hold("").header("Grip-Channel", &stand.channel("a")).header("Grip-Link", &gone)
}

async fn when_a_client_goes_the_backend_is_told_once() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    let mut answer = stand.open(with_gone(&stand), "").await?;
    stand.becomes_live(&mut answer, &stand.channel("a")).await?;
    drop(answer);
    let asked = &stand.asked_times("gone", 1).await[0];
    assert_eq!((&*asked.method, asked.query(), &*asked.text()), ("POST", Some("of=link"), ""));
    assert_eq!(asked.headers.get("host"), Some("wire.test"));
    assert!(asked.headers.get("grip-sig").is_some());
    // Nor does the backend hear of it again, after another one has gone.
    drop(stand.open(with_gone(&stand), "").await?);
    stand.asked_times("gone", 2).await;
    assert_eq!(stand.asked("gone").len(), 2);
    Ok(())
}

async fn when_the_backend_ends_a_stream_it_is_not_told() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    let a = stand.channel("a");
    let mut ended = stand.open(with_gone(&stand), "").await?;
    stand.becomes_live(&mut ended, &a).await?;
    stand.publish(&[json!({ "channel": a, "formats": { "http-stream": { "action": "close" } } })]).await?;
    ended.ends_within(SOON).await?;
    // What another client leaves behind comes later than what this one would have.
    drop(stand.open(with_gone(&stand), "").await?);
    stand.asked_times("gone", 1).await;
    assert_eq!(stand.asked("gone").len(), 1);
    Ok(())
}

async fn on_sigterm_streams_end_and_held_responses_are_answered() -> anyhow::Result<()> {
    let mut stand = Stand::on_edge(&[]).await?;
    let a = stand.channel("a");
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(stand.open(hold("body ").header("Grip-Channel", &a), "body ").await?);
    }
    let response = Reply::ok("nothing came").header("Grip-Hold", "response").header("Grip-Channel", &a);
    stand.answer("response", response);
    let (mut response, told) = tokio::try_join!(stand.get("response"), async {
        stand.asked_times("response", 1).await;
        for stream in &mut streams {
            stand.becomes_live(stream, &a).await?;
        }
        stand.edge()?.terminate()?;
        Ok(Instant::now())
    })?;
    assert_eq!(response.status, 200);
    response.ends_as("nothing came").await?;
    for stream in &mut streams {
        stream.ends_within(SOON).await?;
    }
    assert!(stand.edge_mut()?.ended().await?.success());
    ensure!(told.elapsed() < ENDS_WITHIN, "{:?}", told.elapsed());
    Ok(())
}

/// Its client keeps the connection, so that nothing but the end of the stream can wake the edge.
async fn on_sigterm_the_last_stream_is_not_waited_for() -> anyhow::Result<()> {
    let mut stand = Stand::on_edge(&[]).await?;
    let a = stand.channel("a");
    let mut stream = stand.open(hold("body ").header("Grip-Channel", &a), "body ").await?;
    stand.becomes_live(&mut stream, &a).await?;
    // Nor does the look that is taken a second after the first subscription.
    sleep(Duration::from_millis(1_500)).await;
    let told = Instant::now();
    stand.edge()?.terminate()?;
    assert!(stand.edge_mut()?.ended().await?.success());
    ensure!(told.elapsed() < ENDS_WITHIN, "{:?}", told.elapsed());
    Ok(())
}

/// What was under way at the backend when the edge was told to end.
async fn what_is_held_after_sigterm_ends_at_once() -> anyhow::Result<()> {
    let mut stand = Stand::on_edge(&[]).await?;
    let gate = Arc::new(Semaphore::new(0));
    for mode in ["stream", "response"] {
        let reply = Reply::status("200 OK").header("Grip-Hold", mode).header("Grip-Channel", &stand.channel("a"));
        stand.answer(mode, reply.until(&gate).part("body"));
    }
    let (mut stream, mut response, told) = tokio::try_join!(stand.get("stream"), stand.get("response"), async {
        stand.asked_times("stream", 1).await;
        stand.asked_times("response", 1).await;
        let told = Instant::now();
        stand.edge()?.terminate()?;
        // It takes no more connections.
        let closed = async || while Connection::open(stand.http_addr()).await.is_ok() {};
        timeout(SOON, closed()).await?;
        gate.add_permits(1);
        Ok(told)
    })?;
    stream.ends_as("body").await?;
    response.ends_as("body").await?;
    assert!(stand.edge_mut()?.ended().await?.success());
    ensure!(told.elapsed() < ENDS_WITHIN, "{:?}", told.elapsed());
    Ok(())
}

/// Several at a time end at the same pace.
async fn on_sigterm_streams_end_one_after_the_other_and_all_goes_on_until_then() -> anyhow::Result<()> {
    const STREAMS: usize = 80;
    // Ten milliseconds each, and twice that for a pace that is not exact.
    const AT_LEAST: Duration = Duration::from_millis(400);

    let mut stand = Stand::on_edge(&[]).await?;
    let a = stand.channel("a");
    let event = |text: &str| stream_item(&a, &format!("data: {text}\n\n"));
    let reply = Reply::ok("data: body\n\n").header("Grip-Hold", "stream").header("Grip-Channel", &a);
    stand.answer("", reply.header("Content-Type", "text/event-stream; charset=utf-8"));
    stand.answer("else", Reply::ok("served"));
    stand.answer("plain", hold("refused").header("Grip-Channel", &a));
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut answer = stand.get("").await?;
        answer.reads("data: body\n\n").await?;
        streams.push(answer);
    }
    // The last to be opened is held, and so are the others.
    let newest = streams.pop().context("there are streams")?;
    while !newest.text().contains("live") {
        stand.publish(&[event("live")]).await?;
        sleep(Duration::from_millis(20)).await;
    }
    streams.push(newest);
    let told = Instant::now();
    stand.edge()?.terminate()?;
    let log = || stand.edge().is_ok_and(|edge| edge.log().contains("stopping"));
    eventually(SOON, "it stops", log).await;
    // A request of each kind while streams end, and one that is published.
    let meanwhile = [event("published meanwhile")];
    let (mut other, mut late, mut plain, ()) =
        tokio::try_join!(stand.get("else"), stand.get(""), stand.get("plain"), stand.publish(&meanwhile))?;
    ensure!(told.elapsed() < AT_LEAST, "this machine is too slow to see it: {:?}", told.elapsed());
    assert_eq!((other.status, other.headers.get("connection")), (200, Some("close")));
    other.ends_as("served").await?;
    assert_eq!((plain.status, plain.headers.get("retry-after")), (503, Some("5")));
    plain.whole().await?;
    assert_eq!(late.status, 200, "an EventSource does not come back from anything else");
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
    assert!(pauses.len() > STREAMS / 2, "they are drawn: {pauses:?}");
    let got = ends.iter().filter(|(_, text)| text.contains("published meanwhile")).count();
    ensure!(got > STREAMS / 4, "only {got} streams got what was published while the others ended");
    assert!(stand.edge_mut()?.ended().await?.success());
    Ok(())
}

/// What a backend has sent without its end is not ended by the edge.
async fn on_sigterm_an_event_that_is_not_whole_stays_so() -> anyhow::Result<()> {
    let mut stand = Stand::on_edge(&[]).await?;
    let reply = Reply::ok("data: half").header("Grip-Hold", "stream").header("Grip-Channel", &stand.channel("a"));
    stand.answer("half", reply.header("Content-Type", "text/event-stream"));
    let mut half = stand.get("half").await?;
    half.reads("data: half").await?;
    stand.edge()?.terminate()?;
    half.ends_as("data: half").await?;
    assert!(stand.edge_mut()?.ended().await?.success());
    Ok(())
}

async fn clients_that_go_leave_no_descriptor_behind() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    stand.answer("", hold("body").header("Grip-Channel", &stand.channel("a")));
    let cycle = async |stand: &Stand| {
        let mut answer = stand.get("").await?;
        answer.reads("body").await
    };
    try_join_all((0..AT_ONCE).map(|_| cycle(&stand))).await?;
    let before = stand.edge()?.descriptors()?;
    for _ in 0..CYCLES / AT_ONCE {
        try_join_all((0..AT_ONCE).map(|_| cycle(&stand))).await?;
    }
    let edge = stand.edge()?;
    let few = || edge.descriptors().is_ok_and(|now| now <= before + AT_ONCE);
    eventually(SOON, "no more descriptors than before", few).await;
    Ok(())
}

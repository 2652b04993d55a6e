//! Keep-alives: what is sent, and when.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use super::{Rule, Setup, hold, rules, stream_item};
use crate::support::{eventually::eventually, proxy::Kind, stack::SOON, wire::Answer};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        an_idle_keep_alive_waits_for_silence,
        an_interval_keep_alive_does_not_wait_for_silence,
        a_keep_alive_is_raw_or_a_cstring_or_base64,
        a_keep_alive_ends_where_the_next_link_does_not_repeat_it,
    ]
}

/// How late a keep-alive may be: only a busy machine delays it.
const SLACK: Duration = Duration::from_millis(700);

async fn open(setup: &Setup, keep_alive: &str) -> anyhow::Result<Answer> {
    let reply = hold("").header("Grip-Channel", &setup.channel("a")).header("Grip-Keep-Alive", keep_alive);
    setup.open(reply, "").await
}

/// A proxy subtracts up to a second from the timeout, so that it does not wake all streams at once.
async fn an_idle_keep_alive_waits_for_silence(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let opened = Instant::now();
    let mut answer = open(&setup, "k; timeout=6").await?;
    let mut expected = String::new();
    // For longer than the timeout, the stream is never silent for five seconds.
    let mut published = opened;
    while opened.elapsed() < Duration::from_millis(6200) {
        setup.publish(&[stream_item(&setup.channel("a"), "i")]).await?;
        published = Instant::now();
        expected.push('i');
        answer.reads(&expected).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    answer.reads(&(expected.clone() + "k")).await?;
    let silence = answer.arrival_of(expected.len() + 1).context("no item")? - published;
    ensure!(silence >= Duration::from_millis(4900) && silence < Duration::from_secs(6) + SOON, "{silence:?}");
    Ok(())
}

async fn an_interval_keep_alive_does_not_wait_for_silence(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let answer = open(&setup, "k; timeout=1; mode=interval").await?;
    let opened = Instant::now();
    while !answer.text().contains('k') {
        ensure!(opened.elapsed() < Duration::from_secs(1) + SOON, "{}", answer.text());
        setup.publish(&[stream_item(&setup.channel("a"), "i")]).await?;
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    assert!(answer.is_open());
    Ok(())
}

async fn a_keep_alive_is_raw_or_a_cstring_or_base64(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let mut answers = Vec::new();
    for (keep_alive, expected) in [
        ("a,b \"c\"\\n; timeout=1", "a,b \"c\"\\n"),
        ("raw\\x41; format=raw; timeout=1", "raw\\x41"),
        (r"a\x3b\x2C\\\r\n\n; format=cstring; timeout=1", "a;,\\\r\n\n"),
        ("Oisi; timeout=1; format=base64", ":+\""),
    ] {
        answers.push((open(&setup, keep_alive).await?, expected));
    }
    for (answer, expected) in &mut answers {
        eventually(SOON, expected, || answer.text().len() >= expected.len()).await;
        assert!(answer.text().starts_with(*expected), "{expected:?}: {:?}", answer.text());
    }
    Ok(())
}

async fn a_keep_alive_ends_where_the_next_link_does_not_repeat_it(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    setup.answer("next", hold("next ").header("Grip-Channel", &a));
    let reply = hold("").header("Grip-Channel", &a).header("Grip-Keep-Alive", "k; timeout=2");
    let link = format!("<{}>; rel=next; timeout=120", setup.path("next"));
    let mut answer = setup.open(reply.header("Grip-Link", &link), "").await?;
    setup.publish(&[serde_json::json!({ "channel": a, "formats": { "http-stream": { "action": "hint" } } })]).await?;
    // On a busy machine the hint may arrive after the first keep-alive.
    eventually(SOON, "the response of the link", || answer.text().ends_with("next ")).await;
    answer.stays(Duration::from_secs(2) + SLACK).await
}

//! Held responses, the long poll: one published answer, or the backend's own when the time is up.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Rule, Stand, hold, rules, stream_item};
use crate::support::{
    proxy::Kind,
    scripted::Reply,
    wire::{Answer, Request},
};

/// The shortest time there is, in seconds.
const SHORTEST: u64 = 5;

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        without_an_item_the_backends_answer_is_sent_in_the_end,
        a_published_response_is_the_answer,
        a_published_response_may_be_short_or_binary,
        everybody_who_waits_is_answered,
        an_item_of_a_stream_is_no_response,
        a_poll_that_has_missed_an_item_is_asked_again,
    ]
}

fn response(channel: &str, response: &Value) -> Value {
    json!({ "channel": channel, "formats": { "http-response": response } })
}

fn poll(body: &str) -> Reply {
    Reply::ok(body).header("X-Own", "1").header("Grip-Hold", "response")
}

/// A request that waits: the backend has been asked. The proxy may still be about to hold, so that a test publishes
/// until it is answered.
async fn answer(stand: &Stand, items: &[Value]) -> anyhow::Result<Answer> {
    let waiting = stand.get("");
    tokio::pin!(waiting);
    loop {
        tokio::select! {
            answer = &mut waiting => return answer,
            () = tokio::time::sleep(Duration::from_millis(20)) => stand.publish(items).await?,
        }
    }
}

async fn without_an_item_the_backends_answer_is_sent_in_the_end(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let reply = poll("nothing").header("Grip-Channel", &stand.channel("a"));
    stand.answer("shortest", reply.clone().header("Grip-Timeout", &SHORTEST.to_string()));
    // Shorter than the shortest.
    stand.answer("shorter", reply.header("Grip-Timeout", "1"));
    let asked = Instant::now();
    let (shortest, shorter) = tokio::join!(stand.get("shortest"), stand.get("shorter"));
    for mut answer in [shortest?, shorter?] {
        assert_eq!((answer.status, answer.headers.get("x-own")), (200, Some("1")));
        answer.ends_as("nothing").await?;
        let waited = answer.arrival_of(1).context("it has come")? - asked;
        let expected = Duration::from_secs(SHORTEST - 1)..Duration::from_secs(SHORTEST + 3);
        ensure!(expected.contains(&waited), "{waited:?}");
    }
    Ok(())
}

async fn a_published_response_is_the_answer(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let channel = stand.channel("a");
    stand.answer("", poll("nothing").header("Grip-Channel", &channel));
    let headers = [json!({ "X-Item": "2", "Content-Type": "x/y" }), json!([["X-Item", "2"], ["Content-Type", "x/y"]])];
    for headers in headers {
        let item = json!({ "code": 418, "reason": "Short And Stout", "headers": headers, "body": "räum" });
        let mut answer = answer(&stand, &[response(&channel, &item)]).await?;
        assert_eq!((answer.status, &*answer.reason), (418, "Short And Stout"));
        assert_eq!(answer.headers.all("x-item"), ["2"]);
        assert_eq!(answer.headers.all("content-type"), ["x/y"]);
        answer.ends_as("räum").await?;
    }
    Ok(())
}

async fn a_published_response_may_be_short_or_binary(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let channel = stand.channel("a");
    stand.answer("", poll("nothing").header("Grip-Channel", &channel));
    let mut short = answer(&stand, &[response(&channel, &json!({ "body": "" }))]).await?;
    assert_eq!((short.status, short.whole().await?), (200, Vec::new()));
    let mut binary = answer(&stand, &[response(&channel, &json!({ "body-bin": "AP8KgA==" }))]).await?;
    assert_eq!(binary.whole().await?, b"\0\xff\n\x80");
    Ok(())
}

async fn everybody_who_waits_is_answered(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let channel = stand.channel("a");
    stand.answer("", poll("nothing").header("Grip-Channel", &channel));
    let items = [response(&channel, &json!({ "body": "item" }))];
    let (one, two, three) = tokio::join!(answer(&stand, &items), answer(&stand, &items), answer(&stand, &items));
    for mut answer in [one?, two?, three?] {
        answer.ends_as("item").await?;
    }
    Ok(())
}

async fn an_item_of_a_stream_is_no_response(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let channel = stand.channel("a");
    stand.answer("", poll("nothing").header("Grip-Channel", &channel));
    let items = [stream_item(&channel, "stream"), response(&channel, &json!({ "body": "response" }))];
    answer(&stand, &items).await?.ends_as("response").await
}

async fn a_poll_that_has_missed_an_item_is_asked_again(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let channel = stand.channel("a");
    // Somebody has to be there for the proxy to know how far the channel is.
    stand.answer("stream", hold("").header("Grip-Channel", &channel));
    let mut stream = stand.get("stream").await?;
    let mut item = stream_item(&channel, "item");
    (item["id"], item["prev-id"]) = (json!("2"), json!("1"));
    stand.publish(&[item]).await?;
    stream.reads("item").await?;

    let missed = poll("nothing").header("Grip-Channel", &format!("{channel}; prev-id=1"));
    stand.answer_in_turn("poll", vec![missed, Reply::ok("missed")]);
    let request = Request::new("POST", &stand.path("poll?q=1")).header("Cookie", "a=1").body("body");
    stand.send(request).await?.ends_as("missed").await?;
    let asked = stand.asked("poll");
    assert_eq!(asked.len(), 2);
    for asked in &asked {
        assert_eq!((&*asked.method, asked.query(), &*asked.text()), ("POST", Some("q=1"), "body"));
        assert_eq!(asked.headers.get("cookie"), Some("a=1"));
    }
    assert_eq!(asked[0].headers.get("grip-last"), None);
    assert_eq!(asked[1].headers.all("grip-last"), [format!("{channel}; last-id=1")]);
    Ok(())
}

//! Held responses (long polling): one published response, or the backend's own after the timeout.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Rule, Setup, hold, rules, stream_item};
use crate::support::{
    proxy::Kind,
    scripted::Reply,
    stack::SOON,
    wire::{Answer, Request},
};

/// The shortest timeout of a held response, in seconds.
const MIN_TIMEOUT: u64 = 5;

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        without_an_item_the_backends_response_is_sent_after_the_timeout,
        a_published_response_answers_the_request,
        a_published_response_may_be_short_or_binary,
        every_waiting_request_is_answered,
        a_stream_item_does_not_answer_a_request,
        a_poll_that_missed_an_item_is_sent_to_the_backend_again,
    ]
}

fn response(channel: &str, response: &Value) -> Value {
    json!({ "channel": channel, "formats": { "http-response": response } })
}

fn poll(body: &str) -> Reply {
    Reply::ok(body).header("X-Own", "1").header("Grip-Hold", "response")
}

/// Sends a request that is held, and publishes until it is answered: the backend may have answered before the proxy
/// holds the request.
async fn answer(setup: &Setup, items: &[Value]) -> anyhow::Result<Answer> {
    let waiting = setup.get("");
    tokio::pin!(waiting);
    loop {
        tokio::select! {
            answer = &mut waiting => return answer,
            () = tokio::time::sleep(Duration::from_millis(20)) => setup.publish(items).await?,
        }
    }
}

async fn without_an_item_the_backends_response_is_sent_after_the_timeout(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let reply = poll("nothing").header("Grip-Channel", &setup.channel("a"));
    setup.answer("shortest", reply.clone().header("Grip-Timeout", &MIN_TIMEOUT.to_string()));
    // A shorter timeout is raised to the minimum.
    setup.answer("shorter", reply.header("Grip-Timeout", "1"));
    let requested = Instant::now();
    let (shortest, shorter) = tokio::join!(setup.get("shortest"), setup.get("shorter"));
    for mut answer in [shortest?, shorter?] {
        assert_eq!((answer.status, answer.headers.get("x-own")), (200, Some("1")));
        answer.ends_as("nothing").await?;
        let waited = answer.arrival_of(1).context("no response")? - requested;
        let expected = Duration::from_secs(MIN_TIMEOUT - 1)..Duration::from_secs(MIN_TIMEOUT) + SOON;
        ensure!(expected.contains(&waited), "{waited:?}");
    }
    Ok(())
}

async fn a_published_response_answers_the_request(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channel = setup.channel("a");
    setup.answer("", poll("nothing").header("Grip-Channel", &channel));
    let headers = [json!({ "X-Item": "2", "Content-Type": "x/y" }), json!([["X-Item", "2"], ["Content-Type", "x/y"]])];
    for headers in headers {
        let item = json!({ "code": 418, "reason": "Short And Stout", "headers": headers, "body": "räum" });
        let mut answer = answer(&setup, &[response(&channel, &item)]).await?;
        assert_eq!((answer.status, &*answer.reason), (418, "Short And Stout"));
        assert_eq!(answer.headers.all("x-item"), ["2"]);
        assert_eq!(answer.headers.all("content-type"), ["x/y"]);
        answer.ends_as("räum").await?;
    }
    Ok(())
}

async fn a_published_response_may_be_short_or_binary(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channel = setup.channel("a");
    setup.answer("", poll("nothing").header("Grip-Channel", &channel));
    let mut short = answer(&setup, &[response(&channel, &json!({ "body": "" }))]).await?;
    assert_eq!((short.status, short.whole().await?), (200, Vec::new()));
    let mut binary = answer(&setup, &[response(&channel, &json!({ "body-bin": "AP8KgA==" }))]).await?;
    assert_eq!(binary.whole().await?, b"\0\xff\n\x80");
    Ok(())
}

async fn every_waiting_request_is_answered(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channel = setup.channel("a");
    setup.answer("", poll("nothing").header("Grip-Channel", &channel));
    let items = [response(&channel, &json!({ "body": "item" }))];
    let (one, two, three) = tokio::join!(answer(&setup, &items), answer(&setup, &items), answer(&setup, &items));
    for mut answer in [one?, two?, three?] {
        answer.ends_as("item").await?;
    }
    Ok(())
}

async fn a_stream_item_does_not_answer_a_request(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channel = setup.channel("a");
    setup.answer("", poll("nothing").header("Grip-Channel", &channel));
    let items = [stream_item(&channel, "stream"), response(&channel, &json!({ "body": "response" }))];
    answer(&setup, &items).await?.ends_as("response").await
}

async fn a_poll_that_missed_an_item_is_sent_to_the_backend_again(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channel = setup.channel("a");
    // The proxy knows the last id of a channel only while it has a subscriber.
    setup.answer("stream", hold("").header("Grip-Channel", &channel));
    let mut stream = setup.get("stream").await?;
    let mut item = stream_item(&channel, "item");
    (item["id"], item["prev-id"]) = (json!("2"), json!("1"));
    setup.publish(&[item]).await?;
    stream.reads("item").await?;

    let missed = poll("nothing").header("Grip-Channel", &format!("{channel}; prev-id=1"));
    setup.answer_in_turn("poll", vec![missed, Reply::ok("missed")]);
    let request = Request::new("POST", &setup.path("poll?q=1")).header("Cookie", "a=1").body("body");
    setup.send(request).await?.ends_as("missed").await?;
    let received = setup.requests("poll");
    assert_eq!(received.len(), 2);
    for received in &received {
        assert_eq!((&*received.method, received.query(), &*received.text()), ("POST", Some("q=1"), "body"));
        assert_eq!(received.headers.get("cookie"), Some("a=1"));
    }
    assert_eq!(received[0].headers.get("grip-last"), None);
    assert_eq!(received[1].headers.all("grip-last"), [format!("{channel}; last-id=1")]);
    Ok(())
}

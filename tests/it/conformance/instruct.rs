//! Responses that make a proxy hold: which header values are valid, and what happens for the others.

use super::{Rule, Setup, hold, rules, stream_item};
use crate::support::{http1::Framing, proxy::Kind, scripted::Reply, wire::Request};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        an_unknown_hold_mode_is_a_bad_gateway,
        an_invalid_keep_alive_is_a_bad_gateway,
        an_invalid_link_is_a_bad_gateway,
        an_invalid_status_is_a_bad_gateway,
        an_invalid_timeout_is_a_bad_gateway,
        header_names_are_case_insensitive,
        a_response_without_a_hold_is_an_ordinary_one,
        a_held_stream_is_sent_in_chunks_even_if_the_backend_gave_a_length,
        a_hold_keeps_its_status_and_fields,
        a_status_is_replaced,
        only_exposed_fields_reach_the_client,
        an_error_can_be_held,
        a_post_can_be_held,
        a_long_body_can_be_held,
    ]
}

async fn bad_gateways(kind: Kind, name: &str, values: &[&str]) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    for value in values {
        let reply = match name {
            "Grip-Hold" => Reply::ok("body"),
            "Grip-Timeout" => Reply::ok("body").header("Grip-Hold", "response"),
            _ => hold("body"),
        };
        let reply = reply.header(name, value).header("Grip-Channel", &setup.channel("a"));
        setup.answer("", reply);
        let mut answer = setup.get("").await?;
        assert_eq!(answer.status, 502, "{name}: {value}");
        let body = String::from_utf8(answer.whole().await?)?;
        assert!(!body.contains("body"), "{name}: {value}: {body}");
    }
    Ok(())
}

async fn an_unknown_hold_mode_is_a_bad_gateway(kind: Kind) -> anyhow::Result<()> {
    bad_gateways(kind, "Grip-Hold", &["Stream", "RESPONSE", "streams", "none"]).await
}

async fn an_invalid_keep_alive_is_a_bad_gateway(kind: Kind) -> anyhow::Result<()> {
    let values = [
        "x; timeout=-1",
        "x; timeout=soon",
        "; timeout=5",
        "x; format=hex",
        r"x\x4; format=cstring",
        r"x\; format=cstring",
        "x; mode=never",
    ];
    bad_gateways(kind, "Grip-Keep-Alive", &values).await
}

async fn an_invalid_link_is_a_bad_gateway(kind: Kind) -> anyhow::Result<()> {
    bad_gateways(kind, "Grip-Link", &["/next; rel=next", "</a;b>; rel=next", "</next>; rel=next; timeout=-1"]).await
}

async fn an_invalid_status_is_a_bad_gateway(kind: Kind) -> anyhow::Result<()> {
    bad_gateways(kind, "Grip-Status", &["fine", "1000", "-1"]).await
}

async fn an_invalid_timeout_is_a_bad_gateway(kind: Kind) -> anyhow::Result<()> {
    bad_gateways(kind, "Grip-Timeout", &["-1", "soon"]).await
}

async fn header_names_are_case_insensitive(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channel = setup.channel("a");
    let reply = Reply::ok("").header("grip-hold", "stream").header("GRIP-CHANNEL", &channel);
    let mut answer = setup.open(reply, "").await?;
    setup.publish(&[stream_item(&channel, "item")]).await?;
    answer.reads("item").await
}

async fn a_response_without_a_hold_is_an_ordinary_one(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let reply = Reply::ok("body").header("Grip-Channel", &setup.channel("a")).header("Grip-Keep-Alive", "x; timeout=1");
    setup.open(reply, "body").await?.ends_as("body").await
}

async fn a_held_stream_is_sent_in_chunks_even_if_the_backend_gave_a_length(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let answer = setup.open(hold("body").header("Grip-Channel", &setup.channel("a")), "body").await?;
    assert_eq!(answer.framing, Framing::Chunked);
    assert_eq!(answer.headers.get("content-length"), None);
    assert!(answer.is_open());
    Ok(())
}

async fn a_hold_keeps_its_status_and_fields(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let reply =
        Reply::status("201 Begun").part("body").header("Grip-Hold", "stream").header("Cache-Control", "no-store");
    let reply = reply.header("Grip-Channel", &setup.channel("a")).header("Content-Type", "text/event-stream");
    let answer = setup.open(reply.header("Set-Cookie", "a=1").header("Set-Cookie", "b=2"), "body").await?;
    assert_eq!((answer.status, &*answer.reason), (201, "Begun"));
    assert_eq!(answer.headers.all("cache-control"), ["no-store"]);
    assert_eq!(answer.headers.all("content-type"), ["text/event-stream"]);
    assert_eq!(answer.headers.all("set-cookie"), ["a=1", "b=2"]);
    Ok(())
}

async fn a_status_is_replaced(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let held = hold("body").header("Grip-Channel", &setup.channel("a")).header("Grip-Status", "299 Ready To Go");
    let answer = setup.open(held, "body").await?;
    assert_eq!((answer.status, &*answer.reason), (299, "Ready To Go"));
    let plain = Reply::ok("body").header("Grip-Status", "404");
    let mut answer = setup.open(plain, "body").await?;
    assert_eq!(answer.status, 404);
    answer.ends_as("body").await
}

async fn only_exposed_fields_reach_the_client(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    for reply in [Reply::ok("body"), hold("body").header("Grip-Channel", &setup.channel("a"))] {
        let reply = reply.header("X-One", "1").header("X-Two", "2").header("X-Three", "3").header("X-Four", "4");
        let reply = reply.header("Grip-Expose-Headers", "X-One, x-two").header("Grip-Expose-Headers", "X-THREE");
        let answer = setup.open(reply, "body").await?;
        assert_eq!(answer.headers.names_from("x-"), ["x-one", "x-two", "x-three"]);
    }
    Ok(())
}

async fn an_error_can_be_held(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channel = setup.channel("a");
    let reply = Reply::status("404 Not Yet").part("body ").header("Grip-Hold", "stream");
    let mut answer = setup.open(reply.header("Grip-Channel", &channel), "body ").await?;
    assert_eq!(answer.status, 404);
    setup.publish(&[stream_item(&channel, "item")]).await?;
    answer.reads("body item").await
}

async fn a_post_can_be_held(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channel = setup.channel("a");
    setup.answer("", hold("body ").header("Grip-Channel", &channel));
    let mut answer = setup.send(Request::new("POST", &setup.path("")).body("received")).await?;
    answer.reads("body ").await?;
    assert_eq!(setup.requests("")[0].text(), "received");
    setup.publish(&[stream_item(&channel, "item")]).await?;
    answer.reads("body item").await
}

/// Longer than what a proxy may buffer of a response.
async fn a_long_body_can_be_held(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channel = setup.channel("a");
    let body = "0123456789".repeat(100_000);
    let mut answer = setup.open(hold(&body).header("Grip-Channel", &channel), &body).await?;
    setup.becomes_live(&mut answer, &channel).await
}

//! Requests that are too many, too long or too late, and the responses to them.

use std::time::Duration;

use anyhow::ensure;
use futures_util::future::try_join_all;
use libtest_mimic::Trial;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Setup, hold, stream_item};
use crate::support::{
    scripted::Reply,
    stack::SOON,
    trials::trials,
    wire::{Answer, Connection, Request},
};

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a body may stall.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => an_idle_connection_is_closed,
        [] => a_client_beyond_the_maximum_is_refused_until_another_leaves,
        [] => a_head_that_is_too_long_is_refused,
        [] => a_body_that_is_too_long_is_refused,
        [] => a_body_that_stalls_is_refused,
        [] => a_client_may_hold_a_limited_number_of_requests,
        [] => a_client_has_the_address_that_a_trusted_proxy_reports,
        [] => ended_streams_no_longer_count_against_the_limit,
    ]
}

async fn a_client_beyond_the_maximum_is_refused_until_another_leaves() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[("MAX_CONNECTIONS", "3")]).await?;
    let a = setup.channel("a");
    setup.answer("", hold("held ").header("Grip-Channel", &a));
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut answer = setup.get("").await?;
        answer.reads("held ").await?;
        held.push(answer);
    }
    let mut refused = setup.get("").await?;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.headers.get("retry-after"), Some("5"));
    assert_eq!(refused.headers.get("connection"), Some("close"));
    refused.whole().await?;
    assert_eq!(refused.connection().await?.closed_within(SOON).await?, "");
    assert_eq!(setup.requests("").len(), 3, "the refused request reached the backend");

    frees_capacity(&setup, held, &a).await
}

/// When one of these streams ends, the next client is accepted, and the others get published items as before.
async fn frees_capacity(setup: &Setup, mut held: Vec<Answer>, channel: &str) -> anyhow::Result<()> {
    held.pop();
    let started = Instant::now();
    let mut next = loop {
        let answer = setup.get("").await?;
        if answer.status == 200 {
            break answer;
        }
        ensure!(started.elapsed() < SOON, "no other client is accepted");
    };
    next.reads("held ").await?;
    setup.publish(&[stream_item(channel, "item")]).await?;
    for answer in held.iter_mut().chain([&mut next]) {
        answer.reads("held item").await?;
    }
    Ok(())
}

async fn a_head_that_is_too_long_is_refused() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    setup.answer("", Reply::ok("short enough"));
    let get = |length: usize| Request::get(&setup.path("")).header("Cookie", &"x".repeat(length));
    setup.send(get(60 << 10)).await?.ends_as("short enough").await?;
    let many = (0..200).fold(Request::get(&setup.path("")), |request, n| request.header(&format!("X-{n}"), "1"));
    for too_long in [get(200 << 10), many] {
        let mut answer = setup.send(too_long).await?;
        assert_eq!(answer.status, 431);
        answer.whole().await?;
        answer.connection().await?.closed_within(SOON).await?;
    }
    assert_eq!(setup.requests("").len(), 1);
    Ok(())
}

async fn a_body_that_is_too_long_is_refused() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[("MAX_BODY", "200KiB")]).await?;
    setup.answer("", Reply::ok("taken"));
    let post = |length: usize| Request::new("POST", &setup.path("")).body("x".repeat(length));
    setup.send(post(200 << 10)).await?.ends_as("taken").await?;
    assert_eq!(setup.requests("")[0].body.len(), 200 << 10);
    let too_long = setup.send(post((200 << 10) + 1)).await?;
    assert_eq!(too_long.status, 413);
    assert_eq!(setup.requests("").len(), 1, "the length alone suffices to refuse it");

    let chunked = async |length: usize| {
        let mut connection = Connection::open(setup.http_addr()).await?;
        let head = Request::new("POST", &setup.path("")).header("Transfer-Encoding", "chunked").bytes();
        let chunks = format!("{length:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(length));
        connection.write(&[head, chunks.into_bytes()].concat()).await?;
        anyhow::Ok(connection.answer().await?.status)
    };
    assert_eq!(chunked(200 << 10).await?, 200);
    assert_eq!(chunked((200 << 10) + 1).await?, 413);
    Ok(())
}

/// No head at all, half a head, and a connection after a response.
async fn an_idle_connection_is_closed() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    setup.answer("", Reply::ok("answer"));
    let silent = Connection::open(setup.http_addr()).await?;
    let mut half = Connection::open(setup.http_addr()).await?;
    half.write(b"GET / HTTP/1.1\r\nHost: wire.test\r\n").await?;
    let mut idle = setup.get("").await?;
    idle.ends_as("answer").await?;
    let idle = idle.connection().await?;
    let closed = async |mut connection: Connection| {
        let started = Instant::now();
        connection.closed_within(HEAD_TIMEOUT + SOON).await?;
        let waited = started.elapsed();
        ensure!(waited > HEAD_TIMEOUT - Duration::from_secs(2), "closed after {waited:?}");
        Ok(())
    };
    tokio::try_join!(closed(silent), closed(half), closed(idle))?;
    Ok(())
}

async fn a_body_that_stalls_is_refused() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    setup.answer("", Reply::ok("answer"));
    let mut connection = Connection::open(setup.http_addr()).await?;
    connection.write(&Request::new("POST", &setup.path("")).header("Content-Length", "10").bytes()).await?;
    let started = Instant::now();
    connection.write(b"half ").await?;
    while started.elapsed() < BODY_TIMEOUT - Duration::from_secs(5) {
        sleep(Duration::from_secs(1)).await;
    }
    let mut answer = connection.answer().await?;
    assert_eq!(answer.status, 408);
    answer.whole().await?;
    ensure!(started.elapsed() > BODY_TIMEOUT - Duration::from_secs(1), "{:?}", started.elapsed());
    Ok(())
}

fn of_client(setup: &Setup, name: &str, client: &str) -> Request {
    Request::get(&setup.path(name)).header("X-Forwarded-For", client)
}

async fn a_client_may_hold_a_limited_number_of_requests() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[("MAX_STREAMS_PER_ADDRESS", "3")]).await?;
    let a = setup.channel("a");
    setup.answer("", hold("held ").header("Grip-Channel", &a));
    setup.answer("response", Reply::ok("").header("Grip-Hold", "response").header("Grip-Channel", &a));
    setup.answer("else", Reply::ok("served").header("Grip-Status", "200 Fine"));
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut answer = setup.get("").await?;
        answer.reads("held ").await?;
        held.push(answer);
    }
    for name in ["", "response"] {
        let mut refused = setup.get(name).await?;
        assert_eq!((refused.status, refused.headers.get("retry-after")), (429, Some("5")), "{name:?}");
        refused.whole().await?;
    }
    setup.get("else").await?.ends_as("served").await?;

    frees_capacity(&setup, held, &a).await
}

/// By default, loopback addresses are trusted. The header is ignored if it comes from any other address.
async fn a_client_has_the_address_that_a_trusted_proxy_reports() -> anyhow::Result<()> {
    for (trusted, believed) in [("127.0.0.0/8", true), ("192.0.2.0/24", false)] {
        let setup = Setup::on_edge(&[("MAX_STREAMS_PER_ADDRESS", "1"), ("TRUSTED_PROXIES", trusted)]).await?;
        setup.answer("", hold("held").header("Grip-Channel", &setup.channel("a")));
        let mut held = Vec::new();
        for (client, is_new) in [
            ("198.51.100.1", true),
            ("198.51.100.2", believed),
            // What the client itself claims comes before the address that the proxy added.
            ("203.0.113.9, 198.51.100.1", false),
            ("2001:db8::1", believed),
            ("2001:db8::2", false),
        ] {
            let answer = setup.send(of_client(&setup, "", client)).await?;
            assert_eq!(answer.status, if is_new { 200 } else { 429 }, "{client}, where {trusted} is trusted");
            held.push(answer);
        }
    }
    Ok(())
}

/// If a single ended stream were still counted, the last round could not open as many streams as the first.
async fn ended_streams_no_longer_count_against_the_limit() -> anyhow::Result<()> {
    const MAX_STREAMS: usize = 20;
    const ROUNDS: usize = 150;

    let setup = Setup::on_edge(&[("MAX_STREAMS_PER_ADDRESS", "20")]).await?;
    let a = setup.channel("a");
    setup.answer("", hold("body").header("Grip-Channel", &a));
    let open = async || {
        let started = Instant::now();
        loop {
            let mut answer = setup.get("").await?;
            if answer.status == 200 {
                answer.reads("body").await?;
                return Ok(answer);
            }
            ensure!(started.elapsed() < SOON, "{}: ended streams are still counted", answer.status);
        }
    };
    for round in 0..ROUNDS {
        let mut held = try_join_all((0..MAX_STREAMS).map(|_| open())).await?;
        // Both kinds of end: the client disconnects, or the backend closes the stream.
        if round % 10 == 0 {
            let close = json!({ "channel": a, "formats": { "http-stream": { "action": "close" } } });
            setup.becomes_live(&mut held[0], &a).await?;
            setup.publish(&[close]).await?;
            held[0].ends_within(SOON).await?;
        }
    }
    let held = try_join_all((0..MAX_STREAMS).map(|_| open())).await?;
    assert_eq!(setup.get("").await?.status, 429);
    drop(held);
    Ok(())
}

//! What is too many, too long or too late, and what its sender hears.

use std::time::Duration;

use anyhow::ensure;
use futures_util::future::try_join_all;
use libtest_mimic::Trial;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Stand, hold, stream_item};
use crate::support::{
    scripted::Reply,
    stack::SOON,
    trials::trials,
    wire::{Answer, Connection, Request},
};

/// From here to there a head must come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// So long a body may stand still.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => a_connection_on_which_nothing_comes_is_closed,
        [] => one_client_too_many_is_told_so_and_a_place_that_is_left_is_taken,
        [] => a_head_that_is_too_long_is_refused,
        [] => a_body_that_is_too_long_is_refused,
        [] => a_body_that_stalls_is_refused,
        [] => a_client_may_have_so_many_requests_held,
        [] => a_client_is_who_a_trusted_proxy_says,
        [] => places_of_streams_that_have_ended_are_all_free_again,
    ]
}

async fn one_client_too_many_is_told_so_and_a_place_that_is_left_is_taken() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[("MAX_CONNECTIONS", "3")]).await?;
    let a = stand.channel("a");
    stand.answer("", hold("held ").header("Grip-Channel", &a));
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut answer = stand.get("").await?;
        answer.reads("held ").await?;
        held.push(answer);
    }
    let mut refused = stand.get("").await?;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.headers.get("retry-after"), Some("5"));
    assert_eq!(refused.headers.get("connection"), Some("close"));
    refused.whole().await?;
    assert_eq!(refused.connection().await?.closed_within(SOON).await?, "");
    assert_eq!(stand.asked("").len(), 3, "the backend hears nothing of it");

    gives_a_place_back(&stand, held, &a).await
}

/// Where one of these streams ends, the next client has its place, and the others get what is published as before.
async fn gives_a_place_back(stand: &Stand, mut held: Vec<Answer>, channel: &str) -> anyhow::Result<()> {
    held.pop();
    let started = Instant::now();
    let mut next = loop {
        let answer = stand.get("").await?;
        if answer.status == 200 {
            break answer;
        }
        ensure!(started.elapsed() < SOON, "the place is not given to anybody");
    };
    next.reads("held ").await?;
    stand.publish(&[stream_item(channel, "item")]).await?;
    for answer in held.iter_mut().chain([&mut next]) {
        answer.reads("held item").await?;
    }
    Ok(())
}

async fn a_head_that_is_too_long_is_refused() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    stand.answer("", Reply::ok("short enough"));
    let get = |length: usize| Request::get(&stand.path("")).header("Cookie", &"x".repeat(length));
    stand.send(get(60 << 10)).await?.ends_as("short enough").await?;
    let many = (0..200).fold(Request::get(&stand.path("")), |request, n| request.header(&format!("X-{n}"), "1"));
    for too_long in [get(200 << 10), many] {
        let mut answer = stand.send(too_long).await?;
        assert_eq!(answer.status, 431);
        answer.whole().await?;
        answer.connection().await?.closed_within(SOON).await?;
    }
    assert_eq!(stand.asked("").len(), 1);
    Ok(())
}

async fn a_body_that_is_too_long_is_refused() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[("MAX_BODY", "200KiB")]).await?;
    stand.answer("", Reply::ok("taken"));
    let post = |length: usize| Request::new("POST", &stand.path("")).body("x".repeat(length));
    stand.send(post(200 << 10)).await?.ends_as("taken").await?;
    assert_eq!(stand.asked("")[0].body.len(), 200 << 10);
    let too_long = stand.send(post((200 << 10) + 1)).await?;
    assert_eq!(too_long.status, 413);
    assert_eq!(stand.asked("").len(), 1, "the length alone says that it is too long");

    let chunked = async |length: usize| {
        let mut connection = Connection::open(stand.http_addr()).await?;
        let head = Request::new("POST", &stand.path("")).header("Transfer-Encoding", "chunked").bytes();
        let chunks = format!("{length:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(length));
        connection.write(&[head, chunks.into_bytes()].concat()).await?;
        anyhow::Ok(connection.answer().await?.status)
    };
    assert_eq!(chunked(200 << 10).await?, 200);
    assert_eq!(chunked((200 << 10) + 1).await?, 413);
    Ok(())
}

/// A head that never comes, half of one, and a connection that has had an answer.
async fn a_connection_on_which_nothing_comes_is_closed() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    stand.answer("", Reply::ok("answer"));
    let silent = Connection::open(stand.http_addr()).await?;
    let mut half = Connection::open(stand.http_addr()).await?;
    half.write(b"GET / HTTP/1.1\r\nHost: wire.test\r\n").await?;
    let mut idle = stand.get("").await?;
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
    let stand = Stand::on_edge(&[]).await?;
    stand.answer("", Reply::ok("answer"));
    let mut connection = Connection::open(stand.http_addr()).await?;
    connection.write(&Request::new("POST", &stand.path("")).header("Content-Length", "10").bytes()).await?;
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

fn of_client(stand: &Stand, name: &str, client: &str) -> Request {
    Request::get(&stand.path(name)).header("X-Forwarded-For", client)
}

async fn a_client_may_have_so_many_requests_held() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[("MAX_STREAMS_PER_ADDRESS", "3")]).await?;
    let a = stand.channel("a");
    stand.answer("", hold("held ").header("Grip-Channel", &a));
    stand.answer("response", Reply::ok("").header("Grip-Hold", "response").header("Grip-Channel", &a));
    stand.answer("else", Reply::ok("served").header("Grip-Status", "200 Fine"));
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut answer = stand.get("").await?;
        answer.reads("held ").await?;
        held.push(answer);
    }
    for name in ["", "response"] {
        let mut refused = stand.get(name).await?;
        assert_eq!((refused.status, refused.headers.get("retry-after")), (429, Some("5")), "{name:?}");
        refused.whole().await?;
    }
    stand.get("else").await?.ends_as("served").await?;

    gives_a_place_back(&stand, held, &a).await
}

/// By default that is what connects from this machine. Whoever else says so is not believed.
async fn a_client_is_who_a_trusted_proxy_says() -> anyhow::Result<()> {
    for (trusted, believed) in [("127.0.0.0/8", true), ("192.0.2.0/24", false)] {
        let stand = Stand::on_edge(&[("MAX_STREAMS_PER_ADDRESS", "1"), ("TRUSTED_PROXIES", trusted)]).await?;
        stand.answer("", hold("held").header("Grip-Channel", &stand.channel("a")));
        let mut held = Vec::new();
        for (client, is_new) in [
            ("198.51.100.1", true),
            ("198.51.100.2", believed),
            // What it says of others stands before its own address.
            ("203.0.113.9, 198.51.100.1", false),
            ("2001:db8::1", believed),
            ("2001:db8::2", false),
        ] {
            let answer = stand.send(of_client(&stand, "", client)).await?;
            assert_eq!(answer.status, if is_new { 200 } else { 429 }, "{client}, where {trusted} is trusted");
            held.push(answer);
        }
    }
    Ok(())
}

/// Were one place lost in all of this, the last round would not find as many as the first.
async fn places_of_streams_that_have_ended_are_all_free_again() -> anyhow::Result<()> {
    const MOST: usize = 20;
    const ROUNDS: usize = 150;

    let stand = Stand::on_edge(&[("MAX_STREAMS_PER_ADDRESS", "20")]).await?;
    let a = stand.channel("a");
    stand.answer("", hold("body").header("Grip-Channel", &a));
    let open = async || {
        let started = Instant::now();
        loop {
            let mut answer = stand.get("").await?;
            if answer.status == 200 {
                answer.reads("body").await?;
                return Ok(answer);
            }
            ensure!(started.elapsed() < SOON, "{}: the places of those who left are not free", answer.status);
        }
    };
    for round in 0..ROUNDS {
        let mut held = try_join_all((0..MOST).map(|_| open())).await?;
        // Of each kind of end: the client goes, or the backend says so.
        if round % 10 == 0 {
            let close = json!({ "channel": a, "formats": { "http-stream": { "action": "close" } } });
            stand.becomes_live(&mut held[0], &a).await?;
            stand.publish(&[close]).await?;
            held[0].ends_within(SOON).await?;
        }
    }
    let held = try_join_all((0..MOST).map(|_| open())).await?;
    assert_eq!(stand.get("").await?.status, 429);
    drop(held);
    Ok(())
}

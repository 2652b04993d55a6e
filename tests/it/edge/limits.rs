//! What is too many, too long or too late, and what its sender hears.

use std::time::Duration;

use anyhow::ensure;
use libtest_mimic::Trial;
use tokio::time::Instant;

use super::{Stand, hold, stream_item};
use crate::support::{
    scripted::Reply,
    stack::SOON,
    trials::trials,
    wire::{Connection, Request},
};

/// From here to there a head must come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => a_connection_on_which_nothing_comes_is_closed,
        [] => one_client_too_many_is_told_so_and_a_place_that_is_left_is_taken,
        [] => a_head_that_is_too_long_is_refused,
        [] => a_body_that_is_too_long_is_refused,
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
    stand.publish(&[stream_item(&a, "item")]).await?;
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

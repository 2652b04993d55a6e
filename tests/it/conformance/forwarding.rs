//! Plain proxying: requests and answers pass as they are, and their bodies while they are still coming.

use std::sync::Arc;

use anyhow::ensure;
use tokio::sync::Semaphore;

use super::{Rule, Stand, rules};
use crate::support::{
    eventually::eventually,
    proxy::Kind,
    scripted::Reply,
    stack::SOON,
    wire::{Connection, Request},
};

/// More than any buffer between a client and a backend.
const LARGE: usize = 3_000_000;

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        a_request_reaches_the_backend_as_it_was_sent,
        an_answer_reaches_the_client_as_it_was_given,
        every_method_passes,
        answers_without_a_body_pass,
        a_redirect_is_the_clients_to_follow,
        an_answer_comes_while_the_backend_is_still_giving_it,
        a_request_goes_out_while_the_client_is_still_sending_it,
        large_bodies_pass_both_ways,
        a_connection_takes_one_request_after_another,
        a_client_that_asks_before_it_sends_a_body_is_told_to,
        an_answer_to_head_has_headers_and_no_body,
    ]
}

fn large() -> Vec<u8> {
    // No two stretches are the same, so that a lost or doubled one shows.
    (0u32..).flat_map(u32::to_le_bytes).take(LARGE).collect()
}

async fn a_request_reaches_the_backend_as_it_was_sent(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    stand.answer("a%2Fb/c", Reply::ok("taken"));
    let target = stand.path("a%2Fb/c?x=1&y=%20z&&q=a+b;c");
    let mut answer =
        stand.send(Request::new("PUT", &target).header("Content-Type", "x/y").body(b"\0\xff body".to_vec())).await?;
    answer.ends_as("taken").await?;
    let asked = &stand.asked("a%2Fb/c")[0];
    assert_eq!((&*asked.method, &*asked.target), ("PUT", &*target));
    assert_eq!(asked.headers.get("content-type"), Some("x/y"));
    assert_eq!(asked.body, b"\0\xff body");
    Ok(())
}

async fn an_answer_reaches_the_client_as_it_was_given(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let reply = Reply::status("418 Short And Stout").header("Content-Type", "x/y").header("Location", "/elsewhere");
    stand.answer("", reply.header("ETag", "\"1\"").part(b"\0\xff body".to_vec()));
    let mut answer = stand.get("").await?;
    assert_eq!((answer.status, &*answer.reason), (418, "Short And Stout"));
    for (name, value) in [("content-type", "x/y"), ("location", "/elsewhere"), ("etag", "\"1\"")] {
        assert_eq!(answer.headers.all(name), [value]);
    }
    assert_eq!(answer.whole().await?, b"\0\xff body");
    Ok(())
}

async fn every_method_passes(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    stand.script("", |asked| Reply::ok(format!("{} {}", asked.method, asked.text())));
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
        let mut answer = stand.send(Request::new(method, &stand.path("")).body("body")).await?;
        answer.ends_as(&format!("{method} body")).await?;
    }
    Ok(())
}

async fn answers_without_a_body_pass(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    for (status, code) in [("200 OK", 200), ("204 No Content", 204), ("304 Not Modified", 304), ("500 Oh", 500)] {
        stand.answer("", Reply::status(status).header("X-Own", "1"));
        let mut answer = stand.get("").await?;
        assert_eq!((answer.status, answer.headers.get("x-own")), (code, Some("1")));
        answer.ends_as("").await?;
    }
    Ok(())
}

async fn a_redirect_is_the_clients_to_follow(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    stand.answer("", Reply::status("302 Found").header("Location", &stand.path("there")));
    let answer = stand.get("").await?;
    assert_eq!((answer.status, answer.headers.get("location")), (302, Some(&*stand.path("there"))));
    assert_eq!(stand.asked("there").len(), 0);
    Ok(())
}

async fn an_answer_comes_while_the_backend_is_still_giving_it(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let gate = Arc::new(Semaphore::new(0));
    stand.answer("", Reply::ok("first ").until(&gate).part("last"));
    let mut answer = stand.get("").await?;
    answer.reads("first ").await?;
    assert!(answer.is_open());
    gate.add_permits(1);
    answer.ends_as("first last").await
}

async fn a_request_goes_out_while_the_client_is_still_sending_it(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    stand.script("", |asked| Reply::ok(asked.body.clone()));
    let head = Request::new("POST", &stand.path("")).header("Transfer-Encoding", "chunked");
    let mut connection = Connection::open(stand.http_addr()).await?;
    connection.write(&head.bytes()).await?;
    // A proxy may keep the beginning of a body, so that it can send it again.
    let first = large();
    connection.write(format!("{:x}\r\n", first.len()).as_bytes()).await?;
    connection.write(&first).await?;
    eventually(SOON, "a first piece", || stand.asked("").iter().any(|asked| !asked.body.is_empty())).await;
    connection.write(b"\r\n4\r\nlast\r\n0\r\n\r\n").await?;
    let body = connection.answer().await?.whole().await?;
    ensure!(body == [&*first, b"last"].concat(), "it has changed on the way");
    Ok(())
}

async fn large_bodies_pass_both_ways(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    stand.script("", |asked| Reply::ok(asked.body.clone()));
    let mut answer = stand.send(Request::new("POST", &stand.path("")).body(large())).await?;
    ensure!(answer.whole().await? == large(), "it has changed on the way");
    Ok(())
}

async fn a_connection_takes_one_request_after_another(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    stand.script("", |asked| Reply::ok(asked.body.clone()));
    let mut connection = Connection::open(stand.http_addr()).await?;
    for n in 0..3 {
        let request = Request::new("POST", &stand.path("")).body(format!("body {n}"));
        connection.write(&request.bytes()).await?;
        let mut answer = connection.answer().await?;
        answer.ends_as(&format!("body {n}")).await?;
        connection = answer.connection().await?;
    }
    Ok(())
}

async fn a_client_that_asks_before_it_sends_a_body_is_told_to(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    stand.script("", |asked| Reply::ok(asked.body.clone()));
    let request = Request::new("POST", &stand.path("")).header("Expect", "100-continue");
    let mut connection = Connection::open(stand.http_addr()).await?;
    connection.write(&request.header("Content-Length", "4").bytes()).await?;
    let told = connection.line().await?;
    ensure!(told.starts_with("HTTP/1.1 100"), "{told}");
    connection.write(b"body").await?;
    connection.answer().await?.ends_as("body").await
}

async fn an_answer_to_head_has_headers_and_no_body(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    stand.answer("", Reply::ok("body").header("X-Own", "1"));
    let mut answer = stand.send(Request::new("HEAD", &stand.path("")).header("Connection", "close")).await?;
    assert_eq!((answer.status, answer.headers.get("x-own")), (200, Some("1")));
    assert_eq!(stand.asked("")[0].method, "HEAD");
    answer.ends_as("").await
}

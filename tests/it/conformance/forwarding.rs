//! Plain proxying: requests and responses pass unchanged, and bodies pass while they are still being sent.

use std::sync::Arc;

use anyhow::ensure;
use tokio::sync::Semaphore;

use super::{Rule, Setup, rules};
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
        a_response_reaches_the_client_as_it_was_sent,
        every_method_passes,
        responses_without_a_body_pass,
        a_redirect_is_passed_on_to_the_client,
        a_response_arrives_while_the_backend_is_still_sending_it,
        a_request_is_forwarded_while_the_client_is_still_sending_it,
        large_bodies_pass_both_ways,
        a_connection_carries_one_request_after_another,
        expect_100_continue_is_answered,
        a_response_to_head_has_headers_and_no_body,
    ]
}

fn large() -> Vec<u8> {
    // No two ranges are equal, so that a lost or repeated one is noticed.
    (0u32..).flat_map(u32::to_le_bytes).take(LARGE).collect()
}

async fn a_request_reaches_the_backend_as_it_was_sent(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("a%2Fb/c", Reply::ok("taken"));
    let target = setup.path("a%2Fb/c?x=1&y=%20z&&q=a+b;c");
    let mut answer =
        setup.send(Request::new("PUT", &target).header("Content-Type", "x/y").body(b"\0\xff body".to_vec())).await?;
    answer.ends_as("taken").await?;
    let received = &setup.requests("a%2Fb/c")[0];
    assert_eq!((&*received.method, &*received.target), ("PUT", &*target));
    assert_eq!(received.headers.get("content-type"), Some("x/y"));
    assert_eq!(received.body, b"\0\xff body");
    Ok(())
}

async fn a_response_reaches_the_client_as_it_was_sent(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let reply = Reply::status("418 Short And Stout").header("Content-Type", "x/y").header("Location", "/elsewhere");
    setup.answer("", reply.header("ETag", "\"1\"").part(b"\0\xff body".to_vec()));
    let mut answer = setup.get("").await?;
    assert_eq!((answer.status, &*answer.reason), (418, "Short And Stout"));
    for (name, value) in [("content-type", "x/y"), ("location", "/elsewhere"), ("etag", "\"1\"")] {
        assert_eq!(answer.headers.all(name), [value]);
    }
    assert_eq!(answer.whole().await?, b"\0\xff body");
    Ok(())
}

async fn every_method_passes(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.script("", |received| Reply::ok(format!("{} {}", received.method, received.text())));
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
        let mut answer = setup.send(Request::new(method, &setup.path("")).body("body")).await?;
        answer.ends_as(&format!("{method} body")).await?;
    }
    Ok(())
}

async fn responses_without_a_body_pass(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    for (status, code) in [("200 OK", 200), ("204 No Content", 204), ("304 Not Modified", 304), ("500 Oh", 500)] {
        setup.answer("", Reply::status(status).header("X-Own", "1"));
        let mut answer = setup.get("").await?;
        assert_eq!((answer.status, answer.headers.get("x-own")), (code, Some("1")));
        answer.ends_as("").await?;
    }
    Ok(())
}

async fn a_redirect_is_passed_on_to_the_client(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("", Reply::status("302 Found").header("Location", &setup.path("there")));
    let answer = setup.get("").await?;
    assert_eq!((answer.status, answer.headers.get("location")), (302, Some(&*setup.path("there"))));
    assert_eq!(setup.requests("there").len(), 0);
    Ok(())
}

async fn a_response_arrives_while_the_backend_is_still_sending_it(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let gate = Arc::new(Semaphore::new(0));
    setup.answer("", Reply::ok("first ").until(&gate).part("last"));
    let mut answer = setup.get("").await?;
    answer.reads("first ").await?;
    assert!(answer.is_open());
    gate.add_permits(1);
    answer.ends_as("first last").await
}

async fn a_request_is_forwarded_while_the_client_is_still_sending_it(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.script("", |received| Reply::ok(received.body.clone()));
    let head = Request::new("POST", &setup.path("")).header("Transfer-Encoding", "chunked");
    let mut connection = Connection::open(setup.http_addr()).await?;
    connection.write(&head.bytes()).await?;
    // A proxy may buffer the start of a body, so that it can send it again.
    let first = large();
    connection.write(format!("{:x}\r\n", first.len()).as_bytes()).await?;
    connection.write(&first).await?;
    eventually(SOON, "the first bytes", || setup.requests("").iter().any(|received| !received.body.is_empty())).await;
    connection.write(b"\r\n4\r\nlast\r\n0\r\n\r\n").await?;
    let body = connection.answer().await?.whole().await?;
    ensure!(body == [&*first, b"last"].concat(), "the body has changed");
    Ok(())
}

async fn large_bodies_pass_both_ways(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.script("", |received| Reply::ok(received.body.clone()));
    let mut answer = setup.send(Request::new("POST", &setup.path("")).body(large())).await?;
    ensure!(answer.whole().await? == large(), "the body has changed");
    Ok(())
}

async fn a_connection_carries_one_request_after_another(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.script("", |received| Reply::ok(received.body.clone()));
    let mut connection = Connection::open(setup.http_addr()).await?;
    for n in 0..3 {
        let request = Request::new("POST", &setup.path("")).body(format!("body {n}"));
        connection.write(&request.bytes()).await?;
        let mut answer = connection.answer().await?;
        answer.ends_as(&format!("body {n}")).await?;
        connection = answer.connection().await?;
    }
    Ok(())
}

async fn expect_100_continue_is_answered(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.script("", |received| Reply::ok(received.body.clone()));
    let request = Request::new("POST", &setup.path("")).header("Expect", "100-continue");
    let mut connection = Connection::open(setup.http_addr()).await?;
    connection.write(&request.header("Content-Length", "4").bytes()).await?;
    let line = connection.line().await?;
    ensure!(line.starts_with("HTTP/1.1 100"), "{line}");
    connection.write(b"body").await?;
    connection.answer().await?.ends_as("body").await
}

async fn a_response_to_head_has_headers_and_no_body(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("", Reply::ok("body").header("X-Own", "1"));
    let mut answer = setup.send(Request::new("HEAD", &setup.path("")).header("Connection", "close")).await?;
    assert_eq!((answer.status, answer.headers.get("x-own")), (200, Some("1")));
    assert_eq!(setup.requests("")[0].method, "HEAD");
    answer.ends_as("").await
}

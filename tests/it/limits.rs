//! Limits against abuse: how often a client can post, whatever address it claims, and which bodies are refused unread.
//!
//! Each client connects from a different loopback address. The proxies use 127.0.0.1.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    stack::{Kind, SOON, Stack},
    trials::on_stacks,
};

/// One post per second, after a burst of three.
const LIMITED: [(&str, &str); 3] = [("POST_RATE", "1"), ("POST_BURST", "3"), ("TRUSTED_PROXIES", "127.0.0.1")];
/// The deadline for a response to an incomplete body: less than the ten seconds that the backend waits for a body.
const UNREAD: Duration = Duration::from_secs(8);

pub(crate) fn trials() -> Vec<Trial> {
    on_stacks![
        [APART] => a_client_that_posts_too_fast_gets_retry_after_and_other_clients_do_not,
        [APART] => a_client_cannot_choose_its_address,
        [EDGE_EMBEDDED] => a_post_above_the_limit_is_refused_unread,
        [APART] => a_body_with_a_declared_length_above_the_limit_is_refused_unread,
        [EDGE_EMBEDDED] => a_proxy_that_sends_no_client_addresses_is_not_limited_but_logged,
    ]
}

/// A client with its own address.
struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    fn at(address: [u8; 4], base: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().local_address(IpAddr::from(address)).build()?;
        Ok(Self { http, url: format!("{base}/rooms/lobby/messages/") })
    }

    async fn post(&self, headers: &[(&str, &str)]) -> anyhow::Result<reqwest::Response> {
        let mut request = self.http.post(&self.url).json(&json!({"from": "Ada", "text": "Hello"}));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(request.send().await?)
    }

    /// Posts until a post is refused, and returns the refusal.
    async fn exhaust(&self) -> anyhow::Result<reqwest::Response> {
        for posted in 0..20 {
            let response = self.post(&[]).await?;
            match response.status().as_u16() {
                200 => {}
                429 => {
                    ensure!(posted >= 3, "refused after {posted}");
                    return Ok(response);
                }
                status => anyhow::bail!("answered {status}"),
            }
        }
        anyhow::bail!("no post was refused")
    }
}

async fn a_client_that_posts_too_fast_gets_retry_after_and_other_clients_do_not(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start_with(kind, &LIMITED).await?;
    let (one, another) =
        (Client::at([127, 0, 0, 2], &stack.proxy.url())?, Client::at([127, 0, 0, 3], &stack.proxy.url())?);
    let refusal = one.exhaust().await?;
    let wait = refusal.headers().get("Retry-After").context("Retry-After")?.to_str()?.to_owned();
    assert_eq!(wait, "1", "whole seconds, rounded up");
    let body: Value = refusal.json().await?;
    assert_eq!(body["error"], "too_many_posts");
    assert!(body["message"].as_str().is_some_and(|message| message.contains("1 s")), "{body}");
    assert_eq!(another.post(&[]).await?.status(), 200);

    // A person whose browser runs no scripts gets a page.
    let page = loop {
        let page = one.post(&[("Accept", "text/html")]).await?;
        if page.status() != 303 && page.status() != 200 {
            break page;
        }
    };
    assert_eq!(page.status(), 429);
    assert!(page.headers()["content-type"].to_str()?.starts_with("text/html"));
    assert!(page.text().await?.contains("Too many posts from your address"));

    // The same post is accepted later, and stored once.
    let key = [("Idempotency-Key", "5d0e9a4c-7a0f-4be5-8f6a-2f9d3c1b0a87")];
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let first: Value = one.post(&key).await?.error_for_status()?.json().await?;
    let again: Value = one.post(&key).await?.error_for_status()?.json().await?;
    assert_eq!(first, again);
    Ok(())
}

/// Neither through the proxy nor directly at the backend.
async fn a_client_cannot_choose_its_address(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start_with(kind, &LIMITED).await?;
    for (address, base) in [([127, 0, 0, 4], stack.proxy.url()), ([127, 0, 0, 7], stack.backend.url())] {
        let client = Client::at(address, &base)?;
        client.exhaust().await?;
        let mut refused = 0;
        for n in 0..10 {
            let forged = format!("198.51.100.{n}");
            for value in [forged.clone(), format!("{forged}, 203.0.113.{n}"), format!("{forged}, 127.0.0.1")] {
                let status = client.post(&[("X-Forwarded-For", &value)]).await?.status();
                refused += usize::from(status == 429);
            }
        }
        // The bucket refills by one post per second meanwhile, and those are accepted.
        assert!(refused >= 20, "{base}: only {refused} of 30 were refused");
    }
    Ok(())
}

/// Sends only the head of a request, and returns the response, which must not wait for the body.
async fn unread(backend: SocketAddr, content_type: &str, length: usize) -> anyhow::Result<String> {
    let mut connection = TcpStream::connect(backend).await?;
    let head = format!(
        "POST /rooms/lobby/messages/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    timeout(UNREAD, connection.read_to_string(&mut answer)).await.context("the backend waits for the body")??;
    Ok(answer)
}

async fn a_post_above_the_limit_is_refused_unread(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start_with(kind, &[("POST_RATE", "1"), ("POST_BURST", "1")]).await?;
    let client = Client::at([127, 0, 0, 1], &stack.backend.url())?;
    let started = Instant::now();
    loop {
        assert_eq!(client.post(&[]).await?.status(), 200);
        let answer = unread(stack.backend.addr(), "application/json", 100).await;
        match answer {
            Ok(answer) => {
                ensure!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("too_many_posts"), "{answer}");
                return Ok(());
            }
            // On a slow machine the bucket may have refilled.
            Err(error) => ensure!(started.elapsed() < Duration::from_secs(60), "{error:#}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn a_body_with_a_declared_length_above_the_limit_is_refused_unread(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let long = 64 * 1024 + 1;
    for content_type in ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"] {
        let answer = unread(stack.backend.addr(), content_type, long).await.context(content_type)?;
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"), "{content_type}: {answer}");
    }
    // A client that sends the body anyway gets the status, through the proxy and directly.
    for base in [stack.proxy.url(), stack.backend.url()] {
        let request = stack.http().post(format!("{base}/rooms/lobby/messages/"));
        let request = request.header("Content-Type", "application/json").body(" ".repeat(4 * long));
        assert_eq!(request.send().await?.status(), 413, "{base}");
    }
    Ok(())
}

/// A limit would apply to all clients of the proxy together.
async fn a_proxy_that_sends_no_client_addresses_is_not_limited_but_logged(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start_with(kind, &LIMITED).await?;
    let token = gripchat::grip::Signer::parse("pushpin", "changeme")?.token(SystemTime::now(), SOON)?;
    let proxy = Client::at([127, 0, 0, 5], &stack.backend.url())?;
    for _ in 0..10 {
        assert_eq!(proxy.post(&[("Grip-Sig", &token)]).await?.status(), 200);
    }
    assert_eq!(
        stack.backend.log().matches("does not send the addresses of its clients").count(),
        1,
        "{}",
        stack.backend.log()
    );
    // A peer with an invalid signature is a client like any other.
    let forger = Client::at([127, 0, 0, 6], &stack.backend.url())?;
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(forger.post(&[("Grip-Sig", "a.b.c"), ("X-Forwarded-For", "192.0.2.1")]).await?.status());
    }
    assert!(statuses.iter().any(|status| *status == 429), "{statuses:?}");
    Ok(())
}

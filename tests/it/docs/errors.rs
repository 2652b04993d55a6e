//! Compares the table of errors in docs/api.md with the code, and provokes each error over HTTP except `internal`, which
//! needs a defect.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use http::StatusCode;
use libtest_mimic::Trial;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{API, markdown};
use crate::support::{
    fault::Mode,
    stack,
    stack::{Kind, Stack},
    trials::{on_stacks, trials},
};

/// The server waits 10 s for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The error that no request can provoke.
const UNPROVOKED: (u16, &str) = (500, "internal");

type Answers = BTreeSet<(u16, String)>;

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = trials![
        [] => the_table_of_errors_matches_the_code,
    ];
    trials.extend(on_stacks![
        [EDGE_DYNAMODB] => every_error_except_a_defect_can_be_provoked,
    ]);
    trials
}

fn documented() -> anyhow::Result<Answers> {
    let rows = markdown::table(API, "| status | code |");
    rows.iter().map(|row| Ok((row[0].parse()?, row[1].clone()))).collect()
}

/// Parses the two `match` expressions of `WebError`, whose arms are all `Self::…`.
async fn the_table_of_errors_matches_the_code() -> anyhow::Result<()> {
    let code = include_str!("../../../src/web/error.rs");
    let (_, code) = code.split_once("fn status(").context("no status()")?;
    let (statuses, code) = code.split_once("fn code(").context("no code()")?;
    let (codes, _) = code.split_once("fn log(").context("no log()")?;

    let numbers: BTreeMap<String, u16> = (400..600)
        .filter_map(|number| StatusCode::from_u16(number).ok())
        .filter_map(|status| {
            Some((status.canonical_reason()?.to_uppercase().replace([' ', '-'], "_"), status.as_u16()))
        })
        .collect();
    let mut status_of = BTreeMap::new();
    let mut arms = statuses.split("StatusCode::").peekable();
    while let (Some(patterns), Some(after)) = (arms.next(), arms.peek()) {
        let number = numbers[word(after)];
        status_of.extend(variants(patterns).map(|variant| (variant, number)));
    }
    let arms = codes.lines().filter(|line| line.contains("=>"));
    let answers: Answers = arms
        .map(|arm| {
            let variant = variants(arm).next().context("an arm without a variant")?;
            let code = arm.split('"').nth(1).context("an arm without a code")?;
            Ok((*status_of.get(variant).context(variant)?, code.to_owned()))
        })
        .collect::<anyhow::Result<_>>()?;
    assert_eq!(status_of.len(), answers.len(), "each variant has a code of its own");
    assert_eq!(documented()?, answers);
    Ok(())
}

fn variants(text: &str) -> impl Iterator<Item = &str> {
    text.split("Self::").skip(1).map(word)
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

async fn every_error_except_a_defect_can_be_provoked(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let (http, proxy) = (stack::http()?, stack.proxy.url());
    let messages = format!("{proxy}/rooms/lobby/messages/");
    let get = |url: &str| http.get(url);
    let post = |body: &str| http.post(&messages).header("Content-Type", "application/json").body(body.to_owned());
    let hello = r#"{"from": "Ada", "text": "Hello"}"#;
    let key = ("Idempotency-Key", "5d0e9a4c-7a0f-4be5-8f6a-2f9d3c1b0a87");
    ensure!(post(hello).header(key.0, key.1).send().await?.status() == 200);

    let mut answers = Answers::new();
    for request in [
        get(&format!("{proxy}/rooms/a%20b/messages/")),
        post(r#"{"from": "Ada", "text": ""}"#),
        post("{"),
        post(hello).header("Idempotency-Key", "1"),
        get(&format!("{messages}?limit=0")),
        get(&format!("{proxy}/rooms/lobby/recover/")),
        get(&format!("{proxy}/no/such/path")),
        http.delete(&messages),
        get(&messages).header("Accept", "image/png"),
        post(&" ".repeat(64 * 1024 + 1)),
        http.post(&messages).header("Content-Type", "text/plain").body(hello),
        post(r#"{"from": "Ada", "text": "Another"}"#).header(key.0, key.1),
        get(&format!("{}/rooms/lobby/messages/", stack.backend.url())).header("Accept", "text/event-stream"),
    ] {
        answers.insert(answer(request).await?.0);
    }
    answers.insert(half_a_body(stack.backend.addr()).await?);

    let strict = stack.another_backend_with(&[("POST_RATE", "1"), ("POST_BURST", "1")]).await?;
    let (too_many, retry_after) = too_many_posts(&http, &strict.url()).await?;
    assert!(retry_after.is_some_and(|seconds| seconds > 0), "Retry-After");
    answers.insert(too_many);

    stack.store().set(Mode::Refuse);
    let (unavailable, retry_after) = answer(get(&messages)).await?;
    assert!(retry_after.is_some_and(|seconds| seconds > 0), "Retry-After");
    answers.insert(unavailable);

    answers.insert((UNPROVOKED.0, UNPROVOKED.1.to_owned()));
    assert_eq!(answers, documented()?);
    Ok(())
}

/// Posts until a post is refused.
async fn too_many_posts(http: &reqwest::Client, backend: &str) -> anyhow::Result<Refusal> {
    for _ in 0..20 {
        let post = http.post(format!("{backend}/rooms/lobby/messages/")).form(&[("from", "Ada"), ("text", "Again")]);
        let response = post.send().await?;
        if response.status() != 200 {
            return refusal(response).await;
        }
    }
    bail!("20 posts were accepted")
}

/// Status and code, and `Retry-After`.
type Refusal = ((u16, String), Option<u64>);

async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<Refusal> {
    refusal(request.send().await?).await
}

async fn refusal(response: reqwest::Response) -> anyhow::Result<Refusal> {
    let status = response.status().as_u16();
    let retry_after = response.headers().get("Retry-After").and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(((status, code(&response.text().await?)?), retry_after))
}

fn code(body: &str) -> anyhow::Result<String> {
    let body: Value = serde_json::from_str(body).with_context(|| body.to_owned())?;
    ensure!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "no message in {body}");
    Ok(body["error"].as_str().context("no code")?.to_owned())
}

/// Sends half a body directly to the backend, since a proxy would wait for the rest itself.
async fn half_a_body(backend: SocketAddr) -> anyhow::Result<(u16, String)> {
    let mut connection = TcpStream::connect(backend).await?;
    let request = "POST /rooms/lobby/messages/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                   Content-Length: 100\r\nConnection: close\r\n\r\n{";
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    timeout(BODY_TIMEOUT, connection.read_to_end(&mut answer)).await.context("no answer")??;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| answer.clone())?;
    Ok((head.split(' ').nth(1).context("no status")?.parse()?, code(body)?))
}

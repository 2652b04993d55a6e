//! The log: its format, and what it never contains.

use libtest_mimic::Trial;
use serde_json::Value;

use super::SECRET;
use crate::support::{
    backend::Backend,
    eventually::eventually,
    fault::Mode,
    stack::{Kind, SOON, Stack, answer, environment, http},
    trials::trials,
};

/// Written by a person, so it must not be in the log.
const TEXT: &str = "t3xt-0f-a-m3ssag3";
const AUTHOR: &str = "auth0r-0f-a-m3ssag3";

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [Pushpin, DynamoDb] => json_is_one_object_per_line,
        [Pushpin, DynamoDb] => no_message_and_no_key_is_ever_logged,
    ]
}

async fn json_is_one_object_per_line() -> anyhow::Result<()> {
    let mut stack = Stack::start_with(Kind::PushpinDynamoDb, &[("LOG_FORMAT", "json"), ("RUST_LOG", "debug")]).await?;
    stack.room("lobby").post("hello").await?;
    stack.store().set(Mode::Refuse);
    assert_eq!(stack.room("lobby").get("").await?.status, 503);
    stack.store().set(Mode::Pass);
    stack.backend.stop().await?;
    let log = stack.backend.log();
    let lines: Vec<Value> = log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    for line in &lines {
        for field in ["timestamp", "level", "target"] {
            assert!(line[field].is_string(), "no {field} in {line}");
        }
    }
    let error = lines.iter().find(|line| line["level"] == "ERROR");
    let error = error.unwrap_or_else(|| panic!("a refused store is not logged as an error:\n{log}"));
    assert_eq!(error["message"], "the store is unavailable");
    assert!(error["cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{error}");
    assert_eq!(lines.last().map(|line| &line["message"]), Some(&Value::from("stopped")));
    Ok(())
}

/// At the lowest level, for every dependency as well: the AWS SDK logs bodies at TRACE.
async fn no_message_and_no_key_is_ever_logged() -> anyhow::Result<()> {
    let stack = Stack::start(Kind::PushpinDynamoDb).await?;
    let control = stack.control.addr();
    let verify = format!("verify-key={SECRET}");
    let grip = format!(
        "http://{control}/?iss=me&key={SECRET} http://me:{SECRET}@{control}/?{verify} \
         http://{control}/?key={SECRET}&{verify}"
    );
    let variables = [("GRIP_URL", grip.as_str()), ("RUST_LOG", "trace"), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let env = environment(&stack.table().name, stack.store().addr(), control, &variables);
    let mut backend = Backend::start(env).await?;
    let http = http()?;
    let url = format!("{}/rooms/lobby/messages/", backend.url());
    let post = |text: String| http.post(&url).json(&serde_json::json!({"from": AUTHOR, "text": text}));
    let key = "5d0e9a4c-7a0f-4be5-8f6a-2f9d3c1b0a87";

    assert_eq!(answer(post(TEXT.to_owned())).await?.status, 200);
    assert_eq!(answer(post(TEXT.to_owned()).header("Idempotency-Key", key)).await?.status, 200);
    assert_eq!(answer(post(format!("{TEXT} again")).header("Idempotency-Key", key)).await?.status, 422);
    assert_eq!(answer(post(format!("{TEXT}\0"))).await?.status, 400);
    let broken = http.post(&url).header("Content-Type", "application/json").body(format!("{{\"{TEXT}\": {AUTHOR}"));
    assert_eq!(answer(broken).await?.status, 400);
    assert_eq!(answer(http.get(&url)).await?.body["messages"][0]["text"], TEXT);
    let page = http.get(format!("{}/lobby?user={AUTHOR}", backend.url())).send().await?;
    assert!(page.text().await?.contains(TEXT));
    let forged = http.get(&url).header("Accept", "text/event-stream").header("Grip-Sig", format!("{SECRET}.a.b"));
    assert_eq!(answer(forged.header("Last-Event-ID", TEXT)).await?.status, 501);

    // Failures log more than successes.
    stack.control.set(Mode::Refuse);
    assert_eq!(answer(post(TEXT.to_owned())).await?.status, 200);
    stack.store().set(Mode::Refuse);
    assert_eq!(answer(post(TEXT.to_owned())).await?.status, 503);
    assert_eq!(answer(http.get(&url)).await?.status, 503);
    stack.control.set(Mode::Pass);
    let again = "the GRIP proxy answers again";
    eventually(SOON, again, || backend.log().contains(again)).await;
    backend.stop().await?;

    let log = backend.log();
    // Its events are within spans, whose names come first.
    let of_sdk = |line: &str| line.contains(" DEBUG ") && line.contains(" aws_");
    assert!(log.lines().any(of_sdk), "the AWS SDK logged nothing");
    for marker in [TEXT, AUTHOR, SECRET] {
        let line = log.lines().find(|line| line.contains(marker));
        assert_eq!(line, None, "{marker} was logged");
    }
    Ok(())
}

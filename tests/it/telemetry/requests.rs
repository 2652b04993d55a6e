//! Request ids: where they come from, and where they appear.

use std::time::Duration;

use anyhow::Context as _;
use libtest_mimic::Trial;
use serde_json::json;

use crate::{
    conformance::setup::{Setup, hold},
    support::{
        eventually::eventually,
        fault::Mode,
        proxy::Proxy,
        scripted::Reply,
        stack::{Kind, SOON, Stack},
        trials::{on_stacks, trials},
        wire::Request,
    },
};

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = on_stacks![
        [APART] => an_id_is_the_same_in_every_log_and_in_the_response,
        [APART] => an_invalid_id_is_replaced,
        [EDGE_DYNAMODB] => a_slow_store_call_is_logged_with_the_request_id,
        [EDGE_EMBEDDED] => a_slow_publish_is_logged_with_the_request_id,
    ];
    trials.extend(trials![
        [] => recoveries_of_the_edge_have_request_ids_of_their_own,
        [] => responses_of_the_edge_itself_have_the_request_id,
    ]);
    trials
}

async fn post(stack: &Stack, id: Option<&str>) -> anyhow::Result<reqwest::Response> {
    let room = stack.room("lobby");
    let request = stack.http().post(&room.url).json(&json!({"from": "Ada", "text": "hello"}));
    let request = match id {
        Some(id) => request.header("X-Request-Id", id),
        None => request,
    };
    Ok(request.send().await?)
}

fn id_of(answer: &reqwest::Response) -> anyhow::Result<String> {
    Ok(answer.headers().get("x-request-id").context("no X-Request-Id")?.to_str()?.to_owned())
}

/// Waits for a log line that contains this text, and returns it.
async fn line(what: &str, log: impl Fn() -> String) -> anyhow::Result<String> {
    eventually(SOON, what, || log().lines().any(|line| line.contains(what))).await;
    log().lines().find(|line| line.contains(what)).map(str::to_owned).context("the line disappeared")
}

async fn an_id_is_the_same_in_every_log_and_in_the_response(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let generated = id_of(&post(&stack, None).await?)?;
    let given = id_of(&post(&stack, Some("the-clients-own")).await?)?;
    assert_eq!(given, "the-clients-own");
    for id in [generated, given] {
        let line = line(&format!("request.id={id} "), || stack.backend.log()).await?;
        assert!(line.contains("room.id=lobby"), "{line}");
        let answered = stack.backend.log();
        let answered: Vec<_> =
            answered.lines().filter(|line| line.contains(&id) && line.contains(": answered ")).collect();
        assert_eq!(answered.len(), 1, "one line per request: {answered:?}");
        for part in ["method=\"POST\"", "route=\"/rooms/{room}/messages/\"", "status=200", "duration_ms="] {
            assert!(answered[0].contains(part), "{part} is not in {answered:?}");
        }
        if let Proxy::Edge(edge) = &stack.proxy {
            let log = edge.log();
            let forwarded: Vec<_> = log.lines().filter(|line| line.contains(&id)).collect();
            assert!(forwarded.iter().any(|line| line.contains("forwarded") && line.contains("status=200")), "{log}");
        }
    }
    Ok(())
}

async fn an_invalid_id_is_replaced(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    for id in ["with a space", &"long".repeat(100)] {
        let generated = id_of(&post(&stack, Some(id)).await?)?;
        assert!(uuid::Uuid::try_parse(&generated).is_ok(), "{generated}");
    }
    assert!(!stack.backend.log().contains("with a space"));
    Ok(())
}

async fn a_slow_store_call_is_logged_with_the_request_id(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    stack.room("lobby").post("from now on the newest message is cached").await?;
    stack.store().set(Mode::Delay(Duration::from_millis(2_100)));
    assert_eq!(post(&stack, Some("slow-one")).await?.status(), 200);
    let store = line("the store was slow", || stack.backend.log()).await?;
    assert!(store.contains(" WARN ") && store.contains("request.id=slow-one"), "{store}");
    assert!(store.contains("operation=\"append\""), "{store}");
    let request = line("a request was slow", || stack.backend.log()).await?;
    assert!(request.contains(" WARN ") && request.contains("request.id=slow-one"), "{request}");
    Ok(())
}

async fn a_slow_publish_is_logged_with_the_request_id(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    stack.room("lobby").post("the proxy works").await?;
    stack.control.set(Mode::Hang);
    assert_eq!(post(&stack, Some("unpublished-one")).await?.status(), 200);
    for what in ["publishing takes long", "cannot publish to the GRIP proxy"] {
        let line = line(what, || stack.backend.log()).await?;
        assert!(line.contains(" WARN ") && line.contains("request.id=unpublished-one"), "{line}");
    }
    Ok(())
}

async fn recoveries_of_the_edge_have_request_ids_of_their_own() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let link = format!("<{}>; rel=next", setup.path("next"));
    let channel = format!("{}; prev-id=1", setup.channel("a"));
    let held = || hold("").header("Grip-Channel", &channel).header("Grip-Link", &link);
    setup.answer("next", held());
    let _stream = setup.open(held(), "").await?;
    eventually(SOON, "the link is requested", || !setup.requests("next").is_empty()).await;
    let id = |name: &str| anyhow::Ok(setup.requests(name)[0].headers.get("x-request-id").context("no id")?.to_owned());
    assert!(uuid::Uuid::try_parse(&id("")?).is_ok());
    assert_ne!(id("")?, id("next")?);
    Ok(())
}

async fn responses_of_the_edge_itself_have_the_request_id() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    setup.answer("", Reply::close());
    let request = Request::new("GET", &setup.path("")).header("X-Request-Id", "no-backend");
    let answer = request.send(setup.http_addr()).await?;
    assert_eq!((answer.status, answer.headers.get("x-request-id")), (502, Some("no-backend")));
    let log = || setup.edge().map(|edge| edge.log()).unwrap_or_default();
    let line = line("responded 502", log).await?;
    assert!(line.contains(" WARN ") && line.contains("request.id=no-backend"), "{line}");
    Ok(())
}

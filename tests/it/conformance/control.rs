//! The control port: what it accepts and refuses, and that a request is accepted as a whole or not at all.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Rule, Setup, differences, hold, rules, stream_item};
use crate::support::{
    http1::Framing,
    proxy::Kind,
    wire::{Answer, Connection, Request},
};

/// Pushpin's `push_in_http_max_body_size`.
const MAX_BODY_BYTES: usize = 1_000_000;

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        accepted_items_are_published,
        the_response_is_json_if_the_request_accepts_json,
        a_body_that_is_not_a_list_of_items_is_refused,
        an_item_that_is_not_valid_is_refused,
        bad_base64,
        ids_are_strings,
        one_bad_item_rejects_the_whole_request,
        unknown_fields_and_formats_are_accepted,
        other_paths_are_not_found,
        another_method_is_refused_with_the_allowed_ones,
        the_root_of_the_port_answers_with_a_text,
        a_body_has_a_maximum_length,
        a_body_without_a_length,
    ]
}

async fn post(setup: &Setup, body: &str) -> anyhow::Result<(u16, String)> {
    let request = Request::new("POST", "/publish/").header("Content-Type", "application/json").body(body);
    read(request.send(setup.control_addr()).await?).await
}

async fn read(mut answer: Answer) -> anyhow::Result<(u16, String)> {
    Ok((answer.status, String::from_utf8(answer.whole().await?)?))
}

async fn accepted_items_are_published(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut stream = setup.open(hold("").header("Grip-Channel", &a), "").await?;
    for (path, content) in [("/publish/", "1 "), ("/publish", "2 ")] {
        let body = json!({ "items": [stream_item(&a, content)] });
        let answer = Request::new("POST", path).json(&body).send(setup.control_addr()).await?;
        assert_eq!(read(answer).await?, (200, "Published\n".to_owned()), "{path}");
    }
    // Neither the type of the body nor a token matters.
    let body = json!({ "items": [stream_item(&a, "3")] }).to_string();
    let request = Request::new("POST", "/publish/").header("Authorization", "Bearer x").body(body);
    assert_eq!(request.send(setup.control_addr()).await?.status, 200);
    stream.reads("1 2 3").await
}

async fn the_response_is_json_if_the_request_accepts_json(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    for (accept, expected) in [
        ("application/json", Some("{\"message\":\"Published\"}\n")),
        ("text/plain", Some("Published\n")),
        ("*/*", Some("Published\n")),
        ("image/png", None),
    ] {
        let request = Request::new("POST", "/publish/").header("Accept", accept).json(&json!({ "items": [] }));
        let (status, body) = read(request.send(setup.control_addr()).await?).await?;
        match expected {
            Some(expected) => {
                let same = serde_json::from_str::<Value>(&body).ok() == serde_json::from_str(expected).ok();
                assert!(
                    status == 200 && same && (body == expected || body.starts_with('{')),
                    "{accept}: {status} {body}"
                );
            }
            None => assert_eq!(status, 406, "{accept}"),
        }
    }
    Ok(())
}

async fn refused(setup: &Setup, body: &str) -> anyhow::Result<()> {
    let (status, reason) = post(setup, body).await?;
    assert_eq!(status, 400, "{body}: {reason}");
    assert!(!reason.trim().is_empty(), "{body}: no reason");
    Ok(())
}

async fn a_body_that_is_not_a_list_of_items_is_refused(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    for body in ["", "{", "items", "[]", "{}", "\"\"", r#"{"items":{}}"#, r#"{"items":1}"#, r#"{"items":["a"]}"#] {
        refused(&setup, body).await?;
    }
    Ok(())
}

async fn an_item_that_is_not_valid_is_refused(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let http_stream = |value: Value| json!({ "channel": "a", "formats": { "http-stream": value } });
    for item in [
        json!({}),
        json!({ "formats": { "http-stream": { "content": "x" } } }),
        json!({ "channel": 1, "formats": { "http-stream": { "content": "x" } } }),
        json!({ "channel": "a", "formats": [] }),
        json!({ "channel": "a", "formats": {} }),
        json!({ "channel": "a" }),
        http_stream(json!({})),
        http_stream(json!("x")),
        http_stream(json!({ "content": 1 })),
        http_stream(json!({ "content-bin": 1 })),
        json!({ "channel": "a", "formats": { "http-stream": { "content": "x" } }, "meta": [] }),
        json!({ "channel": "a", "formats": { "http-response": { "body": 1 } } }),
    ] {
        refused(&setup, &json!({ "items": [item] }).to_string()).await?;
    }
    // Pushpin gives no reason here.
    let (status, _) = post(&setup, &json!({ "items": [http_stream(json!({ "action": "sing" }))] }).to_string()).await?;
    assert_eq!(status, 400);
    Ok(())
}

async fn bad_base64(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let item = json!({ "channel": setup.channel("a"), "formats": { "http-stream": { "content-bin": "%" } } });
    let (status, _) = post(&setup, &json!({ "items": [item] }).to_string()).await?;
    differences::BAD_BASE64.check(kind, &status.to_string());
    Ok(())
}

async fn ids_are_strings(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    for name in ["id", "prev-id"] {
        for value in [json!(1), json!(null), json!({}), json!(true)] {
            let mut item = stream_item("a", "x");
            item[name] = value;
            refused(&setup, &json!({ "items": [item] }).to_string()).await?;
        }
    }
    Ok(())
}

async fn one_bad_item_rejects_the_whole_request(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut stream = setup.open(hold("").header("Grip-Channel", &a), "").await?;
    let mut with_id = stream_item(&a, "with id ");
    with_id["id"] = json!("1");
    let items = json!({ "items": [stream_item(&a, "first"), with_id, json!({}), stream_item(&a, "last")] });
    refused(&setup, &items.to_string()).await?;
    // The id of the refused item is not remembered.
    setup.publish(&[with_id, stream_item(&a, "good")]).await?;
    stream.reads("with id good").await
}

async fn unknown_fields_and_formats_are_accepted(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut stream = setup.open(hold("").header("Grip-Channel", &a), "").await?;
    setup.publish(&[]).await?;
    setup.publish(&[json!({ "channel": a, "formats": { "smoke-signal": { "puffs": 3 } } })]).await?;
    let mut item = stream_item(&a, "item");
    (item["unknown"], item["formats"]["smoke-signal"]) = (json!([1]), json!(null));
    let (status, body) = post(&setup, &json!({ "items": [item], "unknown": 1 }).to_string()).await?;
    assert_eq!(status, 200, "{body}");
    stream.reads("item").await
}

async fn other_paths_are_not_found(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let status_of = async |path: &str| {
        let request = Request::new("POST", path).json(&json!({ "items": [] }));
        anyhow::Ok(read(request.send(setup.control_addr()).await?).await?.0)
    };
    for path in ["/other", "/publish/more", "/publishing/"] {
        assert_eq!(status_of(path).await?, 404, "{path}");
    }
    differences::CONTROL_QUERY.check(kind, &status_of("/publish/?q=1").await?.to_string());
    Ok(())
}

async fn another_method_is_refused_with_the_allowed_ones(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    for (method, path, allowed) in
        [("GET", "/publish/", "POST"), ("PUT", "/publish/", "POST"), ("GET", "/recover/", "POST")]
    {
        let answer = Request::new(method, path).header("Content-Length", "0").send(setup.control_addr()).await?;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert!(answer.headers.get("allow").is_some_and(|allow| allow.contains(allowed)), "{:?}", answer.headers);
    }
    Ok(())
}

async fn the_root_of_the_port_answers_with_a_text(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let (status, body) = read(Request::get("/").send(setup.control_addr()).await?).await?;
    assert_eq!(status, 200);
    assert!(!body.trim().is_empty());
    Ok(())
}

async fn a_body_has_a_maximum_length(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut stream = setup.open(hold("").header("Grip-Channel", &a), "").await?;
    let longest = |content: usize| json!({ "items": [stream_item(&a, &"x".repeat(content))] });
    let rest = longest(0).to_string().len();
    setup.control(&longest(MAX_BODY_BYTES - rest)).await?.whole().await?;
    let too_long = longest(MAX_BODY_BYTES + 1 - rest);
    // A server that does not read the whole body may reset the connection, so that the response is lost.
    if let Ok(answer) = setup.control(&too_long).await {
        assert!([400, 413].contains(&answer.status), "{}", answer.status);
    }
    setup.publish(&[stream_item(&a, "end")]).await?;
    stream.reads(&("x".repeat(MAX_BODY_BYTES - rest) + "end")).await
}

async fn a_body_without_a_length(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let head = Request::new("POST", "/publish/").header("Transfer-Encoding", "chunked");
    let mut connection = Connection::open(setup.control_addr()).await?;
    let body = json!({ "items": [] }).to_string();
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    connection.write(&[head.bytes(), chunks.into_bytes()].concat()).await?;
    let answer = connection.answer().await.context("no answer")?;
    differences::CHUNKED_PUBLISH.check(kind, &answer.status.to_string());
    let accepted = Request::new("POST", "/publish/").json(&json!({ "items": [] })).send(setup.control_addr()).await?;
    assert_ne!(accepted.framing, Framing::Chunked);
    differences::CONTROL_KEEP_ALIVE.check(kind, accepted.headers.get("connection").unwrap_or_default());
    Ok(())
}

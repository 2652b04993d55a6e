//! The control port: what is taken, what is refused and how, and that a request is taken whole or not at all.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Rule, Stand, differences, hold, rules, stream_item};
use crate::support::{
    http1::Framing,
    proxy::Kind,
    wire::{Answer, Connection, Request},
};

/// `push_in_http_max_body_size`.
const LONGEST_BODY: usize = 1_000_000;

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        what_is_taken_is_published,
        the_answer_is_json_for_those_who_ask,
        what_is_no_list_of_items_is_refused,
        what_is_no_item_is_refused,
        bad_base64,
        ids_are_strings,
        one_bad_item_makes_all_of_them_bad,
        what_nobody_understands_is_taken,
        other_paths_are_not_found,
        other_methods_are_named,
        the_port_says_what_it_is,
        a_body_may_be_long_but_not_endless,
        a_body_without_a_length,
    ]
}

async fn post(stand: &Stand, body: &str) -> anyhow::Result<(u16, String)> {
    let request = Request::new("POST", "/publish/").header("Content-Type", "application/json").body(body);
    read(request.send(stand.control_addr()).await?).await
}

async fn read(mut answer: Answer) -> anyhow::Result<(u16, String)> {
    Ok((answer.status, String::from_utf8(answer.whole().await?)?))
}

async fn what_is_taken_is_published(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let a = stand.channel("a");
    let mut stream = stand.open(hold("").header("Grip-Channel", &a), "").await?;
    for (path, content) in [("/publish/", "1 "), ("/publish", "2 ")] {
        let body = json!({ "items": [stream_item(&a, content)] });
        let answer = Request::new("POST", path).json(&body).send(stand.control_addr()).await?;
        assert_eq!(read(answer).await?, (200, "Published\n".to_owned()), "{path}");
    }
    // The type of the body is nobody's business, nor is a token.
    let body = json!({ "items": [stream_item(&a, "3")] }).to_string();
    let request = Request::new("POST", "/publish/").header("Authorization", "Bearer x").body(body);
    assert_eq!(request.send(stand.control_addr()).await?.status, 200);
    stream.reads("1 2 3").await
}

async fn the_answer_is_json_for_those_who_ask(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    for (accept, expected) in [
        ("application/json", Some("{\"message\":\"Published\"}\n")),
        ("text/plain", Some("Published\n")),
        ("*/*", Some("Published\n")),
        ("image/png", None),
    ] {
        let request = Request::new("POST", "/publish/").header("Accept", accept).json(&json!({ "items": [] }));
        let (status, body) = read(request.send(stand.control_addr()).await?).await?;
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

async fn refused(stand: &Stand, body: &str) -> anyhow::Result<()> {
    let (status, reason) = post(stand, body).await?;
    assert_eq!(status, 400, "{body}: {reason}");
    assert!(!reason.trim().is_empty(), "{body}: no reason");
    Ok(())
}

async fn what_is_no_list_of_items_is_refused(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    for body in ["", "{", "items", "[]", "{}", "\"\"", r#"{"items":{}}"#, r#"{"items":1}"#, r#"{"items":["a"]}"#] {
        refused(&stand, body).await?;
    }
    Ok(())
}

async fn what_is_no_item_is_refused(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
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
        refused(&stand, &json!({ "items": [item] }).to_string()).await?;
    }
    // With or without a reason.
    let (status, _) = post(&stand, &json!({ "items": [http_stream(json!({ "action": "sing" }))] }).to_string()).await?;
    assert_eq!(status, 400);
    Ok(())
}

async fn bad_base64(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let item = json!({ "channel": stand.channel("a"), "formats": { "http-stream": { "content-bin": "%" } } });
    let (status, _) = post(&stand, &json!({ "items": [item] }).to_string()).await?;
    differences::BAD_BASE64.check(kind, &status.to_string());
    Ok(())
}

async fn ids_are_strings(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    for name in ["id", "prev-id"] {
        for value in [json!(1), json!(null), json!({}), json!(true)] {
            let mut item = stream_item("a", "x");
            item[name] = value;
            refused(&stand, &json!({ "items": [item] }).to_string()).await?;
        }
    }
    Ok(())
}

async fn one_bad_item_makes_all_of_them_bad(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let a = stand.channel("a");
    let mut stream = stand.open(hold("").header("Grip-Channel", &a), "").await?;
    let mut with_id = stream_item(&a, "with id ");
    with_id["id"] = json!("1");
    let items = json!({ "items": [stream_item(&a, "first"), with_id, json!({}), stream_item(&a, "last")] });
    refused(&stand, &items.to_string()).await?;
    // Nor is its id known now.
    stand.publish(&[with_id, stream_item(&a, "good")]).await?;
    stream.reads("with id good").await
}

async fn what_nobody_understands_is_taken(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let a = stand.channel("a");
    let mut stream = stand.open(hold("").header("Grip-Channel", &a), "").await?;
    stand.publish(&[]).await?;
    stand.publish(&[json!({ "channel": a, "formats": { "smoke-signal": { "puffs": 3 } } })]).await?;
    let mut item = stream_item(&a, "item");
    (item["unknown"], item["formats"]["smoke-signal"]) = (json!([1]), json!(null));
    let (status, body) = post(&stand, &json!({ "items": [item], "unknown": 1 }).to_string()).await?;
    assert_eq!(status, 200, "{body}");
    stream.reads("item").await
}

async fn other_paths_are_not_found(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let status_of = async |path: &str| {
        let request = Request::new("POST", path).json(&json!({ "items": [] }));
        anyhow::Ok(read(request.send(stand.control_addr()).await?).await?.0)
    };
    for path in ["/other", "/publish/more", "/publishing/"] {
        assert_eq!(status_of(path).await?, 404, "{path}");
    }
    differences::CONTROL_QUERY.check(kind, &status_of("/publish/?q=1").await?.to_string());
    Ok(())
}

async fn other_methods_are_named(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    for (method, path, allowed) in
        [("GET", "/publish/", "POST"), ("PUT", "/publish/", "POST"), ("GET", "/recover/", "POST")]
    {
        let answer = Request::new(method, path).header("Content-Length", "0").send(stand.control_addr()).await?;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert!(answer.headers.get("allow").is_some_and(|allow| allow.contains(allowed)), "{:?}", answer.headers);
    }
    Ok(())
}

async fn the_port_says_what_it_is(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let (status, body) = read(Request::get("/").send(stand.control_addr()).await?).await?;
    assert_eq!(status, 200);
    assert!(!body.trim().is_empty());
    Ok(())
}

async fn a_body_may_be_long_but_not_endless(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let a = stand.channel("a");
    let mut stream = stand.open(hold("").header("Grip-Channel", &a), "").await?;
    let longest = |content: usize| json!({ "items": [stream_item(&a, &"x".repeat(content))] });
    let rest = longest(0).to_string().len();
    stand.control(&longest(LONGEST_BODY - rest)).await?.whole().await?;
    let too_long = longest(LONGEST_BODY + 1 - rest);
    // Whoever does not read a body to its end may reset the connection, and so lose the answer.
    if let Ok(answer) = stand.control(&too_long).await {
        assert!([400, 413].contains(&answer.status), "{}", answer.status);
    }
    stand.publish(&[stream_item(&a, "end")]).await?;
    stream.reads(&("x".repeat(LONGEST_BODY - rest) + "end")).await
}

async fn a_body_without_a_length(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let head = Request::new("POST", "/publish/").header("Transfer-Encoding", "chunked");
    let mut connection = Connection::open(stand.control_addr()).await?;
    let body = json!({ "items": [] }).to_string();
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    connection.write(&[head.bytes(), chunks.into_bytes()].concat()).await?;
    let answer = connection.answer().await.context("no answer")?;
    differences::CHUNKED_PUBLISH.check(kind, &answer.status.to_string());
    let taken = Request::new("POST", "/publish/").json(&json!({ "items": [] })).send(stand.control_addr()).await?;
    assert_ne!(taken.framing, Framing::Chunked);
    differences::CONTROL_CONNECTION.check(kind, taken.headers.get("connection").unwrap_or_default());
    Ok(())
}

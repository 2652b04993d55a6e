//! The API over HTTP: content negotiation, methods, forms, errors and CORS.

use libtest_mimic::Trial;
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::json;

use crate::support::{
    stack::{Answer, Kind, Stack, answer},
    trials::on_stacks,
};

pub(crate) fn trials() -> Vec<Trial> {
    on_stacks![
        [APART] => the_accept_header_chooses_between_stream_and_json,
        [APART] => a_message_can_be_sent_as_json_form_or_multipart,
        [APART] => a_refused_request_gets_a_remedy_and_stores_nothing,
        [APART] => methods_follow_http,
        [APART] => history_can_be_paged_back_to_its_start,
        [APART] => other_origins_are_refused_unless_they_are_listed,
        [APART] => a_missing_slash_redirects,
    ]
}

/// A client of the backend itself, so that no proxy changes a header.
struct Client {
    stack: Stack,
}

impl Client {
    async fn start_with(kind: Kind, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        Ok(Self { stack: Stack::start_with(kind, variables).await? })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.stack.http().request(method, format!("{}{path}", self.stack.backend.url()))
    }

    fn post(&self) -> RequestBuilder {
        self.request(Method::POST, MESSAGES)
    }

    /// The status and the headers of the response.
    async fn head_of(&self, request: RequestBuilder) -> anyhow::Result<(u16, HeaderMap)> {
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.headers().clone()))
    }
}

const MESSAGES: &str = "/rooms/lobby/messages/";

fn error(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["error"].as_str().unwrap_or("no error"))
}

async fn the_accept_header_chooses_between_stream_and_json(kind: Kind) -> anyhow::Result<()> {
    let client = Client::start_with(kind, &[]).await?;
    for (accept, wanted) in [
        ("text/event-stream", "stream"),
        ("text/event-stream, application/json;q=0.5", "stream"),
        ("TEXT/EVENT-STREAM;charset=utf-8;q=0.9,*/*;q=0.1", "stream"),
        ("text/*", "stream"),
        ("application/json", "json"),
        ("*/*", "json"),
        ("", "json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
        ("text/event-stream;q=0.1, application/json", "json"),
        ("text/event-stream;q=0, */*", "json"),
        ("not a media type", "json"),
        ("text/html", "neither"),
        ("application/json;q=0", "neither"),
    ] {
        let got = answer(client.request(Method::GET, MESSAGES).header("Accept", accept)).await?;
        let expected = match wanted {
            // A stream without a proxy is refused, which shows that a stream was chosen.
            "stream" => (501, "not_proxied"),
            "json" => (200, "no error"),
            _ => (406, "not_acceptable"),
        };
        assert_eq!(error(&got), expected, "{accept:?}");
    }
    let (_, headers) = client.head_of(client.request(Method::GET, MESSAGES)).await?;
    assert_eq!(headers["vary"], "accept");
    Ok(())
}

async fn a_message_can_be_sent_as_json_form_or_multipart(kind: Kind) -> anyhow::Result<()> {
    let client = Client::start_with(kind, &[]).await?;
    let text = "one & two\n+ 100 % <três>";
    let fields = [("from", "Ada"), ("text", text)];
    let form = reqwest::multipart::Form::new().text("from", "Ada").text("text", text).text("more", "ignored");
    for request in [
        client.post().json(&json!({"from": "Ada", "text": text, "more": [1]})),
        client.post().form(&fields),
        client.post().multipart(form),
    ] {
        let posted = answer(request).await?;
        assert_eq!(posted.status, 200, "{posted:?}");
        assert_eq!(posted.body["text"], text);
        assert_eq!(posted.body["from"], "Ada");
        let names: Vec<_> = posted.body.as_object().into_iter().flat_map(|message| message.keys()).collect();
        assert_eq!(names, ["date", "from", "id", "provisionalId", "text"]);
        let date = posted.body["date"].as_str().unwrap_or_default();
        assert!(date.len() == 24 && date.ends_with('Z') && date.as_bytes()[19] == b'.', "{date}");
    }
    // Browsers send the line breaks of a form as CR LF.
    let posted = answer(client.post().form(&[("from", "Ada"), ("text", "one\r\ntwo")])).await?;
    assert_eq!(posted.body["text"], "one\ntwo");
    Ok(())
}

async fn a_refused_request_gets_a_remedy_and_stores_nothing(kind: Kind) -> anyhow::Result<()> {
    let client = Client::start_with(kind, &[]).await?;
    let message = |from: &str, text: &str| client.post().json(&json!({"from": from, "text": text}));
    let good = || message("Ada", "hello");
    let typed = |media_type: &str, body: &str| client.post().header("Content-Type", media_type).body(body.to_owned());
    let two_keys = json!({"from": "Ada", "text": "x", "provisionalId": "6f1c1b0e-5d0c-4c39-8e0b-1f6f8f0f3d11"});
    for (request, expected, remedy) in [
        (message("", "hello"), (400, "invalid_message"), "from"),
        (message(&"a".repeat(65), "hello"), (400, "invalid_message"), "64"),
        (message("Ada", ""), (400, "invalid_message"), "text"),
        (message("Ada", " \n "), (400, "invalid_message"), "text"),
        (message("Ada", &"a".repeat(4_001)), (400, "invalid_message"), "4000"),
        (message("Ada", "bell \u{7}"), (400, "invalid_message"), "U+0007"),
        (client.post().json(&json!({"text": "x"})), (400, "invalid_body"), "\"from\" is missing"),
        (client.post().json(&json!({"from": 1, "text": "x"})), (400, "invalid_body"), "string"),
        (typed("application/json", "{"), (400, "invalid_body"), "JSON"),
        (typed("multipart/form-data; boundary=x", "nothing"), (400, "invalid_body"), "multipart"),
        (typed("multipart/form-data", "no boundary"), (400, "invalid_body"), "multipart"),
        (typed("text/plain", "x"), (415, "unsupported_media_type"), "application/json"),
        (client.post(), (415, "unsupported_media_type"), "application/json"),
        (typed("application/json", &" ".repeat(65_537)), (413, "body_too_large"), "65536"),
        (good().header("Idempotency-Key", "1"), (400, "invalid_idempotency_key"), "UUID"),
        (good().header("Idempotency-Key", ""), (400, "invalid_idempotency_key"), "UUID"),
        (
            client.post().json(&two_keys).header("Idempotency-Key", "00000000-0000-4000-8000-000000000000"),
            (400, "invalid_idempotency_key"),
            "differ",
        ),
        (client.request(Method::GET, "/rooms/lobby/messages/?limit=0"), (400, "invalid_query"), "1 to 200"),
        (client.request(Method::GET, "/rooms/lobby/messages/?limit=201"), (400, "invalid_query"), "1 to 200"),
        (client.request(Method::GET, "/rooms/lobby/messages/?limit=many"), (400, "invalid_query"), "limit"),
        (client.request(Method::GET, "/rooms/lobby/messages/?before=x"), (400, "invalid_query"), "before"),
        (client.request(Method::GET, "/rooms/a%20b/messages/"), (400, "invalid_room"), "letters"),
        (client.request(Method::GET, "/rooms/lobby/"), (404, "not_found"), "/rooms/<room>/messages/"),
        (client.request(Method::DELETE, MESSAGES), (405, "method_not_allowed"), "Allow"),
    ] {
        let refused = answer(request).await?;
        assert_eq!(error(&refused), expected, "{refused:?}");
        let message = refused.body["message"].as_str().unwrap_or_default();
        assert!(message.contains(remedy), "{message:?} does not contain {remedy:?}");
    }
    let history = client.stack.room("lobby").history("").await?;
    assert_eq!(history, json!({"messages": [], "lastEventId": "0", "more": false}));
    Ok(())
}

async fn methods_follow_http(kind: Kind) -> anyhow::Result<()> {
    let client = Client::start_with(kind, &[]).await?;
    let (status, headers) = client.head_of(client.request(Method::OPTIONS, MESSAGES)).await?;
    assert_eq!((status, headers["allow"].to_str()?), (204, "GET,HEAD,POST"));
    let (status, headers) = client.head_of(client.request(Method::PUT, MESSAGES)).await?;
    assert_eq!((status, headers["allow"].to_str()?), (405, "GET,HEAD,POST"));
    // HEAD has the headers of GET, without the body.
    let get = client.request(Method::GET, MESSAGES).send().await?;
    let head = client.request(Method::HEAD, MESSAGES).send().await?;
    assert_eq!(head.status(), get.status());
    for name in ["content-type", "content-length", "cache-control"] {
        assert_eq!(head.headers().get(name), get.headers().get(name), "{name}");
    }
    assert_eq!(head.text().await?, "");
    Ok(())
}

async fn history_can_be_paged_back_to_its_start(kind: Kind) -> anyhow::Result<()> {
    let client = Client::start_with(kind, &[]).await?;
    let room = client.stack.room_at(&client.stack.backend.url(), "lobby");
    let mut posted = Vec::new();
    for n in 0..120 {
        posted.push(room.post(&format!("{n}")).await?);
    }
    let newest = room.history("").await?;
    assert_eq!(newest["messages"], json!(posted[70..]));
    assert_eq!((&newest["lastEventId"], &newest["more"]), (&posted[119]["id"], &json!(true)));

    let mut seen = Vec::new();
    let mut query = "?limit=50".to_owned();
    loop {
        let page = room.history(&query).await?;
        let messages = page["messages"].as_array().cloned().unwrap_or_default();
        query = format!("?limit=50&before={}", messages[0]["id"].as_str().unwrap_or_default());
        seen.splice(0..0, messages);
        if page["more"] == json!(false) {
            break;
        }
    }
    assert_eq!(seen, posted);
    assert_eq!(room.history("?limit=200").await?["messages"].as_array().map(Vec::len), Some(120));
    Ok(())
}

async fn other_origins_are_refused_unless_they_are_listed(kind: Kind) -> anyhow::Result<()> {
    let closed = Client::start_with(kind, &[]).await?;
    let get = |client: &Client, origin: &str| client.request(Method::GET, MESSAGES).header("Origin", origin);
    let (_, headers) = closed.head_of(get(&closed, "https://a.example")).await?;
    assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{headers:?}");

    let open = Client::start_with(kind, &[("CORS_ORIGINS", "https://a.example,https://b.example:8443")]).await?;
    let (_, headers) = open.head_of(get(&open, "https://b.example:8443")).await?;
    assert_eq!(headers["access-control-allow-origin"], "https://b.example:8443");
    let (_, headers) = open.head_of(get(&open, "https://c.example")).await?;
    assert_eq!(headers.get("access-control-allow-origin"), None);
    let preflight = open
        .request(Method::OPTIONS, MESSAGES)
        .header("Origin", "https://a.example")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type,idempotency-key,last-event-id");
    let (status, headers) = open.head_of(preflight).await?;
    assert_eq!((status, headers["access-control-allow-origin"].to_str()?), (200, "https://a.example"));
    let allowed = headers["access-control-allow-headers"].to_str()?.to_lowercase();
    for name in ["content-type", "idempotency-key", "last-event-id"] {
        assert!(allowed.contains(name), "{allowed}");
    }
    Ok(())
}

async fn a_missing_slash_redirects(kind: Kind) -> anyhow::Result<()> {
    let client = Client::start_with(kind, &[]).await?;
    for path in ["/rooms/caf%C3%A9/messages?limit=1", "//evil.example/rooms/a/messages"] {
        let (status, headers) = client.head_of(client.request(Method::POST, path)).await?;
        let location = headers.get("location").and_then(|value| value.to_str().ok());
        match status {
            308 => assert_eq!(location, Some("/rooms/caf%C3%A9/messages/?limit=1")),
            status => assert_eq!((status, location), (404, None), "{path}"),
        }
    }
    Ok(())
}

//! What the publisher sends to control ports of every kind, and what it does when they fail.
//!
//! Cloud services are not available to tests, and Pushpin's control port accepts anything, so these tests use a control
//! port that records requests.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    routing::post,
};
use gripchat::grip::{Channel, Formats, GripUrl, Item, Outcome, Publisher};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::RwLock};

use crate::support::{eventually::eventually, stack::SOON, trials::trials};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        [] => items_have_the_form_of_the_protocol,
        [] => a_realm_gets_a_token_signed_with_its_key,
        [] => fastly_gets_a_bearer_token,
        [] => userinfo_is_sent_as_basic_authorization,
        [] => an_item_with_an_id_is_retried_in_order_and_one_without_is_not,
        [] => a_refused_request_is_not_retried,
        [] => waiting_items_are_sent_in_one_request_in_order,
        [] => items_that_are_refused_together_are_sent_one_by_one,
        [] => closing_waits_until_everything_is_published,
    ]
}

/// Used instead of a status: 413 for several items, 200 for one.
const TOO_LARGE_IF_SEVERAL: u16 = 0;

/// A control port that answers with a status that the test sets, and records the requests.
#[derive(Clone)]
struct Control {
    requests: Arc<Mutex<Vec<Request>>>,
    status: Arc<AtomicU16>,
    /// A test that locks this for writing delays the responses.
    gate: Arc<RwLock<()>>,
    url: String,
}

#[derive(Clone)]
struct Request {
    path: String,
    authorization: Option<String>,
    items: Vec<Value>,
    answered: u16,
}

impl Control {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let control =
            Self { requests: Arc::default(), status: Arc::new(AtomicU16::new(200)), gate: Arc::default(), url };
        let router = Router::new().route("/{*path}", post(record)).with_state(control.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(control)
    }

    /// Returns a publisher to this port. `rest` is the rest of the URL.
    fn publisher(&self, rest: &str) -> anyhow::Result<Publisher> {
        Ok(Publisher::new(GripUrl::parse_list(&format!("{}{rest}", self.url))?)?)
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no request panics").clone()
    }

    /// Returns the items of all requests, in order.
    fn items(&self) -> Vec<Value> {
        self.requests().into_iter().flat_map(|request| request.items).collect()
    }

    /// Returns the items of the requests that succeeded, in order.
    fn published(&self) -> Vec<Value> {
        self.requests().into_iter().filter(|request| request.answered == 200).flat_map(|r| r.items).collect()
    }
}

async fn record(
    State(control): State<Control>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Result<&'static str, StatusCode> {
    let body: Value = serde_json::from_str(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let items = body["items"].as_array().cloned().ok_or(StatusCode::BAD_REQUEST)?;
    let _open = control.gate.read().await;
    let answered = match control.status.load(Ordering::SeqCst) {
        TOO_LARGE_IF_SEVERAL if items.len() > 1 => 413,
        TOO_LARGE_IF_SEVERAL => 200,
        status => status,
    };
    let request = Request { path: uri.path().to_owned(), authorization, items, answered };
    control.requests.lock().expect("no request panics").push(request);
    match answered {
        200 => Ok("Published\n"),
        status => Err(StatusCode::from_u16(status).expect("the test set a valid status")),
    }
}

fn ephemeral(content: &str) -> Item {
    Item::ephemeral(&Channel::new("provisional", "a b"), Formats::http_stream(content.to_owned()))
}

fn sequenced(n: u32) -> Item {
    Item::sequenced(
        &Channel::new("messages", "a"),
        format!("e-{n}"),
        format!("e-{}", n - 1),
        Formats::http_stream(n.to_string()),
    )
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().unwrap_or("none")).collect()
}

async fn items_have_the_form_of_the_protocol() -> anyhow::Result<()> {
    let control = Control::start().await?;
    let publisher = control.publisher("")?;
    assert_eq!(publisher.publish("a", &ephemeral("data: \u{1F600}\n\n")).await, Outcome::Published);
    assert_eq!(publisher.publish("a", &sequenced(7)).await, Outcome::Published);
    let expected = json!([
        // Without id and prev-id, not even as null: Pushpin would refuse the whole request.
        {"channel": "provisional-a%20b", "formats": {"http-stream": {"content": "data: \u{1F600}\n\n"}}},
        {"channel": "messages-a", "id": "e-7", "prev-id": "e-6", "formats": {"http-stream": {"content": "7"}}},
    ]);
    assert_eq!(Value::from(control.items()), expected);
    assert!(control.requests().iter().all(|request| request.path == "/publish/" && request.authorization.is_none()));
    Ok(())
}

async fn a_realm_gets_a_token_signed_with_its_key() -> anyhow::Result<()> {
    let control = Control::start().await?;
    let publisher = control.publisher("/realm/r1?iss=r1&key=base64:c2VjcmV0")?;
    assert_eq!(publisher.publish("a", &ephemeral("x")).await, Outcome::Published);
    let request = control.requests().remove(0);
    assert_eq!(request.path, "/realm/r1/publish/");
    let token = request.authorization.as_deref().and_then(|header| header.strip_prefix("Bearer "));
    let claims = jsonwebtoken::decode::<Value>(
        token.unwrap_or_default(),
        &jsonwebtoken::DecodingKey::from_secret(b"secret")?,
        &jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256),
    )?;
    assert_eq!(claims.claims["iss"], "r1");
    Ok(())
}

async fn fastly_gets_a_bearer_token() -> anyhow::Result<()> {
    let control = Control::start().await?;
    let publisher = control.publisher("/service/S1?key=token&verify-iss=fastly:S1&verify-key=k")?;
    assert_eq!(publisher.publish("a", &ephemeral("x")).await, Outcome::Published);
    let request = control.requests().remove(0);
    assert_eq!(
        (request.path.as_str(), request.authorization.as_deref()),
        ("/service/S1/publish/", Some("Bearer token"))
    );
    Ok(())
}

async fn userinfo_is_sent_as_basic_authorization() -> anyhow::Result<()> {
    let control = Control::start().await?;
    let url = control.url.replace("http://", "http://me:pass@");
    let publisher = Publisher::new(GripUrl::parse_list(&url)?)?;
    assert_eq!(publisher.publish("a", &ephemeral("x")).await, Outcome::Published);
    assert_eq!(control.requests()[0].authorization.as_deref(), Some("Basic bWU6cGFzcw=="));
    Ok(())
}

async fn an_item_with_an_id_is_retried_in_order_and_one_without_is_not() -> anyhow::Result<()> {
    let control = Control::start().await?;
    let publisher = control.publisher("")?;
    control.answer(500);
    assert_eq!(publisher.publish("a", &ephemeral("now or never")).await, Outcome::Unconfirmed);
    let first = publisher.publish("a", &sequenced(1)).await;
    assert_eq!(first, Outcome::Unconfirmed);
    drop(publisher.publish("a", &sequenced(2)));
    control.answer(200);
    eventually(SOON, "both are published", || ids(&control.published()).ends_with(&["e-2"])).await;
    assert_eq!(ids(&control.published()), ["e-1", "e-2"]);
    let items = control.items();
    let now_or_never = items.iter().filter(|item| item["formats"]["http-stream"]["content"] == "now or never");
    assert_eq!(now_or_never.count(), 1, "{items:?}");
    Ok(())
}

/// A retry would only delay the items after it.
async fn a_refused_request_is_not_retried() -> anyhow::Result<()> {
    let control = Control::start().await?;
    let publisher = control.publisher("")?;
    control.answer(400);
    assert_eq!(publisher.publish("a", &sequenced(1)).await, Outcome::Unconfirmed);
    control.answer(200);
    drop(publisher.publish("a", &sequenced(2)));
    publisher.close(SOON).await;
    assert_eq!(ids(&control.items()), ["e-1", "e-2"]);
    Ok(())
}

async fn waiting_items_are_sent_in_one_request_in_order() -> anyhow::Result<()> {
    let control = Control::start().await?;
    let publisher = control.publisher("")?;
    // The other items are queued while the first request waits.
    let closed = control.gate.write().await;
    for n in 1..=500 {
        drop(publisher.publish("a", &sequenced(n)));
    }
    drop(closed);
    publisher.close(SOON).await;
    let expected: Vec<String> = (1..=500).map(|n| format!("e-{n}")).collect();
    assert_eq!(ids(&control.items()), expected);
    assert!(control.requests().len() <= 2, "{} requests", control.requests().len());
    Ok(())
}

/// A service may accept less in one request than the publisher assumes, and one bad item must not drop the others.
async fn items_that_are_refused_together_are_sent_one_by_one() -> anyhow::Result<()> {
    let control = Control::start().await?;
    let publisher = control.publisher("")?;
    control.answer(TOO_LARGE_IF_SEVERAL);
    let closed = control.gate.write().await;
    for n in 1..=50 {
        drop(publisher.publish("a", &sequenced(n)));
    }
    drop(closed);
    publisher.close(SOON).await;
    let expected: Vec<String> = (1..=50).map(|n| format!("e-{n}")).collect();
    assert_eq!(ids(&control.published()), expected);
    assert!(control.requests().iter().any(|request| request.answered == 413), "they were never sent together");
    Ok(())
}

async fn closing_waits_until_everything_is_published() -> anyhow::Result<()> {
    let control = Control::start().await?;
    let publisher = control.publisher("")?;
    control.answer(500);
    assert_eq!(publisher.publish("a", &sequenced(1)).await, Outcome::Unconfirmed);
    let started = Instant::now();
    publisher.close(Duration::from_millis(300)).await;
    assert!(started.elapsed() >= Duration::from_millis(300), "it gave up before its deadline");
    control.answer(200);
    publisher.close(SOON).await;
    assert!(started.elapsed() < SOON, "it waited for its deadline although the queue was empty");
    assert_eq!(ids(&control.items()).last(), Some(&"e-1"));
    Ok(())
}

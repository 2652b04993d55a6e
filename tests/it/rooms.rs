//! The list of rooms over HTTP.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::ensure;
use gripchat::{
    app::App,
    forwarded::TrustedProxies,
    grip::{GripUrl, Publisher},
    store::{DynamoDb, Retention, Store},
    web::{self, CorsOrigins, Readiness, Web},
};
use libtest_mimic::Trial;
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use crate::support::{
    fault::Mode,
    memory::{self, Memory},
    metrics::Metrics,
    stack::{Answer, Kind, Room, SOON, Stack, answer, http},
    trials::{on_stacks, trials},
};

/// The list may be five seconds old, or on a busy machine twenty times as old as it takes to read.
const LISTED_WITHIN: Duration = Duration::from_secs(30);

/// Rooms, some with names that are percent-encoded in a path.
const ROOMS: [&str; 5] = ["lobby", "café", "部屋", "R2-D2_v1.0", "हिन्दी"];

pub(crate) fn trials() -> Vec<Trial> {
    let on_stacks = on_stacks![
        [APART] => rooms_are_listed_in_pages_newest_first,
        [APART] => a_list_without_rooms_is_empty,
        [EDGE_EMBEDDED] => the_position_in_the_list_is_called_after_and_was_called_behind,
        [EDGE_EMBEDDED] => an_invalid_query_is_refused_with_a_remedy,
        [APART] => methods_of_the_list_follow_http,
        [APART] => the_list_follows_cors_like_the_messages,
        [APART] => a_list_that_is_turned_off_is_not_found,
        [EDGE_DYNAMODB] => a_list_that_is_turned_off_is_not_written,
        [EDGE_DYNAMODB] => a_store_outage_does_not_lose_the_list,
        [EDGE_DYNAMODB] => a_post_just_before_shutdown_is_listed,
        [EDGE_DYNAMODB] => a_room_that_cannot_be_listed_delays_no_post,
    ];
    on_stacks.into_iter().chain(trials![[] => a_list_that_hangs_delays_no_page]).collect()
}

fn request(stack: &Stack, method: Method, path: &str) -> RequestBuilder {
    stack.http().request(method, format!("{}{path}", stack.backend.url()))
}

fn get(stack: &Stack, path: &str) -> RequestBuilder {
    request(stack, Method::GET, path)
}

async fn head_of(request: RequestBuilder) -> anyhow::Result<(u16, HeaderMap)> {
    let response = request.send().await?;
    Ok((response.status().as_u16(), response.headers().clone()))
}

/// Waits for a response with this status and this many rooms, and returns it.
async fn list_once(request: impl Fn() -> RequestBuilder, status: u16, rooms: usize) -> anyhow::Result<Value> {
    let started = Instant::now();
    loop {
        let Answer { status: got, body } = answer(request()).await?;
        if got == status && body["rooms"].as_array().map_or(0, Vec::len) == rooms {
            return Ok(body);
        }
        ensure!(started.elapsed() < LISTED_WITHIN, "{got} {body}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// The rooms in the table, read directly.
async fn listed(stack: &Stack) -> anyhow::Result<Vec<String>> {
    let table = stack.table();
    let store = DynamoDb::new(table.client.clone(), table.name.clone(), Retention::FOREVER);
    Ok(store.rooms().await?.iter().map(|activity| activity.room.to_string()).collect())
}

async fn rooms_are_listed_in_pages_newest_first(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let mut expected = Vec::new();
    for name in ROOMS {
        let posted = stack.room(name).post("hello").await?;
        expected.push(json!({"room": name, "activeAt": posted["date"]}));
    }
    expected.reverse();
    // Through the proxy, as clients do.
    let all = list_once(|| stack.http().get(format!("{}/rooms/", stack.proxy.url())), 200, ROOMS.len()).await?;
    assert_eq!(all, json!({"rooms": expected}), "the last page has no next");

    let (mut pages, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut query = form_urlencoded::Serializer::for_suffix("/rooms/?limit=2".to_owned(), 8);
        query.extend_pairs(after.iter().map(|after| ("after", after)));
        let page = answer(get(&stack, &query.finish())).await?;
        assert_eq!(page.status, 200, "{page:?}");
        pages.push(page.body["rooms"].as_array().cloned().unwrap_or_default());
        match page.body.get("next") {
            Some(next) => after = next.as_str().map(str::to_owned),
            None => break,
        }
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(pages.concat(), expected);
    let exactly = answer(get(&stack, "/rooms/?limit=5")).await?;
    assert_eq!(exactly.body, json!({"rooms": expected}));
    Ok(())
}

async fn a_list_without_rooms_is_empty(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    for path in ["/rooms/", "/rooms/?after=1767323045678-lobby"] {
        let Answer { status, body } = answer(get(&stack, path)).await?;
        assert_eq!((status, body), (200, json!({"rooms": []})), "{path}");
    }
    Ok(())
}

/// `after` is the documented name. `behind` is that of earlier versions.
async fn the_position_in_the_list_is_called_after_and_was_called_behind(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    for name in ["one", "two", "three"] {
        stack.room(name).post("hello").await?;
    }
    let all = list_once(|| get(&stack, "/rooms/"), 200, 3).await?;
    let first = answer(get(&stack, "/rooms/?limit=1")).await?;
    let next = first.body["next"].as_str().unwrap_or_default();
    for name in ["after", "behind"] {
        let rest = answer(get(&stack, &format!("/rooms/?{name}={next}"))).await?;
        assert_eq!(rest.body["rooms"].as_array().map(Vec::as_slice), all["rooms"].as_array().map(|all| &all[1..]));
    }
    let both = answer(get(&stack, &format!("/rooms/?after={next}&behind={next}"))).await?;
    assert_eq!((both.status, &both.body["error"]), (400, &json!("invalid_query")));
    assert!(both.body["message"].as_str().is_some_and(|message| message.contains("duplicate field `after`")));
    Ok(())
}

async fn an_invalid_query_is_refused_with_a_remedy(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let next = "the value of next in an earlier response";
    for (query, remedy) in [
        ("limit=0", "1 to 200"),
        ("limit=201", "1 to 200"),
        ("limit=many", "limit"),
        ("limit=-1", "limit"),
        ("after=", next),
        ("after=lobby", next),
        ("after=1767323045678", next),
        ("after=1767323045678-", next),
        ("after=1767323045678-a%20b", next),
        ("after=1767323045678-rooms", next),
        ("after=99999999999999999999-lobby", next),
        ("after=yesterday-lobby", next),
    ] {
        let Answer { status, body } = answer(get(&stack, &format!("/rooms/?{query}"))).await?;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_query")), "{query}");
        let message = body["message"].as_str().unwrap_or_default();
        assert!(message.contains(remedy), "{query}: {message:?} does not contain {remedy:?}");
    }
    Ok(())
}

async fn methods_of_the_list_follow_http(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let (status, headers) = head_of(request(&stack, Method::OPTIONS, "/rooms/")).await?;
    assert_eq!((status, headers["allow"].to_str()?), (204, "GET,HEAD"));
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let (status, headers) = head_of(request(&stack, method.clone(), "/rooms/")).await?;
        assert_eq!((status, headers["allow"].to_str()?), (405, "GET,HEAD"), "{method}");
        let Answer { body, .. } = answer(request(&stack, method, "/rooms/")).await?;
        assert_eq!(body["error"], "method_not_allowed");
    }
    let get = get(&stack, "/rooms/").send().await?;
    let head = request(&stack, Method::HEAD, "/rooms/").send().await?;
    assert_eq!((head.status(), head.headers()["cache-control"].to_str()?), (get.status(), "no-cache"));
    for name in ["content-type", "content-length", "cache-control"] {
        assert_eq!(head.headers().get(name), get.headers().get(name), "{name}");
    }
    assert_eq!(head.text().await?, "");
    let (status, headers) = head_of(request(&stack, Method::GET, "/rooms?limit=1")).await?;
    assert_eq!((status, headers["location"].to_str()?), (308, "/rooms/?limit=1"));
    Ok(())
}

async fn the_list_follows_cors_like_the_messages(kind: Kind) -> anyhow::Result<()> {
    let closed = Stack::start(kind).await?;
    let (_, headers) = head_of(get(&closed, "/rooms/").header("Origin", "https://a.example")).await?;
    assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{headers:?}");

    let open = Stack::start_with(kind, &[("CORS_ORIGINS", "https://a.example")]).await?;
    let (status, headers) = head_of(get(&open, "/rooms/").header("Origin", "https://a.example")).await?;
    assert_eq!((status, headers["access-control-allow-origin"].to_str()?), (200, "https://a.example"));
    let (_, headers) = head_of(get(&open, "/rooms/").header("Origin", "https://c.example")).await?;
    assert_eq!(headers.get("access-control-allow-origin"), None);
    Ok(())
}

async fn a_list_that_is_turned_off_is_not_found(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start_with(kind, &[("ROOM_LIST", "off")]).await?;
    let room = stack.room("lobby");
    room.post("hello").await?;
    let nothing = answer(get(&stack, "/no/such/path")).await?;
    for method in [Method::GET, Method::POST] {
        assert_eq!(answer(request(&stack, method, "/rooms/")).await?, nothing);
    }
    assert_eq!((nothing.status, &nothing.body["error"]), (404, &json!("not_found")));
    assert_ne!(head_of(get(&stack, "/rooms")).await?.0, 308);
    assert_eq!(room.history("").await?["messages"].as_array().map(Vec::len), Some(1));
    Ok(())
}

async fn a_list_that_is_turned_off_is_not_written(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start_with(kind, &[("ROOM_LIST", "off")]).await?;
    stack.room("secret").post("hello").await?;
    // The backend finishes writes in progress before it stops.
    stack.backend.stop().await?;
    assert_eq!(listed(&stack).await?, [""; 0]);
    Ok(())
}

async fn a_store_outage_does_not_lose_the_list(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start(kind).await?;
    stack.room("lobby").post("hello").await?;
    let list = || get(&stack, "/rooms/");
    let known = list_once(list, 200, 1).await?;
    stack.store().set(Mode::Refuse);
    // Also after the backend has tried to read the list again, and failed.
    let (refused, started) = (stack.store().connections(), Instant::now());
    while stack.store().connections() == refused {
        ensure!(started.elapsed() < LISTED_WITHIN, "the store is not read again");
        assert_eq!(answer(list()).await?.body, known);
        sleep(Duration::from_millis(100)).await;
    }

    // A backend that has no list yet.
    stack.backend.kill()?;
    stack.backend.restart().await?;
    let list = || get(&stack, "/rooms/");
    let refused = list_once(list, 503, 0).await?;
    assert_eq!(refused["error"], "store_unavailable");
    let (status, headers) = head_of(list()).await?;
    assert_eq!((status, headers["retry-after"].to_str()?), (503, "1"));
    stack.store().set(Mode::Pass);
    assert_eq!(list_once(list, 200, 1).await?, known);
    Ok(())
}

async fn a_post_just_before_shutdown_is_listed(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start(kind).await?;
    // The backend waits for the list for a second.
    stack.store().set(Mode::Delay(Duration::from_millis(200)));
    stack.room("lobby").post("hello").await?;
    stack.backend.stop().await?;
    assert_eq!(listed(&stack).await?, ["lobby"]);
    Ok(())
}

/// The connection to the store breaks after the message itself was stored.
async fn a_room_that_cannot_be_listed_delays_no_post(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    // Time to break the connection between the write of the message and that of the list.
    stack.store().set(Mode::Delay(Duration::from_secs(2)));
    let started = Instant::now();
    stack.room("lobby").post("hello").await?;
    stack.store().set(Mode::Reset);
    let failed = async || {
        let metrics = Metrics::of(stack.http(), &stack.backend.url()).await?;
        anyhow::Ok(metrics.get("gripchat_store_errors_total", &[("operation", "list")]))
    };
    while failed().await? < 1.0 {
        ensure!(started.elapsed() < LISTED_WITHIN, "listing did not fail");
        sleep(Duration::from_millis(50)).await;
    }
    stack.store().set(Mode::Pass);
    let list = || get(&stack, "/rooms/");
    let rooms = list_once(list, 200, 1).await?;
    assert_eq!(rooms["rooms"][0]["room"], "lobby");
    Ok(())
}

/// Runs in this process, because no proxy in front of a table can distinguish the list from the messages.
async fn a_list_that_hangs_delays_no_page() -> anyhow::Result<()> {
    let store = Arc::new(Memory::new(Retention::FOREVER));
    let urls = GripUrl::parse_list("http://127.0.0.1:1/")?;
    let trust = Arc::new(GripUrl::trust(&urls));
    let publisher = Arc::new(Publisher::new(urls)?);
    let readiness = Readiness::new(store.clone(), Arc::clone(&publisher), CancellationToken::new());
    let trusted_proxies = Arc::new(TrustedProxies::default());
    let app = Arc::new(App::new(store.clone(), publisher, Duration::from_secs(60)));
    let web = Web { app, trust, trusted_proxies, readiness: Arc::new(readiness), post_limit: None };
    let router = web::router(web, &CorsOrigins::SameOrigin);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let base = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(axum::serve(listener, router).into_future());

    Room::new(&base, "lobby", http()?).post("hello").await?;
    let page = async || anyhow::Ok(http()?.get(format!("{base}/lobby?user=Ann")).send().await?.text().await?);
    let listed = "/lobby?user=Ann\" aria-current=\"page\"";
    assert!(page().await?.contains(listed), "the room is listed");
    store.set(memory::Mode::SlowList(Duration::from_secs(60)));
    let started = Instant::now();
    let without = page().await?;
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert!(without.contains(">hello<") && without.contains("id=\"room-list\""), "{without}");
    assert!(!without.contains(listed), "{without}");
    server.abort();
    Ok(())
}

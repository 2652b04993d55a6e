//! Next links: where they lead, how they are requested, and what their responses may be.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::Instant};

use super::{Rule, Setup, differences, hold, rules};
use crate::support::{
    eventually::eventually,
    proxy::Kind,
    scripted::{Asked, Reply, ScriptedBackend},
    stack::SOON,
    wire::Request,
};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        pages_are_joined_into_one_response,
        a_page_may_end_in_a_hold,
        a_link_is_relative_to_the_path_it_came_from,
        a_page_without_instructions_is_the_last,
        a_link_is_requested_without_the_clients_fields,
        an_id_without_a_link_ends_the_stream,
        a_link_with_another_rel_is_not_a_next_link,
        a_link_to_another_host,
        links_that_differ_in_their_query,
    ]
}

fn page(body: &str, link: &str) -> Reply {
    Reply::ok(body).header("Grip-Link", &format!("<{link}>; rel=next"))
}

async fn pages_are_joined_into_one_response(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("2", page("two ", &setup.path("3")));
    setup.answer("3", page("three ", &setup.path("4")));
    // The head of the first response has been sent, so the status and the fields of this one are dropped.
    setup.answer("4", Reply::status("202 Accepted").header("X-Own", "4").part("four"));
    setup.answer("", page("one ", &setup.path("2")).header("X-Own", "1"));
    let mut answer = setup.get("").await?;
    assert_eq!((answer.status, answer.headers.all("x-own")), (200, vec!["1"]));
    answer.ends_as("one two three four").await
}

async fn a_page_may_end_in_a_hold(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channel = setup.channel("a");
    setup.answer("2", hold("two ").header("Grip-Channel", &channel));
    let mut answer = setup.open(page("one ", &setup.path("2")), "one two ").await?;
    setup.becomes_live(&mut answer, &channel).await
}

async fn a_link_is_relative_to_the_path_it_came_from(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.script("page", |received| match received.query() {
        Some("n=2") => page("4 ", "deep/er"),
        _ => page("3 ", "?n=2"),
    });
    setup.answer("deep/er", page("5 ", "../up"));
    setup.answer("up", Reply::ok("6"));
    let absolute = format!("{}{}", setup.url(), setup.path("absolute"));
    setup.answer("absolute", page("2 ", "page"));
    setup.answer("", page("1 ", &absolute));
    // An absolute link may name the host that the client used.
    let host = setup.http_addr().to_string();
    let mut answer = setup.send(Request::get(&setup.path("")).header("Host", &host)).await?;
    answer.ends_as("1 2 3 4 5 6").await
}

async fn a_page_without_instructions_is_the_last(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("2", Reply::status("204 No Content"));
    let mut answer = setup.open(page("one", &setup.path("2")), "one").await?;
    answer.ends_as("one").await
}

/// Requests are shared, so what one client receives must not depend on what another one sent.
async fn a_link_is_requested_without_the_clients_fields(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("2", Reply::ok("two"));
    setup.answer("", page("one ", &format!("{}?of=link", setup.path("2"))));
    let request = Request::new("POST", &setup.path("?of=client")).header("Host", "chat.example");
    let request = request.header("Cookie", "a=1").header("Authorization", "Bearer x").header("Last-Event-ID", "e-1");
    setup.send(request.header("X-Own", "1").body("body")).await?.ends_as("one two").await?;
    let received = &setup.requests("2")[0];
    assert_eq!((&*received.method, received.query(), &*received.text()), ("GET", Some("of=link"), ""));
    assert_eq!(received.headers.get("host"), Some("chat.example"));
    assert!(received.headers.get("grip-sig").is_some());
    assert!(received.headers.get("grip-feature").is_some());
    for name in ["cookie", "authorization", "last-event-id", "x-own", "grip-last"] {
        assert_eq!(received.headers.get(name), None, "{name}");
    }
    Ok(())
}

async fn an_id_without_a_link_ends_the_stream(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let reply = hold("body").header("Grip-Channel", &format!("{}; prev-id=1", setup.channel("a")));
    let mut answer = setup.open(reply, "body").await?;
    assert_eq!(answer.status, 200);
    answer.ends_as("body").await
}

async fn a_link_with_another_rel_is_not_a_next_link(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let reply = Reply::ok("body").header("Grip-Link", &format!("<{}>; rel=other", setup.path("2")));
    setup.open(reply, "body").await?.ends_as("body").await?;
    assert_eq!(setup.requests("2").len(), 0);
    Ok(())
}

async fn a_link_to_another_host(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let elsewhere = ScriptedBackend::start().await?;
    elsewhere.on("/page", |_| Reply::ok("two"));
    setup.answer("", page("one ", &format!("http://{}/page", elsewhere.addr())));
    let mut answer = setup.get("").await?;
    let seen = match answer.status {
        200 => {
            answer.ends_as("one two").await?;
            "followed".to_owned()
        }
        status => status.to_string(),
    };
    assert_eq!(elsewhere.asked("/page").len(), usize::from(seen == "followed"));
    differences::LINK_ELSEWHERE.check(kind, &seen);
    Ok(())
}

async fn links_that_differ_in_their_query(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let (channel, next) = (format!("{}; prev-id=1", setup.channel("a")), setup.path("next"));
    // Each response contains its own query and links to itself. The link answers only after all have requested it.
    let gate = Arc::new(Semaphore::new(0));
    let script = move |received: &Asked, gate: &Arc<Semaphore>| {
        let query = received.query().unwrap_or_default();
        let link = format!("<{next}?{query}>; rel=next; timeout=120");
        let reply = Reply::status("200 OK").header("Grip-Hold", "stream").header("Grip-Channel", &channel);
        reply.header("Grip-Link", &link).until(gate).part(format!("{query} "))
    };
    let (first, open, closed) = (script.clone(), Arc::new(Semaphore::new(1)), gate.clone());
    setup.script("stream", move |received| first(received, &open));
    setup.script("next", move |received| script(received, &closed));
    let mut streams = Vec::new();
    for user in ["ada", "bob", "cyd", "dan"] {
        streams.push((setup.get(&format!("stream?{user}")).await?, user));
    }
    // The first recheck requests all of them at the same time.
    setup.wait_for_requests("next", 1).await;
    let (mut known, mut since) = (0, Instant::now());
    eventually(SOON, "that no more requests arrive", || {
        let now = setup.requests("next").len();
        if now != known {
            (known, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_secs(2)
    })
    .await;
    gate.add_permits(1);
    let mut own = 0;
    for (stream, user) in &mut streams {
        eventually(SOON, "the response of its link", || stream.text().len() >= 8).await;
        while stream.changes(Duration::from_millis(500)).await {}
        own += usize::from(stream.text() == format!("{user} {user} "));
    }
    let seen = match (setup.requests("next").len(), own) {
        (1, 1) => "one request, and its response for all".to_owned(),
        (4, 4) => "a request and a response each".to_owned(),
        (requests, own) => format!("{requests} requests, {own} of them got their own response"),
    };
    differences::LINK_QUERY.check(kind, &seen);
    Ok(())
}

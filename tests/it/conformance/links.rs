//! Next links: where they lead, what is asked there, and what an answer there may be.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::Instant};

use super::{Rule, Stand, differences, hold, rules};
use crate::support::{
    eventually::eventually,
    proxy::Kind,
    scripted::{Asked, Reply, ScriptedBackend},
    stack::SOON,
    wire::Request,
};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        pages_follow_each_other_into_one_answer,
        a_page_may_end_in_a_hold,
        a_link_is_relative_to_the_path_it_came_from,
        an_answer_at_a_link_without_instructions_is_the_last,
        a_link_is_asked_with_nothing_of_the_clients,
        an_id_without_a_link_ends_the_stream,
        a_link_of_another_kind_is_no_next_link,
        a_link_to_another_host,
        links_that_differ_in_their_query,
    ]
}

fn page(body: &str, link: &str) -> Reply {
    Reply::ok(body).header("Grip-Link", &format!("<{link}>; rel=next"))
}

async fn pages_follow_each_other_into_one_answer(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    stand.answer("2", page("two ", &stand.path("3")));
    stand.answer("3", page("three ", &stand.path("4")));
    // Its status and fields come too late to be sent.
    stand.answer("4", Reply::status("202 Accepted").header("X-Own", "4").part("four"));
    stand.answer("", page("one ", &stand.path("2")).header("X-Own", "1"));
    let mut answer = stand.get("").await?;
    assert_eq!((answer.status, answer.headers.all("x-own")), (200, vec!["1"]));
    answer.ends_as("one two three four").await
}

async fn a_page_may_end_in_a_hold(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let channel = stand.channel("a");
    stand.answer("2", hold("two ").header("Grip-Channel", &channel));
    let mut answer = stand.open(page("one ", &stand.path("2")), "one two ").await?;
    stand.becomes_live(&mut answer, &channel).await
}

async fn a_link_is_relative_to_the_path_it_came_from(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    stand.script("page", |asked| match asked.query() {
        Some("n=2") => page("4 ", "deep/er"),
        _ => page("3 ", "?n=2"),
    });
    stand.answer("deep/er", page("5 ", "../up"));
    stand.answer("up", Reply::ok("6"));
    let absolute = format!("{}{}", stand.url(), stand.path("absolute"));
    stand.answer("absolute", page("2 ", "page"));
    stand.answer("", page("1 ", &absolute));
    // Absolute is an address that the client used, too.
    let host = stand.http_addr().to_string();
    let mut answer = stand.send(Request::get(&stand.path("")).header("Host", &host)).await?;
    answer.ends_as("1 2 3 4 5 6").await
}

async fn an_answer_at_a_link_without_instructions_is_the_last(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    stand.answer("2", Reply::status("204 No Content"));
    let mut answer = stand.open(page("one", &stand.path("2")), "one").await?;
    answer.ends_as("one").await
}

/// What one client may see must not depend on what another one sent: requests are shared.
async fn a_link_is_asked_with_nothing_of_the_clients(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    stand.answer("2", Reply::ok("two"));
    stand.answer("", page("one ", &format!("{}?of=link", stand.path("2"))));
    let request = Request::new("POST", &stand.path("?of=client")).header("Host", "chat.example");
    let request = request.header("Cookie", "a=1").header("Authorization", "Bearer x").header("Last-Event-ID", "e-1");
    stand.send(request.header("X-Own", "1").body("body")).await?.ends_as("one two").await?;
    let asked = &stand.asked("2")[0];
    assert_eq!((&*asked.method, asked.query(), &*asked.text()), ("GET", Some("of=link"), ""));
    assert_eq!(asked.headers.get("host"), Some("chat.example"));
    assert!(asked.headers.get("grip-sig").is_some());
    assert!(asked.headers.get("grip-feature").is_some());
    for name in ["cookie", "authorization", "last-event-id", "x-own", "grip-last"] {
        assert_eq!(asked.headers.get(name), None, "{name}");
    }
    Ok(())
}

async fn an_id_without_a_link_ends_the_stream(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let reply = hold("body").header("Grip-Channel", &format!("{}; prev-id=1", stand.channel("a")));
    let mut answer = stand.open(reply, "body").await?;
    assert_eq!(answer.status, 200);
    answer.ends_as("body").await
}

async fn a_link_of_another_kind_is_no_next_link(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let reply = Reply::ok("body").header("Grip-Link", &format!("<{}>; rel=other", stand.path("2")));
    stand.open(reply, "body").await?.ends_as("body").await?;
    assert_eq!(stand.asked("2").len(), 0);
    Ok(())
}

async fn a_link_to_another_host(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let elsewhere = ScriptedBackend::start().await?;
    elsewhere.on("/page", |_| Reply::ok("two"));
    stand.answer("", page("one ", &format!("http://{}/page", elsewhere.addr())));
    let mut answer = stand.get("").await?;
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
    let stand = Stand::new(kind).await?;
    let (channel, next) = (format!("{}; prev-id=1", stand.channel("a")), stand.path("next"));
    // What is asked for is what is answered, with itself as the link; at the link not before all have asked.
    let gate = Arc::new(Semaphore::new(0));
    let script = move |asked: &Asked, gate: &Arc<Semaphore>| {
        let query = asked.query().unwrap_or_default();
        let link = format!("<{next}?{query}>; rel=next; timeout=120");
        let reply = Reply::status("200 OK").header("Grip-Hold", "stream").header("Grip-Channel", &channel);
        reply.header("Grip-Link", &link).until(gate).part(format!("{query} "))
    };
    let (first, open, closed) = (script.clone(), Arc::new(Semaphore::new(1)), gate.clone());
    stand.script("stream", move |asked| first(asked, &open));
    stand.script("next", move |asked| script(asked, &closed));
    let mut streams = Vec::new();
    for user in ["ada", "bob", "cyd", "dan"] {
        streams.push((stand.get(&format!("stream?{user}")).await?, user));
    }
    // By the first recheck, all at the same time.
    stand.asked_times("next", 1).await;
    let (mut asked, mut since) = (0, Instant::now());
    eventually(SOON, "an end of the requests", || {
        let now = stand.asked("next").len();
        if now != asked {
            (asked, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_millis(500)
    })
    .await;
    gate.add_permits(1);
    let mut own = 0;
    for (stream, user) in &mut streams {
        eventually(SOON, "what its link answers", || stream.text().len() >= 8).await;
        while stream.changes(Duration::from_millis(100)).await {}
        own += usize::from(stream.text() == format!("{user} {user} "));
    }
    let seen = match (stand.asked("next").len(), own) {
        (1, 1) => "one request, and its answer for all".to_owned(),
        (4, 4) => "a request and an answer each".to_owned(),
        (asked, own) => format!("{asked} requests, {own} of them got their own answer"),
    };
    differences::LINK_QUERY.check(kind, &seen);
    Ok(())
}

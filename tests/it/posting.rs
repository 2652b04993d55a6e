//! Dense ids and idempotency under concurrency, as clients see them, with several backends if they can share a store.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};
use uuid::Uuid;

use crate::support::{
    fault::Mode,
    stack::{Answer, Kind, Room, SOON, Stack, answer, http},
    trials::on_stacks,
};

pub(crate) fn trials() -> Vec<Trial> {
    on_stacks![
        Heavy [APART] => eight_hundred_concurrent_posts_get_dense_ids,
        [APART] => twenty_concurrent_posts_with_one_key_are_one_message_with_one_answer,
        [APART] => a_key_of_another_message_is_refused,
        [EDGE_EMBEDDED] => a_key_in_the_form_is_the_key_in_the_header,
        [EDGE_DYNAMODB] => a_post_whose_write_lost_its_answer_yields_one_message,
        [EDGE_DYNAMODB] => a_post_repeated_after_an_error_yields_one_message,
        [EDGE_DYNAMODB] => a_post_that_waits_too_long_for_its_turn_is_not_stored,
    ]
}

/// Reads all messages of a room page by page, and returns them oldest first.
async fn paged_back(room: &Room, limit: usize) -> anyhow::Result<Vec<Value>> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let before = all.first().map(|oldest| format!("&before={}", text_of(oldest, "id")));
        let page = room.history(&format!("?limit={limit}{}", before.unwrap_or_default())).await?;
        let messages = page["messages"].as_array().context("a list")?.clone();
        ensure!(!messages.is_empty() || page["more"] == false, "an empty page says that there is more");
        all.splice(0..0, messages);
        if page["more"] == false {
            return Ok(all);
        }
    }
}

fn text_of<'a>(message: &'a Value, field: &str) -> &'a str {
    message[field].as_str().unwrap_or_default()
}

fn seq(message: &Value) -> u64 {
    let id = text_of(message, "id");
    id.rsplit_once('-').and_then(|(_, seq)| seq.parse().ok()).unwrap_or_else(|| panic!("{id:?} has no number"))
}

/// Posts like a client should: with a key, and again after growing pauses if the store is too busy. With so many posts in
/// one room, it may be.
async fn post_until_stored(room: &Room, text: &str) -> anyhow::Result<Value> {
    const ATTEMPTS: u32 = 10;
    let key = Uuid::new_v4().to_string();
    for attempt in 0..ATTEMPTS {
        let Answer { status, body } = room.post_with(text, &[("Idempotency-Key", &key)]).await?;
        match status {
            200 => return Ok(body),
            503 => println!("not stored yet: {text}"),
            _ => bail!("{status}: {body}"),
        }
        sleep(Duration::from_secs(1 << attempt.min(3)).mul_f64(rand::random_range(0.5..1.0))).await;
    }
    bail!("not stored after {ATTEMPTS} attempts")
}

async fn eight_hundred_concurrent_posts_get_dense_ids(kind: Kind) -> anyhow::Result<()> {
    const ALL: usize = 800;

    let stack = Stack::start(kind).await?;
    // Only one process can open the file of an embedded store.
    let processes = if stack.is_shared() { 8 } else { 1 };
    let mut stream = stack.room("lobby").stream_at("?provisional=false", &[]).await?;
    let open = stream.next(SOON).await.context("no stream-open")?;
    assert_eq!(open.event, "stream-open");

    let mut others = Vec::new();
    for _ in 1..processes {
        others.push(stack.another_backend().await?);
    }
    let mut writers = JoinSet::new();
    for (process, backend) in std::iter::once(&stack.backend).chain(&others).enumerate() {
        for writer in 0..ALL / processes {
            let room = stack.room_at(&backend.url(), "lobby");
            writers.spawn(async move {
                let text = format!("process {process}, writer {writer}");
                let message = post_until_stored(&room, &text).await?;
                ensure!(message["text"] == text, "another text was acknowledged: {message}");
                Ok(message)
            });
        }
    }
    let mut acknowledged: Vec<Value> = writers.join_all().await.into_iter().collect::<Result<_, _>>()?;

    acknowledged.sort_by_key(seq);
    assert_eq!(acknowledged.iter().map(seq).collect::<Vec<_>>(), (1..=ALL as u64).collect::<Vec<_>>());
    let texts: BTreeSet<_> = acknowledged.iter().map(|message| text_of(message, "text")).collect();
    assert_eq!(texts.len(), ALL);
    assert_eq!(paged_back(&stack.room("lobby"), 200).await?, acknowledged);

    let received = stream.until(4 * SOON, |event| event.id.as_deref() == acknowledged[ALL - 1]["id"].as_str()).await?;
    let received: Vec<_> = received.iter().filter(|event| event.event != "keep-alive").collect();
    assert!(received.iter().all(|event| event.event == "message"), "{received:?}");
    let messages: Vec<Value> = received.iter().map(|event| event.json()).collect::<Result<_, _>>()?;
    assert_eq!(messages, acknowledged);
    Ok(())
}

async fn twenty_concurrent_posts_with_one_key_are_one_message_with_one_answer(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let other = if stack.is_shared() { Some(stack.another_backend().await?) } else { None };
    let rooms = [&stack.backend, other.as_ref().unwrap_or(&stack.backend)];
    let rooms = rooms.map(|backend| stack.room_at(&backend.url(), "lobby"));
    rooms[0].post("before").await?;
    let key = Uuid::new_v4().to_string();
    let mut posts = JoinSet::new();
    for n in 0..20 {
        let (room, key) = (rooms[n % 2].clone(), key.clone());
        posts.spawn(async move { room.post_with("hello", &[("Idempotency-Key", &key)]).await });
    }
    let answers: Vec<Answer> = posts.join_all().await.into_iter().collect::<Result<_, _>>()?;
    assert_eq!((answers[0].status, &answers[0].body["provisionalId"]), (200, &json!(key)));
    assert_eq!(answers, vec![answers[0].clone(); 20]);
    let texts: Vec<Value> = paged_back(&rooms[0], 50).await?.iter().map(|message| message["text"].clone()).collect();
    assert_eq!(texts, ["before", "hello"]);
    Ok(())
}

async fn a_key_of_another_message_is_refused(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let key = Uuid::new_v4().to_string();
    let first = room.post_with("hello", &[("Idempotency-Key", &key)]).await?;
    assert_eq!(first.status, 200);
    let other = room.post_with("good bye", &[("Idempotency-Key", &key)]).await?;
    assert_eq!((other.status, &other.body["error"]), (422, &json!("idempotency_key_reused")));
    assert_eq!(room.post_with("hello", &[("Idempotency-Key", &key)]).await?, first);
    assert_eq!(paged_back(&room, 50).await?, [first.body]);
    Ok(())
}

async fn a_key_in_the_form_is_the_key_in_the_header(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let post = |key: &str| {
        let form = BTreeMap::from([("from", "Ada"), ("text", "hello"), ("provisionalId", key)]);
        http().map(|http| http.post(&room.url).form(&form))
    };
    let key = Uuid::new_v4().to_string();
    let in_form = answer(post(&key)?).await?;
    assert_eq!((in_form.status, &in_form.body["provisionalId"]), (200, &json!(key)));
    assert_eq!(room.post_with("hello", &[("Idempotency-Key", &key)]).await?, in_form);
    // The draft standard of the header specifies a string of RFC 9651.
    assert_eq!(room.post_with("hello", &[("Idempotency-Key", &format!("\"{key}\""))]).await?, in_form);
    assert_eq!(answer(post(&key)?.header("Idempotency-Key", &key)).await?, in_form);
    let differing = answer(post(&key)?.header("Idempotency-Key", Uuid::new_v4().to_string())).await?;
    assert_eq!((differing.status, &differing.body["error"]), (400, &json!("invalid_idempotency_key")));
    assert_eq!(paged_back(&room, 50).await?, [in_form.body]);
    Ok(())
}

/// The backend does not know whether it has stored the message, and reads to find out. The client notices nothing.
async fn a_post_whose_write_lost_its_answer_yields_one_message(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    // After this post the backend needs no read before it writes.
    let before = room.post("before").await?;
    stack.store().set(Mode::LoseAnswers);
    let post = tokio::spawn({
        let room = room.clone();
        async move { room.post("hello").await }
    });
    wait_for_a_lost_answer(&stack).await;
    stack.store().set(Mode::Pass);
    let posted = post.await??;
    assert_eq!(paged_back(&room, 50).await?, [before, posted]);
    Ok(())
}

/// The store does not answer for so long that the backend gives up, and the client tries again.
async fn a_post_repeated_after_an_error_yields_one_message(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let other = stack.another_backend().await?;
    let room = stack.room_at(&stack.backend.url(), "lobby");
    let before = room.post("before").await?;
    let key = Uuid::new_v4().to_string();
    let headers = [("Idempotency-Key", key.as_str()), ("Last-Event-ID", text_of(&before, "id"))];

    stack.store().set(Mode::LoseAnswers);
    let refused = room.post_with("hello", &headers).await?;
    assert_eq!((refused.status, &refused.body["error"]), (503, &json!("store_unavailable")));
    assert!(stack.store().bytes_lost() > 0, "the store has not answered, so it may not have written");
    stack.store().set(Mode::Pass);

    let repeated = room.post_with("hello", &headers).await?;
    assert_eq!((repeated.status, &repeated.body["provisionalId"]), (200, &json!(key)));
    let elsewhere = stack.room_at(&other.url(), "lobby").post_with("hello", &headers).await?;
    assert_eq!(elsewhere, repeated);
    let after = room.post("after").await?;
    assert_eq!(paged_back(&room, 50).await?, [before, repeated.body, after]);
    Ok(())
}

/// The table is slow but answers. Posts are refused because they wait for others, and it is certain that they are not stored.
async fn a_post_that_waits_too_long_for_its_turn_is_not_stored(kind: Kind) -> anyhow::Result<()> {
    const WRITERS: usize = 12;

    let stack = Stack::start(kind).await?;
    let other = stack.another_backend().await?;
    // Each write takes 1.5 s, so about five of them fit into the deadline of an append, 8 s.
    stack.store().set(Mode::DelayAnswers(Duration::from_millis(1_500)));
    let mut posts = JoinSet::new();
    for n in 0..WRITERS {
        let backend = [&stack.backend, &other][n % 2];
        let room = stack.room_at(&backend.url(), "lobby");
        posts.spawn(async move { room.post_with(&format!("writer {n}"), &[]).await });
    }
    let answers: Vec<Answer> = posts.join_all().await.into_iter().collect::<Result<_, _>>()?;
    stack.store().set(Mode::Pass);

    let (mut acknowledged, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!(acknowledged.len() >= 2 && refused.len() >= 2, "{acknowledged:?}, {refused:?}");
    assert!(refused.iter().all(|answer| answer.status == 503), "{refused:?}");
    acknowledged.sort_by_key(|answer| seq(&answer.body));
    let acknowledged: Vec<Value> = acknowledged.into_iter().map(|answer| answer.body).collect();
    assert_eq!(paged_back(&stack.room("lobby"), 50).await?, acknowledged);
    Ok(())
}

async fn wait_for_a_lost_answer(stack: &Stack) {
    let within = crate::support::stack::SOON;
    let lost = || stack.store().bytes_lost() > 0;
    crate::support::eventually::eventually(within, "the store answers a write", lost).await;
}

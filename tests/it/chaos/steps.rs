//! Kills the backend at each step of a post, one fail point after another, and checks what happens to the message.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use gripchat::failpoint;
use libtest_mimic::Trial;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    streams::{ids, up_to},
    support::{
        sse::Stream,
        stack::{Kind, RECHECK, Room, SOON, Stack},
        trials::on_stacks,
    },
};

/// The fail points of a post that is stored at the first attempt.
const OF_A_POST: [&str; 5] = [
    failpoint::POST_BEGUN,
    failpoint::POST_SHOWN,
    failpoint::POST_STORED,
    failpoint::POST_ANNOUNCED,
    failpoint::POST_PUBLISHED,
];
/// The fail points of the embedded store.
const OF_A_COMMIT: [&str; 2] = [failpoint::COMMIT_BEGUN, failpoint::COMMIT_DONE];
/// A proxy stops waiting for a lost message after 5 to 6 s, and then requests what it missed.
const GAP_TIMEOUT: Duration = Duration::from_secs(6);
/// For a busy machine, in addition to [`GAP_TIMEOUT`]. Together they are less than the longest pause between two requests
/// of the edge for a failed next link, 16 s, which the next message must not wait for.
const GAP_SLACK: Duration = Duration::from_secs(8);
/// For a busy machine, in addition to [`RECHECK`]. Together they are less than the two minutes after which proxies
/// recheck a stream by themselves.
const RECHECK_SLACK: Duration = SOON;

pub(crate) fn trials() -> Vec<Trial> {
    on_stacks![
        [APART] => a_post_that_is_repeated_after_a_crash_at_any_step_is_stored_once,
        [APART] => a_message_that_a_crash_left_unpublished_arrives_with_the_recheck,
        [APART] => a_message_that_a_crash_left_unpublished_arrives_within_six_seconds_of_the_next_one,
    ]
}

/// Posts to a backend that dies at this fail point, and starts it again.
async fn post_and_die(stack: &mut Stack, room: &Room, point: &str, text: &str, key: Uuid) -> anyhow::Result<()> {
    stack.backend.kill()?;
    stack.backend.restart_with(&[("FAILPOINTS", &format!("{point}=return"))]).await?;
    let answer = room.post_with(text, &[("Idempotency-Key", &key.to_string())]).await;
    // An error of the proxy need not be JSON.
    ensure!(answer.as_ref().map_or(true, |answer| answer.status != 200), "{point}: the response was {answer:?}");
    let began = Instant::now();
    while !stack.backend.has_died()? {
        ensure!(began.elapsed() < SOON, "{point}: the backend is still running");
        sleep(Duration::from_millis(10)).await;
    }
    stack.backend.restart().await
}

async fn a_post_that_is_repeated_after_a_crash_at_any_step_is_stored_once(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    let of_the_store = if stack.is_shared() { &[][..] } else { &OF_A_COMMIT[..] };
    let mut posted = Vec::new();
    for point in OF_A_POST.iter().chain(of_the_store) {
        let key = Uuid::new_v4();
        post_and_die(&mut stack, &room, point, point, key).await?;
        let repeated = room.post_with(point, &[("Idempotency-Key", &key.to_string())]).await?;
        assert_eq!(repeated.status, 200, "{point}: {repeated:?}");
        posted.push(repeated.body["id"].as_str().context("an id")?.to_owned());
    }
    let log = room.history("").await?["messages"].clone();
    let texts: Vec<_> = log.as_array().into_iter().flatten().map(|message| message["text"].as_str()).collect();
    let expected: Vec<_> = OF_A_POST.iter().chain(of_the_store).map(|point| Some(*point)).collect();
    assert_eq!(texts, expected, "each once, in order");
    let seen = up_to(&mut stream, posted.last().context("posts were made")?).await?;
    assert_eq!(ids(&seen), posted, "the stream has each once, in order");
    ensure!(stream.is_open(), "the stream was dropped: {:?}", stream.end());
    Ok(())
}

/// Opens a stream of a room whose last message is stored, but was not published.
async fn unpublished(stack: &mut Stack) -> anyhow::Result<(Room, Stream)> {
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    let before = room.post("before").await?;
    up_to(&mut stream, before["id"].as_str().context("an id")?).await?;
    post_and_die(stack, &room, failpoint::POST_STORED, "unpublished", Uuid::new_v4()).await?;
    Ok((room, stream))
}

async fn a_message_that_a_crash_left_unpublished_arrives_with_the_recheck(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start(kind).await?;
    let (_, mut stream) = unpublished(&mut stack).await?;
    let events = stream.until(RECHECK + RECHECK_SLACK, |event| event.id.is_some()).await?;
    assert_eq!(events.last().context("an event")?.json()?["text"], "unpublished");
    Ok(())
}

async fn a_message_that_a_crash_left_unpublished_arrives_within_six_seconds_of_the_next_one(
    kind: Kind,
) -> anyhow::Result<()> {
    let mut stack = Stack::start_with(kind, &[("RECHECK_INTERVAL", "1h")]).await?;
    let (room, mut stream) = unpublished(&mut stack).await?;
    let began = Instant::now();
    let next = room.post("next").await?;
    let seen = up_to(&mut stream, next["id"].as_str().context("an id")?).await?;
    assert!(began.elapsed() < GAP_TIMEOUT + GAP_SLACK, "it took {:?}", began.elapsed());
    assert_eq!(ids(&seen).len(), 2, "the missed message and the next one: {seen:?}");
    Ok(())
}

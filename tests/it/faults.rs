//! Messages and streams stay complete when something fails.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::future::{join_all, try_join_all};
use gripchat::{
    chat::{Author, Draft, RoomId, Text, Timestamp},
    store::{Append, DynamoDb, Retention, Store as _},
};
use libtest_mimic::Trial;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::{
    streams::{ids, up_to},
    support::{
        eventually::eventually,
        fault::Mode,
        sse::Stream,
        stack::{Answer, Kind, RECHECK, Room, SOON, Stack},
        trials::on_stacks,
    },
};

pub(crate) fn trials() -> Vec<Trial> {
    on_stacks![
        [DYNAMODB] => with_a_slow_store_the_provisional_message_arrives_long_before_the_write,
        [DYNAMODB] => a_failing_store_causes_a_503_and_a_retraction,
        [DYNAMODB] => streams_survive_a_long_outage_of_the_store,
        [DYNAMODB] => a_message_that_was_never_published_reaches_every_stream,
        [DYNAMODB] => a_message_that_was_never_published_comes_before_the_next_one,
        [DYNAMODB] => a_crash_before_the_write_leaves_only_the_provisional_message,
        [DYNAMODB] => a_message_is_delivered_despite_a_crash_before_its_final_publish,
        [DYNAMODB] => a_retry_after_such_a_crash_delivers_the_message_at_once,
        [APART] => a_publish_that_fails_at_first_is_retried,
        [DYNAMODB] => a_dead_or_hanging_proxy_does_not_delay_the_others,
        Heavy [APART] => a_redeploy_under_two_hundred_streams_drops_no_stream_and_loses_no_message,
        [APART] => a_killed_backend_keeps_acknowledged_messages,
        [EDGE_DYNAMODB] => the_post_of_a_client_that_disconnects_is_finished,
    ]
}

/// The store's deadline is 8 s, and the post's 9.5 s, as tests with a paused clock prove. The rest is for a busy machine.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(18);
/// A post that waits until its publish succeeds takes 9.5 s. One that waits for the first attempt takes at most two, one
/// for each of its items.
const UNCONFIRMED_POST_DEADLINE: Duration = Duration::from_secs(8);

fn id(message: &serde_json::Value) -> &str {
    message["id"].as_str().unwrap_or("no id")
}

/// Stores a message and publishes nothing, like a backend that dies in between.
async fn store_silently(stack: &Stack, room: &str, text: &str) -> anyhow::Result<String> {
    let store = DynamoDb::new(stack.table().client.clone(), stack.table().name.clone(), Retention::FOREVER);
    let draft = Draft {
        provisional_id: Uuid::new_v4(),
        from: Author::parse("Ada")?,
        text: Text::parse(text)?,
        date: Timestamp::now(),
    };
    let appended = store.append(&RoomId::parse(room)?, Append::new(draft)).await?;
    Ok(appended.message.id.to_string())
}

/// Returns the next provisional message with this text.
async fn provisional(stream: &mut Stream, text: &str) -> anyhow::Result<serde_json::Value> {
    let shows = |event: &crate::support::sse::Event| {
        event.id.is_none() && event.json().is_ok_and(|message| message["text"] == text)
    };
    stream.until(SOON, shows).await?.pop().context("until ends with a match")?.json()
}

/// Waits for the recovery that Pushpin requests one second after the first subscription to a channel. It delivers nothing
/// while it waits for the response.
async fn first_recheck(stack: &Stack) {
    let so_far = stack.store().bytes_up();
    eventually(SOON, "Pushpin requests what its first stream has missed", || stack.store().bytes_up() > so_far).await;
}

/// Posts in a task, because the store may delay the response.
fn posting(room: &Room, text: &str) -> tokio::task::JoinHandle<anyhow::Result<Answer>> {
    let (room, text) = (room.clone(), text.to_owned());
    tokio::spawn(async move { room.post_with(&text, &[]).await })
}

async fn with_a_slow_store_the_provisional_message_arrives_long_before_the_write(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start_with(kind, &[("RECHECK_INTERVAL", "1h")]).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    room.post("warm").await?;
    first_recheck(&stack).await;
    // The write does not arrive before the provisional message was seen.
    stack.store().set(Mode::Delay(Duration::from_secs(3600)));
    let post = posting(&room, "slow");
    provisional(&mut stream, "slow").await?;
    assert!(!post.is_finished(), "the store was not slow");
    stack.store().set(Mode::Pass);
    let answer = post.await??;
    assert_eq!(answer.status, 200);
    up_to(&mut stream, id(&answer.body)).await?;
    Ok(())
}

async fn a_failing_store_causes_a_503_and_a_retraction(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    let before = room.post("before").await?;
    for mode in [Mode::Refuse, Mode::Hang] {
        stack.store().set(mode);
        let started = Instant::now();
        let answer = room.post_with("lost", &[]).await?;
        assert_eq!((answer.status, answer.body["error"].as_str()), (503, Some("store_unavailable")), "{mode:?}");
        assert!(started.elapsed() < REFUSAL_DEADLINE, "{mode:?}: answered after {:?}", started.elapsed());
        let shown = provisional(&mut stream, "lost").await?;
        assert_eq!(shown.get("retracted"), None);
        let retracted = provisional(&mut stream, "lost").await?;
        assert_eq!(retracted["retracted"], true);
        assert_eq!(retracted["provisionalId"], shown["provisionalId"]);
        assert_eq!(room.get("").await?.status, 503, "{mode:?}");
    }
    stack.store().set(Mode::Pass);
    // The next message follows the last stored one directly: the lost messages used no ids.
    let after = room.post("after").await?;
    let events = up_to(&mut stream, id(&after)).await?;
    assert_eq!(ids(&events), [id(&after)]);
    assert_eq!(room.history("").await?["messages"], serde_json::json!([before, after]));
    Ok(())
}

/// The outage is longer than a proxy retries a failing recovery before it ends the stream.
async fn streams_survive_a_long_outage_of_the_store(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    let before = room.post("before").await?;
    up_to(&mut stream, id(&before)).await?;
    stack.store().set(Mode::Refuse);
    let outage = Duration::from_secs(45);
    assert!(!stream.closed(outage).await, "the stream ended: {:?}", stream.end());
    stack.store().set(Mode::Pass);
    let after = room.post("after").await?;
    assert_eq!(ids(&up_to(&mut stream, id(&after)).await?), [id(&after)]);
    Ok(())
}

async fn a_message_that_was_never_published_reaches_every_stream(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut streams = try_join_all([room.stream(None), room.stream(None)]).await?;
    streams.push(room.stream_at("?provisional=false", &[]).await?);
    let first = room.post("first").await?;
    for stream in &mut streams {
        up_to(stream, id(&first)).await?;
    }
    let silent = store_silently(&stack, "lobby", "silent").await?;
    for stream in &mut streams {
        // A proxy that ignores the interval of the link rechecks after two minutes.
        let events = stream.until(RECHECK + SOON, |event| event.id.as_deref() == Some(&silent)).await?;
        assert_eq!(ids(&events), [silent.as_str()]);
    }
    // It is delivered once: the next message follows directly.
    let next = room.post("next").await?;
    for stream in &mut streams {
        assert_eq!(ids(&up_to(stream, id(&next)).await?), [id(&next)]);
    }
    Ok(())
}

/// The proxy notices the gap when the next message names the id that it missed.
async fn a_message_that_was_never_published_comes_before_the_next_one(kind: Kind) -> anyhow::Result<()> {
    // The interval is too long for a recheck to repair the stream.
    let stack = Stack::start_with(kind, &[("RECHECK_INTERVAL", "1h")]).await?;
    let room = stack.room("lobby");
    let mut streams = try_join_all((0..3).map(|_| room.stream(None))).await?;
    let first = room.post("first").await?;
    for stream in &mut streams {
        up_to(stream, id(&first)).await?;
    }
    let silent = store_silently(&stack, "lobby", "silent").await?;
    let next = room.post("next").await?;
    for stream in &mut streams {
        let events = up_to(stream, id(&next)).await?;
        assert_eq!(ids(&events), [silent.as_str(), id(&next)]);
    }
    Ok(())
}

async fn a_crash_before_the_write_leaves_only_the_provisional_message(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    let before = room.post("before").await?;
    stack.store().set(Mode::Hang);
    let post = posting(&room, "lost");
    provisional(&mut stream, "lost").await?;
    stack.backend.kill()?;
    assert_ne!(post.await?.map(|answer| answer.status).unwrap_or(502), 200);
    stack.store().set(Mode::Pass);
    stack.backend.restart().await?;

    assert_eq!(room.history("").await?["messages"], serde_json::json!([before]));
    let after = room.post("after").await?;
    let events = up_to(&mut stream, id(&after)).await?;
    assert_eq!(ids(&events), [id(&after)]);
    ensure!(stream.is_open(), "the stream ended");
    assert_eq!(room.history("").await?["messages"], serde_json::json!([before, after]));
    Ok(())
}

/// Kills the backend after it has stored a message and before it has published it.
async fn crash_before_the_final_publish(stack: &mut Stack, stream: &mut Stream, key: Uuid) -> anyhow::Result<()> {
    let room = stack.room("lobby");
    room.post("before").await?;
    stack.store().set(Mode::Delay(Duration::from_secs(1)));
    let task = {
        let room = room.clone();
        tokio::spawn(async move { room.post_with("crash", &[("Idempotency-Key", &key.to_string())]).await })
    };
    provisional(stream, "crash").await?;
    // The write is in progress. What is published from now on is lost.
    stack.control.set(Mode::Hang);
    let stored = RoomId::parse("lobby")?;
    let store = DynamoDb::new(stack.table().client.clone(), stack.table().name.clone(), Retention::FOREVER);
    let started = Instant::now();
    while store.latest(&stored, 1).await?.messages.iter().all(|message| message.text.as_str() != "crash") {
        ensure!(started.elapsed() < SOON, "it was never stored");
    }
    stack.backend.kill()?;
    assert_ne!(task.await?.map(|answer| answer.status).unwrap_or(502), 200);
    stack.control.set(Mode::Pass);
    stack.store().set(Mode::Pass);
    stack.backend.restart().await
}

async fn a_message_is_delivered_despite_a_crash_before_its_final_publish(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    crash_before_the_final_publish(&mut stack, &mut stream, Uuid::new_v4()).await?;
    let repaired = stream.until(RECHECK + SOON, |event| event.id.is_some()).await?;
    assert_eq!(repaired.last().context("one event")?.json()?["text"], "crash");
    let after = room.post("after").await?;
    assert_eq!(ids(&up_to(&mut stream, id(&after)).await?), [id(&after)], "once, and in order");
    Ok(())
}

async fn a_retry_after_such_a_crash_delivers_the_message_at_once(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start_with(kind, &[("RECHECK_INTERVAL", "1h")]).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    let key = Uuid::new_v4();
    crash_before_the_final_publish(&mut stack, &mut stream, key).await?;
    let retried = room.post_with("crash", &[("Idempotency-Key", &key.to_string())]).await?;
    assert_eq!(retried.status, 200);
    assert_eq!(ids(&up_to(&mut stream, id(&retried.body)).await?).last().map(String::as_str), Some(id(&retried.body)));
    let messages = room.history("").await?["messages"].clone();
    assert_eq!(messages.as_array().map(Vec::len), Some(2), "before and crash, once: {messages}");
    Ok(())
}

async fn a_publish_that_fails_at_first_is_retried(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start_with(kind, &[("RECHECK_INTERVAL", "1h")]).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    let before = room.post("before").await?;
    up_to(&mut stream, id(&before)).await?;
    for mode in [Mode::Refuse, Mode::Hang] {
        stack.control.set(mode);
        let mut posted = Vec::new();
        for text in ["one", "two"] {
            let started = Instant::now();
            posted.push(room.post(text).await?);
            assert!(
                started.elapsed() < UNCONFIRMED_POST_DEADLINE,
                "{mode:?}: post {text} took {:?}",
                started.elapsed()
            );
        }
        stack.control.set(Mode::Pass);
        let events = up_to(&mut stream, id(&posted[1])).await?;
        assert_eq!(ids(&events), [id(&posted[0]), id(&posted[1])], "{mode:?}");
    }
    assert!(stack.backend.log().contains("cannot publish to the GRIP proxy"));
    Ok(())
}

async fn a_dead_or_hanging_proxy_does_not_delay_the_others(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    // The backlog accepts connections, and nothing ever answers them.
    let hanging = TcpListener::bind("127.0.0.1:0").await?;
    let dead = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let urls = format!(
        "http://{dead}/, http://{}/ http://{}/?verify-key=changeme",
        hanging.local_addr()?,
        stack.control.addr()
    );
    let other = stack.another_backend_with(&[("GRIP_URL", &urls)]).await?;
    let room = stack.room_at(&other.url(), "lobby");
    let mut stream = stack.room("lobby").stream(None).await?;
    // The first posts find out that a proxy is down. After that no post waits for it.
    for n in 0..4 {
        room.post(&format!("finding out {n}")).await?;
    }
    let started = Instant::now();
    let mut last = String::new();
    for n in 0..20 {
        last = id(&room.post(&format!("{n}")).await?).to_owned();
    }
    let events = up_to(&mut stream, &last).await?;
    assert_eq!(ids(&events).len(), 24);
    // A post that waits for a proxy waits for a second.
    assert!(started.elapsed() < Duration::from_secs(15), "20 posts took {:?}", started.elapsed());
    Ok(())
}

async fn a_redeploy_under_two_hundred_streams_drops_no_stream_and_loses_no_message(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start(kind).await?;
    let rooms: Vec<Room> = (0..5).map(|n| stack.room(&format!("room-{n}"))).collect();
    let mut streams = Vec::new();
    for room in &rooms {
        streams.push(try_join_all((0..40).map(|_| room.stream(None))).await?);
    }
    let mut posted: Vec<Vec<String>> = vec![Vec::new(); rooms.len()];
    for round in 0..3 {
        if round > 0 {
            stack.backend.stop().await?;
            let refused = join_all(rooms.iter().map(|room| room.get(""))).await;
            // A proxy's own response need not be JSON.
            let is_refused =
                |answer: &anyhow::Result<Answer>| answer.as_ref().is_ok_and(|a| a.status == 502) || answer.is_err();
            assert!(refused.iter().all(is_refused), "without a backend the proxy answered {refused:?}");
            stack.backend.restart().await?;
        }
        for (room, posted) in rooms.iter().zip(&mut posted) {
            for n in 0..4 {
                posted.push(id(&room.post(&format!("{round} {n}")).await?).to_owned());
            }
        }
    }
    for (streams, posted) in streams.iter_mut().zip(&posted) {
        for stream in streams {
            let events = up_to(stream, posted.last().context("some were posted")?).await?;
            assert_eq!(&ids(&events), posted);
            ensure!(stream.is_open(), "a stream was dropped: {:?}", stream.end());
        }
    }
    Ok(())
}

/// Messages that were not acknowledged may be stored or not. No message is stored twice, and the ids have no gap.
async fn a_killed_backend_keeps_acknowledged_messages(kind: Kind) -> anyhow::Result<()> {
    let mut stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream_at("?provisional=false", &[]).await?;
    let mut acknowledged = vec![room.post("before").await?];
    for round in 0..3 {
        let posts: Vec<_> = (0..40).map(|n| posting(&room, &format!("{round} {n}"))).collect();
        // Some posts have been answered by now, and others have not.
        stream.until(SOON, |event| event.event == "message").await?;
        stack.backend.kill()?;
        for post in posts {
            acknowledged.extend(post.await?.ok().filter(|answer| answer.status == 200).map(|answer| answer.body));
        }
        stack.backend.restart().await?;
    }
    let last = room.post("after").await?;
    let stored = room.history("?limit=200").await?["messages"].as_array().cloned().unwrap_or_default();
    for message in &acknowledged {
        assert_eq!(stored.iter().filter(|stored| *stored == message).count(), 1, "{message}");
    }
    let seqs = stored.iter().map(|message| id(message).rsplit_once('-')?.1.parse().ok());
    assert_eq!(seqs.collect::<Option<Vec<usize>>>(), Some((1..=stored.len()).collect()));
    // The stream received all of them in order, over every restart. Its first messages were read above.
    let seen = up_to(&mut stream, id(&last)).await?;
    let stored: Vec<String> = stored.iter().map(|message| id(message).to_owned()).collect();
    assert!(stored.ends_with(&ids(&seen)), "{seen:?}");
    ensure!(stream.is_open(), "the stream ended");
    Ok(())
}

async fn the_post_of_a_client_that_disconnects_is_finished(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let direct = stack.room_at(&stack.backend.url(), "lobby");
    let mut stream = stack.room("lobby").stream(None).await?;
    stack.store().set(Mode::Delay(Duration::from_secs(1)));
    let post = posting(&direct, "impatient");
    provisional(&mut stream, "impatient").await?;
    post.abort();
    let stored = stream.until(SOON, |event| event.id.is_some() && event.event == "message").await?;
    assert_eq!(stored.last().context("one event")?.json()?["text"], "impatient");
    Ok(())
}

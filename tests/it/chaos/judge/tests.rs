//! Tests of the judge: a correct run passes, and each single mistake is found.

use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Excuses, POST_DEADLINE, Run, judge};
use crate::{
    chaos::{
        client::{Entry, Record, Style},
        poster::{Attempt, Post},
    },
    support::{sse::Event, trials::trials},
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        [] => a_run_without_a_fault_passes,
        [] => a_gap_is_found,
        [] => a_duplicate_is_found,
        [] => a_wrong_order_is_found,
        [] => a_message_that_was_acknowledged_and_is_not_stored_is_found,
        [] => a_message_that_is_stored_twice_is_found,
        [] => a_message_that_nobody_posted_is_found,
        [] => a_streamed_message_that_is_not_stored_is_found,
        [] => a_stream_that_does_not_reach_the_end_is_found,
        [] => a_stream_that_continues_elsewhere_is_found,
        [] => a_reset_without_lost_history_is_found,
        [] => a_stream_that_is_dropped_without_a_reason_is_found,
        [] => a_provisional_message_that_is_left_over_is_found,
        [] => a_post_that_hangs_is_found,
    ]
}

fn message(n: u64) -> Value {
    json!({"id": format!("e-{n}"), "provisionalId": key(n).to_string(), "from": "a", "text": format!("{n}")})
}

fn key(n: u64) -> Uuid {
    Uuid::from_u128(n.into())
}

fn event(name: &str, id: Option<&str>, data: &Value) -> Entry {
    let id = id.map(str::to_owned);
    let last_event_id = id.clone().unwrap_or_default();
    Entry::Event(Event { event: name.to_owned(), data: data.to_string(), last_event_id, id })
}

fn open(at: &str) -> Entry {
    event("stream-open", Some(at), &json!({"lastEventId": at}))
}

fn stored(n: u64) -> Entry {
    event("message", Some(&format!("e-{n}")), &message(n))
}

fn shown(n: u64, retracted: bool) -> Entry {
    let mut data = message(n);
    data.as_object_mut().expect("an object").remove("id");
    if retracted {
        data["retracted"] = true.into();
    }
    event("message", None, &data)
}

fn acknowledged(at: Instant, message: Value) -> Attempt {
    Attempt { at, took: Duration::from_millis(5), outcome: Ok(200), acknowledged: Some(message) }
}

/// A correct run: three messages, and a client that received them, the last two after it reconnected.
fn good() -> Run {
    let now = Instant::now();
    let post = |n| Post {
        room: 0,
        key: key(n),
        from: "a".to_owned(),
        text: n.to_string(),
        attempts: vec![acknowledged(now, message(n))],
    };
    let entries = vec![
        Entry::Requested(None),
        Entry::Opened,
        open("0"),
        shown(1, false),
        stored(1),
        Entry::Left,
        Entry::Requested(Some("e-1".to_owned())),
        Entry::Opened,
        open("e-1"),
        stored(2),
        shown(4, false),
        shown(4, true),
        stored(3),
    ];
    let mut posts: Vec<Post> = (1..=4).map(post).collect();
    posts[3].attempts[0].acknowledged = None;
    Run {
        began: now,
        excuses: Excuses::default(),
        logs: vec![(1..=3).map(message).collect()],
        posts,
        records: vec![Record {
            name: "client".to_owned(),
            room: 0,
            style: Style::Plain,
            entries: entries.into_iter().map(|entry| (now, entry)).collect(),
        }],
    }
}

/// Returns the only violation of a run.
fn found(run: &Run) -> String {
    let violations = judge(run).violations;
    assert_eq!(violations.len(), 1, "{violations:#?}");
    violations[0].clone()
}

/// Returns the correct run with other entries of the client from this index on.
fn seeing(from: usize, entries: Vec<Entry>) -> Run {
    let mut run = good();
    let now = run.began;
    run.records[0].entries.truncate(from);
    run.records[0].entries.extend(entries.into_iter().map(|entry| (now, entry)));
    run
}

async fn a_run_without_a_fault_passes() -> anyhow::Result<()> {
    let verdict = judge(&good());
    assert!(verdict.violations.is_empty(), "{:#?}", verdict.violations);
    let measurements = verdict.measurements;
    assert_eq!(
        (measurements.posts, measurements.acknowledged, measurements.stored, measurements.deliveries),
        (4, 3, 3, 3)
    );
    assert_eq!((measurements.openings, measurements.drops, measurements.resets), (2, 0, 0));
    Ok(())
}

async fn a_gap_is_found() -> anyhow::Result<()> {
    assert!(found(&seeing(9, vec![stored(3)])).contains("a gap or a wrong order: e-3 after e-1"));
    Ok(())
}

async fn a_duplicate_is_found() -> anyhow::Result<()> {
    assert!(found(&seeing(9, vec![stored(2), stored(2), stored(3)])).contains("a duplicate: e-2 after e-2"));
    assert!(found(&seeing(9, vec![stored(1), stored(2), stored(3)])).contains("a duplicate: e-1 after e-1"));
    // A proxy that repeats messages is excused from nothing else.
    let mut run = seeing(9, vec![stored(2), stored(1), stored(2), stored(3)]);
    run.excuses.repeats = true;
    let verdict = judge(&run);
    assert!(verdict.violations.is_empty(), "{:#?}", verdict.violations);
    assert_eq!((verdict.measurements.repeats, verdict.measurements.deliveries), (2, 3));
    let other = event("message", Some("e-2"), &json!({"id": "e-2", "from": "a", "text": "another"}));
    let mut run = seeing(9, vec![stored(2), other, stored(3)]);
    run.excuses.repeats = true;
    assert!(found(&run).contains("but stored"));
    let mut run = seeing(9, vec![stored(3)]);
    run.excuses.repeats = true;
    assert!(found(&run).contains("a gap or a wrong order: e-3 after e-1"));
    Ok(())
}

async fn a_wrong_order_is_found() -> anyhow::Result<()> {
    assert!(found(&seeing(9, vec![stored(3), stored(2)])).contains("a gap or a wrong order: e-3 after e-1"));
    Ok(())
}

async fn a_message_that_was_acknowledged_and_is_not_stored_is_found() -> anyhow::Result<()> {
    let mut run = good();
    run.posts[3].attempts.push(acknowledged(run.began, message(4)));
    assert!(found(&run).contains("acknowledged, but not stored"));
    // A message must not be stored as another one either.
    let mut run = good();
    run.posts[2].attempts.push(acknowledged(run.began, message(2)));
    assert!(found(&run).contains("acknowledged, but not stored"));
    Ok(())
}

async fn a_message_that_is_stored_twice_is_found() -> anyhow::Result<()> {
    let mut run = seeing(13, vec![]);
    let mut again = message(3);
    again["id"] = "e-4".into();
    run.logs[0].push(again.clone());
    run.records[0].entries.push((run.began, event("message", Some("e-4"), &again)));
    assert!(found(&run).contains("stored 2 times"));
    // The first message may have been lost when it was posted again.
    run.excuses.lost_before = Some(run.began + Duration::from_secs(1));
    assert!(judge(&run).violations.is_empty());
    run.excuses.lost_before = Some(run.began);
    assert!(found(&run).contains("stored 2 times"));
    Ok(())
}

async fn a_message_that_nobody_posted_is_found() -> anyhow::Result<()> {
    let mut run = good();
    run.logs[0].push(message(9));
    run.logs[0][3]["id"] = "e-4".into();
    let last = run.logs[0][3].clone();
    run.records[0].entries.push((run.began, event("message", Some("e-4"), &last)));
    assert!(found(&run).contains("nobody posted"));
    assert!(found(&seeing(13, vec![shown(9, false)])).contains("nobody posted this provisional message"));
    Ok(())
}

async fn a_streamed_message_that_is_not_stored_is_found() -> anyhow::Result<()> {
    assert!(found(&seeing(13, vec![stored(4)])).contains("streamed, but not stored"));
    Ok(())
}

async fn a_stream_that_does_not_reach_the_end_is_found() -> anyhow::Result<()> {
    assert!(found(&seeing(12, vec![])).contains("ended at Some(\"e-2\"), but its room at e-3"));
    Ok(())
}

async fn a_stream_that_continues_elsewhere_is_found() -> anyhow::Result<()> {
    assert!(found(&seeing(8, vec![open("e-2"), stored(3)])).contains("requested e-1, but the stream starts at e-2"));
    assert!(found(&seeing(8, vec![stored(2), stored(3)])).contains("before the stream-open"));
    Ok(())
}

async fn a_reset_without_lost_history_is_found() -> anyhow::Result<()> {
    let reset = || event("stream-reset", Some("e-2"), &json!({"reason": "epoch", "lastEventId": "e-2"}));
    assert!(found(&seeing(8, vec![reset(), open("e-2"), stored(3)])).contains("a reset"));
    let mut run = seeing(8, vec![reset(), open("e-2"), stored(3)]);
    run.excuses.resets = true;
    assert!(judge(&run).violations.is_empty());
    Ok(())
}

async fn a_stream_that_is_dropped_without_a_reason_is_found() -> anyhow::Result<()> {
    let mut run = good();
    run.records[0].entries[5].1 = Entry::Dropped("gone".to_owned());
    assert!(found(&run).contains("the stream was dropped: gone"));
    run.excuses.drops = true;
    assert!(judge(&run).violations.is_empty());
    Ok(())
}

async fn a_provisional_message_that_is_left_over_is_found() -> anyhow::Result<()> {
    let mut run = seeing(10, vec![shown(4, false), stored(3)]);
    assert!(found(&run).contains("was neither stored nor retracted"));
    run.excuses.dangling = true;
    assert!(judge(&run).violations.is_empty());
    Ok(())
}

async fn a_post_that_hangs_is_found() -> anyhow::Result<()> {
    let mut run = good();
    let took = POST_DEADLINE + Duration::from_secs(1);
    run.posts[3].attempts[0].took = took;
    assert!(found(&run).contains(&format!("took {took:?}")));
    // A proxy that loses requests excuses only posts without a response.
    run.excuses.unanswered = true;
    assert!(found(&run).contains(&format!("took {took:?}")));
    run.posts[3].attempts[0].outcome = Err("no answer".to_owned());
    assert!(judge(&run).violations.is_empty());
    Ok(())
}

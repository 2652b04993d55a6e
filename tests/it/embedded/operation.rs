//! The store in operation: shared commits, deletion of expired messages, a full disk, and a blocked writer.

use std::{
    path::Path,
    process::Output,
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use gripchat::{
    chat::Draft,
    store::{APPEND_DEADLINE, Append, Embedded, EmbeddedOptions, Retention, Store as _, StoreError},
};
use libtest_mimic::Trial;
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::sleep,
};

use super::{
    all, assert_dense,
    child::{self, Role},
    draft, old, open, post, room,
};
use crate::support::trials::trials;

const SOON: Duration = Duration::from_secs(20);

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => concurrent_appends_share_commits,
        [] => after_the_last_handle_is_dropped_the_file_can_be_opened_at_once,
        [] => a_panic_in_an_announcement_does_not_affect_other_appends,
        [] => only_expired_messages_are_deleted,
        [] => a_room_whose_messages_are_all_deleted_starts_a_new_epoch_at_1,
        [] => a_file_does_not_grow_if_as_much_is_deleted_as_stored,
        [] => a_full_disk_refuses_messages_until_there_is_space_again,
        [] => a_blocked_writer_leaves_no_caller_waiting,
    ]
}

fn open_with_fast_sweeps(folder: &Path) -> anyhow::Result<Embedded> {
    let options = EmbeddedOptions { sweep_interval: Duration::from_millis(10), ..EmbeddedOptions::default() };
    Ok(Embedded::open_with(folder, "1h".parse()?, options)?)
}

async fn wait_for_message_count(store: &Embedded, count: u64) -> anyhow::Result<()> {
    let started = Instant::now();
    while store.message_count().await? != count {
        ensure!(started.elapsed() < SOON, "{} messages instead of {count}", store.message_count().await?);
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Posts `count` messages concurrently.
async fn post_all(store: &Embedded, name: &str, count: usize, draft: impl Fn() -> Draft) -> anyhow::Result<()> {
    let mut posters = JoinSet::new();
    for _ in 0..count {
        let (store, room, draft) = (store.clone(), room(name), draft());
        posters.spawn(async move { post(&store, &room, draft).await });
    }
    posters.join_all().await.into_iter().try_for_each(|posted| posted.map(drop))
}

async fn concurrent_appends_share_commits() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path())?;
    for name in ["a", "b"] {
        post_all(&store, name, 400, || draft("new")).await?;
        assert_dense(&all(&store, &room(name)).await?);
    }
    assert_eq!(store.message_count().await?, 800);
    let commits = store.commits();
    assert!((1..=80).contains(&commits), "{commits} commits for 800 messages");
    Ok(())
}

async fn after_the_last_handle_is_dropped_the_file_can_be_opened_at_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for n in 1..=10 {
        let store = open(folder.path())?;
        let clone = store.clone();
        drop(store);
        assert_eq!(post(&clone, &room("a"), draft("hello")).await?.id.seq, n);
        // The caller stops waiting. The message is written before the file is closed, or not at all.
        let _ = tokio::time::timeout(Duration::ZERO, post(&clone, &room("b"), draft("cancelled"))).await;
    }
    assert_dense(&all(&open(folder.path())?, &room("b")).await?);
    Ok(())
}

async fn a_panic_in_an_announcement_does_not_affect_other_appends() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path())?;
    let panics = Box::new(|_: &_| panic!("this panic belongs to a test"));
    let appended = store.append(&room("a"), Append { announce: panics, ..Append::new(draft("1")) }).await?;
    assert_eq!(appended.message.id.seq, 1);
    assert_eq!(post(&store, &room("a"), draft("2")).await?.id.seq, 2);
    Ok(())
}

async fn only_expired_messages_are_deleted() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path())?;
    // More messages than are deleted in one transaction, before and between those that stay.
    post_all(&store, "a", 1_200, || old("old")).await?;
    let stays = post(&store, &room("a"), draft("stays")).await?;
    post_all(&store, "b", 3, || draft("new")).await?;
    post_all(&store, "c", 300, || old("old")).await?;
    drop(store);

    let store = open_with_fast_sweeps(folder.path())?;
    wait_for_message_count(&store, 4).await?;
    assert_eq!(store.latest(&room("a"), 50).await?.messages, std::slice::from_ref(&stays));
    assert_eq!(store.latest(&room("b"), 50).await?.messages.len(), 3);
    let next = post(&store, &room("a"), draft("next")).await?;
    assert_eq!((next.id.seq, &next.id.epoch), (1_202, &stays.id.epoch));
    Ok(())
}

async fn a_room_whose_messages_are_all_deleted_starts_a_new_epoch_at_1() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open_with_fast_sweeps(folder.path())?;
    let expired = post(&store, &room("a"), old("1")).await?;
    wait_for_message_count(&store, 0).await?;
    let next = post(&store, &room("a"), draft("2")).await?;
    assert_eq!(next.id.seq, 1);
    assert_ne!(next.id.epoch, expired.id.epoch);
    Ok(())
}

async fn a_file_does_not_grow_if_as_much_is_deleted_as_stored() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open_with_fast_sweeps(folder.path())?;
    let long = "x".repeat(4_000);
    let mut lengths = Vec::new();
    for _ in 0..30 {
        post_all(&store, "a", 500, || old(&long)).await?;
        wait_for_message_count(&store, 0).await?;
        lengths.push(std::fs::metadata(store.path())?.len());
    }
    // 60 MB were written.
    assert!(lengths.iter().all(|length| *length < 12 << 20), "{lengths:?}");
    Ok(())
}

async fn a_full_disk_refuses_messages_until_there_is_space_again() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = child::command(Role::Full, folder.path())?;
    let Output { status, stderr, .. } = spawn_blocking(move || command.output()).await??;
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    Ok(())
}

/// A blocking announcement, which the contract forbids, simulates a disk that hangs.
async fn a_blocked_writer_leaves_no_caller_waiting() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Embedded::open(folder.path(), Retention::FOREVER)?;
    let (resume, blocked) = mpsc::channel::<()>();
    let hang = {
        let store = store.clone();
        let block = Box::new(move |_: &_| blocked.recv().unwrap_or_default());
        tokio::spawn(
            async move { store.append(&room("a"), Append { announce: block, ..Append::new(draft("1")) }).await },
        )
    };
    let started = Instant::now();
    while store.message_count().await? == 0 {
        ensure!(started.elapsed() < SOON, "the message is not stored");
    }

    let started = Instant::now();
    let mut posters = JoinSet::new();
    for _ in 0..5_000 {
        let store = store.clone();
        posters.spawn(async move { store.append(&room("a"), Append::new(draft("2"))).await });
    }
    let (mut busy, mut late) = (0, 0);
    for outcome in posters.join_all().await {
        match outcome {
            Err(StoreError::Busy) => busy += 1,
            Err(StoreError::Deadline) => late += 1,
            other => anyhow::bail!("neither refused nor timed out: {other:?}"),
        }
    }
    assert!(busy > 0 && late > 0, "{busy} were refused, {late} timed out");
    // A caller without a deadline would wait until the writer continues, which is later. That the deadline is exact is
    // proven with a paused clock, in src/store/embedded.
    assert!(started.elapsed() < APPEND_DEADLINE + SOON, "{:?}", started.elapsed());
    // Reads still work.
    assert_eq!(all(&store, &room("a")).await?.len(), 1);

    resume.send(())?;
    assert!(matches!(hang.await?, Err(StoreError::Deadline)));
    // The appends that timed out are not stored afterwards.
    let next = loop {
        match post(&store, &room("a"), draft("3")).await {
            Ok(message) => break message,
            Err(error) => ensure!(started.elapsed() < APPEND_DEADLINE + SOON, "still {error:#}"),
        }
        sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(next.id.seq, 2);
    Ok(())
}

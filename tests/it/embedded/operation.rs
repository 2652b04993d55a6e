//! The store at work: commits in common, deletion of what has expired, a full disk, and a writer that is held up.

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
    draft, old, open, room, say,
};
use crate::support::trials::trials;

const SOON: Duration = Duration::from_secs(20);

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => appends_that_wait_together_share_commits,
        [] => dropping_the_last_handle_lets_the_file_be_opened_at_once,
        [] => a_panic_in_an_announcement_is_nobody_elses_matter,
        [] => what_has_expired_is_deleted_and_nothing_else,
        [] => a_room_of_which_all_was_deleted_begins_anew,
        [] => a_file_that_loses_as_much_as_it_gets_does_not_grow,
        [] => a_full_disk_refuses_messages_and_is_used_again_when_there_is_room,
        [] => a_writer_that_is_held_up_leaves_nobody_waiting,
    ]
}

fn sweeping(folder: &Path) -> anyhow::Result<Embedded> {
    let options = EmbeddedOptions { sweep_interval: Duration::from_millis(10), ..EmbeddedOptions::default() };
    Ok(Embedded::open_with(folder, "1h".parse()?, options)?)
}

async fn wait_for_message_count(store: &Embedded, count: u64) -> anyhow::Result<()> {
    let started = Instant::now();
    while store.message_count().await? != count {
        ensure!(started.elapsed() < SOON, "{} are held, not {count}", store.message_count().await?);
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// So many at once.
async fn say_all(store: &Embedded, name: &str, count: usize, draft: impl Fn() -> Draft) -> anyhow::Result<()> {
    let mut posters = JoinSet::new();
    for _ in 0..count {
        let (store, room, draft) = (store.clone(), room(name), draft());
        posters.spawn(async move { say(&store, &room, draft).await });
    }
    posters.join_all().await.into_iter().try_for_each(|said| said.map(drop))
}

async fn appends_that_wait_together_share_commits() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path())?;
    for name in ["a", "b"] {
        say_all(&store, name, 400, || draft("new")).await?;
        assert_dense(&all(&store, &room(name)).await?);
    }
    assert_eq!(store.message_count().await?, 800);
    let commits = store.commits();
    assert!((1..=80).contains(&commits), "{commits} commits for 800 messages");
    Ok(())
}

async fn dropping_the_last_handle_lets_the_file_be_opened_at_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for n in 1..=10 {
        let store = open(folder.path())?;
        let clone = store.clone();
        drop(store);
        assert_eq!(say(&clone, &room("a"), draft("hello")).await?.id.seq, n);
        // Of a caller who goes: it is written before the file is closed, or not at all.
        let _ = tokio::time::timeout(Duration::ZERO, say(&clone, &room("b"), draft("gone"))).await;
    }
    assert_dense(&all(&open(folder.path())?, &room("b")).await?);
    Ok(())
}

async fn a_panic_in_an_announcement_is_nobody_elses_matter() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path())?;
    let panics = Box::new(|_: &_| panic!("this panic belongs to a test"));
    let appended = store.append(&room("a"), Append { announce: panics, ..Append::new(draft("1")) }).await?;
    assert_eq!(appended.message.id.seq, 1);
    assert_eq!(say(&store, &room("a"), draft("2")).await?.id.seq, 2);
    Ok(())
}

async fn what_has_expired_is_deleted_and_nothing_else() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path())?;
    // More than are deleted in one transaction, before and between what stays.
    say_all(&store, "a", 1_200, || old("old")).await?;
    let stays = say(&store, &room("a"), draft("stays")).await?;
    say_all(&store, "b", 3, || draft("new")).await?;
    say_all(&store, "c", 300, || old("old")).await?;
    drop(store);

    let store = sweeping(folder.path())?;
    wait_for_message_count(&store, 4).await?;
    assert_eq!(store.latest(&room("a"), 50).await?.messages, std::slice::from_ref(&stays));
    assert_eq!(store.latest(&room("b"), 50).await?.messages.len(), 3);
    let next = say(&store, &room("a"), draft("next")).await?;
    assert_eq!((next.id.seq, &next.id.epoch), (1_202, &stays.id.epoch));
    Ok(())
}

async fn a_room_of_which_all_was_deleted_begins_anew() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = sweeping(folder.path())?;
    let expired = say(&store, &room("a"), old("1")).await?;
    wait_for_message_count(&store, 0).await?;
    let next = say(&store, &room("a"), draft("2")).await?;
    assert_eq!(next.id.seq, 1);
    assert_ne!(next.id.epoch, expired.id.epoch);
    Ok(())
}

async fn a_file_that_loses_as_much_as_it_gets_does_not_grow() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = sweeping(folder.path())?;
    let long = "x".repeat(4_000);
    let mut lengths = Vec::new();
    for _ in 0..30 {
        say_all(&store, "a", 500, || old(&long)).await?;
        wait_for_message_count(&store, 0).await?;
        lengths.push(std::fs::metadata(store.path())?.len());
    }
    // 60 megabytes went through it.
    assert!(lengths.iter().all(|length| *length < 12 << 20), "{lengths:?}");
    Ok(())
}

async fn a_full_disk_refuses_messages_and_is_used_again_when_there_is_room() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = child::command(Role::Full, folder.path())?;
    let Output { status, stderr, .. } = spawn_blocking(move || command.output()).await??;
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    Ok(())
}

/// An announcement that blocks, which it must not, stands in for a disk that hangs.
async fn a_writer_that_is_held_up_leaves_nobody_waiting() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Embedded::open(folder.path(), Retention::FOREVER)?;
    let (go_on, held_up) = mpsc::channel::<()>();
    let hang = {
        let store = store.clone();
        let block = Box::new(move |_: &_| held_up.recv().unwrap_or_default());
        tokio::spawn(
            async move { store.append(&room("a"), Append { announce: block, ..Append::new(draft("1")) }).await },
        )
    };
    let started = Instant::now();
    while store.message_count().await? == 0 {
        ensure!(started.elapsed() < SOON, "it is not stored");
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
            other => anyhow::bail!("neither refused nor given up: {other:?}"),
        }
    }
    assert!(busy > 0 && late > 0, "{busy} were refused, {late} given up");
    assert!(started.elapsed() < APPEND_DEADLINE + Duration::from_secs(2), "{:?}", started.elapsed());
    // Others may read meanwhile.
    assert_eq!(all(&store, &room("a")).await?.len(), 1);

    go_on.send(())?;
    assert!(matches!(hang.await?, Err(StoreError::Deadline)));
    // What was given up is not stored afterwards.
    let next = loop {
        match say(&store, &room("a"), draft("3")).await {
            Ok(message) => break message,
            Err(error) => ensure!(started.elapsed() < APPEND_DEADLINE + SOON, "still {error:#}"),
        }
        sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(next.id.seq, 2);
    Ok(())
}

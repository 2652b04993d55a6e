//! The store in memory, which fails on demand.

use std::time::Duration;

use gripchat::{
    chat::Cursor,
    store::{Append, KeySearch, Retention, Store, StoreError},
};
use libtest_mimic::Trial;
use tokio::time::Instant;

use super::{all_after, append, draft, post, room, seqs};
use crate::support::{
    memory::{Memory, Mode},
    trials::trials,
};

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => a_failing_store_does_nothing_and_every_call_returns_an_error,
        [] => a_store_that_loses_answers_stores_without_an_announcement,
        [] => a_set_number_of_calls_fails,
        [] => a_slow_store_does_everything_later,
    ]
}

async fn a_failing_store_does_nothing_and_every_call_returns_an_error() -> anyhow::Result<()> {
    let store = Memory::new(Retention::FOREVER);
    let id = post(&store, "1").await?.id;
    store.set(Mode::Failing);
    let announce = Box::new(|_: &_| panic!("nothing is stored"));
    let failures = [
        store.append(&room(), Append { announce, ..Append::new(draft("2")) }).await.err(),
        store.after(&room(), &Cursor::Start, 50).await.err(),
        store.latest(&room(), 50).await.err(),
        store.before(&room(), &id, 50).await.err(),
        store.check().await.err(),
    ];
    assert!(failures.iter().all(|error| matches!(error, Some(StoreError::Unavailable(_)))), "{failures:?}");
    store.set(Mode::Healthy);
    assert_eq!(seqs(&all_after(&store, Cursor::Start, 50).await?), [1]);
    Ok(())
}

async fn a_store_that_loses_answers_stores_without_an_announcement() -> anyhow::Result<()> {
    let store = Memory::new(Retention::FOREVER);
    store.set(Mode::LosingAnswers);
    let announce = Box::new(|_: &_| panic!("the answer is lost"));
    let draft = draft("1");
    let lost = store.append(&room(), Append { draft: draft.clone(), key_search: KeySearch::Newest, announce }).await;
    assert!(matches!(lost, Err(StoreError::Deadline)), "{lost:?}");
    store.set(Mode::Healthy);
    assert!(store.append(&room(), Append { key_search: KeySearch::Newest, ..Append::new(draft) }).await?.duplicate);
    Ok(())
}

async fn a_set_number_of_calls_fails() -> anyhow::Result<()> {
    let store = Memory::new(Retention::FOREVER);
    store.fail_next(2, &StoreError::Busy);
    for _ in 0..2 {
        let refused = store.append(&room(), Append::new(draft("1"))).await;
        assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    }
    assert_eq!(append(&store, draft("2")).await?.message.id.seq, 1);
    Ok(())
}

async fn a_slow_store_does_everything_later() -> anyhow::Result<()> {
    const PAUSE: Duration = Duration::from_millis(20);
    let store = Memory::new(Retention::FOREVER);
    store.set(Mode::Slow(PAUSE));
    let started = Instant::now();
    assert_eq!(post(&store, "1").await?.id.seq, 1);
    assert!(started.elapsed() >= PAUSE);
    Ok(())
}

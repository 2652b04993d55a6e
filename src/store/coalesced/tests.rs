//! Tests of coalesced reads, over a store whose log, delays and failures the test controls.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use proptest::prelude::*;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{replay_batch::derive_replay, *};
use crate::{
    chat::{Author, Draft, Epoch, Text, Timestamp},
    store::{Record, ResetReason, Verdict, judge, judge_by_head},
};

/// A store whose reads take `millis`: half of it before the log is read, half after.
#[derive(Default)]
pub(super) struct Model {
    /// All states of the log, the current one last.
    states: Mutex<Vec<Vec<Record>>>,
    pub(super) millis: AtomicU64,
    pub(super) failing: AtomicBool,
    panicking: AtomicBool,
    reads: AtomicUsize,
}

fn room() -> RoomId {
    RoomId::parse("a").unwrap()
}

fn epoch(n: usize) -> Epoch {
    format!("e{n}").parse().unwrap()
}

fn id(epoch_number: usize, seq: u64) -> MessageId {
    MessageId { epoch: epoch(epoch_number), seq }
}

fn record(id: MessageId, first: bool, visible: bool) -> Record {
    let draft = Draft {
        provisional_id: Uuid::from_u128(id.seq.into()),
        from: Author::parse("a").unwrap(),
        text: Text::parse("t").unwrap(),
        date: Timestamp::from_millis(0),
    };
    Record { message: draft.into_message(id), first, visible }
}

/// A log of two epochs with this many messages each, of which the first `expired` have expired.
pub(super) fn log(older: u64, newer: u64, expired: u64) -> Vec<Record> {
    (1..=older + newer)
        .map(|seq| {
            let (epoch, first) = if seq <= older { (0, seq == 1) } else { (1, seq == older + 1) };
            record(id(epoch, seq), first, seq > expired)
        })
        .collect()
}

/// What a store with this log returns.
fn replay(log: &[Record], cursor: &Cursor, limit: usize) -> Replay {
    let from = if let Cursor::After(id) = cursor { id.seq } else { 1 };
    let mut records: Vec<Record> = log.iter().filter(|record| record.message.id.seq >= from).cloned().collect();
    let more = records.len() > limit + 2;
    records.truncate(limit + 2);
    if let Some(expired) = records.iter().rposition(|record| !record.visible) {
        records.drain(..=expired);
    }
    let head = log.last().filter(|newest| newest.visible);
    let head = head.map_or(Cursor::Start, |newest| newest.message.id.clone().into());
    let reason = if records.is_empty() && more {
        match (cursor, &head) {
            (Cursor::Start, Cursor::Start) => None,
            (Cursor::After(id), Cursor::After(newest)) if id.epoch != newest.epoch => Some(ResetReason::Epoch),
            _ => Some(ResetReason::Expired),
        }
    } else {
        match judge(cursor, records, more, limit) {
            Verdict::Answer(replay) => return replay,
            Verdict::Reset(reason) => Some(reason),
            Verdict::Nothing => judge_by_head(cursor, &head),
        }
    };
    match reason {
        Some(reason) => Replay::Reset { reason, head },
        None => Replay::Messages { messages: Vec::new(), more: false },
    }
}

impl Model {
    pub(super) fn holding(log: Vec<Record>) -> Arc<Self> {
        Arc::new(Self { states: Mutex::new(vec![log]), ..Self::default() })
    }

    fn current(&self) -> usize {
        self.states.lock().unwrap().len() - 1
    }

    fn state(&self, number: usize) -> Vec<Record> {
        self.states.lock().unwrap()[number].clone()
    }

    fn set_log(&self, log: Vec<Record>) {
        self.states.lock().unwrap().push(log);
    }

    pub(super) fn reads(&self) -> usize {
        self.reads.load(Relaxed)
    }

    async fn read<T>(&self, read: impl FnOnce(&[Record]) -> T) -> Result<T, StoreError> {
        self.reads.fetch_add(1, Relaxed);
        let half = Duration::from_millis(self.millis.load(Relaxed)) / 2;
        sleep(half).await;
        assert!(!self.panicking.load(Relaxed), "the test asked for a panic");
        if self.failing.load(Relaxed) {
            return Err(StoreError::Busy);
        }
        let result = read(&self.state(self.current()));
        sleep(half).await;
        Ok(result)
    }
}

#[async_trait]
impl Store for Model {
    async fn append(&self, _: &RoomId, _: Append) -> Result<Appended, StoreError> {
        Err(StoreError::Busy)
    }

    async fn after(&self, _: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError> {
        self.read(|log| replay(log, cursor, limit)).await
    }

    async fn latest(&self, _: &RoomId, limit: usize) -> Result<Page, StoreError> {
        let newest = |log: &[Record]| log.iter().rev().take(limit).rev().map(|r| r.message.clone()).collect();
        self.read(|log| Page { messages: newest(log), more: log.len() > limit }).await
    }

    async fn before(&self, room: &RoomId, _: &MessageId, limit: usize) -> Result<Page, StoreError> {
        self.latest(room, limit).await
    }

    async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError> {
        self.read(|log| {
            let newest = log.last().map(|record| Activity { room: room(), at: record.message.date });
            newest.into_iter().collect()
        })
        .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

pub(super) fn coalesced(model: &Arc<Model>) -> Arc<Coalesced> {
    Arc::new(Coalesced::new(model.clone()))
}

fn after(seq: u64) -> Cursor {
    id(0, seq).into()
}

fn seqs(replay: &Replay) -> Vec<u64> {
    match replay {
        Replay::Messages { messages, .. } => messages.iter().map(|message| message.id.seq).collect(),
        Replay::Reset { .. } => panic!("{replay:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_request_is_served_at_once() {
    let model = Model::holding(log(9, 0, 0));
    let (store, started) = (coalesced(&model), Instant::now());
    for _ in 0..100 {
        assert_eq!(seqs(&store.after(&room(), &after(7), 5).await.unwrap()), [8, 9]);
        store.latest(&room(), 5).await.unwrap();
    }
    assert_eq!((started.elapsed(), model.reads()), (Duration::ZERO, 200));
}

#[tokio::test(start_paused = true)]
async fn no_request_is_answered_by_a_read_that_started_before_it() {
    let model = Model::holding(log(3, 0, 0));
    model.millis.store(100, Relaxed);
    let store = coalesced(&model);
    let early = async { seqs(&store.after(&room(), &after(2), 5).await.unwrap()) };
    let late = async {
        // By now the first read has read the log.
        sleep(Duration::from_millis(60)).await;
        model.set_log(log(4, 0, 0));
        seqs(&store.after(&room(), &after(2), 5).await.unwrap())
    };
    assert_eq!(tokio::join!(early, late), (vec![3], vec![3, 4]));
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_requests_takes_few_reads_and_waits_little() {
    let model = Model::holding(log(100, 0, 0));
    model.millis.store(20, Relaxed);
    let (store, started) = (coalesced(&model), Instant::now());
    let client = async |n: u64| {
        sleep(Duration::from_millis(n * 3 / 2)).await;
        let (requested, missed) = (Instant::now(), n % 4 * 7);
        let answer = store.after(&room(), &after(100 - missed), 50).await.unwrap();
        assert_eq!(seqs(&answer).len() as u64, missed);
        requested.elapsed()
    };
    let waits = join_all((0..2_000).map(client)).await;
    assert!(model.reads() <= 10, "{} reads", model.reads());
    let longest = waits.into_iter().max().unwrap();
    assert!(longest <= Duration::from_millis(1_100), "{longest:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_returned_to_all_requests_of_the_batch_and_to_no_later_one() {
    let model = Model::holding(log(9, 0, 0));
    model.failing.store(true, Relaxed);
    let store = coalesced(&model);
    let answers = join_all((0..50).map(|n| {
        let store = &store;
        async move { store.after(&room(), &after(n % 9), 5).await }
    }))
    .await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Busy))));
    assert!(model.reads() <= 2, "{} reads", model.reads());
    model.failing.store(false, Relaxed);
    assert!(store.after(&room(), &after(3), 9).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_read_that_panics_returns_an_error_and_the_next_read_runs() {
    let model = Model::holding(log(9, 0, 0));
    let store = coalesced(&model);
    model.panicking.store(true, Relaxed);
    assert!(matches!(store.latest(&room(), 5).await, Err(StoreError::Unavailable(_))));
    model.panicking.store(false, Relaxed);
    assert!(store.latest(&room(), 5).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_cancels_no_other_and_leaves_no_state() {
    let model = Model::holding(log(9, 0, 0));
    model.millis.store(100, Relaxed);
    let store = coalesced(&model);
    let request = |patience: u64| {
        let store = Arc::clone(&store);
        async move { timeout(Duration::from_millis(patience), store.after(&room(), &after(7), 5)).await }
    };
    let (first, second, third) = tokio::join!(request(10), request(20), request(1_000));
    assert!(first.is_err() && second.is_err());
    assert_eq!(seqs(&third.unwrap().unwrap()), [8, 9]);
    assert_eq!(model.reads(), 1);
    sleep(Duration::from_secs(1)).await;
    assert!(request(1).await.is_err());
    sleep(Duration::from_secs(1)).await;
    assert_eq!((store.replays.len(), store.pages.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_hangs_delays_only_its_own_batch() {
    let model = Model::holding(log(9, 0, 0));
    let (store, started) = (coalesced(&model), Instant::now());
    model.millis.store(60_000, Relaxed);
    let hanging = async {
        assert!(matches!(store.latest(&room(), 5).await, Err(StoreError::Deadline)));
        started.elapsed()
    };
    let next = async {
        sleep(Duration::from_millis(100)).await;
        model.millis.store(0, Relaxed);
        store.latest(&room(), 5).await.unwrap();
        started.elapsed()
    };
    assert_eq!(tokio::join!(hanging, next), (READ_DEADLINE, Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn made_up_cursors_do_not_delay_others() {
    let model = Model::holding(log(400, 0, 0));
    model.millis.store(20, Relaxed);
    let (store, started) = (coalesced(&model), Instant::now());
    let made_up = (0..200).map(|n| Cursor::from(id(n + 2, 3)));
    let cursors: Vec<_> = made_up.chain((0..20).map(|n| after(390 + n % 10))).collect();
    let room = room();
    join_all(cursors.iter().map(|cursor| store.after(&room, cursor, 50))).await;
    assert!(started.elapsed() < Duration::from_millis(600), "{:?}", started.elapsed());
}

fn cursor() -> impl Strategy<Value = Cursor> {
    prop_oneof![
        1 => Just(Cursor::Start),
        8 => (0_usize..3, 1_u64..16).prop_map(|(epoch, seq)| id(epoch, seq).into()),
    ]
}

/// The logs that a room can have: with more messages, expiry or loss. A new epoch starts only when all of the older one has
/// expired.
fn logs() -> impl Strategy<Value = Vec<Record>> {
    let epochs = (0_u64..8, 0_u64..8, 0_u64..16);
    epochs.prop_map(|(older, newer, expired)| log(older, newer, if newer > 0 { expired.max(older) } else { expired }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// A replay derived from another one is what the store would have returned.
    #[test]
    fn a_derived_replay_is_what_the_store_returns(
        log in logs(), of in cursor(), other in cursor(), limit in 1_usize..8,
    ) {
        if let Some(derived) = derive_replay(&of, &replay(&log, &of, limit), &other) {
            prop_assert_eq!(derived, replay(&log, &other, limit));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is requested, written and delayed, an answer is what the store contained between the request and the answer.
    #[test]
    fn a_coalesced_answer_is_one_that_the_store_could_have_returned(
        writes in proptest::collection::vec((0_u64..2_000, logs()), 1..12),
        delays in proptest::collection::vec((0_u64..2_000, 0_u64..800), 1..12),
        requests in proptest::collection::vec((0_u64..2_000, cursor(), 1_usize..4), 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let model = Model::holding(log(5, 5, 6));
            let store = coalesced(&model);
            let at = async |millis: u64| sleep(Duration::from_millis(millis)).await;
            let write = async |(when, log): (u64, Vec<Record>)| {
                at(when).await;
                model.set_log(log);
            };
            let delay = async |(when, millis): (u64, u64)| {
                at(when).await;
                model.millis.store(millis, Relaxed);
            };
            let request = async |(when, cursor, limit): (u64, Cursor, usize)| {
                at(when).await;
                let first = model.current();
                let answer = store.after(&room(), &cursor, limit).await.unwrap();
                let possible = (first..=model.current()).map(|n| replay(&model.state(n), &cursor, limit));
                assert!(possible.into_iter().any(|possible| possible == answer), "{cursor:?}: {answer:?}");
            };
            tokio::join!(
                join_all(writes.into_iter().map(write)),
                join_all(delays.into_iter().map(delay)),
                join_all(requests.into_iter().map(request)),
            );
            sleep(Duration::from_secs(2)).await;
            assert_eq!(store.replays.len(), 0);
        });
    }
}

//! Reads that are shared, over a store whose log, speed and failures are the test's.

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

use super::{replays::told, *};
use crate::{
    chat::{Author, Draft, Epoch, Text, Timestamp},
    store::{Record, ResetReason, Verdict, judge, judge_by_head},
};

/// A store that has read once so much time has passed: half of it before it looks, half behind.
#[derive(Default)]
pub(super) struct Model {
    /// All states of the log, the last one last.
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

/// Two epochs, of which the first so many messages have expired.
pub(super) fn log(older: u64, newer: u64, expired: u64) -> Vec<Record> {
    (1..=older + newer)
        .map(|seq| {
            let (epoch, first) = if seq <= older { (0, seq == 1) } else { (1, seq == older + 1) };
            record(id(epoch, seq), first, seq > expired)
        })
        .collect()
}

/// What a store answers that holds this.
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

    fn now(&self) -> usize {
        self.states.lock().unwrap().len() - 1
    }

    fn state(&self, number: usize) -> Vec<Record> {
        self.states.lock().unwrap()[number].clone()
    }

    fn becomes(&self, log: Vec<Record>) {
        self.states.lock().unwrap().push(log);
    }

    pub(super) fn reads(&self) -> usize {
        self.reads.load(Relaxed)
    }

    async fn read<T>(&self, look: impl FnOnce(&[Record]) -> T) -> Result<T, StoreError> {
        self.reads.fetch_add(1, Relaxed);
        let half = Duration::from_millis(self.millis.load(Relaxed)) / 2;
        sleep(half).await;
        assert!(!self.panicking.load(Relaxed), "as the test wants it");
        if self.failing.load(Relaxed) {
            return Err(StoreError::Busy);
        }
        let seen = look(&self.state(self.now()));
        sleep(half).await;
        Ok(seen)
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

pub(super) fn shared(model: &Arc<Model>) -> Arc<Coalesced> {
    Arc::new(Coalesced::new(model.clone()))
}

fn behind(seq: u64) -> Cursor {
    id(0, seq).into()
}

fn seqs(replay: &Replay) -> Vec<u64> {
    match replay {
        Replay::Messages { messages, .. } => messages.iter().map(|message| message.id.seq).collect(),
        Replay::Reset { .. } => panic!("{replay:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_alone_is_served_at_once() {
    let model = Model::holding(log(9, 0, 0));
    let (shared, began) = (shared(&model), Instant::now());
    for _ in 0..100 {
        assert_eq!(seqs(&shared.after(&room(), &behind(7), 5).await.unwrap()), [8, 9]);
        shared.latest(&room(), 5).await.unwrap();
    }
    assert_eq!((began.elapsed(), model.reads()), (Duration::ZERO, 200));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_answered_by_a_read_that_began_before_the_question() {
    let model = Model::holding(log(3, 0, 0));
    model.millis.store(100, Relaxed);
    let shared = shared(&model);
    let early = async { seqs(&shared.after(&room(), &behind(2), 5).await.unwrap()) };
    let late = async {
        // The first read has looked by now.
        sleep(Duration::from_millis(60)).await;
        model.becomes(log(4, 0, 0));
        seqs(&shared.after(&room(), &behind(2), 5).await.unwrap())
    };
    assert_eq!(tokio::join!(early, late), (vec![3], vec![3, 4]));
}

#[tokio::test(start_paused = true)]
async fn a_storm_costs_a_few_reads_and_waits_little() {
    let model = Model::holding(log(100, 0, 0));
    model.millis.store(20, Relaxed);
    let (shared, began) = (shared(&model), Instant::now());
    let client = async |n: u64| {
        sleep(Duration::from_millis(n * 3 / 2)).await;
        let (asked, behind_by) = (Instant::now(), n % 4 * 7);
        let answer = shared.after(&room(), &behind(100 - behind_by), 50).await.unwrap();
        assert_eq!(seqs(&answer).len() as u64, behind_by);
        asked.elapsed()
    };
    let waits = join_all((0..2_000).map(client)).await;
    assert!(model.reads() <= 10, "{} reads", model.reads());
    let longest = waits.into_iter().max().unwrap();
    assert!(longest <= Duration::from_millis(1_100), "{longest:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_to_all_who_share_the_read_and_to_nobody_after() {
    let model = Model::holding(log(9, 0, 0));
    model.failing.store(true, Relaxed);
    let shared = shared(&model);
    let answers = join_all((0..50).map(|n| {
        let shared = &shared;
        async move { shared.after(&room(), &behind(n % 9), 5).await }
    }))
    .await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Busy))));
    assert!(model.reads() <= 2, "{} reads", model.reads());
    model.failing.store(false, Relaxed);
    assert!(shared.after(&room(), &behind(3), 9).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_read_that_panics_is_an_error_and_the_next_one_is_made() {
    let model = Model::holding(log(9, 0, 0));
    let shared = shared(&model);
    model.panicking.store(true, Relaxed);
    assert!(matches!(shared.latest(&room(), 5).await, Err(StoreError::Unavailable(_))));
    model.panicking.store(false, Relaxed);
    assert!(shared.latest(&room(), 5).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_takes_nobodys_read_along_and_leaves_nothing_behind() {
    let model = Model::holding(log(9, 0, 0));
    model.millis.store(100, Relaxed);
    let shared = shared(&model);
    let ask = |patience: u64| {
        let shared = Arc::clone(&shared);
        async move { timeout(Duration::from_millis(patience), shared.after(&room(), &behind(7), 5)).await }
    };
    let (first, second, third) = tokio::join!(ask(10), ask(20), ask(1_000));
    assert!(first.is_err() && second.is_err());
    assert_eq!(seqs(&third.unwrap().unwrap()), [8, 9]);
    assert_eq!(model.reads(), 1);
    sleep(Duration::from_secs(1)).await;
    assert!(ask(1).await.is_err());
    sleep(Duration::from_secs(1)).await;
    assert_eq!((shared.replays.len(), shared.pages.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_hangs_holds_up_nobody_but_its_own() {
    let model = Model::holding(log(9, 0, 0));
    let (shared, began) = (shared(&model), Instant::now());
    model.millis.store(60_000, Relaxed);
    let hanging = async {
        assert!(matches!(shared.latest(&room(), 5).await, Err(StoreError::Deadline)));
        began.elapsed()
    };
    let next = async {
        sleep(Duration::from_millis(100)).await;
        model.millis.store(0, Relaxed);
        shared.latest(&room(), 5).await.unwrap();
        began.elapsed()
    };
    assert_eq!(tokio::join!(hanging, next), (READ_DEADLINE, Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn cursors_that_nobody_gave_out_keep_nobody_waiting() {
    let model = Model::holding(log(400, 0, 0));
    model.millis.store(20, Relaxed);
    let (shared, began) = (shared(&model), Instant::now());
    let made_up = (0..200).map(|n| Cursor::from(id(n + 2, 3)));
    let cursors: Vec<_> = made_up.chain((0..20).map(|n| behind(390 + n % 10))).collect();
    let room = room();
    join_all(cursors.iter().map(|cursor| shared.after(&room, cursor, 50))).await;
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
}

fn cursor() -> impl Strategy<Value = Cursor> {
    prop_oneof![
        1 => Just(Cursor::Start),
        8 => (0_usize..3, 1_u64..16).prop_map(|(epoch, seq)| id(epoch, seq).into()),
    ]
}

/// What becomes of a log: more messages, expiry, loss. A new epoch begins only when the older one has expired whole.
fn logs() -> impl Strategy<Value = Vec<Record>> {
    let epochs = (0_u64..8, 0_u64..8, 0_u64..16);
    epochs.prop_map(|(older, newer, expired)| log(older, newer, if newer > 0 { expired.max(older) } else { expired }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What one replay says of another cursor is what the store would have said.
    #[test]
    fn a_replay_tells_nothing_of_a_cursor_but_the_truth(
        log in logs(), of in cursor(), other in cursor(), limit in 1_usize..8,
    ) {
        if let Some(told) = told(&of, &replay(&log, &of, limit), &other) {
            prop_assert_eq!(told, replay(&log, &other, limit));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is asked, written and delayed: an answer is what the store held between the question and the answer.
    #[test]
    fn a_shared_answer_is_one_that_the_store_would_have_given(
        writes in proptest::collection::vec((0_u64..2_000, logs()), 1..12),
        delays in proptest::collection::vec((0_u64..2_000, 0_u64..800), 1..12),
        questions in proptest::collection::vec((0_u64..2_000, cursor(), 1_usize..4), 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let model = Model::holding(log(5, 5, 6));
            let shared = shared(&model);
            let at = async |millis: u64| sleep(Duration::from_millis(millis)).await;
            let write = async |(when, log): (u64, Vec<Record>)| {
                at(when).await;
                model.becomes(log);
            };
            let delay = async |(when, millis): (u64, u64)| {
                at(when).await;
                model.millis.store(millis, Relaxed);
            };
            let ask = async |(when, cursor, limit): (u64, Cursor, usize)| {
                at(when).await;
                let asked = model.now();
                let answer = shared.after(&room(), &cursor, limit).await.unwrap();
                let possible = (asked..=model.now()).map(|n| replay(&model.state(n), &cursor, limit));
                assert!(possible.into_iter().any(|possible| possible == answer), "{cursor:?}: {answer:?}");
            };
            tokio::join!(
                join_all(writes.into_iter().map(write)),
                join_all(delays.into_iter().map(delay)),
                join_all(questions.into_iter().map(ask)),
            );
            sleep(Duration::from_secs(2)).await;
            assert_eq!(shared.replays.len(), 0);
        });
    }
}

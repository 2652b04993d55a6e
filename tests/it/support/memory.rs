//! A store in memory that fails on demand, for what lies above a store.
//!
//! It passes the contract suite, and knows nothing of the other modules here: benchmarks include this file by its path.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use gripchat::{
    chat::{Cursor, Message, MessageId, RoomId, Timestamp},
    store::{
        Activity, Announce, Append, Appended, KEY_SEARCH_MAX, KEY_SEARCH_NEWEST, KeySearch, Page, Record, Replay,
        Retention, Slot, Store, StoreError, Tail, Verdict, judge, judge_by_head,
    },
};
use tokio::time::sleep;
use uuid::Uuid;

/// What the store does with each call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Healthy,
    /// Nothing is done, and [`StoreError::Unavailable`] is returned.
    Failing,
    /// Everything is done, this much later. Beyond ten seconds that breaks the contract.
    Slow(Duration),
    /// The list of rooms is told this much later, and everything else at once.
    SlowList(Duration),
    /// Everything is done, and [`StoreError::Deadline`] is returned. Nothing is announced: nobody was told.
    LosingAnswers,
}

/// A log of messages per room. Expired messages stay, invisible.
#[derive(Debug)]
pub(crate) struct Memory {
    rooms: Arc<Mutex<HashMap<RoomId, Log>>>,
    retention: Retention,
    mode: Mutex<Mode>,
    failures: Mutex<VecDeque<StoreError>>,
}

/// Number n is at n - 1.
type Log = Vec<Entry>;

#[derive(Clone, Debug)]
struct Entry {
    message: Message,
    first: bool,
    expiry: Option<Timestamp>,
}

impl Memory {
    pub(crate) fn new(retention: Retention) -> Self {
        Self { rooms: Arc::default(), retention, mode: Mutex::default(), failures: Mutex::default() }
    }

    /// A healthy store over the same messages.
    pub(crate) fn beside(&self, retention: Retention) -> Self {
        Self { rooms: Arc::clone(&self.rooms), ..Self::new(retention) }
    }

    /// Holds for all calls that begin after this one.
    pub(crate) fn set(&self, mode: Mode) {
        *lock(&self.mode) = mode;
    }

    /// The next `n` calls do nothing and return this error, whatever the mode.
    pub(crate) fn fail_next(&self, n: usize, error: &StoreError) {
        lock(&self.failures).extend(std::iter::repeat_n(error.clone(), n));
    }

    async fn call<T>(&self, work: impl FnOnce() -> T) -> Result<T, StoreError> {
        if let Some(error) = lock(&self.failures).pop_front() {
            return Err(error);
        }
        let mode = *lock(&self.mode);
        match mode {
            Mode::Healthy | Mode::SlowList(_) => Ok(work()),
            Mode::Failing => Err(StoreError::Unavailable(Arc::new(io::Error::other("failing on demand")))),
            Mode::Slow(pause) => {
                sleep(pause).await;
                Ok(work())
            }
            Mode::LosingAnswers => {
                work();
                Err(StoreError::Deadline)
            }
        }
    }

    fn read<T>(&self, room: &RoomId, read: impl FnOnce(&[Entry]) -> T) -> T {
        read(lock(&self.rooms).get(room).map_or(&[], Vec::as_slice))
    }

    fn record(&self, entry: &Entry) -> Record {
        let Entry { message, first, expiry } = entry.clone();
        let visible = !self.retention.has_expired(message.date, expiry, Timestamp::now());
        Record { message, first, visible }
    }

    /// The newest records, newest first, as far as they are visible and of one epoch.
    fn newest<'a>(&'a self, log: &'a [Entry]) -> impl Iterator<Item = Record> + 'a {
        let epoch = log.last().map(|entry| &entry.message.id.epoch);
        let of_this_epoch = move |entry: &&Entry| Some(&entry.message.id.epoch) == epoch;
        log.iter().rev().take_while(of_this_epoch).map(|entry| self.record(entry)).take_while(|record| record.visible)
    }

    fn append_now(&self, room: &RoomId, append: Append) -> Appended {
        let Append { draft, key_search, announce } = append;
        let mut rooms = lock(&self.rooms);
        let log = rooms.entry(room.clone()).or_default();
        let appended = match self.find(log, draft.provisional_id, &key_search) {
            Some(Record { message, first, .. }) => Appended::new(message, first, true),
            None => {
                let newest = log.last().map(|entry| self.record(entry));
                let Slot { id, first } = Tail::of(newest.as_ref()).next();
                let message = draft.into_message(id);
                log.push(Entry { message: message.clone(), first, expiry: self.retention.expiry(message.date) });
                Appended::new(message, first, false)
            }
        };
        // With the lock, so that announcements are made in the order of the numbers.
        announce(&appended);
        appended
    }

    fn find(&self, log: &[Entry], key: Uuid, key_search: &KeySearch) -> Option<Record> {
        let most = match key_search {
            KeySearch::None => return None,
            KeySearch::Newest => KEY_SEARCH_NEWEST,
            KeySearch::After(cursor) => match (self.replay(log, cursor, KEY_SEARCH_MAX), cursor) {
                (Replay::Reset { .. }, _) => KEY_SEARCH_NEWEST,
                (Replay::Messages { .. }, Cursor::Start) => KEY_SEARCH_MAX,
                (Replay::Messages { .. }, Cursor::After(id)) => KEY_SEARCH_MAX.min(log.len() - index(id.seq) - 1),
            },
        };
        self.newest(log).take(most).find(|record| record.message.provisional_id == key)
    }

    fn replay(&self, log: &[Entry], cursor: &Cursor, limit: usize) -> Replay {
        let from = match cursor {
            Cursor::Start => 0,
            Cursor::After(id) => index(id.seq),
        };
        let head = self.newest(log).next().map_or(Cursor::Start, |record| record.message.id.into());
        let mut stretch = Vec::new();
        let mut entries = log.get(from..).unwrap_or_default().iter().map(|entry| self.record(entry));
        while head != Cursor::Start && stretch.len() < limit + 2 {
            match entries.next() {
                Some(record) if record.visible => stretch.push(record),
                // What has expired ends the history before it.
                Some(_) => stretch.clear(),
                None => break,
            }
        }
        let more = entries.next().is_some();
        match judge(cursor, stretch, more, limit) {
            Verdict::Answer(replay) => replay,
            Verdict::Reset(reason) => Replay::Reset { reason, head },
            Verdict::Nothing => match judge_by_head(cursor, &head) {
                Some(reason) => Replay::Reset { reason, head },
                None => Replay::Messages { messages: Vec::new(), more: false },
            },
        }
    }
}

fn index(seq: u64) -> usize {
    usize::try_from(seq - 1).unwrap_or(usize::MAX)
}

fn page(newest_first: impl Iterator<Item = Record>, limit: usize) -> Page {
    let mut messages: Vec<Message> = newest_first.take(limit + 1).map(|record| record.message).collect();
    let more = messages.len() > limit;
    messages.truncate(limit);
    messages.reverse();
    Page { messages, more }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Store for Memory {
    async fn append(&self, room: &RoomId, append: Append) -> Result<Appended, StoreError> {
        let lost = *lock(&self.mode) == Mode::LosingAnswers;
        let announce: Announce = if lost { Box::new(|_| {}) } else { append.announce };
        self.call(|| self.append_now(room, Append { announce, ..append })).await
    }

    async fn after(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError> {
        self.call(|| self.read(room, |log| self.replay(log, cursor, limit))).await
    }

    async fn latest(&self, room: &RoomId, limit: usize) -> Result<Page, StoreError> {
        self.call(|| self.read(room, |log| page(self.newest(log), limit))).await
    }

    async fn before(&self, room: &RoomId, id: &MessageId, limit: usize) -> Result<Page, StoreError> {
        let older = |log: &[Entry]| {
            let older = &log[..log.len().min(index(id.seq))];
            let same_epoch = older.last().is_some_and(|entry| entry.message.id.epoch == id.epoch);
            page(self.newest(if same_epoch { older } else { &[] }), limit)
        };
        self.call(|| self.read(room, older)).await
    }

    async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError> {
        let mode = *lock(&self.mode);
        if let Mode::SlowList(pause) = mode {
            sleep(pause).await;
        }
        self.call(|| {
            let rooms = lock(&self.rooms);
            let newest = |log: &Vec<Entry>| self.newest(log).next().map(|record| record.message.date);
            let active = rooms.iter().filter_map(|(room, log)| Some(Activity { room: room.clone(), at: newest(log)? }));
            Activity::list(active.collect())
        })
        .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.call(|| ()).await
    }
}

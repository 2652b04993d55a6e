//! Reading: stretches of a room, and what they say of a cursor.

use std::{sync::Arc, time::Instant};

use redb::ReadableTable;
use tracing::warn;
use uuid::Uuid;

use super::{
    Failure,
    record::{self, Key, Value},
};
use crate::{
    chat::{Cursor, Message, MessageId, RoomId, Timestamp},
    store::{Activity, Page, Record, Replay, ResetReason, Retention, Tail, Verdict, judge, judge_by_head},
};

/// Of rooms for one list, so that it is read within its deadline.
const MOST_WALKED: usize = 1_000_000;
/// Between two looks at the clock.
const STRIDE: usize = 1_000;
/// So many expired messages that wait for their deletion do not keep a replay from what stands behind them.
const LEFT_OVER: usize = 200;

/// The messages at one moment: everything read from here is of one state of the file.
pub(super) struct Log<'a, T> {
    pub(super) table: &'a T,
    pub(super) room: &'a RoomId,
    pub(super) retention: Retention,
    pub(super) now: Timestamp,
}

impl<T: ReadableTable<Key, Value>> Log<'_, T> {
    /// The end of the room.
    pub(super) fn tail(&self) -> Result<Tail, Failure> {
        let room = self.room.as_str();
        let Some(newest) = self.table.range((room, 0)..=(room, u64::MAX))?.next_back() else { return Ok(Tail::Empty) };
        let (key, value) = newest?;
        let newest = record::read(key.value(), value.value())?;
        let visible = newest.is_visible(self.retention, self.now);
        Ok(if visible { Tail::Newest(newest.id()?) } else { Tail::Expired(newest.seq) })
    }

    /// The newest messages below a number, newest first, as far as they are visible and of one epoch.
    fn history(&self, below: u64, limit: usize) -> Result<Vec<Record>, Failure> {
        let room = self.room.as_str();
        let mut records: Vec<Record> = Vec::new();
        for entry in self.table.range((room, 0)..(room, below))?.rev().take(limit) {
            let (key, value) = entry?;
            let record = self.record(key.value(), value.value())?;
            let of_one_epoch = records.first().is_none_or(|newest| newest.message.id.epoch == record.message.id.epoch);
            if !(record.visible && of_one_epoch) {
                break;
            }
            records.push(record);
        }
        Ok(records)
    }

    /// The message with a key behind a number, among so many of the newest that are visible and of one epoch. Only that
    /// one is read whole.
    pub(super) fn find(
        &self,
        key: Uuid,
        behind: u64,
        most: usize,
        newest: &MessageId,
    ) -> Result<Option<Record>, Failure> {
        let room = self.room.as_str();
        for entry in self.table.range((room, behind + 1)..=(room, newest.seq))?.rev().take(most) {
            let (place, value) = entry?;
            let entry = record::read(place.value(), value.value())?;
            if entry.epoch != newest.epoch.as_str() || !entry.is_visible(self.retention, self.now) {
                break;
            }
            if entry.provisional_id == key {
                return Ok(Some(entry.record(self.retention, self.now)?));
            }
        }
        Ok(None)
    }

    fn record(&self, key: (&str, u64), value: &[u8]) -> Result<Record, Failure> {
        Ok(record::read(key, value)?.record(self.retention, self.now)?)
    }

    /// The cursor behind the room's newest message.
    fn head(&self) -> Result<Cursor, Failure> {
        Ok(match self.tail()? {
            Tail::Newest(id) => id.into(),
            Tail::Empty | Tail::Expired(_) => Cursor::Start,
        })
    }

    pub(super) fn replay(&self, cursor: &Cursor, limit: usize) -> Result<Replay, Failure> {
        let from = match cursor {
            Cursor::Start => 1,
            Cursor::After(id) => id.seq,
        };
        // The cursor's own message and one beyond the page, which tells whether there is more.
        let (mut records, more) = self.forward_from(from, limit.max(LEFT_OVER) + 2)?;
        // What has expired ends the history before it, so that a replay has no hole: a clock that was set back makes a
        // message expire before the one before it.
        if let Some(expired) = records.iter().rposition(|record| !record.visible) {
            records.drain(..=expired);
        }
        let head = self.head()?;
        if records.is_empty() && more {
            return Ok(reset_behind_expired(cursor, head));
        }
        Ok(match judge(cursor, records, more, limit) {
            Verdict::Answer(replay) => replay,
            Verdict::Reset(reason) => Replay::Reset { reason, head },
            Verdict::Nothing => match judge_by_head(cursor, &head) {
                Some(reason) => Replay::Reset { reason, head },
                None => Replay::Messages { messages: Vec::new(), more: false },
            },
        })
    }

    fn forward_from(&self, from: u64, limit: usize) -> Result<(Vec<Record>, bool), Failure> {
        let room = self.room.as_str();
        let mut records = Vec::new();
        for entry in self.table.range((room, from)..=(room, u64::MAX))? {
            let (key, value) = entry?;
            if records.len() == limit {
                return Ok((records, true));
            }
            records.push(self.record(key.value(), value.value())?);
        }
        Ok((records, false))
    }

    pub(super) fn latest(&self, limit: usize) -> Result<Page, Failure> {
        Ok(page(self.history(u64::MAX, limit.saturating_add(1))?, limit))
    }

    pub(super) fn before(&self, id: &MessageId, limit: usize) -> Result<Page, Failure> {
        let records = self.history(id.seq, limit.saturating_add(1))?;
        if records.first().is_some_and(|record| record.message.id.epoch != id.epoch) {
            return Ok(Page { messages: Vec::new(), more: false });
        }
        Ok(page(records, limit))
    }
}

/// All rooms with a message to be seen, and the dates of their newest, as far as they are found by a moment.
///
/// One look at each room, and no table of its own: a hundred thousand rooms are read in a fraction of a second, and an
/// append writes nothing more.
pub(super) fn rooms<T: ReadableTable<Key, Value>>(
    table: &T,
    retention: Retention,
    now: Timestamp,
    until: Instant,
) -> Result<Arc<[Activity]>, Failure> {
    let mut rooms = Vec::new();
    let (mut walked, mut unknown) = (0, 0);
    let mut from = String::new();
    let all = loop {
        if walked == MOST_WALKED || (walked % STRIDE == 0 && Instant::now() >= until) {
            break false;
        }
        walked += 1;
        let Some(entry) = table.range((from.as_str(), 0)..)?.next() else { break true };
        let room = entry?.0.value().0.to_owned();
        if let Some(newest) = table.range((room.as_str(), 0)..=(room.as_str(), u64::MAX))?.next_back() {
            let (key, value) = newest?;
            let newest = record::read(key.value(), value.value())?;
            if newest.is_visible(retention, now) {
                // It takes no other room with it: another version may know more names than this one.
                newest.activity().map_or_else(|_| unknown += 1, |room| rooms.push(room));
            }
        }
        // No name stands between a room's and this one, which is none itself.
        from = format!("{room}\0");
    };
    if !all {
        warn!(rooms = walked, "there are more rooms than are read; the list lacks those behind them by name");
    }
    if unknown > 0 {
        warn!(rooms = unknown, "the list lacks rooms whose names this version does not take for such");
    }
    Ok(Activity::list(rooms))
}

/// The answer where all that was read has expired. There may be any amount more of it, which nobody shall walk
/// through: what the cursor missed is gone anyway.
fn reset_behind_expired(cursor: &Cursor, head: Cursor) -> Replay {
    let reason = match (cursor, &head) {
        (Cursor::Start, Cursor::Start) => return Replay::Messages { messages: Vec::new(), more: false },
        (Cursor::After(id), Cursor::After(newest)) if id.epoch != newest.epoch => ResetReason::Epoch,
        _ => ResetReason::Expired,
    };
    Replay::Reset { reason, head }
}

fn page(newest_first: Vec<Record>, limit: usize) -> Page {
    let more = newest_first.len() > limit;
    let mut messages: Vec<Message> = newest_first.into_iter().take(limit).map(|record| record.message).collect();
    messages.reverse();
    Page { messages, more }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redb::{Database, ReadableDatabase as _, backends::InMemoryBackend};

    use super::{super::record::MESSAGES, *};
    use crate::chat::{Author, Draft, Text};

    #[test]
    fn a_list_of_rooms_ends_in_time_and_lacks_no_more_than_it_must() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let writing = database.begin_write().unwrap();
        let now = Timestamp::now();
        let id = MessageId { epoch: "e".parse().unwrap(), seq: 1 };
        let draft = Draft {
            provisional_id: Uuid::new_v4(),
            from: Author::parse("Ada").unwrap(),
            text: Text::parse("hello").unwrap(),
            date: now,
        };
        let value = record::write(&draft.into_message(id), true, None);
        // The name in the middle is one that another version may know.
        for room in ["a", "no room!", "z"] {
            writing.open_table(MESSAGES).unwrap().insert((room, 1), &*value).unwrap();
        }
        writing.commit().unwrap();
        let table = database.begin_read().unwrap().open_table(MESSAGES).unwrap();
        let listed = |until| {
            let rooms = rooms(&table, Retention::FOREVER, now, until).map_err(|_| "no list").unwrap();
            rooms.iter().map(|activity| activity.room.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(listed(Instant::now() + Duration::from_secs(60)), ["a", "z"]);
        assert!(listed(Instant::now()).is_empty());
    }
}

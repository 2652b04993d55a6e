//! Replays, pages and the list of rooms.

use std::{sync::Arc, time::Instant};

use redb::ReadableTable;
use tracing::warn;
use uuid::Uuid;

use super::{
    failure::Failure,
    record::{self, Key, Value},
};
use crate::{
    chat::{Cursor, MessageId, RoomId, Timestamp},
    store::{
        Activity, Page, Record, Replay, Retention, Tail, Verdict, judge, judge_by_head,
        replay::{MIN_RECORDS_READ, remove_expired, replay_of_expired},
    },
};

/// The most rooms that are read for one list, so that it is read within its deadline.
const MAX_ROOMS_READ: usize = 1_000_000;
/// How many rooms are read between two checks of the clock.
const ROOMS_PER_CLOCK_CHECK: usize = 1_000;

/// The log of a room, in one state of the file: all reads see the same messages.
pub(super) struct Log<'a, T> {
    pub(super) table: &'a T,
    pub(super) room: &'a RoomId,
    pub(super) retention: Retention,
    pub(super) now: Timestamp,
}

impl<T: ReadableTable<Key, Value>> Log<'_, T> {
    /// The end of the log.
    pub(super) fn tail(&self) -> Result<Tail, Failure> {
        let room = self.room.as_str();
        let Some(newest) = self.table.range((room, 0)..=(room, u64::MAX))?.next_back() else { return Ok(Tail::Empty) };
        let (key, value) = newest?;
        let newest = record::decode(key.value(), value.value())?;
        let visible = newest.is_visible(self.retention, self.now);
        Ok(if visible { Tail::Newest(newest.id()?) } else { Tail::Expired(newest.seq) })
    }

    /// Reads the newest records below a number, newest first, up to the first that has expired or is of another epoch.
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

    /// Finds the message with a key among the newest `limit` messages after a number, up to the first that has expired or is
    /// of another epoch. Only a match is decoded completely.
    pub(super) fn find(
        &self,
        key: Uuid,
        after: u64,
        limit: usize,
        newest: &MessageId,
    ) -> Result<Option<Record>, Failure> {
        let room = self.room.as_str();
        for entry in self.table.range((room, after + 1)..=(room, newest.seq))?.rev().take(limit) {
            let (position, value) = entry?;
            let entry = record::decode(position.value(), value.value())?;
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
        Ok(record::decode(key, value)?.record(self.retention, self.now)?)
    }

    /// The cursor after the room's newest message.
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
        // Two more than the page: the cursor's own message, and one that tells whether more follow.
        let (mut records, more) = self.read_from(from, limit.max(MIN_RECORDS_READ) + 2)?;
        remove_expired(&mut records);
        let head = self.head()?;
        if records.is_empty() && more {
            return Ok(replay_of_expired(cursor, head));
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

    fn read_from(&self, from: u64, limit: usize) -> Result<(Vec<Record>, bool), Failure> {
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
        Ok(Page::from_newest_first(self.history(u64::MAX, limit.saturating_add(1))?, limit))
    }

    pub(super) fn before(&self, id: &MessageId, limit: usize) -> Result<Page, Failure> {
        let records = self.history(id.seq, limit.saturating_add(1))?;
        if records.first().is_some_and(|record| record.message.id.epoch != id.epoch) {
            return Ok(Page { messages: Vec::new(), more: false });
        }
        Ok(Page::from_newest_first(records, limit))
    }
}

/// Reads the rooms that have a visible message, with the date of the newest. Stops at `until` and returns what it has.
///
/// This reads one or two entries per room and needs no table of its own. A hundred thousand rooms are read in a fraction of
/// a second, and an append writes nothing for the list.
pub(super) fn rooms<T: ReadableTable<Key, Value>>(
    table: &T,
    retention: Retention,
    now: Timestamp,
    until: Instant,
) -> Result<Arc<[Activity]>, Failure> {
    let mut rooms = Vec::new();
    let (mut rooms_read, mut invalid) = (0, 0);
    let mut from = String::new();
    let complete = loop {
        if rooms_read == MAX_ROOMS_READ || (rooms_read % ROOMS_PER_CLOCK_CHECK == 0 && Instant::now() >= until) {
            break false;
        }
        rooms_read += 1;
        let Some(entry) = table.range((from.as_str(), 0)..)?.next() else { break true };
        let room = entry?.0.value().0.to_owned();
        if let Some(newest) = table.range((room.as_str(), 0)..=(room.as_str(), u64::MAX))?.next_back() {
            let (key, value) = newest?;
            let newest = record::decode(key.value(), value.value())?;
            if newest.is_visible(retention, now) {
                // The other rooms are still listed: another version may accept more names than this one.
                newest.activity().map_or_else(|_| invalid += 1, |room| rooms.push(room));
            }
        }
        // No name sorts between the room's name and this one, which is not a valid name itself.
        from = format!("{room}\0");
    };
    if !complete {
        warn!(rooms = rooms_read, "too many rooms to read; the list leaves out those whose names sort last");
    }
    if invalid > 0 {
        warn!(rooms = invalid, "the list of rooms leaves out rooms whose names are not valid in this version");
    }
    Ok(Activity::list(rooms))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redb::{Database, ReadableDatabase as _, backends::InMemoryBackend};

    use super::{super::record::MESSAGES, *};
    use crate::chat::{Author, Draft, Text};

    #[test]
    fn a_list_of_rooms_ends_in_time_and_leaves_out_only_invalid_rooms() {
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
        let value = record::encode(&draft.into_message(id), true, None);
        // The second name may be valid in another version.
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

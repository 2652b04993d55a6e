//! One append within a transaction: search for the key, then use the number after the newest.

use std::time::Instant;

use redb::Table;
use uuid::Uuid;

use super::{
    failure::Failure,
    read::Log,
    record::{self, Key, Value},
};
use crate::{
    chat::{Cursor, Draft, RoomId, Timestamp},
    store::{Appended, KEY_SEARCH_MAX, KEY_SEARCH_NEWEST, KeySearch, Record, Retention, Slot, Tail},
    telemetry::metrics::store::{self as metrics, Kind, Read},
};

/// Inserts a draft after the newest message of its room, unless a message with its key is found.
///
/// The transaction sees its own inserts, so if two drafts in one batch have the same key, the second finds the first.
pub(super) fn append(
    table: &mut Table<'_, Key, Value>,
    room: &RoomId,
    draft: Draft,
    key_search: &KeySearch,
    retention: Retention,
) -> Result<Appended, Failure> {
    let log = Log { table, room, retention, now: Timestamp::now() };
    let tail = log.tail()?;
    let started = (*key_search != KeySearch::None).then(Instant::now);
    let found = find(&log, draft.provisional_id, key_search, &tail)?;
    if let Some(started) = started {
        metrics::read(Kind::Embedded, Read::KeySearch, started.elapsed());
    }
    if let Some(Record { message, first, .. }) = found {
        return Ok(Appended::new(message, first, true));
    }
    let Slot { id, first } = tail.next();
    let message = draft.into_message(id);
    let value = record::encode(&message, first, retention.expiry(message.date));
    table.insert((room.as_str(), message.id.seq), value.as_slice())?;
    Ok(Appended::new(message, first, false))
}

/// Finds the message with this key in the range that `key_search` names.
///
/// This searches and needs no index. A client's key comes with its cursor, which is close to the end, and at most a
/// thousand entries are compared. An index would cost a second write per message.
fn find(
    log: &Log<'_, Table<'_, Key, Value>>,
    key: Uuid,
    key_search: &KeySearch,
    tail: &Tail,
) -> Result<Option<Record>, Failure> {
    let Tail::Newest(newest) = tail else { return Ok(None) };
    let (after, limit) = match key_search {
        KeySearch::None => return Ok(None),
        KeySearch::After(Cursor::Start) => (0, KEY_SEARCH_MAX),
        KeySearch::After(Cursor::After(id)) if id.epoch == newest.epoch && id.seq <= newest.seq => {
            (id.seq, KEY_SEARCH_MAX)
        }
        // The cursor is ahead of the log or of another epoch.
        KeySearch::Newest | KeySearch::After(Cursor::After(_)) => (0, KEY_SEARCH_NEWEST),
    };
    log.find(key, after, limit, newest)
}

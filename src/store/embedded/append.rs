//! Appending within a transaction: look for the key, then take the number behind the newest.

use std::time::Instant;

use redb::Table;
use uuid::Uuid;

use super::{
    Failure,
    read::Log,
    record::{self, Key, Value},
};
use crate::{
    chat::{Cursor, Draft, RoomId, Timestamp},
    store::{Appended, KEY_SEARCH_MAX, KEY_SEARCH_NEWEST, KeySearch, Record, Retention, Slot, Tail},
    telemetry::metrics::store::{self as metrics, Kind, Read},
};

/// Puts a draft behind the newest message of its room, if its key is not there already.
///
/// The transaction sees what it has put before: of two drafts with one key in one batch, the second is the first.
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
    let value = record::write(&message, first, retention.expiry(message.date));
    table.insert((room.as_str(), message.id.seq), value.as_slice())?;
    Ok(Appended::new(message, first, false))
}

/// The message with this key, if it is where it may stand.
///
/// A search and no index: a client's key comes with the cursor it had, which is near the end, and at the worst a
/// thousand entries are glanced at. An index would cost a second write for each message.
fn find(
    log: &Log<'_, Table<'_, Key, Value>>,
    key: Uuid,
    key_search: &KeySearch,
    tail: &Tail,
) -> Result<Option<Record>, Failure> {
    let Tail::Newest(newest) = tail else { return Ok(None) };
    let (behind, most) = match key_search {
        KeySearch::None => return Ok(None),
        KeySearch::After(Cursor::Start) => (0, KEY_SEARCH_MAX),
        KeySearch::After(Cursor::After(id)) if id.epoch == newest.epoch && id.seq <= newest.seq => {
            (id.seq, KEY_SEARCH_MAX)
        }
        // It is ahead of the log, or of another one.
        KeySearch::Newest | KeySearch::After(Cursor::After(_)) => (0, KEY_SEARCH_NEWEST),
    };
    log.find(key, behind, most, newest)
}

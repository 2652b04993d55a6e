//! Answers many cursors of one room from as few reads as possible.
//!
//! Numbers are dense. So a complete replay from one cursor contains the replay of every later cursor, or shows that the
//! later cursor does not exist.

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};
use tokio::sync::oneshot::Sender;

use crate::{
    chat::{Cursor, RoomId},
    store::{Replay, ResetReason, Store, StoreError},
};

/// How many reads are made to answer several cursors each. Cursors that are still unanswered are far apart or made up.
const SHARED_READS: usize = 3;
/// How many of the remaining cursors are read concurrently, so that none waits for all the others.
const CONCURRENT_READS: usize = 16;

/// A request for what follows a cursor.
pub(super) struct ReplayRequest {
    pub(super) cursor: Cursor,
    pub(super) answer: Sender<Result<Replay, StoreError>>,
}

/// Answers all requests, from reads that start now.
pub(super) async fn answer_all(store: &dyn Store, room: &RoomId, limit: usize, requests: Vec<ReplayRequest>) {
    let mut unanswered: HashMap<Cursor, Vec<ReplayRequest>> = HashMap::new();
    for request in requests {
        unanswered.entry(request.cursor.clone()).or_default().push(request);
    }
    for _ in 0..SHARED_READS {
        let Some(cursor) = best_cursor(&unanswered, limit) else { return };
        match store.after(room, &cursor, limit).await {
            Ok(replay) => {
                let mut answered = Vec::new();
                unanswered.retain(|other, requests| {
                    let answer = derive_replay(&cursor, &replay, other);
                    answered.extend(answer.map(|answer| (std::mem::take(requests), Ok(answer))));
                    !requests.is_empty()
                });
                answered.into_iter().for_each(|(requests, answer)| send(requests, &answer));
            }
            // The invalid item follows this cursor. The replays of other cursors may not contain it.
            Err(error @ StoreError::Corrupt(_)) => {
                send(unanswered.remove(&cursor).unwrap_or_default(), &Err(error));
            }
            // If the store has just failed, it is not read again for each of the other cursors.
            Err(error) => return send(unanswered.into_values().flatten().collect(), &Err(error)),
        }
    }
    let answer_one =
        async |(cursor, requests): (Cursor, Vec<_>)| send(requests, &store.after(room, &cursor, limit).await);
    stream::iter(unanswered).for_each_concurrent(CONCURRENT_READS, answer_one).await;
}

fn send(requests: Vec<ReplayRequest>, answer: &Result<Replay, StoreError>) {
    // A caller may have stopped waiting.
    requests.into_iter().for_each(|request| _ = request.answer.send(answer.clone()));
}

/// The cursor from which one read answers the most requests: the lowest that is close below the most requested one. The
/// lowest of all could be so far below that its page ends before the others, and then tells nothing about them.
fn best_cursor(unanswered: &HashMap<Cursor, Vec<ReplayRequest>>, limit: usize) -> Option<Cursor> {
    let (most_requested, _) = unanswered.iter().max_by_key(|(_, requests)| requests.len())?;
    let Cursor::After(most_requested) = most_requested else { return Some(Cursor::Start) };
    let near = unanswered.keys().filter_map(|cursor| match cursor {
        Cursor::After(id)
            if id.epoch == most_requested.epoch && most_requested.seq.saturating_sub(id.seq) <= limit as u64 / 2 =>
        {
            Some(id)
        }
        Cursor::After(_) | Cursor::Start => None,
    });
    near.min_by_key(|id| id.seq).cloned().map(Cursor::After)
}

/// Derives the replay of `cursor` from `replay`, which is the replay of the cursor `of`. Returns `None` if `replay` does
/// not decide it.
///
/// A derived replay is what the store would have returned at the same time, with one exception. If the retention was
/// lengthened, so that expired messages are visible again before a newer epoch, a cursor of the older epoch may be reset
/// at once, whereas the store would have reset it some pages later. Either way its log does not continue.
pub(super) fn derive_replay(of: &Cursor, replay: &Replay, cursor: &Cursor) -> Option<Replay> {
    if of == cursor {
        return Some(replay.clone());
    }
    let Cursor::After(id) = cursor else { return None };
    match (of, replay) {
        (_, Replay::Messages { more: true, .. }) => None,
        (_, Replay::Messages { messages, more: false }) => {
            let head = messages.last().map_or_else(|| of.clone(), |newest| newest.id.clone().into());
            let reset = |reason| Some(Replay::Reset { reason, head: head.clone() });
            match (of, &head) {
                // Nothing is stored.
                (_, Cursor::Start) => reset(ResetReason::Expired),
                // The cursor's message may be stored before everything that was read.
                (Cursor::After(of), _) if id.seq < of.seq => None,
                (_, Cursor::After(newest)) if id.epoch != newest.epoch => reset(ResetReason::Epoch),
                (_, Cursor::After(newest)) if id.seq > newest.seq => reset(ResetReason::Ahead),
                _ if messages.first().is_some_and(|oldest| id.seq + 1 < oldest.id.seq) => reset(ResetReason::Expired),
                _ => {
                    let messages = messages.iter().filter(|message| message.id.seq > id.seq).cloned().collect();
                    Some(Replay::Messages { messages, more: false })
                }
            }
        }
        (Cursor::After(of), Replay::Reset { reason, head }) if id.epoch == of.epoch => {
            let same = match reason {
                // The log at that number is another epoch, and so is everything after it, unless the head is of the
                // cursor's own epoch.
                ResetReason::Epoch => id.seq > of.seq && !is_of_epoch_or_empty(head, cursor),
                // The log ends before that number, so it ends before any later one.
                ResetReason::Ahead => id.seq > of.seq,
                // The message after `of` has expired, so the message after an earlier cursor has too.
                ResetReason::Expired => id.seq < of.seq && is_of_epoch_or_empty(head, cursor),
                ResetReason::Malformed => false,
            };
            same.then(|| replay.clone())
        }
        (_, Replay::Reset { .. }) => None,
    }
}

/// Whether the room ends in the epoch of `cursor`, or is empty.
fn is_of_epoch_or_empty(head: &Cursor, cursor: &Cursor) -> bool {
    match (head, cursor) {
        (Cursor::After(head), Cursor::After(id)) => head.epoch == id.epoch,
        (head, _) => *head == Cursor::Start,
    }
}

//! Many cursors of one room, answered from as few reads as it takes.
//!
//! Numbers are dense. So all that follows one cursor tells what follows every later one: its end, or that there is no
//! such place.

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};

use super::Question;
use crate::{
    chat::{Cursor, RoomId},
    store::{Replay, ResetReason, Store, StoreError},
};

/// Reads that are made for many. What they leave unanswered lies far apart, or is made up.
const FOR_MANY: usize = 3;
/// Reads for what is left run at once, so that nobody waits for all of the others.
const AT_ONCE: usize = 16;

/// Answers questions from reads that begin now.
pub(super) async fn answer_all(store: &dyn Store, room: &RoomId, limit: usize, questions: Vec<Question>) {
    let mut left: HashMap<Cursor, Vec<Question>> = HashMap::new();
    for question in questions {
        left.entry(question.cursor.clone()).or_default().push(question);
    }
    for _ in 0..FOR_MANY {
        let Some(cursor) = most_telling(&left, limit) else { return };
        match store.after(room, &cursor, limit).await {
            Ok(replay) => {
                let mut answered = Vec::new();
                left.retain(|other, same| {
                    let answer = told(&cursor, &replay, other);
                    answered.extend(answer.map(|answer| (std::mem::take(same), Ok(answer))));
                    !same.is_empty()
                });
                answered.into_iter().for_each(|(same, answer)| send(same, &answer));
            }
            // Something on the way from this cursor, which others may not pass.
            Err(error @ StoreError::Corrupt(_)) => send(left.remove(&cursor).unwrap_or_default(), &Err(error)),
            // A store that has just failed is not asked again for each of them.
            Err(error) => return send(left.into_values().flatten().collect(), &Err(error)),
        }
    }
    let alone = async |(cursor, same): (Cursor, Vec<Question>)| send(same, &store.after(room, &cursor, limit).await);
    stream::iter(left).for_each_concurrent(AT_ONCE, alone).await;
}

fn send(questions: Vec<Question>, answer: &Result<Replay, StoreError>) {
    // Whoever has gone needs none.
    questions.into_iter().for_each(|question| _ = question.answer.send(answer.clone()));
}

/// The cursor from which one read answers the most: the lowest that is not far below where most are. The lowest of all may
/// be one whose rest does not fit into an answer, and that says nothing of the others.
fn most_telling(left: &HashMap<Cursor, Vec<Question>>, limit: usize) -> Option<Cursor> {
    let (most, _) = left.iter().max_by_key(|(_, same)| same.len())?;
    let Cursor::After(most) = most else { return Some(Cursor::Start) };
    let near = left.keys().filter_map(|cursor| match cursor {
        Cursor::After(id) if id.epoch == most.epoch && most.seq.saturating_sub(id.seq) <= limit as u64 / 2 => Some(id),
        Cursor::After(_) | Cursor::Start => None,
    });
    near.min_by_key(|id| id.seq).cloned().map(Cursor::After)
}

/// What the replay of one cursor says of another; none where it leaves something open.
///
/// Whatever it says is what the store would have said at that moment. Only where the retention was prolonged, so that what
/// had expired is there again before a newer epoch, a cursor of the older one may learn at once what it would have learned
/// some pages later: that its log does not go on.
pub(super) fn told(of: &Cursor, replay: &Replay, cursor: &Cursor) -> Option<Replay> {
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
                // What it names may stand before all that was read.
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
                // What stands there is another log; so it is behind it, unless that is the cursor's own.
                ResetReason::Epoch => id.seq > of.seq && !head_is_of(head, cursor),
                // Nothing stands there; so nothing does behind it.
                ResetReason::Ahead => id.seq > of.seq,
                // What follows it is gone; so is what follows an earlier one.
                ResetReason::Expired => id.seq < of.seq && head_is_of(head, cursor),
                ResetReason::Malformed => false,
            };
            same.then(|| replay.clone())
        }
        (_, Replay::Reset { .. }) => None,
    }
}

/// Whether a room that ends there is the cursor's, or empty.
fn head_is_of(head: &Cursor, cursor: &Cursor) -> bool {
    match (head, cursor) {
        (Cursor::After(head), Cursor::After(id)) => head.epoch == id.epoch,
        (head, _) => *head == Cursor::Start,
    }
}

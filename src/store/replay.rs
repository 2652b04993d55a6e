//! Replay: what may be returned for a cursor. The rules are pure functions, shared by all stores.

use serde::Serialize;

use super::log::Record;
use crate::chat::{Cursor, Message};

/// What follows a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// All messages after the cursor, or the first page of them.
    Messages {
        /// The messages, oldest first, without a gap.
        messages: Vec<Message>,
        /// Whether more messages follow the last of these.
        more: bool,
    },
    /// Messages after the cursor are no longer stored, or the cursor is not of this log.
    Reset {
        /// Why.
        reason: ResetReason,
        /// The room's newest position, from which a reader can continue.
        head: Cursor,
    },
}

/// Why the messages after a cursor cannot be returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ResetReason {
    /// The message after the cursor has expired.
    Expired,
    /// The cursor is ahead of the newest message.
    Ahead,
    /// The cursor belongs to another epoch of the room.
    Epoch,
    /// The text is not a cursor. Stores never return this; see [`crate::feed`].
    Malformed,
}

/// What one read decides about a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer.
    Answer(Replay),
    /// The cursor is not valid, for this reason. The answer also needs the room's newest message.
    Reset(ResetReason),
    /// Nothing is stored at or after the cursor. Only the room's newest message can tell why.
    Nothing,
}

impl ResetReason {
    /// The reason's name, as clients receive it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Ahead => "ahead",
            Self::Epoch => "epoch",
            Self::Malformed => "malformed",
        }
    }
}

/// How many records a replay reads at least, besides the cursor's own and one more. Expired messages that are not deleted
/// yet must not hide the messages after them.
pub(super) const MIN_RECORDS_READ: usize = 200;

/// Removes the expired records and everything before them.
///
/// An expired message ends the history before it, so that a replay has no gap. A message may expire before the one
/// before it, if it was stored by a process whose clock is slow or after the clock was set back.
pub(super) fn remove_expired(records: &mut Vec<Record>) {
    if let Some(expired) = records.iter().rposition(|record| !record.visible) {
        records.drain(..=expired);
    }
}

/// Judges a cursor by the visible records from its own message on, including that message.
///
/// Because numbers are dense, one read is enough. The first record must be the cursor's own or the next one of the same
/// epoch; for [`Cursor::Start`], the first of an epoch. `more` means that the store contains records after these. The
/// answer has at most `limit` messages.
pub fn judge(cursor: &Cursor, records: Vec<Record>, more: bool, limit: usize) -> Verdict {
    let Some(oldest) = records.first() else {
        return match cursor {
            Cursor::Start => Verdict::Answer(Replay::Messages { messages: Vec::new(), more: false }),
            Cursor::After(_) => Verdict::Nothing,
        };
    };
    let epoch = &oldest.message.id.epoch;
    // Messages expire from old to new, and a room never continues its epoch after an expired message. So two visible
    // epochs mean that the retention was changed. The older epoch does not continue.
    if records.iter().any(|record| record.message.id.epoch != *epoch) {
        return Verdict::Reset(ResetReason::Epoch);
    }
    let skip = match cursor {
        Cursor::Start if oldest.first => 0,
        Cursor::Start => return Verdict::Reset(ResetReason::Expired),
        Cursor::After(id) if id.epoch != *epoch => return Verdict::Reset(ResetReason::Epoch),
        Cursor::After(id) => match oldest.message.id.seq.checked_sub(id.seq) {
            Some(0) => 1,
            Some(1) => 0,
            _ => return Verdict::Reset(ResetReason::Expired),
        },
    };
    let more = more || records.len() > skip + limit;
    let messages = records.into_iter().skip(skip).take(limit).map(|record| record.message).collect();
    Verdict::Answer(Replay::Messages { messages, more })
}

/// Returns why a cursor that no message follows is not valid, given the room's newest visible message; `None` if it is
/// valid.
pub fn judge_by_head(cursor: &Cursor, head: &Cursor) -> Option<ResetReason> {
    match (cursor, head) {
        (cursor, head) if cursor == head => None,
        (Cursor::After(id), Cursor::After(newest)) if id.epoch != newest.epoch => Some(ResetReason::Epoch),
        (Cursor::After(_), Cursor::After(_)) => Some(ResetReason::Ahead),
        (_, _) => Some(ResetReason::Expired),
    }
}

/// The replay of a cursor where every record that was read has expired and more records follow.
///
/// There may be any number of expired records, and a replay must not read all of them: what the cursor missed has
/// expired in any case.
pub(super) fn replay_of_expired(cursor: &Cursor, head: Cursor) -> Replay {
    let reason = match (cursor, &head) {
        (Cursor::Start, Cursor::Start) => return Replay::Messages { messages: Vec::new(), more: false },
        (Cursor::After(id), Cursor::After(newest)) if id.epoch != newest.epoch => ResetReason::Epoch,
        _ => ResetReason::Expired,
    };
    Replay::Reset { reason, head }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Author, Draft, Epoch, MessageId, Text, Timestamp};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn epoch(name: &str) -> Epoch {
        name.parse().unwrap()
    }

    fn record(name: &str, seq: u64, first: bool) -> Record {
        let draft = Draft {
            provisional_id: Uuid::from_u128(seq.into()),
            from: Author::parse("a").unwrap(),
            text: Text::parse("t").unwrap(),
            date: Timestamp::from_millis(0),
        };
        let message = draft.into_message(MessageId { epoch: epoch(name), seq });
        Record { message, first, visible: true }
    }

    fn after(name: &str, seq: u64) -> Cursor {
        MessageId { epoch: epoch(name), seq }.into()
    }

    fn seqs(verdict: Verdict) -> (Vec<u64>, bool) {
        match verdict {
            Verdict::Answer(Replay::Messages { messages, more }) => (messages.iter().map(|m| m.id.seq).collect(), more),
            other => panic!("expected messages, got {other:?}"),
        }
    }

    #[test]
    fn a_cursor_is_answered_whether_or_not_its_own_message_is_still_stored() {
        let both = vec![record("e", 4, false), record("e", 5, false)];
        assert_eq!(seqs(judge(&after("e", 4), both.clone(), false, 9)), (vec![5], false));
        assert_eq!(seqs(judge(&after("e", 3), both, false, 9)), (vec![4, 5], false));
    }

    #[test]
    fn a_full_page_reports_that_more_follows() {
        let records: Vec<_> = (4..=7).map(|seq| record("e", seq, false)).collect();
        assert_eq!(seqs(judge(&after("e", 4), records.clone(), false, 2)), (vec![5, 6], true));
        assert_eq!(seqs(judge(&after("e", 4), records.clone(), false, 3)), (vec![5, 6, 7], false));
        assert_eq!(seqs(judge(&after("e", 4), records, true, 3)), (vec![5, 6, 7], true));
    }

    #[test]
    fn the_start_is_complete_only_if_the_first_record_starts_an_epoch() {
        assert_eq!(seqs(judge(&Cursor::Start, vec![], false, 9)), (vec![], false));
        assert_eq!(seqs(judge(&Cursor::Start, vec![record("e", 1, true)], false, 9)), (vec![1], false));
        assert_eq!(seqs(judge(&Cursor::Start, vec![record("e", 58, true)], false, 9)), (vec![58], false));
        let incomplete = judge(&Cursor::Start, vec![record("e", 58, false)], false, 9);
        assert_eq!(incomplete, Verdict::Reset(ResetReason::Expired));
    }

    #[test]
    fn a_gap_after_the_cursor_or_another_epoch_is_a_reset() {
        let five = vec![record("e", 5, false)];
        assert_eq!(judge(&after("e", 3), five.clone(), false, 9), Verdict::Reset(ResetReason::Expired));
        assert_eq!(judge(&after("x", 5), five, false, 9), Verdict::Reset(ResetReason::Epoch));
        let two_epochs = vec![record("e", 5, false), record("f", 6, true)];
        assert_eq!(judge(&after("e", 5), two_epochs, false, 9), Verdict::Reset(ResetReason::Epoch));
    }

    #[test]
    fn a_cursor_that_nothing_follows_is_judged_by_the_head() {
        assert_eq!(judge(&after("e", 5), vec![], false, 9), Verdict::Nothing);
        assert_eq!(judge_by_head(&after("e", 5), &after("e", 3)), Some(ResetReason::Ahead));
        assert_eq!(judge_by_head(&after("x", 5), &after("e", 3)), Some(ResetReason::Epoch));
        assert_eq!(judge_by_head(&after("e", 5), &Cursor::Start), Some(ResetReason::Expired));
        assert_eq!(judge_by_head(&after("e", 5), &after("e", 5)), None);
    }

    proptest! {
        /// No partial replay: whatever is stored, an answer starts directly after the cursor and has no gap.
        #[test]
        fn an_answer_starts_after_the_cursor_and_has_no_gap(
            cursor in 1_u64..20, from in 1_u64..20, count in 0_usize..20, limit in 1_usize..10,
        ) {
            let records = (from..).take(count).filter(|seq| *seq >= cursor).map(|seq| record("e", seq, seq == 1));
            if let Verdict::Answer(Replay::Messages { messages, more }) =
                judge(&after("e", cursor), records.collect(), false, limit)
            {
                let seqs: Vec<u64> = messages.iter().map(|m| m.id.seq).collect();
                let all: Vec<u64> = (cursor + 1..from + count as u64).collect();
                prop_assert!(all.starts_with(&seqs));
                prop_assert_eq!(more, seqs.len() < all.len());
            }
        }
    }
}

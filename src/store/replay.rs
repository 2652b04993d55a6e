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

/// Judges a cursor by the visible records from its own message on, that message included.
///
/// KeySearch numbers are dense, one read tells: the first record must be the cursor's own, or the next
/// one of its epoch; with [`Cursor::Start`], one that begins an epoch. `more` says that the store
/// holds records behind these; `limit` is how many messages the answer may have.
pub fn judge(cursor: &Cursor, records: Vec<Record>, more: bool, limit: usize) -> Verdict {
    let Some(oldest) = records.first() else {
        return match cursor {
            Cursor::Start => Verdict::Answer(Replay::Messages { messages: Vec::new(), more: false }),
            Cursor::After(_) => Verdict::Nothing,
        };
    };
    let epoch = &oldest.message.id.epoch;
    // Expiry goes from old to new, and a room's history never goes on behind an expired message. Two
    // epochs in one stretch mean that the retention was changed; the older one is history.
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

/// Why a cursor behind which nothing stands does not hold, given the room's newest visible message;
/// `None` when it does hold.
pub fn judge_by_head(cursor: &Cursor, head: &Cursor) -> Option<ResetReason> {
    match (cursor, head) {
        (cursor, head) if cursor == head => None,
        (Cursor::After(id), Cursor::After(newest)) if id.epoch != newest.epoch => Some(ResetReason::Epoch),
        (Cursor::After(_), Cursor::After(_)) => Some(ResetReason::Ahead),
        (_, _) => Some(ResetReason::Expired),
    }
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
    fn what_follows_is_answered_whether_or_not_the_cursors_own_message_is_still_there() {
        let both = vec![record("e", 4, false), record("e", 5, false)];
        assert_eq!(seqs(judge(&after("e", 4), both.clone(), false, 9)), (vec![5], false));
        assert_eq!(seqs(judge(&after("e", 3), both, false, 9)), (vec![4, 5], false));
    }

    #[test]
    fn a_full_page_says_that_more_follows() {
        let records: Vec<_> = (4..=7).map(|seq| record("e", seq, false)).collect();
        assert_eq!(seqs(judge(&after("e", 4), records.clone(), false, 2)), (vec![5, 6], true));
        assert_eq!(seqs(judge(&after("e", 4), records.clone(), false, 3)), (vec![5, 6, 7], false));
        assert_eq!(seqs(judge(&after("e", 4), records, true, 3)), (vec![5, 6, 7], true));
    }

    #[test]
    fn the_start_is_whole_only_where_an_epoch_begins() {
        assert_eq!(seqs(judge(&Cursor::Start, vec![], false, 9)), (vec![], false));
        assert_eq!(seqs(judge(&Cursor::Start, vec![record("e", 1, true)], false, 9)), (vec![1], false));
        assert_eq!(seqs(judge(&Cursor::Start, vec![record("e", 58, true)], false, 9)), (vec![58], false));
        let headless = judge(&Cursor::Start, vec![record("e", 58, false)], false, 9);
        assert_eq!(headless, Verdict::Reset(ResetReason::Expired));
    }

    #[test]
    fn a_hole_behind_the_cursor_or_another_epoch_is_a_reset() {
        let five = vec![record("e", 5, false)];
        assert_eq!(judge(&after("e", 3), five.clone(), false, 9), Verdict::Reset(ResetReason::Expired));
        assert_eq!(judge(&after("x", 5), five, false, 9), Verdict::Reset(ResetReason::Epoch));
        let two_epochs = vec![record("e", 5, false), record("f", 6, true)];
        assert_eq!(judge(&after("e", 5), two_epochs, false, 9), Verdict::Reset(ResetReason::Epoch));
    }

    #[test]
    fn with_nothing_behind_it_a_cursor_is_judged_by_the_head() {
        assert_eq!(judge(&after("e", 5), vec![], false, 9), Verdict::Nothing);
        assert_eq!(judge_by_head(&after("e", 5), &after("e", 3)), Some(ResetReason::Ahead));
        assert_eq!(judge_by_head(&after("x", 5), &after("e", 3)), Some(ResetReason::Epoch));
        assert_eq!(judge_by_head(&after("e", 5), &Cursor::Start), Some(ResetReason::Expired));
        assert_eq!(judge_by_head(&after("e", 5), &after("e", 5)), None);
    }

    proptest! {
        /// Never a partial replay: whatever is stored, an answer begins right behind the cursor and
        /// has no hole.
        #[test]
        fn an_answer_is_always_what_follows_the_cursor(
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

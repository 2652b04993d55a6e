//! What this process knows of a room's newest messages, so that most appends need no read.

use std::collections::VecDeque;

use uuid::Uuid;

use crate::{
    chat::{Message, MessageId, Timestamp},
    store::{KEY_SEARCH_NEWEST, Record},
};

/// A room's newest messages, as this process last saw them: the id of the newest, and the idempotency keys of the last
/// ones without a gap.
///
/// The log may be longer, because other processes write too. Then the next slot is taken.
pub(super) struct Recent {
    newest: MessageId,
    /// The latest date of these messages. It need not be the date of the newest, because clocks differ.
    latest_date: Timestamp,
    /// The keys of consecutive messages. The last is the newest message's.
    keys: VecDeque<Uuid>,
}

impl Recent {
    /// Adds records in the order of their numbers to what was known before.
    pub(super) fn with_records<'a>(
        mut recent: Option<Self>,
        records: impl Iterator<Item = &'a Record>,
    ) -> Option<Self> {
        for Record { message, visible, .. } in records {
            let id = &message.id;
            recent = match recent {
                // An expired message may be deleted at any time, and then the next message starts a new epoch.
                _ if !visible => None,
                Some(known) if known.newest.epoch == id.epoch && id.seq <= known.newest.seq => Some(known),
                Some(known) if known.newest.epoch == id.epoch && id.seq == known.newest.seq + 1 => {
                    Some(known.with_next(message))
                }
                _ => Some(Self {
                    newest: id.clone(),
                    latest_date: message.date,
                    keys: VecDeque::from([message.provisional_id]),
                }),
            };
        }
        recent
    }

    fn with_next(mut self, message: &Message) -> Self {
        if self.keys.len() >= KEY_SEARCH_NEWEST {
            self.keys.pop_front();
        }
        self.keys.push_back(message.provisional_id);
        self.newest = message.id.clone();
        self.latest_date = self.latest_date.max(message.date);
        self
    }

    /// The id of the newest message.
    pub(super) fn newest(&self) -> &MessageId {
        &self.newest
    }

    /// The latest date of these messages.
    pub(super) fn latest_date(&self) -> Timestamp {
        self.latest_date
    }

    /// Whether the keys of all messages after this number are known.
    pub(super) fn has_all_keys_after(&self, seq: u64) -> bool {
        self.newest.seq - self.keys.len() as u64 <= seq
    }

    /// The number of the message with this key.
    pub(super) fn find(&self, key: Uuid) -> Option<u64> {
        let distance = self.keys.iter().rev().position(|k| *k == key)?;
        Some(self.newest.seq - distance as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Author, Draft, Text};

    fn record(epoch: &str, seq: u64, visible: bool) -> Record {
        let draft = Draft {
            provisional_id: Uuid::from_u128(seq.into()),
            from: Author::parse("a").unwrap(),
            text: Text::parse("t").unwrap(),
            date: Timestamp::from_millis(0),
        };
        let message = draft.into_message(MessageId { epoch: epoch.parse().unwrap(), seq });
        Record { message, first: false, visible }
    }

    fn add(recent: Option<Recent>, records: &[Record]) -> Option<Recent> {
        Recent::with_records(recent, records.iter())
    }

    #[test]
    fn keys_are_found_among_the_consecutive_messages_that_were_seen() {
        let recent = add(None, &[record("e", 5, true), record("e", 6, true)]);
        let recent = add(recent, &[record("e", 6, true), record("e", 7, true)]).unwrap();
        assert_eq!(recent.newest().to_string(), "e-7");
        assert_eq!((recent.find(Uuid::from_u128(5)), recent.find(Uuid::from_u128(4))), (Some(5), None));
        assert!(recent.has_all_keys_after(4) && !recent.has_all_keys_after(3));
    }

    #[test]
    fn a_gap_another_epoch_or_an_expired_message_discards_what_was_known() {
        let known = || add(None, &[record("e", 5, true), record("e", 6, true)]);
        let after_a_gap = add(known(), &[record("e", 8, true)]).unwrap();
        assert!(after_a_gap.has_all_keys_after(7) && !after_a_gap.has_all_keys_after(6));
        let other_epoch = add(known(), &[record("f", 7, true)]).unwrap();
        assert!(!other_epoch.has_all_keys_after(5));
        assert!(add(known(), &[record("e", 7, false)]).is_none());
    }

    #[test]
    fn only_as_many_keys_are_kept_as_are_searched() {
        let records: Vec<_> = (1..=500).map(|seq| record("e", seq, true)).collect();
        let recent = add(None, &records).unwrap();
        assert_eq!(recent.keys.len(), KEY_SEARCH_NEWEST);
        assert_eq!(recent.find(Uuid::from_u128(401)), Some(401));
        assert_eq!(recent.find(Uuid::from_u128(400)), None);
    }
}

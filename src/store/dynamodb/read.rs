//! Replays and pages.

use super::{
    DynamoDb,
    query::{Order, Range},
};
use crate::{
    chat::{Cursor, MessageId, RoomId},
    store::{
        Page, Record, Replay, StoreError, Verdict, judge, judge_by_head,
        replay::{MIN_RECORDS_READ, remove_expired, replay_of_expired},
    },
};

impl DynamoDb {
    /// The cursor after the room's newest message.
    async fn head(&self, room: &RoomId) -> Result<Cursor, StoreError> {
        let newest = self.newest(room).await?.filter(|record| record.visible);
        Ok(newest.map_or(Cursor::Start, |record| record.message.id.into()))
    }

    pub(super) async fn replay(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError> {
        let from = match cursor {
            Cursor::Start => 1,
            Cursor::After(id) => id.seq,
        };
        // Two more than the page: the cursor's own message, and one that tells whether more follow.
        let limit_read = limit.max(MIN_RECORDS_READ) + 2;
        let range = Range { from, below: None, order: Order::OldestFirst, limit: limit_read };
        let (mut records, more) = self.query(room, range).await?;
        remove_expired(&mut records);
        if records.is_empty() && more {
            return Ok(replay_of_expired(cursor, self.head(room).await?));
        }
        let newest = records.last().map(|record| record.message.id.clone());
        match judge(cursor, records, more, limit) {
            Verdict::Answer(replay) => Ok(replay),
            Verdict::Reset(reason) => {
                let head = match newest {
                    Some(id) if !more => id.into(),
                    _ => self.head(room).await?,
                };
                Ok(Replay::Reset { reason, head })
            }
            Verdict::Nothing => {
                let head = self.head(room).await?;
                Ok(match judge_by_head(cursor, &head) {
                    Some(reason) => Replay::Reset { reason, head },
                    // The cursor's message was written between the two reads.
                    None => Replay::Messages { messages: Vec::new(), more: false },
                })
            }
        }
    }

    pub(super) async fn latest_page(&self, room: &RoomId, limit: usize) -> Result<Page, StoreError> {
        Ok(Page::from_newest_first(self.history(room, None, limit + 1).await?, limit))
    }

    pub(super) async fn page_before(&self, room: &RoomId, id: &MessageId, limit: usize) -> Result<Page, StoreError> {
        let records = self.history(room, Some(id.seq), limit + 1).await?;
        if records.first().is_some_and(|record| record.message.id.epoch != id.epoch) {
            return Ok(Page { messages: Vec::new(), more: false });
        }
        Ok(Page::from_newest_first(records, limit))
    }

    /// Reads the newest records below a number, newest first, up to the first that has expired or is of another epoch.
    async fn history(&self, room: &RoomId, below: Option<u64>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let range = Range { from: 0, below, order: Order::NewestFirst, limit };
        let (mut records, _) = self.query(room, range).await?;
        let epoch = records.first().map(|record| record.message.id.epoch.clone());
        let belongs = |record: &Record| record.visible && Some(&record.message.id.epoch) == epoch.as_ref();
        let length = records.iter().take_while(|record| belongs(record)).count();
        records.truncate(length);
        Ok(records)
    }
}

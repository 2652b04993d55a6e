//! Reads a range of a room.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use super::{
    DynamoDb,
    error::classify,
    message_item::{self, Item, PARTITION_KEY, SORT_KEY, partition, sort_key},
};
use crate::{
    chat::{RoomId, Timestamp},
    store::{Record, StoreError},
};

/// Which records of a room to read.
pub(super) struct Range {
    /// The lowest number.
    pub(super) from: u64,
    /// Only numbers below this one.
    pub(super) below: Option<u64>,
    pub(super) order: Order,
    /// The most records to read.
    pub(super) limit: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    OldestFirst,
    NewestFirst,
}

impl DynamoDb {
    /// Reads records, including expired ones. The boolean tells whether more records follow in this order.
    pub(super) async fn query(&self, room: &RoomId, range: Range) -> Result<(Vec<Record>, bool), StoreError> {
        let highest = range.below.map_or(u64::MAX, |below| below.saturating_sub(1));
        if range.from > highest {
            return Ok((Vec::new(), false));
        }
        let mut records = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let remaining = range.limit - records.len();
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("#pk = :room AND #sk BETWEEN :from AND :to")
                .expression_attribute_names("#pk", PARTITION_KEY)
                .expression_attribute_names("#sk", SORT_KEY)
                .expression_attribute_values(":room", partition(room))
                .expression_attribute_values(":from", sort_key(range.from))
                .expression_attribute_values(":to", highest_key(highest))
                .scan_index_forward(range.order == Order::OldestFirst)
                .limit(i32::try_from(remaining).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start.take())
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(|e| classify(&self.table, e))?;
            self.count(answer.consumed_capacity(), None);
            let now = Timestamp::now();
            for item in answer.items() {
                records.push(message_item::decode(item, self.retention, now)?);
            }
            start = answer.last_evaluated_key;
            // DynamoDB ends a page at the limit or at 1 MB, whichever comes first.
            if start.is_none() || records.len() >= range.limit {
                return Ok((records, start.is_some()));
            }
        }
    }

    /// Reads the room's newest record, expired or not.
    pub(super) async fn newest(&self, room: &RoomId) -> Result<Option<Record>, StoreError> {
        let newest = Range { from: 0, below: None, order: Order::NewestFirst, limit: 1 };
        Ok(self.query(room, newest).await?.0.pop())
    }
}

/// The sort key of the highest number of a range; for a range without an upper limit, a key that sorts after all numbers.
fn highest_key(seq: u64) -> AttributeValue {
    if seq == u64::MAX { AttributeValue::S("m#~".to_owned()) } else { sort_key(seq) }
}

//! A message as an item of the table, written and read.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item;
use crate::{
    chat::{Message, RoomId, Timestamp},
    store::{Record, Retention, StoreError},
};

/// The item of a message.
pub fn write(
    room: &RoomId,
    message: &Message,
    first: bool,
    expiry: Option<Timestamp>,
) -> HashMap<String, AttributeValue> {
    item::write(room, message, first, expiry)
}

/// Reads an item, as it is at this moment.
///
/// # Errors
/// When it holds no message.
pub fn read(item: &HashMap<String, AttributeValue>, now: Timestamp) -> Result<Record, StoreError> {
    item::read(item, Retention::FOREVER, now)
}

//! Gives fuzz targets access to the encoding of messages.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::message_item;
use crate::{
    chat::{Message, RoomId, Timestamp},
    store::{Record, Retention, StoreError},
};

/// Encodes a message.
pub fn encode(
    room: &RoomId,
    message: &Message,
    first: bool,
    expiry: Option<Timestamp>,
) -> HashMap<String, AttributeValue> {
    message_item::encode(room, message, first, expiry)
}

/// Decodes a message, as it is visible at `now`.
///
/// # Errors
/// If the item is not a valid message.
pub fn decode(item: &HashMap<String, AttributeValue>, now: Timestamp) -> Result<Record, StoreError> {
    message_item::decode(item, Retention::FOREVER, now)
}

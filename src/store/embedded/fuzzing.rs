//! Gives fuzz targets access to the encoding of messages.

use super::record;
use crate::{
    chat::{Message, Timestamp},
    store::{Record, Retention, StoreError},
};

/// Encodes a message.
pub fn encode(message: &Message, first: bool, expiry: Option<Timestamp>) -> Vec<u8> {
    record::encode(message, first, expiry)
}

/// Decodes a message, as it is visible at `now`.
///
/// # Errors
/// If the entry is not a valid message.
pub fn decode(room: &str, seq: u64, value: &[u8], now: Timestamp) -> Result<Record, StoreError> {
    record::decode((room, seq), value)?.record(Retention::FOREVER, now)
}

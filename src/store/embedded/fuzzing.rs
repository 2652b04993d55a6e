//! A message as an entry of the table, written and read.

use super::record;
use crate::{
    chat::{Message, Timestamp},
    store::{Record, Retention, StoreError},
};

/// The value of a message.
pub fn write(message: &Message, first: bool, expiry: Option<Timestamp>) -> Vec<u8> {
    record::write(message, first, expiry)
}

/// Reads an entry, as it is at this moment.
///
/// # Errors
/// When it holds no message.
pub fn read(room: &str, seq: u64, value: &[u8], now: Timestamp) -> Result<Record, StoreError> {
    record::read((room, seq), value)?.record(Retention::FOREVER, now)
}

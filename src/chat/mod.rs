//! The domain: rooms, messages and cursors. No I/O, no clock, no HTTP.
//!
//! | type | what it is |
//! |---|---|
//! | [`RoomId`] | a room's name, valid by construction |
//! | [`Draft`] → [`Message`] | what somebody wrote; what the store numbered |
//! | [`Cursor`] | a place in a room's log, and the id of the message before it |
//! | [`Timestamp`] | a message's date, in milliseconds |

mod cursor;
mod message;
mod room;
mod timestamp;

pub use cursor::{Cursor, CursorError, Epoch, MAX_SEQ, MessageId};
pub use message::{Author, Draft, Message, MessageError, Text};
pub use room::{RoomError, RoomId};
pub use timestamp::{Timestamp, TimestampError};

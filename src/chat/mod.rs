//! The domain: rooms, messages and cursors. No I/O, no clock, no HTTP.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `room` | [`RoomId`]: a room's name, valid by construction | nothing |
//! | `message` | [`Draft`] and [`Message`]: before and after the store has given it an id | `cursor`, `timestamp` |
//! | `cursor` | [`Cursor`]: a position in a room's log | nothing |
//! | `timestamp` | [`Timestamp`]: a message's date, in milliseconds | nothing |

mod cursor;
mod message;
mod room;
mod timestamp;

pub use cursor::{Cursor, CursorError, Epoch, MAX_SEQ, MessageId};
pub use message::{Author, Draft, Message, MessageError, Text};
pub use room::{RoomError, RoomId};
pub use timestamp::{Timestamp, TimestampError};

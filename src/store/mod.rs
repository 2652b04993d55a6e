//! Where messages are stored: the [`Store`] trait, its contract, and its implementations.
//!
//! # Contract
//!
//! Every implementation passes the suite in `tests/it/contract/mod.rs`:
//!
//! - **Dense.** A room's messages are numbered without a gap, however many processes append at the same time.
//! - **Acknowledged means stored.** A message that `append` returned is visible to every later read, at every
//!   instance. After an error the message may or may not be stored.
//! - **Idempotent.** A draft whose provisional id is found where [`KeySearch`] says to look is not stored
//!   again. `append` returns the message that is already stored.
//! - **No partial replay.** `after` returns everything that follows a cursor, in order, page by page, or reports
//!   with [`Replay::Reset`] that it cannot.
//! - **Expired means invisible.** No answer contains a message past its retention, whether it is deleted or not. A room
//!   whose newest message has expired is empty, and continues under a new [`Epoch`](crate::chat::Epoch).
//! - **Listed.** A room with a message that has not expired is listed from at most a minute after the message until at
//!   most a minute after its expiry, with the date of its newest message to the minute. If a process dies or cannot
//!   reach the store, this may not happen until the room's next message in another minute.
//! - **Bounded.** Every call ends within ten seconds.
//!
//! # Modules
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `dynamodb` | the store over a DynamoDB table | `activity`, `append`, `error`, `log`, `page`, `replay`, `retention` |
//! | `embedded` | the store over one file | `activity`, `append`, `error`, `log`, `page`, `replay`, `retention` |
//! | `coalesced` | coalesces concurrent reads of another store | `activity`, `append`, `error`, `page`, `replay` |
//! | `instrumented` | records metrics of another store | `activity`, `append`, `error`, `page`, `replay` |
//! | `append` | what an append takes and returns | `log` |
//! | `replay` | what may be returned for a cursor: the rules | `log` |
//! | `page` | consecutive messages, as history is read | `log` |
//! | `activity` | the entries of the list of rooms | nothing |
//! | `log` | a room's log: records, its end, the next slot | nothing |
//! | `retention` | how long messages are kept | nothing |
//! | `error` | why a call failed | nothing |

mod activity;
mod append;
mod coalesced;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod embedded;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod instrumented;
mod log;
mod page;
mod replay;
mod retention;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

pub use activity::{Activity, MAX_ROOMS};
pub use append::{Announce, Append, Appended, KEY_SEARCH_MAX, KEY_SEARCH_NEWEST, KeySearch};
pub use coalesced::Coalesced;
#[cfg(feature = "dynamodb")]
pub use dynamodb::{CapacityUnits, DynamoDb, table};
pub use embedded::{Embedded, EmbeddedOptions, OpenError};
pub use error::StoreError;
pub use instrumented::Instrumented;
pub use log::{Record, Slot, Tail};
pub use page::Page;
pub use replay::{Replay, ResetReason, Verdict, judge, judge_by_head};
pub use retention::{Retention, RetentionError};

use crate::chat::{Cursor, MessageId, RoomId};

/// An append succeeds or fails within this time.
pub const APPEND_DEADLINE: Duration = Duration::from_secs(8);
/// A read succeeds or fails within this time.
pub const READ_DEADLINE: Duration = Duration::from_secs(5);

/// A log of messages per room. See the [module](self) for the contract.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Numbers a draft and stores it after the room's newest message.
    ///
    /// [`Append::announce`] is called when the message is stored or found to be stored already, and before this
    /// returns. Within a process, the announcements of a room are made in the order of its numbers. The announcement
    /// is also made if the caller has stopped waiting.
    async fn append(&self, room: &RoomId, append: Append) -> Result<Appended, StoreError>;

    /// Returns what follows a cursor, oldest first, at most `limit` messages.
    async fn after(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError>;

    /// Returns the newest messages, at most `limit` of them.
    async fn latest(&self, room: &RoomId, limit: usize) -> Result<Page, StoreError>;

    /// Returns the newest of the messages older than `id`, at most `limit` of them; none if the id is of another epoch.
    async fn before(&self, room: &RoomId, id: &MessageId, limit: usize) -> Result<Page, StoreError>;

    /// Returns the rooms, the ones with the newest messages first, at most [`MAX_ROOMS`].
    async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError>;

    /// Checks that the store answers, with the cheapest request it has.
    async fn check(&self) -> Result<(), StoreError>;
}

//! Why a store call failed.

use std::{error::Error as StdError, sync::Arc};

/// Why a store call failed. A failed append may or may not have stored its message: see [the contract](super).
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached, is overloaded, or refuses temporarily.
    #[error("the store is unavailable")]
    Unavailable(#[source] Arc<dyn StdError + Send + Sync>),
    /// The store did not answer within the deadline.
    #[error("the store did not answer in time")]
    Deadline,
    /// Too many appends are waiting.
    #[error("too many messages are being posted to this room")]
    Busy,
    /// The store refuses until an operator changes something.
    #[error("the store is not set up: {remedy}")]
    Misconfigured {
        /// What the operator must do.
        remedy: String,
        /// The store's own error.
        #[source]
        cause: Arc<dyn StdError + Send + Sync>,
    },
    /// The store contains an item that is not a valid message.
    #[error("the store contains an invalid item: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// The error's name, as metrics and logs report it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Deadline => "deadline",
            Self::Busy => "busy",
            Self::Misconfigured { .. } => "misconfigured",
            Self::Corrupt(_) => "corrupt",
        }
    }
}

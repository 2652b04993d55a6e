//! The settings of a held stream: what the backend's response said, replaced by every answer of the next link.

use std::{sync::Arc, time::Duration};

use super::subscriber::Subscriber;
use crate::edge::items::Frame;

/// How a stream is held.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) subscriber: Subscriber,
    pub(crate) keep_alive: Option<KeepAlive>,
    pub(crate) link: Option<Link>,
}

/// What is sent to keep a connection open that is otherwise silent.
#[derive(Clone, Debug)]
pub(crate) struct KeepAlive {
    pub(crate) frame: Frame,
    pub(crate) after: Duration,
    /// Whether it is sent every `after`, whatever else is sent. Otherwise only after that much silence.
    pub(crate) periodic: bool,
}

/// The next link: where to request what a stream has missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Path and query at the backend.
    pub(crate) uri: Arc<str>,
    /// How long a stream waits before it requests the link without another reason.
    pub(crate) recheck_after: Duration,
}

//! The settings of a held stream: what the backend's response said, replaced by every answer of the next link.

use std::{sync::Arc, time::Duration};

use super::subscriber::Subscriber;
use crate::edge::items::Frame;

/// How a stream is held.
#[derive(Debug)]
pub(in crate::edge) struct Settings {
    pub(in crate::edge) subscriber: Subscriber,
    pub(in crate::edge) keep_alive: Option<KeepAlive>,
    pub(in crate::edge) link: Option<Link>,
}

/// What is sent to keep a connection open that is otherwise silent.
#[derive(Clone, Debug)]
pub(in crate::edge) struct KeepAlive {
    pub(in crate::edge) frame: Frame,
    pub(in crate::edge) after: Duration,
    /// Whether it is sent every `after`, whatever else is sent. Otherwise only after that much silence.
    pub(in crate::edge) periodic: bool,
}

/// The next link: where to request what a stream has missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::edge) struct Link {
    /// Path and query at the backend.
    pub(in crate::edge) uri: Arc<str>,
    /// How long a stream waits before it requests the link without another reason.
    pub(in crate::edge) recheck_after: Duration,
}

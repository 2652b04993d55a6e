//! An item: something published on a channel, and what it does to the requests that are held there.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use json_patch::Patch;

use super::{frame::Frame, patch};

/// The id of an item. Ids are compared and have no order.
pub(crate) type Id = Arc<str>;

/// Something to deliver on a channel.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) channel: Arc<str>,
    pub(crate) id: Option<Id>,
    /// The id of the item before this one.
    pub(crate) prev_id: Option<Id>,
    /// Whether it is delivered at once, even if the item before it is missing.
    pub(crate) no_seq: bool,
    /// The metadata that filters read.
    pub(crate) meta: BTreeMap<String, String>,
    pub(crate) stream: Option<Action<Option<Frame>>>,
    pub(crate) response: Option<Action<PublishedResponse>>,
}

/// What an item does to a held request.
#[derive(Debug)]
pub(crate) enum Action<T> {
    /// Sends this.
    Send(T),
    /// Ends a stream.
    Close,
    /// Requests the next link at once.
    Hint,
}

/// A response that is sent instead of the held one.
#[derive(Clone, Debug)]
pub(crate) struct PublishedResponse {
    pub(crate) status: StatusCode,
    pub(crate) reason: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: PublishedBody,
}

/// The body of a published response.
#[derive(Clone, Debug)]
pub(crate) enum PublishedBody {
    Whole(Bytes),
    /// Changes of the held body, which is JSON.
    Patch(Patch),
}

impl PublishedBody {
    /// Returns the body to send instead of the held one. A patch that cannot be applied leaves it unchanged.
    pub(crate) fn replace(self, held: Bytes) -> Bytes {
        match self {
            Self::Whole(body) => body,
            Self::Patch(changes) => patch::apply(&changes, held),
        }
    }
}

//! An item: something published on a channel, and what it does to the requests that are held there.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use json_patch::Patch;

use super::{frame::Frame, patch};

/// The id of an item. Ids are compared and have no order.
pub(in crate::edge) type Id = Arc<str>;

/// Something to deliver on a channel.
#[derive(Debug)]
pub(in crate::edge) struct Item {
    pub(in crate::edge) channel: Arc<str>,
    pub(in crate::edge) id: Option<Id>,
    /// The id of the item before this one.
    pub(in crate::edge) prev_id: Option<Id>,
    /// Whether it is delivered at once, even if the item before it is missing.
    pub(in crate::edge) no_seq: bool,
    /// The metadata that filters read.
    pub(in crate::edge) meta: BTreeMap<String, String>,
    pub(in crate::edge) stream: Option<Action<Option<Frame>>>,
    pub(in crate::edge) response: Option<Action<PublishedResponse>>,
}

/// What an item does to a held request.
#[derive(Debug)]
pub(in crate::edge) enum Action<T> {
    /// Sends this.
    Send(T),
    /// Ends a stream.
    Close,
    /// Requests the next link at once.
    Hint,
}

/// A response that is sent instead of the held one.
#[derive(Clone, Debug)]
pub(in crate::edge) struct PublishedResponse {
    pub(in crate::edge) status: StatusCode,
    pub(in crate::edge) reason: Option<String>,
    pub(in crate::edge) headers: HeaderMap,
    pub(in crate::edge) body: PublishedBody,
}

/// The body of a published response.
#[derive(Clone, Debug)]
pub(in crate::edge) enum PublishedBody {
    Whole(Bytes),
    /// Changes of the held body, which is JSON.
    Patch(Patch),
}

impl PublishedBody {
    /// Returns the body to send instead of the held one. A patch that cannot be applied leaves it unchanged.
    pub(in crate::edge) fn replace(self, held: Bytes) -> Bytes {
        match self {
            Self::Whole(body) => body,
            Self::Patch(changes) => patch::apply(&changes, held),
        }
    }
}

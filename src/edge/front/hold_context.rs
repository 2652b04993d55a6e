//! From a response with a stream hold to a held stream.

use std::sync::Arc;

use http::HeaderValue;

use super::takeover::Takeover;
use crate::{
    edge::{
        channels::Hub,
        held::{ClientSlot, HeldStream, HoldInstructions, WriteQueue},
    },
    telemetry::RequestId,
};

/// What is needed to hold a stream, if the response requires it.
pub(super) struct HoldContext {
    pub(super) hub: Arc<Hub>,
    pub(super) takeover: Arc<Takeover>,
    /// The id of the request, for the pages that are requested on its behalf.
    pub(super) id: RequestId,
    /// The request's `Host`.
    pub(super) host: HeaderValue,
    pub(super) gone_link: Option<Arc<str>>,
    /// Whether the body is sent in chunks, which HTTP/1.0 does not have.
    pub(super) is_chunked: bool,
    /// Whether the response is an event stream.
    pub(super) is_event_stream: bool,
    /// Counts the stream among those of its client.
    pub(super) client_slot: Arc<ClientSlot>,
}

impl HoldContext {
    /// Holds the stream. It is written to once the connection has been taken over. `between_events`: whether the
    /// response so far ends between two events.
    pub(super) fn hold(&self, instructions: &HoldInstructions, between_events: bool) {
        let queue = WriteQueue::new(self.is_chunked, self.is_event_stream.then_some(between_events));
        let (host, gone_link, slot) = (self.host.clone(), self.gone_link.clone(), Arc::clone(&self.client_slot));
        let stream = HeldStream::new(instructions.settings(), queue, host, gone_link, Some(slot));
        self.takeover.prepare(self.hub.hold_stream(stream));
    }
}

//! From a response that says hold to a stream in a shard.

use std::sync::Arc;

use http::HeaderValue;

use super::takeover::Handover;
use crate::{
    edge::{
        channels::Hub,
        held::{Conditions, Outlet, Place, Stream},
    },
    telemetry::RequestId,
};

/// What it takes to hold a stream, once there is a response that says so.
pub(in crate::edge) struct Hold {
    pub(in crate::edge) hub: Arc<Hub>,
    pub(in crate::edge) handover: Arc<Handover>,
    /// Of the request, for the pages that are asked for on its behalf.
    pub(in crate::edge) id: RequestId,
    pub(in crate::edge) host: HeaderValue,
    pub(in crate::edge) gone: Option<Arc<str>>,
    pub(in crate::edge) chunked: bool,
    /// Whether it is a stream of Server-Sent Events.
    pub(in crate::edge) events: bool,
    /// Counts it among its client's.
    pub(in crate::edge) place: Arc<Place>,
}

impl Hold {
    /// Holds the stream; it is written to once the connection is handed over.
    pub(in crate::edge) fn begin(&self, conditions: &Conditions, between_events: bool) {
        let outlet = Outlet::new(self.chunked, self.events.then_some(between_events));
        let mut stream = Stream::new(conditions.terms(), outlet, self.host.clone(), self.gone.clone());
        stream.place = Some(Arc::clone(&self.place));
        self.handover.reserve(self.hub.hold_stream(stream));
    }
}

//! Holds a response until the first item, and returns what follows from that.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, response};
use tokio::{sync::oneshot, time::timeout};

use super::{forward, repeat::Forwarded};
use crate::{
    edge::{
        body::{self, Body},
        channels::Hub,
        held::{HeldResponse, Outcome, Subscriber},
        items::Id,
    },
    grip::Instructions,
};

/// What follows from a response of the backend.
pub(super) enum Handled {
    Response(Response<Body>),
    /// The request was held and missed an item. It is to be repeated with this `Grip-Last`.
    Repeat(Request<Body>, Vec<(Arc<str>, Id)>),
}

/// Holds a response until an item is published, or until the time that the instructions allow has passed.
pub(super) async fn hold_response(
    hub: &Arc<Hub>,
    instructions: Instructions,
    forwarded: &Forwarded,
    head: response::Parts,
    body: Bytes,
) -> Handled {
    let until = instructions.response_timeout();
    let (sender, outcome) = oneshot::channel();
    let subscriber = Subscriber::new(instructions.channels, &instructions.meta);
    // Held until this is dropped, which also happens when the client goes.
    let _guard = hub.hold_response(HeldResponse::new(subscriber, sender));
    match timeout(until, outcome).await {
        Ok(Ok(Outcome::Respond(published))) => {
            let mut response = Response::new(body::full(published.body.replace(body)));
            *response.status_mut() = published.status;
            *response.headers_mut() = published.headers;
            forward::set_reason(response.extensions_mut(), published.reason.as_deref());
            Handled::Response(response)
        }
        Ok(Ok(Outcome::Repeat(last))) if let Some(request) = forwarded.again() => Handled::Repeat(request, last),
        // Nothing was published in time, the request cannot be repeated, or the edge stops.
        _ => Handled::Response(Response::from_parts(head, body::full(body))),
    }
}

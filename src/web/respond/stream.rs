//! The response to a client that opens a stream, and to a proxy that requests the next part of one.

use axum::{
    http::{HeaderName, header},
    response::{IntoResponse as _, Response},
};

use crate::{feed::SseResponse, web::extract::Proxied};

/// The headers of a stream, without those for the GRIP proxy. `X-Accel-Buffering` is for an nginx in between.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "text/event-stream"),
    (header::CACHE_CONTROL, "no-cache, no-transform"),
    (header::VARY, "accept"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

/// A page of a stream, with the instructions for the proxy that forwarded the request: without one, nothing would hold
/// the stream.
pub(crate) fn stream(_: Proxied, response: SseResponse) -> Response {
    (HEADERS, response.grip, response.body).into_response()
}

/// The response to HEAD. It has no instructions, because GRIP proxies follow them on HEAD too, and would send a body
/// without end.
pub(crate) fn stream_head(_: Proxied) -> Response {
    HEADERS.into_response()
}

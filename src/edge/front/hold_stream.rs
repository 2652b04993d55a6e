//! Starts to hold a stream: returns the head and the body so far, after which the connection is taken over.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header, request, response};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;

use super::{
    hold_context::HoldContext,
    pagination,
    refuse::{self, ExchangeError},
    state::{Client, Front},
    takeover::{BodyPart, HeldBody},
};
use crate::{
    edge::{
        backend::FetchError,
        body::{self, Body},
        held::{LinkBase, NextStep},
        items::ends_event,
    },
    grip::Instructions,
    telemetry::RequestId,
};

/// Holds a response as a stream. A response with more pages is continued with these first; one with neither is returned
/// as it is.
pub(super) fn hold_stream(
    front: &Front,
    client: &Client,
    request: &request::Parts,
    instructions: Instructions,
    mut head: response::Parts,
    body: Bytes,
    id: &RequestId,
) -> Result<Response<Body>, ExchangeError> {
    // Copied, since the value is a slice of the buffer into which the whole request was read.
    let host = request.headers.get(header::HOST).map_or(b"".as_slice(), HeaderValue::as_bytes);
    let host = HeaderValue::from_bytes(host).map_err(|error| FetchError::Invalid(error.into()))?;
    let uri = request.uri.path_and_query().map_or("/", |uri| uri.as_str());
    let base = LinkBase { host: &host, uri, backend: front.backend.address() };
    let gone_link = instructions.gone.as_deref().map(|uri| base.path(uri)).transpose()?;
    // Such a response has no body, so nothing can follow it (RFC 9110, section 6.4.1).
    let is_bodyless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
    let next = if is_bodyless { NextStep::End } else { NextStep::new(instructions, &base)? };
    if matches!(next, NextStep::End) {
        return Ok(Response::from_parts(head, body::full(body)));
    }
    let is_event_stream = is_event_stream(&head.headers);
    if client.is_late && !is_event_stream {
        return Ok(refuse::stopping());
    }
    let Some(client_slot) = front.limits.acquire(client.id) else { return Ok(refuse::too_many_held()) };
    let between_events = body.is_empty() || ends_event(&body);
    let (parts, receiver) = mpsc::channel(2);
    // The channel has room for this and for one more part, and nobody else has sent anything yet.
    if !body.is_empty() {
        let _ = parts.try_send(BodyPart::Bytes(body));
    }
    let context = HoldContext {
        hub: Arc::clone(&front.hub),
        takeover: Arc::clone(&client.takeover),
        id: id.clone(),
        host,
        gone_link,
        is_chunked: request.version >= Version::HTTP_11,
        is_event_stream,
        client_slot,
    };
    match next {
        NextStep::End => {}
        NextStep::Hold(instructions) => {
            context.hold(&instructions, between_events);
            let _ = parts.try_send(BodyPart::Hold);
        }
        NextStep::Page(link) => pagination::start(front.backend.clone(), link, context, between_events, parts),
    }
    // The connection ends with the stream, so the client must not send another request on it.
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let body = HeldBody::new(receiver, Arc::clone(&client.takeover)).map_err(|never| match never {}).boxed_unsync();
    Ok(Response::from_parts(head, body))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("text/event-stream")
}

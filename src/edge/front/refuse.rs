//! Responses that the edge gives itself, when there is none from the backend.

use std::error::Error as StdError;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::LengthLimitError;
use tower_http::timeout::TimeoutError;
use tracing::warn;

use crate::{
    edge::{
        backend::FetchError,
        body::{self, Body},
        held::LinkError,
    },
    grip::InstructionsError,
    telemetry::metrics::edge::{Refusal, refused},
};

/// Seconds after which a client may repeat a request that exceeds a limit.
const RETRY_AFTER_SECONDS: &str = "5";

/// Why a request got no response that can be sent to the client.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Instructions(#[from] InstructionsError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("the backend compressed a response with GRIP headers; nothing could be appended to it")]
    Compressed,
}

/// Returns the response for an error. It contains only what the client can do about it; the log has the cause.
pub(super) fn response_to(error: &ExchangeError, max_body: u64) -> Response<Body> {
    if has_cause(error, |cause| cause.is::<LengthLimitError>()) {
        return body_too_long(max_body);
    }
    if has_cause(error, |cause| cause.is::<TimeoutError>()) {
        return plain(StatusCode::REQUEST_TIMEOUT, "The request body did not arrive in time.\n");
    }
    match error {
        ExchangeError::Fetch(FetchError::Deadline(_)) => {
            warn!("{error}; responded 504");
            plain(StatusCode::GATEWAY_TIMEOUT, "The server behind this proxy did not respond in time.\n")
        }
        ExchangeError::Fetch(_) => {
            warn!("{error}; responded 502");
            plain(StatusCode::BAD_GATEWAY, "The server behind this proxy cannot be reached.\n")
        }
        ExchangeError::Instructions(_) | ExchangeError::Link(_) | ExchangeError::Compressed => {
            warn!("{error}; responded 502");
            plain(StatusCode::BAD_GATEWAY, "The server behind this proxy sent an invalid response.\n")
        }
    }
}

pub(super) fn body_too_long(max_body: u64) -> Response<Body> {
    plain(StatusCode::PAYLOAD_TOO_LARGE, &format!("The request body must not be longer than {} bytes.\n", max_body))
}

/// The response to a client that has as many requests held as it may.
pub(super) fn too_many_held() -> Response<Body> {
    refused(Refusal::Address);
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "Too many streams are open from this address.\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    response
}

/// The response to a new stream while the edge stops, which would have to end at once.
pub(super) fn stopping() -> Response<Body> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "This proxy is stopping; try again.\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    response
}

pub(super) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(body::full(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Whether an error, or one of its causes, satisfies `is`.
fn has_cause(error: &(dyn StdError + 'static), is: impl Fn(&(dyn StdError + 'static)) -> bool) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if is(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

//! Requests that get no answer from the backend, and what they are told instead.

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

/// Seconds after which a client may try again what there is no place for.
const RETRY_AFTER: &str = "5";

/// An answer that cannot be given. What the client hears says no more than its status.
#[derive(Debug, thiserror::Error)]
pub(in crate::edge) enum ExchangeError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Instructions(#[from] InstructionsError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("the backend compressed an answer with GRIP headers, to which nothing could be added")]
    Compressed,
}

/// What the client is told: no more than what it can do about it. The log has the cause.
pub(in crate::edge) fn answer(error: &ExchangeError, max_body: u64) -> Response<Body> {
    if has_cause(error, |cause| cause.is::<LengthLimitError>()) {
        return too_long(max_body);
    }
    if has_cause(error, |cause| cause.is::<TimeoutError>()) {
        return plain(StatusCode::REQUEST_TIMEOUT, "The body did not come in time.\n");
    }
    match error {
        ExchangeError::Fetch(FetchError::Deadline(_)) => {
            warn!("{error}; answered 504");
            plain(StatusCode::GATEWAY_TIMEOUT, "The server behind this proxy did not answer in time.\n")
        }
        ExchangeError::Fetch(_) => {
            warn!("{error}; answered 502");
            plain(StatusCode::BAD_GATEWAY, "The server behind this proxy cannot be reached.\n")
        }
        ExchangeError::Instructions(_) | ExchangeError::Link(_) | ExchangeError::Compressed => {
            warn!("{error}; answered 502");
            plain(StatusCode::BAD_GATEWAY, "The server behind this proxy gave an answer that makes no sense.\n")
        }
    }
}

pub(in crate::edge) fn too_long(max_body: u64) -> Response<Body> {
    plain(StatusCode::PAYLOAD_TOO_LARGE, &format!("The body must not be longer than {} bytes.\n", max_body))
}

/// For one who has as much held as one client may.
pub(in crate::edge) fn too_many() -> Response<Body> {
    refused(Refusal::Address);
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "Too many streams are open from this address.\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    response
}

/// For a stream that would have to end at once.
pub(in crate::edge) fn stopping() -> Response<Body> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "This proxy is stopping; try again.\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    response
}

pub(in crate::edge) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(body::full(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

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

//! The errors of the API, and the one place that turns them into responses.
//!
//! A 4xx response contains the remedy, and is not logged. A 5xx response reveals no internals; it is logged here, once,
//! with its cause.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tracing::{error, warn};

use crate::{
    app::PostError,
    chat::{CursorError, MessageError, RoomError},
    grip::SigError,
    store::StoreError,
};

/// Seconds after which a client should retry a request that failed because of the store.
const RETRY_AFTER_SECS: &str = "1";

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebError {
    #[error("there is nothing at this path; the API is at /rooms/<room>/messages/")]
    NotFound,
    #[error("this path does not support the method; see the Allow header")]
    MethodNotAllowed,
    #[error("{0}")]
    Room(#[from] RoomError),
    #[error("{0}")]
    Message(#[from] MessageError),
    #[error("{0}")]
    Body(String),
    #[error("the body must not be longer than {0} bytes")]
    BodyTooLarge(usize),
    #[error("the body did not arrive in time; send the request again")]
    BodyTimeout,
    #[error("send application/json, application/x-www-form-urlencoded or multipart/form-data")]
    MediaType,
    #[error("this path offers text/event-stream and application/json; list one of them in Accept")]
    NotAcceptable,
    #[error("{0}")]
    Key(&'static str),
    #[error("{0}")]
    Query(String),
    #[error("too many posts from your address; try again in {} s", whole_secs(*.0))]
    TooManyPosts(Duration),
    #[error("this idempotency key belongs to another message; use a new one")]
    KeyReused,
    #[error("{0}; open the stream at the proxy's address (by default http://localhost:7999)")]
    NotProxied(SigError),
    #[error("this path is for GRIP proxies, which send the position of the stream in Grip-Last")]
    NoGripLast(#[from] CursorError),
    #[error("an internal error occurred; the log of the server contains the cause")]
    Internal,
    #[error(
        "the message store is unavailable; try again (with the same Idempotency-Key, the message is not posted twice)"
    )]
    Store(#[source] StoreError),
}

#[derive(Serialize)]
struct Body {
    error: &'static str,
    message: String,
}

impl WebError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Room(_) | Self::Message(_) | Self::Body(_) | Self::Key(_) | Self::Query(_) | Self::NoGripLast(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyPosts(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotProxied(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The stable identifier of the error, for programs.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Room(_) => "invalid_room",
            Self::Message(_) => "invalid_message",
            Self::Body(_) => "invalid_body",
            Self::BodyTooLarge(_) => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::MediaType => "unsupported_media_type",
            Self::NotAcceptable => "not_acceptable",
            Self::Key(_) => "invalid_idempotency_key",
            Self::Query(_) => "invalid_query",
            Self::KeyReused => "idempotency_key_reused",
            Self::TooManyPosts(_) => "too_many_posts",
            Self::NotProxied(_) => "not_proxied",
            Self::NoGripLast(_) => "no_grip_last",
            Self::Internal => "internal",
            Self::Store(_) => "store_unavailable",
        }
    }

    pub(super) fn log(&self) {
        match self {
            Self::Store(cause @ (StoreError::Busy | StoreError::Deadline)) => warn!("{cause}"),
            Self::Store(cause) => error!(cause = chain(cause), "{cause}"),
            Self::NotProxied(SigError::Invalid) => warn!("{self}"),
            _ => {}
        }
    }

    /// `Retry-After`, where a retry can succeed.
    pub(super) fn headers(&self) -> Option<(HeaderName, HeaderValue)> {
        let seconds = match self {
            Self::Store(_) => HeaderValue::from_static(RETRY_AFTER_SECS),
            Self::TooManyPosts(wait) => whole_secs(*wait).into(),
            _ => return None,
        };
        Some((header::RETRY_AFTER, seconds))
    }
}

/// Rounds up, because a client that retries too early is refused again.
fn whole_secs(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// The causes of an error, the outermost first.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl From<PostError> for WebError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Store(error) => error.into(),
            PostError::KeyReused => Self::KeyReused,
            PostError::Interrupted => Self::Internal,
        }
    }
}

impl From<StoreError> for WebError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        self.log();
        let body = Body { error: self.code(), message: self.to_string() };
        // Some statuses are cacheable by default (RFC 9110, section 15.1), but no error is valid for another request.
        let mut response = (self.status(), [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response();
        response.headers_mut().extend(self.headers());
        response
    }
}

//! Refusals: the one place that turns an error into a response.
//!
//! 4xx say what to do instead and are not logged. 5xx say nothing of the inside, and are logged
//! here, once, with their cause.

use std::time::Duration;

use askama::Template as _;
use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde::Serialize;
use tracing::{error, warn};

use super::pages::{ErrorPage, page_headers};
use crate::{
    app::PostError,
    chat::{CursorError, MessageError, RoomError},
    grip::SigError,
    store::StoreError,
};

/// Seconds after which a client may try again what the store did not do.
const RETRY_AFTER_SECS: &str = "1";

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebError {
    #[error("there is nothing here; the API is at /rooms/<room>/messages/")]
    NotFound,
    #[error("this path does not take that method; see the Allow header")]
    MethodNotAllowed,
    #[error("{0}")]
    Room(#[from] RoomError),
    #[error("{0}")]
    Message(#[from] MessageError),
    #[error("{0}")]
    Body(String),
    #[error("the body must not have more than {0} bytes")]
    BodyTooLarge(usize),
    #[error("the body did not arrive in time")]
    BodyTimeout,
    #[error("send application/json, application/x-www-form-urlencoded or multipart/form-data")]
    MediaType,
    #[error("this path has text/event-stream and application/json; name one of them in Accept")]
    NotAcceptable,
    #[error("{0}")]
    Key(&'static str),
    #[error("{0}")]
    Query(String),
    #[error("too many posts came from your address; try again in {} s", whole_secs(*.0))]
    TooManyPosts(Duration),
    #[error("this idempotency key belongs to another message; use a new one")]
    KeyReused,
    #[error("{0}; open the stream at the proxy's address (Pushpin's is http://localhost:7999 by default)")]
    NotProxied(SigError),
    #[error("this path is for GRIP proxies, which say in Grip-Last where a stream stands")]
    NoGripLast(#[from] CursorError),
    #[error("the server could not do this")]
    Internal,
    #[error("the message store is not available; try again (with the same Idempotency-Key, nothing is posted twice)")]
    Store(#[source] StoreError),
}

#[derive(Serialize)]
struct Body {
    error: &'static str,
    message: String,
}

/// A refusal for a person: a page instead of JSON.
pub(super) struct PageError {
    error: WebError,
    not_sent: bool,
}

impl WebError {
    fn status(&self) -> StatusCode {
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

    /// The word that a program can rely on.
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

    fn log(&self) {
        match self {
            Self::Store(cause @ (StoreError::Busy | StoreError::Deadline)) => warn!("{cause}"),
            Self::Store(cause) => error!(cause = chain(cause), "{cause}"),
            Self::NotProxied(SigError::Invalid) => warn!("{self}"),
            _ => {}
        }
    }

    fn headers(&self) -> Option<(HeaderName, HeaderValue)> {
        let seconds = match self {
            Self::Store(_) => HeaderValue::from_static(RETRY_AFTER_SECS),
            Self::TooManyPosts(wait) => whole_secs(*wait).into(),
            _ => return None,
        };
        Some((header::RETRY_AFTER, seconds))
    }
}

/// No fewer than it takes: who comes too early is refused again.
fn whole_secs(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// The causes of an error, from the outside in.
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
        // Some may be kept where nothing is said (RFC 9110, section 15.1), and none holds for longer than this answer.
        let mut response = (self.status(), [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response();
        response.headers_mut().extend(self.headers());
        response
    }
}

impl PageError {
    /// Why a message was not posted.
    pub(super) fn not_sent(error: WebError) -> Self {
        Self { error, not_sent: true }
    }
}

impl From<WebError> for PageError {
    fn from(error: WebError) -> Self {
        Self { error, not_sent: false }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let Self { error, not_sent } = self;
        error.log();
        let title = match &error {
            WebError::Room(_) => "This is not a room",
            _ if not_sent => "Your message was not sent",
            WebError::Store(_) => "The chat is not available",
            _ => "This did not work",
        };
        let page = ErrorPage { title: title.to_owned(), message: in_words(&error), not_sent };
        let html = page.render().unwrap_or_else(|_| title.to_owned());
        let mut response = (error.status(), page_headers(), Html(html)).into_response();
        response.headers_mut().extend(error.headers());
        response
    }
}

/// A remedy as a page says it: in a sentence, and about what stands on the page, where fields have
/// labels instead of names, and nobody sees an idempotency key.
pub(super) fn in_words(error: &WebError) -> String {
    if let WebError::Store(_) = error {
        return "The message store is not available. Try again in a moment.".to_owned();
    }
    let clause = error.to_string().replace("\"from\"", "your name").replace("\"text\"", "your message");
    let mut rest = clause.chars();
    let first = rest.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(rest).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_speak_in_sentences_of_what_stands_on_them() {
        assert_eq!(in_words(&MessageError::AuthorLength.into()), "Your name must have 1 to 64 characters.");
        let words = in_words(&RoomError::Character(' ').into());
        assert!(words.starts_with("A room's name may hold") && words.ends_with("none of them."), "{words}");
        assert!(!in_words(&WebError::Store(StoreError::Deadline)).contains("Idempotency-Key"));
    }
}

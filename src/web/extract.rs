//! What a request says, parsed at the door.

use std::{convert::Infallible, error::Error as _, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Multipart, RawPathParams, Request},
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use headers_accept::Accept;
use http_body::Body as _;
use http_body_util::LengthLimitError;
use mediatype::{MediaType, MediaTypeBuf, Name, names, values};
use serde::Deserialize;
use tracing::{Span, field::display};
use uuid::Uuid;

use super::{Web, error::WebError};
use crate::{
    chat::{Author, Cursor, CursorError, Draft, RoomId, Text, Timestamp},
    store::KeySearch,
};

/// The most bytes of a body: 4,000 characters, written as `\uXXXX` or `%XX%XX%XX%XX`, and some air.
const BODY_BYTES: usize = 64 * 1024;
/// A body of that size arrives within this time, or its sender does not mean it.
const BODY_WITHIN: Duration = Duration::from_secs(10);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const JSON: MediaType<'_> = MediaType::new(names::APPLICATION, names::JSON);
const HTML: MediaType<'_> = MediaType::new(names::TEXT, names::HTML);
const STREAM: MediaType<'_> = MediaType::new(names::TEXT, Name::new_unchecked("event-stream"));
/// The same, since the format is always UTF-8: RFC 9110 lets a range with a parameter match only that.
const STREAM_UTF_8: MediaType<'_> =
    MediaType::from_parts(names::TEXT, Name::new_unchecked("event-stream"), None, &[(names::CHARSET, values::UTF_8)]);
const FORM: MediaType<'_> = MediaType::new(names::APPLICATION, Name::new_unchecked("x-www-form-urlencoded"));
const MULTIPART_FORM: MediaType<'_> = MediaType::new(names::MULTIPART, names::FORM_DATA);

/// The room in the path.
pub(super) struct Room(pub(super) RoomId);

impl<S: Sync> FromRequestParts<S> for Room {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebError> {
        let name = path_param(parts, "room").await?.ok_or(WebError::NotFound)?;
        let room = RoomId::parse(&name)?;
        Span::current().record("room.id", display(&room));
        Ok(Self(room))
    }
}

/// The cursor in the path of a page of a replay.
pub(super) struct PathCursor(pub(super) Option<Cursor>);

impl<S: Sync> FromRequestParts<S> for PathCursor {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebError> {
        let cursor = path_param(parts, "cursor").await?;
        let cursor = cursor.map(|cursor| cursor.parse()).transpose().map_err(|_| WebError::NotFound)?;
        Ok(Self(cursor))
    }
}

async fn path_param(parts: &mut Parts, name: &str) -> Result<Option<String>, WebError> {
    // Fails only where the path is not UTF-8 when decoded.
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| WebError::NotFound)?;
    Ok(params.iter().find(|(n, _)| *n == name).map(|(_, value)| value.to_owned()))
}

/// What a GET of messages is to be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Stream,
    Json,
}

impl<S: Sync> FromRequestParts<S> for Wanted {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebError> {
        Self::negotiate(&parts.headers)
    }
}

impl Wanted {
    /// RFC 9110, section 12.5.1. JSON where nothing is said, or both are wanted as much.
    fn negotiate(headers: &HeaderMap) -> Result<Self, WebError> {
        let Some(accept) = accept(headers) else {
            return Ok(Self::Json);
        };
        match accept.negotiate(&[JSON, STREAM, STREAM_UTF_8]) {
            Some(media_type) if *media_type == JSON => Ok(Self::Json),
            Some(_) => Ok(Self::Stream),
            None => Err(WebError::NotAcceptable),
        }
    }
}

/// Who reads the answer to a post: a program, or a person whose browser sent the form without scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Program,
    Person,
}

impl<S: Sync> FromRequestParts<S> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::negotiate(&parts.headers))
    }
}

impl Reader {
    /// A person only where HTML is preferred to JSON. Who accepts neither gets JSON: the message is
    /// posted by then, and a refusal would say otherwise.
    fn negotiate(headers: &HeaderMap) -> Self {
        match accept(headers).and_then(|accept| accept.negotiate(&[JSON, HTML]).cloned()) {
            Some(media_type) if media_type == HTML => Self::Person,
            _ => Self::Program,
        }
    }
}

/// None where nothing is said, or nothing that can be read.
fn accept(headers: &HeaderMap) -> Option<Accept> {
    let lines: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    // Of what is compared here nothing tells case apart, but the library does in parameters.
    let accept = lines.join(",").to_ascii_uppercase();
    accept.parse().ok().filter(|accept: &Accept| accept.media_types().next().is_some())
}

/// What a client says of where its stream stands, in the header or else in the query. An
/// EventSource that reconnects sends the header, beside the query it was first opened with.
pub(super) fn client_cursor(headers: &HeaderMap, query: Option<&str>) -> Option<Result<Cursor, CursorError>> {
    let header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("not ASCII"));
    let text = header.filter(|text| !text.is_empty()).or(query.filter(|text| !text.is_empty()))?;
    Some(text.parse())
}

/// The body of a post, in any of the three forms.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    from: Option<String>,
    text: Option<String>,
    provisional_id: Option<String>,
}

/// A message to be posted.
pub(super) struct Posted {
    pub(super) draft: Draft,
    pub(super) key_search: KeySearch,
}

/// The same, of a client that may post now.
pub(super) struct Admitted(pub(super) Posted);

impl FromRequest<Web> for Admitted {
    type Rejection = WebError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, WebError> {
        let (parts, body) = request.into_parts();
        // Before anything is read of what may be much.
        web.posts.admit(&web.trust, &parts).map_err(WebError::TooManyPosts)?;
        Posted::from_request(Request::from_parts(parts, body), web).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = WebError;

    async fn from_request(request: Request, state: &S) -> Result<Self, WebError> {
        let (parts, body) = request.into_parts();
        let headers = parts.headers.clone();
        let fields = Fields::read(parts, body, state).await?;
        let missing = |name| WebError::Body(format!("the field \"{name}\" is missing"));
        let from = Author::parse(&fields.from.ok_or_else(|| missing("from"))?)?;
        let text = Text::parse(&fields.text.ok_or_else(|| missing("text"))?)?;
        let key = key(&headers, fields.provisional_id.as_deref())?;
        let key_search = match (key, client_cursor(&headers, None)) {
            (None, _) => KeySearch::None,
            (Some(_), Some(Ok(cursor))) => KeySearch::After(cursor),
            (Some(_), Some(Err(CursorError)) | None) => KeySearch::Newest,
        };
        let provisional_id = key.unwrap_or_else(Uuid::new_v4);
        Ok(Self { draft: Draft { provisional_id, from, text, date: Timestamp::now() }, key_search })
    }
}

/// The idempotency key: of the header, which may quote it (a string of RFC 9651, as the header's
/// draft standard has it), or of the form.
fn key(headers: &HeaderMap, field: Option<&str>) -> Result<Option<Uuid>, WebError> {
    let parse = |text: &str| {
        Uuid::try_parse(text)
            .map_err(|_| WebError::Key("an idempotency key must be a UUID, a new one for each message"))
    };
    let header = headers.get(IDEMPOTENCY_KEY).map(|value| value.to_str().unwrap_or_default().trim().trim_matches('"'));
    let header = header.map(parse).transpose()?;
    let field = field.filter(|text| !text.is_empty()).map(parse).transpose()?;
    match (header, field) {
        (Some(header), Some(field)) if header != field => {
            Err(WebError::Key("Idempotency-Key and provisionalId differ; send one of them, or the same in both"))
        }
        (header, field) => Ok(header.or(field)),
    }
}

impl Fields {
    async fn read<S: Send + Sync>(parts: Parts, body: Body, state: &S) -> Result<Self, WebError> {
        let media_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type: MediaTypeBuf = media_type.and_then(|text| text.parse().ok()).ok_or(WebError::MediaType)?;
        let essence = media_type.essence();
        if essence == JSON {
            let body = bytes(body).await?;
            let broken = |e| WebError::Body(format!("the body is not the JSON expected: {e}"));
            serde_json::from_slice(&body).map_err(broken)
        } else if essence == FORM {
            Ok(Self::from_form(&bytes(body).await?))
        } else if essence == MULTIPART_FORM {
            let body = bytes(body).await?;
            Self::from_multipart(Request::from_parts(parts, Body::from(body)), state).await
        } else {
            Err(WebError::MediaType)
        }
    }

    fn from_form(body: &[u8]) -> Self {
        let mut fields = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            if let Some(slot) = fields.slot(&name) {
                *slot = Some(value.into_owned());
            }
        }
        fields
    }

    async fn from_multipart<S: Send + Sync>(request: Request, state: &S) -> Result<Self, WebError> {
        let broken =
            |e: &dyn std::fmt::Display| WebError::Body(format!("the body is not the multipart form expected: {e}"));
        let mut parts = Multipart::from_request(request, state).await.map_err(|e| broken(&e))?;
        let mut fields = Self::default();
        while let Some(part) = parts.next_field().await.map_err(|e| broken(&e))? {
            if let Some(slot) = part.name().and_then(|name| fields.slot(name)) {
                *slot = Some(part.text().await.map_err(|e| broken(&e))?);
            }
        }
        Ok(fields)
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "from" => Some(&mut self.from),
            "text" => Some(&mut self.text),
            "provisionalId" => Some(&mut self.provisional_id),
            _ => None,
        }
    }
}

async fn bytes(body: Body) -> Result<Bytes, WebError> {
    // What says that it is too long is not read.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|length| length > BODY_BYTES) {
        return Err(WebError::BodyTooLarge(BODY_BYTES));
    }
    let read = axum::body::to_bytes(body, BODY_BYTES);
    match tokio::time::timeout(BODY_WITHIN, read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.source().is_some_and(|cause| cause.is::<LengthLimitError>()) => {
            Err(WebError::BodyTooLarge(BODY_BYTES))
        }
        Ok(Err(_)) => Err(WebError::Body("the body broke off, or its framing is broken".to_owned())),
        Err(_) => Err(WebError::BodyTimeout),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn reader(accept: Option<&'static str>) -> Reader {
        let headers = accept.map(|accept| (header::ACCEPT, HeaderValue::from_static(accept)));
        Reader::negotiate(&headers.into_iter().collect())
    }

    #[test]
    fn a_browser_that_sends_a_form_is_read_by_a_person() {
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
        for accept in [chromium, "text/html", "text/html, */*", "text/*", "application/json;q=0.9, text/html"] {
            assert_eq!(reader(Some(accept)), Reader::Person, "{accept}");
        }
    }

    #[test]
    fn whoever_does_not_prefer_html_is_a_program() {
        assert_eq!(reader(None), Reader::Program);
        let axios = "application/json, text/plain, */*";
        for accept in ["", "*/*", axios, "application/json", "application/json, text/html", "image/png", "no type"] {
            assert_eq!(reader(Some(accept)), Reader::Program, "{accept}");
        }
        assert_eq!(reader(Some("text/html;q=0.5, application/json")), Reader::Program);
        assert_eq!(reader(Some("text/html;q=0, */*")), Reader::Program);
    }
}

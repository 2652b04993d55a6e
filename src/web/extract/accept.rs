//! The format that a client accepts.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use headers_accept::Accept;
use mediatype::{MediaType, Name, names, values};

use crate::web::error::WebError;

const JSON: MediaType<'_> = MediaType::new(names::APPLICATION, names::JSON);
const HTML: MediaType<'_> = MediaType::new(names::TEXT, names::HTML);
const STREAM: MediaType<'_> = MediaType::new(names::TEXT, Name::new_unchecked("event-stream"));
/// The same as [`STREAM`], because the format is always UTF-8. It is listed separately because a range with a parameter
/// matches only a type with that parameter (RFC 9110).
const STREAM_UTF_8: MediaType<'_> =
    MediaType::from_parts(names::TEXT, Name::new_unchecked("event-stream"), None, &[(names::CHARSET, values::UTF_8)]);

/// The format of the response to a GET of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Stream,
    Json,
}

impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebError> {
        Self::negotiate(&parts.headers)
    }
}

impl Format {
    /// Chooses as specified in RFC 9110, section 12.5.1. JSON if the client sends no `Accept`, or accepts both equally.
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

/// Who reads the response: a program, or a person whose browser navigated to it or sent a form without scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
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
    /// A person only if HTML is preferred to JSON. A client that accepts neither gets JSON: when a post gets its response the
    /// message is stored, so a refusal would be wrong.
    fn negotiate(headers: &HeaderMap) -> Self {
        match accept(headers).and_then(|accept| accept.negotiate(&[JSON, HTML]).cloned()) {
            Some(media_type) if media_type == HTML => Self::Person,
            _ => Self::Program,
        }
    }
}

/// Parses `Accept`. Returns `None` if it is absent, empty or invalid.
fn accept(headers: &HeaderMap) -> Option<Accept> {
    let lines: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    // None of the types above depends on case, but the library compares parameters case-sensitively.
    let accept = lines.join(",").to_ascii_uppercase();
    accept.parse().ok().filter(|accept: &Accept| accept.media_types().next().is_some())
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
    fn a_browser_that_sends_a_form_has_a_person_as_reader() {
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
        for accept in [chromium, "text/html", "text/html, */*", "text/*", "application/json;q=0.9, text/html"] {
            assert_eq!(reader(Some(accept)), Reader::Person, "{accept}");
        }
    }

    #[test]
    fn a_client_that_does_not_prefer_html_is_a_program() {
        assert_eq!(reader(None), Reader::Program);
        let axios = "application/json, text/plain, */*";
        for accept in ["", "*/*", axios, "application/json", "application/json, text/html", "image/png", "no type"] {
            assert_eq!(reader(Some(accept)), Reader::Program, "{accept}");
        }
        assert_eq!(reader(Some("text/html;q=0.5, application/json")), Reader::Program);
        assert_eq!(reader(Some("text/html;q=0, */*")), Reader::Program);
    }
}

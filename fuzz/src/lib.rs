//! Code that the targets share: it parses requests and headers from lines, sends requests to a router, and parses event
//! streams independently of the encoder.

pub mod sse;

use axum::{Router, body::Body, http::Request};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// Parses header lines up to an empty line, and skips invalid ones. Returns the headers and the rest.
pub fn headers(data: &[u8]) -> (HeaderMap, &[u8]) {
    let mut headers = HeaderMap::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (line, after) = line(rest);
        rest = after;
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()))
            && headers.len() < 100
        {
            headers.append(name, value);
        }
    }
    (headers, rest)
}

/// Returns the first line and the rest.
pub fn line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (data[..end].strip_suffix(b"\r").unwrap_or(&data[..end]), &data[end + 1..]),
        None => (data, &[]),
    }
}

/// Parses a request: `METHOD path`, header lines, an empty line, the body.
pub fn request(data: &[u8]) -> Option<Request<Body>> {
    let (first, rest) = line(data);
    let space = first.iter().position(|byte| *byte == b' ')?;
    let (headers, body) = headers(rest);
    let mut request = Request::new(Body::from(Bytes::copy_from_slice(body)));
    *request.method_mut() = http::Method::from_bytes(&first[..space]).ok()?;
    *request.uri_mut() = http::Uri::try_from(&first[space + 1..]).ok()?;
    *request.headers_mut() = headers;
    Some(request)
}

/// Sends a request to a router, and returns the response.
pub fn respond(service: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, http::Extensions, Bytes) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let (head, body) = service.clone().oneshot(request).await.expect("a router is infallible").into_parts();
            let body = body.collect().await.expect("a body in memory").to_bytes();
            (head.status, head.headers, head.extensions, body)
        })
    })
}

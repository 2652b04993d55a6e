//! Content negotiation: only a client whose `Accept` header allows it gets a stream, or is treated as a person.
#![no_main]

use std::sync::LazyLock;

use axum::{Router, body::Body, http::Request};
use gripchat::web::fuzzing::{Parsed, routes};
use gripchat_fuzz::respond;
use http::{HeaderValue, StatusCode, header};
use libfuzzer_sys::fuzz_target;

static ROUTES: LazyLock<Router> = LazyLock::new(routes);

fuzz_target!(|data: &[u8]| {
    let mut request = Request::get("/rooms/a/messages/").body(Body::empty()).expect("a request");
    for line in data.split(|byte| *byte == b'\n').take(8) {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        request.headers_mut().append(header::ACCEPT, value);
    }
    let (status, _, extensions, _) = respond(&ROUTES, request);
    let sent = String::from_utf8_lossy(data).to_ascii_lowercase();
    let Some(parsed) = extensions.get::<Parsed>() else {
        assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
        return;
    };
    if parsed.stream {
        assert!(["text/event-stream", "text/*", "*/"].iter().any(|range| sent.contains(range)), "{sent}");
    }
    if parsed.person {
        assert!(["text/html", "text/*", "*/"].iter().any(|range| sent.contains(range)), "{sent}");
    }
});

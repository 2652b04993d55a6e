//! Requests to the API. The real extractors parse path, headers and body.
#![no_main]

use std::sync::LazyLock;

use axum::Router;
use gripchat::{
    chat::{Author, RoomId, Text},
    store::KeySearch,
    web::fuzzing::{Parsed, routes},
};
use gripchat_fuzz::{request, respond};
use libfuzzer_sys::fuzz_target;

static ROUTES: LazyLock<Router> = LazyLock::new(routes);

fuzz_target!(|data: &[u8]| {
    let Some(request) = request(data) else { return };
    let key = request.headers().get("idempotency-key").cloned();
    let (status, headers, extensions, body) = respond(&ROUTES, request);
    assert!(!status.is_server_error(), "{status}");
    let Some(parsed) = extensions.get::<Parsed>() else {
        check_error(&headers, &body);
        return;
    };
    assert_eq!(RoomId::parse(parsed.room.as_str()).as_ref(), Ok(&parsed.room));
    if let Some((draft, key_search)) = &parsed.post {
        assert_eq!(Author::parse(draft.from.as_str()).as_ref(), Ok(&draft.from));
        assert_eq!(Text::parse(draft.text.as_str()).as_ref(), Ok(&draft.text));
        if let Some(key) = key {
            let key = key.to_str().expect("text").to_ascii_lowercase();
            let digits = |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>();
            assert!(digits(&key).ends_with(&digits(&draft.provisional_id.to_string())), "{key}");
            assert_ne!(*key_search, KeySearch::None, "the store searches for a client's key");
        }
    }
});

/// Checks that an error contains a remedy, as JSON or as a page.
fn check_error(headers: &http::HeaderMap, body: &[u8]) {
    match headers.get("content-type").and_then(|value| value.to_str().ok()) {
        Some("application/json") => {
            let body: serde_json::Value = serde_json::from_slice(body).expect("JSON");
            assert!(body["error"].is_string() && body["message"].as_str().is_some_and(|text| !text.is_empty()));
        }
        Some(html) if html.starts_with("text/html") => assert!(str::from_utf8(body).is_ok()),
        Some(other) => panic!("{other}"),
        // The router's own 404.
        None => assert!(body.is_empty()),
    }
}

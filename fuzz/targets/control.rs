//! The control port of the edge. No request causes a server error. If a key is configured, nothing is published without
//! a token.
#![no_main]

use std::sync::LazyLock;

use axum::Router;
use gripchat::edge::fuzzing::control_port;
use gripchat_fuzz::{request, respond};
use http::StatusCode;
use libfuzzer_sys::fuzz_target;

static OPEN: LazyLock<Router> = LazyLock::new(|| control_port(None));
static LOCKED: LazyLock<Router> = LazyLock::new(|| control_port(Some("a secret")));

fuzz_target!(|data: &[u8]| {
    let (Some(first), Some(second)) = (request(data), request(data)) else { return };
    let is_post = first.method() == http::Method::POST;
    let (status, _, _, body) = respond(&OPEN, first);
    assert!(!status.is_server_error(), "{status}");
    assert!(!status.is_success() || !body.is_empty() || !is_post);
    let (status, _, _, _) = respond(&LOCKED, second);
    assert!(!is_post || !status.is_success(), "published without a token");
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
});

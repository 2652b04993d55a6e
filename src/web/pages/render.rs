//! A template as a response, with the headers of pages.

use std::sync::LazyLock;

use askama::Template;
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{Html, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use tracing::error;

use crate::web::{
    assets::STYLE_SOURCE,
    error::WebError,
    respond::{REVALIDATED, VARY, tagged},
};

/// Bytes of the hash in a page's entity tag.
const TAG_BYTES: usize = 12;

/// Allows scripts from this server's files only, and no style except the one in the page.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = &*STYLE_SOURCE;
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src {style}; connect-src 'self'; img-src 'self' data:; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("the policy is ASCII")
});

/// The headers of every page.
pub(super) fn page_headers() -> [(HeaderName, HeaderValue); 5] {
    [
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // The query contains a person's name, which other sites must not get.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        REVALIDATED,
        VARY,
    ]
}

/// Responds with a page, or with 304 if the browser has it. The entity tag is weak, because it is the same for every
/// compression of the page.
pub(super) fn page(request: &HeaderMap, template: &impl Template) -> Result<Response, WebError> {
    let html = template.render().map_err(|error| {
        error!(%error, "cannot render a page");
        WebError::Internal
    })?;
    let hash = Sha256::digest(&html);
    let etag = format!("W/\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&hash[..TAG_BYTES]));
    Ok(tagged(request, etag, page_headers(), Html(html)))
}

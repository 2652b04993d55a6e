//! Caching: `Cache-Control`, and entity tags with `304 Not Modified`.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// For a response that never changes under its address.
pub(crate) const IMMUTABLE: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));

/// The browser sends a conditional request each time, and gets the content again only if it has changed.
pub(crate) const REVALIDATED: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));

/// The response depends on the codings that the client accepts, even if it is not compressed.
pub(crate) const VARY: (HeaderName, HeaderValue) = (header::VARY, HeaderValue::from_static("accept-encoding"));

/// Responds with the content that has this entity tag, or with 304 if the client has it already. `headers` are sent in
/// both cases (RFC 9110, section 15.4.5).
pub(crate) fn tagged<const N: usize>(
    request: &HeaderMap,
    etag: String,
    headers: [(HeaderName, HeaderValue); N],
    content: impl IntoResponse,
) -> Response {
    let unchanged = is_known(request, &etag);
    let headers = ([(header::ETAG, etag)], headers);
    if unchanged { (StatusCode::NOT_MODIFIED, headers).into_response() } else { (headers, content).into_response() }
}

/// Compares weakly, as specified for `If-None-Match` (RFC 9110, section 13.1.2). The tags of this server contain no
/// comma.
fn is_known(request: &HeaderMap, etag: &str) -> bool {
    fn opaque(tag: &str) -> &str {
        tag.strip_prefix("W/").unwrap_or(tag)
    }
    let lines = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).any(|tag| tag == "*" || opaque(tag) == opaque(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_every_form_of_the_list() {
        let known = |lines: &[&'static str], etag: &str| {
            let lines = lines.iter().map(|line| (header::IF_NONE_MATCH, HeaderValue::from_static(line)));
            is_known(&lines.collect(), etag)
        };
        for lines in [&["\"a\""][..], &["W/\"a\""], &["\"b\", \"a\""], &["\"b\"", " W/\"c\",\"a\" "], &["*"]] {
            assert!(known(lines, "\"a\"") && known(lines, "W/\"a\""), "{lines:?}");
        }
        for lines in [&[][..], &[""], &["a"], &["\"ab\""], &["w/\"a\""], &["\"W/\"a\"\""]] {
            assert!(!known(lines, "\"a\"") && !known(lines, "W/\"a\""), "{lines:?}");
        }
    }
}

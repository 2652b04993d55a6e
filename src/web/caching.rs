//! What browsers keep, and what they hear when it is still right.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// For what is at this address for ever.
pub(super) const IMMUTABLE: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));

/// To be asked for again each time; answered whole only when it has changed.
pub(super) const REVALIDATED: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));

/// The answer depends on what the client accepts, also where it turned out to be the plain form.
pub(super) const VARY: (HeaderName, HeaderValue) = (header::VARY, HeaderValue::from_static("accept-encoding"));

/// Answers with what has this tag, or that the client has it. `headers` are sent either way (RFC 9110, section 15.4.5).
pub(super) fn tagged<const N: usize>(
    request: &HeaderMap,
    etag: String,
    headers: [(HeaderName, HeaderValue); N],
    content: impl IntoResponse,
) -> Response {
    let unchanged = is_known(request, &etag);
    let headers = ([(header::ETAG, etag)], headers);
    if unchanged { (StatusCode::NOT_MODIFIED, headers).into_response() } else { (headers, content).into_response() }
}

/// Compares weakly, as If-None-Match does (RFC 9110, section 13.1.2). Our tags have no comma in them.
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
    fn a_tag_is_known_however_it_is_listed() {
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

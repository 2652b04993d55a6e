//! Request ids, which connect the log lines that the proxy, the backend and the store write about one request.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::{Span, error_span, field};
use uuid::Uuid;

/// The header that carries the id in a request and its response.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer id is replaced, because it would be repeated in every log line about the request.
const MAX_BYTES: usize = 128;

/// The id of a request: 1 to 128 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Returns the id in the headers of a request if it is fit for a log, or else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(&X_REQUEST_ID).filter(|value| is_valid(value.as_bytes()));
        // Copied, because the value borrows the buffer that the whole request was read into, and would keep it alive.
        let given = given.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        given.map_or_else(Self::generate, Self)
    }

    /// Generates a random id.
    pub fn generate() -> Self {
        let mut text = Uuid::encode_buffer();
        let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).expect("digits and hyphens are visible ASCII"))
    }

    /// Sets the id in the headers of a request or a response, and replaces any other.
    pub fn put(&self, headers: &mut HeaderMap) {
        headers.insert(X_REQUEST_ID, self.0.clone());
    }

    /// Creates the span for all log lines about the request. Its level is `error`, so that no filter removes the id
    /// from a warning. The room is recorded later, when it is known.
    pub fn span(&self) -> Span {
        error_span!("request", request.id = %self, room.id = field::Empty)
    }
}

fn is_valid(id: &[u8]) -> bool {
    (1..=MAX_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &[u8]) -> RequestId {
        RequestId::of(&[(X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap())].into_iter().collect())
    }

    #[test]
    fn a_short_id_of_visible_characters_is_kept() {
        for id in ["a", "0b8f3c2e-7d1c-4b7a-9d7e-4f6e1d2c3b4a", "Root=1-5759e988;x=\"y\"", &"a".repeat(MAX_BYTES)] {
            assert_eq!(of(id.as_bytes()).to_string(), id);
        }
    }

    #[test]
    fn any_other_id_is_replaced() {
        for id in [b"".as_slice(), b"a b", b"a\tb", "é".as_bytes(), &[b'a'; MAX_BYTES + 1]] {
            let generated = of(id).to_string();
            assert!(Uuid::try_parse(&generated).is_ok(), "{generated}");
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}

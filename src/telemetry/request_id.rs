//! The id of a request, by which the lines of proxy, backend and store about it are found together.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::{Span, error_span, field};
use uuid::Uuid;

/// Where a request and its answer carry it.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer one is not believed: it would be in every line about the request.
const MOST_BYTES: usize = 128;

/// An id of a request: visible ASCII, not long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The one that a request brings along, if that is fit for a log; else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let known = headers.get(&X_REQUEST_ID).filter(|value| is_sane(value.as_bytes()));
        // A copy, since the value is a part of the buffer that the whole request was read into.
        let known = known.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        known.map_or_else(Self::draw, Self)
    }

    /// A new one.
    pub fn draw() -> Self {
        let mut text = Uuid::encode_buffer();
        let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).expect("digits and hyphens are visible ASCII"))
    }

    /// Sets it in the headers of a request or an answer, in place of any other.
    pub fn put(&self, headers: &mut HeaderMap) {
        headers.insert(X_REQUEST_ID, self.0.clone());
    }

    /// What the lines about the request stand in. Of the highest level, so that no filter takes the id from a warning;
    /// the room is recorded once it is known.
    pub fn span(&self) -> Span {
        error_span!("request", request.id = %self, room.id = field::Empty)
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=MOST_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
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
    fn an_id_that_is_short_and_visible_is_kept() {
        for id in ["a", "0b8f3c2e-7d1c-4b7a-9d7e-4f6e1d2c3b4a", "Root=1-5759e988;x=\"y\"", &"a".repeat(MOST_BYTES)] {
            assert_eq!(of(id.as_bytes()).to_string(), id);
        }
    }

    #[test]
    fn any_other_is_replaced() {
        for id in [b"".as_slice(), b"a b", b"a\tb", "é".as_bytes(), &[b'a'; MOST_BYTES + 1]] {
            let drawn = of(id).to_string();
            assert!(Uuid::try_parse(&drawn).is_ok(), "{drawn}");
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}

//! A client's position in a stream.

use axum::http::{HeaderMap, HeaderName};

use crate::chat::{Cursor, CursorError};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Returns a client's position in a stream, from the header `Last-Event-ID` or else from the query. The header has
/// priority because an EventSource that reconnects sends it together with the query of its first request.
pub(crate) fn last_event_id(headers: &HeaderMap, query: Option<&str>) -> Option<Result<Cursor, CursorError>> {
    let header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("not ASCII"));
    let text = header.filter(|text| !text.is_empty()).or(query.filter(|text| !text.is_empty()))?;
    Some(text.parse())
}

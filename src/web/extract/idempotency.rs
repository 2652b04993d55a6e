//! The idempotency key of a post.

use axum::http::{HeaderMap, HeaderName};
use uuid::Uuid;

use crate::web::error::WebError;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Returns the idempotency key from the header `Idempotency-Key` or from the field of the form. The header's value may
/// be quoted, because the header's draft standard defines it as a string of RFC 9651.
pub(super) fn idempotency_key(headers: &HeaderMap, field: Option<&str>) -> Result<Option<Uuid>, WebError> {
    let parse = |text: &str| {
        Uuid::try_parse(text)
            .map_err(|_| WebError::Key("an idempotency key must be a UUID; generate a new one for each message"))
    };
    let header = headers.get(IDEMPOTENCY_KEY).map(|value| value.to_str().unwrap_or_default().trim().trim_matches('"'));
    let header = header.map(parse).transpose()?;
    let field = field.filter(|text| !text.is_empty()).map(parse).transpose()?;
    match (header, field) {
        (Some(header), Some(field)) if header != field => {
            Err(WebError::Key("Idempotency-Key and provisionalId differ; send one of them, or the same in both"))
        }
        (header, field) => Ok(header.or(field)),
    }
}

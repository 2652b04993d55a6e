//! The bytes of a body, within a size and a time.

use std::{error::Error as _, time::Duration};

use axum::body::{Body, Bytes};
use http_body::Body as _;
use http_body_util::LengthLimitError;

use crate::web::error::WebError;

/// The size limit of a body. It fits 4,000 characters that are escaped as `\uXXXX` or `%XX%XX%XX%XX`, and some
/// overhead.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The time limit for a body. One of this size that takes longer comes from a client that does not intend to finish it.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a body.
pub(super) async fn read(body: Body) -> Result<Bytes, WebError> {
    // A body whose declared length is too large is not read.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|length| length > MAX_BODY_BYTES) {
        return Err(WebError::BodyTooLarge(MAX_BODY_BYTES));
    }
    let read = axum::body::to_bytes(body, MAX_BODY_BYTES);
    match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.source().is_some_and(|cause| cause.is::<LengthLimitError>()) => {
            Err(WebError::BodyTooLarge(MAX_BODY_BYTES))
        }
        Ok(Err(_)) => Err(WebError::Body("the body is incomplete or its framing is invalid; send it again".to_owned())),
        Err(_) => Err(WebError::BodyTimeout),
    }
}

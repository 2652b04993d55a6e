//! A copy of a request's body, made while the body is forwarded, so that a held request can be repeated.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use hyper::body::{Body as _, Incoming};

/// Longer bodies are not copied, as in Pushpin (`proxysession.cpp`).
const MAX_BYTES: usize = 100_000;

/// A copy of a body, as far as it has been forwarded.
#[derive(Clone)]
pub(super) struct BodyCopy {
    /// The length of the complete body.
    size: usize,
    bytes: Arc<Mutex<BytesMut>>,
}

impl BodyCopy {
    /// Starts a copy. Returns `None` unless the body declares a length of at most [`MAX_BYTES`].
    pub(super) fn new(body: &Incoming) -> Option<Self> {
        let size = usize::try_from(body.size_hint().exact()?).ok()?;
        (size <= MAX_BYTES).then(|| Self { size, bytes: Arc::default() })
    }

    /// Copies a frame that is forwarded, and returns it.
    pub(super) fn add(&self, frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(bytes) = frame.data_ref() {
            self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        }
        frame
    }

    /// Returns the body, if it is complete. A backend may respond before it has read all of it.
    pub(super) fn complete(&self) -> Option<Bytes> {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone().freeze();
        (bytes.len() == self.size).then_some(bytes)
    }
}

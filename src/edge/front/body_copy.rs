//! A copy of a request's body, made while it passes.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use hyper::body::{Body as _, Incoming};

/// A request's body of this length or less is kept, so that a held request can be repeated (Pushpin keeps as much,
/// `proxysession.cpp`).
const MOST_KEPT: usize = 100_000;

/// A copy of a request's body, made while it passes.
#[derive(Clone)]
pub(super) struct Kept {
    size: usize,
    bytes: Arc<Mutex<BytesMut>>,
}

impl Kept {
    /// For a body that says it is short enough.
    pub(super) fn of(body: &Incoming) -> Option<Self> {
        let size = usize::try_from(body.size_hint().exact()?).ok()?;
        (size <= MOST_KEPT).then(|| Self { size, bytes: Arc::default() })
    }

    pub(super) fn note(&self, frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(bytes) = frame.data_ref() {
            self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        }
        frame
    }

    /// All of it, if all of it has passed: a backend may answer before it has read to the end.
    pub(super) fn whole(&self) -> Option<Bytes> {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone().freeze();
        (bytes.len() == self.size).then_some(bytes)
    }
}

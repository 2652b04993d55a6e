//! A copy of a request, made while it is forwarded, so that a held request can be repeated.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http::{Request, request};
use http_body::Frame;
use hyper::body::{Body as _, Incoming};

use crate::edge::body::{self, Body};

/// Longer bodies are not copied, as in Pushpin (`proxysession.cpp`).
const MAX_BYTES: usize = 100_000;

/// The request that was forwarded, kept for as long as it may have to be repeated.
pub(super) struct Forwarded {
    pub(super) head: request::Parts,
    /// None if the body was too long to be copied.
    pub(super) body: Option<BodyCopy>,
}

/// A copy of a body, as far as it has been forwarded.
#[derive(Clone)]
pub(super) struct BodyCopy {
    /// The length of the complete body.
    size: usize,
    bytes: Arc<Mutex<BytesMut>>,
}

impl Forwarded {
    /// Returns the request once more, if its body has been copied completely.
    pub(super) fn again(&self) -> Option<Request<Body>> {
        let body = self.body.as_ref()?.complete()?;
        Some(Request::from_parts(self.head.clone(), body::full(body)))
    }
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
    fn complete(&self) -> Option<Bytes> {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone().freeze();
        (bytes.len() == self.size).then_some(bytes)
    }
}

//! Frames: bytes for held streams, encoded once and shared by all streams that send them.

use bytes::{BufMut as _, Bytes, BytesMut};

/// A part of a stream's body, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// A whole chunk (RFC 9112, section 7.1).
    chunk: Bytes,
    /// The length of the chunk's first line. After the content there are two more bytes.
    head: u8,
    /// See [`ends_event`].
    ends_event: bool,
}

/// Whether content ends between two events of an event stream: with an empty line (HTML, section 9.2.6). A CR alone would
/// end a line too, but does not count here, since the next byte may be its LF.
pub(crate) fn ends_event(content: &[u8]) -> bool {
    content.ends_with(b"\n\n") || content.ends_with(b"\r\n\r\n")
}

/// The end of a chunked body.
pub(crate) const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

impl Frame {
    /// Creates a frame. Returns `None` for empty content: an empty chunk would end the body.
    pub(crate) fn new(content: &[u8]) -> Option<Self> {
        if content.is_empty() {
            return None;
        }
        let size = format!("{:X}\r\n", content.len());
        let mut chunk = BytesMut::with_capacity(size.len() + content.len() + 2);
        chunk.put_slice(size.as_bytes());
        chunk.put_slice(content);
        chunk.put_slice(b"\r\n");
        // At most sixteen digits and two bytes, so it fits into a byte.
        Some(Self {
            chunk: chunk.freeze(),
            head: u8::try_from(size.len()).unwrap_or(u8::MAX),
            ends_event: ends_event(content),
        })
    }

    /// Whether an event stream is between two events after this frame.
    pub(crate) fn ends_event(&self) -> bool {
        self.ends_event
    }

    /// The bytes for a client that speaks HTTP/1.1.
    pub(crate) fn chunk(&self) -> Bytes {
        self.chunk.clone()
    }

    /// The bytes for a client that speaks HTTP/1.0, which has no chunks.
    pub(crate) fn content(&self) -> Bytes {
        self.chunk.slice(usize::from(self.head)..self.chunk.len() - 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_is_a_chunk() {
        let frame = Frame::new(b"data: hello, world\n\n").unwrap();
        assert_eq!(frame.chunk(), "14\r\ndata: hello, world\n\n\r\n");
        assert_eq!(Frame::new(b""), None);
    }

    proptest! {
        #[test]
        fn the_content_is_inside_the_chunk(content in proptest::collection::vec(any::<u8>(), 1..5_000)) {
            let frame = Frame::new(&content).unwrap();
            prop_assert_eq!(frame.content(), content);
        }
    }
}

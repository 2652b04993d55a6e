//! Bytes for held streams: encoded once, shared by all that get them.

use bytes::{BufMut as _, Bytes, BytesMut};

/// A piece of a stream's body, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::edge) struct Frame {
    /// A whole chunk (RFC 9112, section 7.1).
    chunk: Bytes,
    /// How long the chunk's first line is; the last one has two bytes.
    head: u8,
    /// Whether the content ends as an event does.
    ends_event: bool,
}

/// Whether what ends so ends an event of an event stream: with an empty line (HTML, section 9.2.6). CR alone would do
/// there too, but is not known here: what follows may be its LF.
pub(in crate::edge) fn ends_event(content: &[u8]) -> bool {
    content.ends_with(b"\n\n") || content.ends_with(b"\r\n\r\n")
}

/// Ends a chunked body.
pub(in crate::edge) const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

impl Frame {
    /// A frame of some content. There is none for no content: an empty chunk would end the body.
    pub(in crate::edge) fn new(content: &[u8]) -> Option<Self> {
        if content.is_empty() {
            return None;
        }
        let size = format!("{:X}\r\n", content.len());
        let mut chunk = BytesMut::with_capacity(size.len() + content.len() + 2);
        chunk.put_slice(size.as_bytes());
        chunk.put_slice(content);
        chunk.put_slice(b"\r\n");
        // Sixteen digits and two bytes at the most.
        Some(Self {
            chunk: chunk.freeze(),
            head: u8::try_from(size.len()).unwrap_or(u8::MAX),
            ends_event: ends_event(content),
        })
    }

    /// Whether an event stream is between two events behind it.
    pub(in crate::edge) fn ends_event(&self) -> bool {
        self.ends_event
    }

    /// What is written to a client that speaks HTTP/1.1.
    pub(in crate::edge) fn chunk(&self) -> Bytes {
        self.chunk.clone()
    }

    /// What is written to a client of HTTP/1.0, which knows no chunks.
    pub(in crate::edge) fn content(&self) -> Bytes {
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

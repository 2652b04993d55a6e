//! A held request, which is either a stream or a response.

use super::{response::HeldResponse, stream::HeldStream, subscriber::Subscriber};

/// Identifies a held request within the process.
pub(crate) type SessionId = u64;

/// A held request.
pub(crate) enum Held {
    Stream(Box<HeldStream>),
    Response(HeldResponse),
}

impl Held {
    pub(crate) fn subscriber(&self) -> &Subscriber {
        match self {
            Self::Stream(stream) => stream.subscriber(),
            Self::Response(response) => &response.subscriber,
        }
    }

    pub(crate) fn subscriber_mut(&mut self) -> &mut Subscriber {
        match self {
            Self::Stream(stream) => stream.subscriber_mut(),
            Self::Response(response) => &mut response.subscriber,
        }
    }
}

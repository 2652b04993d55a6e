//! The pages of a room's stream, independent of the transport.

use super::event::Event;
use crate::{
    chat::{Cursor, Message},
    store::ResetReason,
};

/// A page of a room's stream.
#[derive(Clone, Debug)]
pub struct StreamPage {
    /// Whether this is the first page of the client's stream.
    pub opening: bool,
    /// Why the messages after the client's own cursor cannot be replayed, if they cannot.
    pub reset: Option<ResetReason>,
    /// The cursor that the messages follow.
    pub after: Cursor,
    /// The messages after the cursor, without a gap.
    pub messages: Vec<Message>,
    /// What follows this page.
    pub next: NextStep,
}

/// What follows a page of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// More stored messages: the proxy requests the next page at once.
    Page,
    /// Messages that are not posted yet: the proxy holds the stream.
    Hold,
    /// Unknown, because the store did not respond: the proxy holds the stream, and requests its next link soon.
    HoldAndRetry,
}

impl StreamPage {
    /// Returns the page that continues a stream while the store is unavailable: no events, and the same cursor.
    ///
    /// After an error instead, the proxy would hold back what is published while it retries, and end the stream after
    /// half a minute.
    pub fn unchanged(after: Cursor) -> Self {
        Self { opening: false, reset: None, after, messages: Vec::new(), next: NextStep::HoldAndRetry }
    }

    /// Returns the events of this page, in order.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        // The reset comes before stream-open: both ids are the new cursor, and a client whose connection ends between
        // the two must have received the reason why its old cursor is gone.
        let reset = self.reset.map(|reason| Event::stream_reset(reason, &self.after));
        let open = self.opening.then(|| Event::stream_open(&self.after));
        reset.into_iter().chain(open).chain(self.messages.iter().map(Event::message))
    }

    /// Returns the cursor of a client that has received this page.
    pub fn cursor(&self) -> Cursor {
        self.messages.last().map_or_else(|| self.after.clone(), |newest| newest.id.clone().into())
    }
}

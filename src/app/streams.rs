//! Opening and continuing the stream of a room.

use std::time::Duration;

use tokio::time::timeout;
use tracing::{debug, warn};

use super::{App, INITIAL_MESSAGES};
use crate::{
    chat::{Cursor, CursorError, RoomId},
    failpoint,
    feed::{Feed, NextStep, StreamPage},
    store::{Replay, ResetReason, StoreError},
    telemetry::metrics::streams::{self, Opening, Recovery},
};

/// Messages in one page of a replay. The proxy requests the other pages.
const REPLAY_PAGE: usize = 200;
/// While a proxy waits for what a stream missed, it delivers nothing else to the stream.
const RECOVER_DEADLINE: Duration = Duration::from_secs(3);

impl App {
    /// Returns the feed, which makes responses from the pages of streams.
    pub fn feed(&self) -> Feed {
        self.feed
    }

    /// Returns the first page of a client's stream. The cursor is what the client sent, if it sent one.
    pub async fn open_stream(
        &self,
        room: &RoomId,
        cursor: Option<Result<Cursor, CursorError>>,
    ) -> Result<StreamPage, StoreError> {
        match cursor {
            None => {
                let page = self.store.latest(room, INITIAL_MESSAGES).await?;
                streams::opened(Opening::Fresh);
                let after = page.cursor_before();
                Ok(StreamPage { opening: true, reset: None, after, messages: page.messages, next: NextStep::Hold })
            }
            Some(Ok(cursor)) => {
                let page = self.page_after(room, cursor).await?;
                streams::opened(if page.reset.is_some() { Opening::Reset } else { Opening::Resumed });
                Ok(StreamPage { opening: true, ..page })
            }
            Some(Err(CursorError)) => {
                let after = self.store.latest(room, 1).await?.cursor();
                streams::opened(Opening::Reset);
                streams::reset(ResetReason::Malformed.as_str());
                let reset = Some(ResetReason::Malformed);
                Ok(StreamPage { opening: true, reset, after, messages: Vec::new(), next: NextStep::Hold })
            }
        }
    }

    /// Returns what a held stream missed after a cursor.
    ///
    /// If the store is unavailable, the stream is held unchanged. Nothing is lost, because the proxy requests the next
    /// link again.
    pub async fn continue_stream(&self, room: &RoomId, cursor: Cursor) -> StreamPage {
        let page = timeout(RECOVER_DEADLINE, self.page_after(room, cursor.clone()));
        match page.await.unwrap_or(Err(StoreError::Deadline)) {
            Ok(page) => {
                failpoint::pass(failpoint::REPLAY_READ);
                streams::recovered(if page.reset.is_some() { Recovery::Reset } else { Recovery::Served });
                page
            }
            Err(error) => {
                streams::recovered(Recovery::Later);
                warn!(room.id = %room, "cannot read what a stream missed: {error}; the proxy will request it again");
                StreamPage::unchanged(cursor)
            }
        }
    }

    async fn page_after(&self, room: &RoomId, after: Cursor) -> Result<StreamPage, StoreError> {
        Ok(match self.store.after(room, &after, REPLAY_PAGE).await? {
            Replay::Messages { messages, more } => {
                streams::replayed(messages.len());
                let next = if more { NextStep::Page } else { NextStep::Hold };
                StreamPage { opening: false, reset: None, after, messages, next }
            }
            Replay::Reset { reason, head } => {
                streams::reset(reason.as_str());
                debug!(room.id = %room, ?reason, "a stream was reset");
                let reset = Some(reason);
                StreamPage { opening: false, reset, after: head, messages: Vec::new(), next: NextStep::Hold }
            }
        })
    }
}

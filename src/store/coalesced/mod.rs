//! A store whose reads are shared by all who want the same at the same time.
//!
//! A room's streams come back together: a proxy was restarted, a wireless network came back. A thousand cursors are then
//! asked for that are nearly all the same, and the answers are parts of one. So reads of a room are gathered: at most one
//! is under way and one waits, and a crowd waits a moment longer, so that more of it gets into the next. Whoever is alone
//! is served at once.
//!
//! The contract of [stores](super) holds as without it: an answer is what the store held at some moment between the
//! question and the answer, since nobody is answered by a read that began before the question. A caller that goes away
//! takes nobody's read with it. The list of rooms alone may be older than the question: it is read whole, and not anew for
//! everybody.

mod coalescer;
mod listing;
mod replays;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::{
    sync::oneshot::{self, Receiver, Sender},
    time::timeout,
};

use self::{
    coalescer::{Caller, RequestCoalescer},
    listing::Listing,
    replays::answer_all,
};
use super::{Activity, Append, Appended, Page, READ_DEADLINE, Replay, Store, StoreError};
use crate::chat::{Cursor, MessageId, RoomId};

/// Which page: of a room, the newest or those before a message, and how many of them.
type Wanted = (RoomId, Option<MessageId>, usize);

/// A store that shares its reads.
pub struct Coalesced {
    store: Arc<dyn Store>,
    /// By room and how many messages are asked for.
    replays: RequestCoalescer<(RoomId, usize), Question>,
    pages: RequestCoalescer<Wanted, Sender<Result<Page, StoreError>>>,
    listing: Listing,
}

/// A read was given up: it panicked, or the program ends.
#[derive(Debug, thiserror::Error)]
#[error("the read was not finished")]
struct Unfinished;

/// What follows a cursor?
struct Question {
    cursor: Cursor,
    answer: Sender<Result<Replay, StoreError>>,
}

impl Caller for Question {
    fn has_gone(&self) -> bool {
        self.answer.is_closed()
    }
}

impl Caller for Sender<Result<Page, StoreError>> {
    fn has_gone(&self) -> bool {
        self.is_closed()
    }
}

impl Coalesced {
    /// Over this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            replays: RequestCoalescer::default(),
            pages: RequestCoalescer::default(),
            listing: Listing::default(),
        }
    }

    async fn page(&self, room: &RoomId, before: Option<&MessageId>, limit: usize) -> Result<Page, StoreError> {
        let (caller, answer) = oneshot::channel();
        let wanted = (room.clone(), before.cloned(), limit);
        let (store, asked) = (Arc::clone(&self.store), wanted.clone());
        self.pages.join(wanted, caller, move |callers| {
            let (store, (room, before, limit)) = (Arc::clone(&store), asked.clone());
            async move {
                let page = match &before {
                    None => store.latest(&room, limit).await,
                    Some(id) => store.before(&room, id, limit).await,
                };
                // Whoever has gone needs no answer.
                callers.into_iter().for_each(|caller| _ = caller.send(page.clone()));
            }
        });
        in_time(answer).await
    }
}

#[async_trait]
impl Store for Coalesced {
    async fn append(&self, room: &RoomId, append: Append) -> Result<Appended, StoreError> {
        self.store.append(room, append).await
    }

    async fn after(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError> {
        let (caller, answer) = oneshot::channel();
        let question = Question { cursor: cursor.clone(), answer: caller };
        let (store, asked) = (Arc::clone(&self.store), room.clone());
        self.replays.join((room.clone(), limit), question, move |questions| {
            let (store, room) = (Arc::clone(&store), asked.clone());
            async move { answer_all(&*store, &room, limit, questions).await }
        });
        in_time(answer).await
    }

    async fn latest(&self, room: &RoomId, limit: usize) -> Result<Page, StoreError> {
        self.page(room, None, limit).await
    }

    async fn before(&self, room: &RoomId, id: &MessageId, limit: usize) -> Result<Page, StoreError> {
        self.page(room, Some(id), limit).await
    }

    async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError> {
        timeout(READ_DEADLINE, self.listing.rooms(&self.store)).await.unwrap_or(Err(StoreError::Deadline))
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.store.check().await
    }
}

/// The wait for a batch included, a read takes no longer than the contract has it.
async fn in_time<T>(answer: Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    match timeout(READ_DEADLINE, answer).await {
        Ok(answered) => answered.unwrap_or_else(|_| Err(StoreError::Unavailable(Arc::new(Unfinished)))),
        Err(_) => Err(StoreError::Deadline),
    }
}

#[cfg(test)]
mod tests;

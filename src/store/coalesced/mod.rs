//! A store that coalesces concurrent reads of the same data.
//!
//! A room's streams reconnect together, for example when a proxy was restarted or a wireless network came back. Then a
//! thousand cursors must be read that are nearly all the same, and whose replays overlap. So reads of a room are
//! collected: at most one batch runs and one waits. The more requests there are, the longer the next batch waits, so
//! that it contains more of them. A single request is served at once.
//!
//! The [contract of stores](super) still holds. An answer is what the store contained at some time between the request
//! and the answer, because no request is answered by a read that started before it. A caller that stops waiting does not
//! cancel the read for others. Only the list of rooms may be older than the request, because it is read whole and
//! too expensive to read for every caller.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `coalescer` | batches of requests for the same value | nothing |
//! | `replay_batch` | answers many cursors of a room from few reads | nothing |
//! | `room_list_cache` | the list of rooms, cached for some seconds | nothing |

mod coalescer;
mod replay_batch;
mod room_list_cache;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::{
    sync::oneshot::{self, Receiver, Sender},
    time::timeout,
};

use self::{
    coalescer::{Request, RequestCoalescer},
    replay_batch::{ReplayRequest, answer_all},
    room_list_cache::RoomListCache,
};
use super::{Activity, Append, Appended, Page, READ_DEADLINE, Replay, Store, StoreError};
use crate::chat::{Cursor, MessageId, RoomId};

/// Identifies a page: the newest messages of a room, or those before a message; and how many.
type PageKey = (RoomId, Option<MessageId>, usize);

/// A store that coalesces concurrent reads of the same data.
pub struct Coalesced {
    store: Arc<dyn Store>,
    /// By room and limit.
    replays: RequestCoalescer<(RoomId, usize), ReplayRequest>,
    pages: RequestCoalescer<PageKey, Sender<Result<Page, StoreError>>>,
    room_list: RoomListCache,
}

/// A read stopped without an answer: it panicked, or the program is shutting down.
#[derive(Debug, thiserror::Error)]
#[error("the read was interrupted")]
struct Interrupted;

impl Request for ReplayRequest {
    fn is_cancelled(&self) -> bool {
        self.answer.is_closed()
    }
}

impl Request for Sender<Result<Page, StoreError>> {
    fn is_cancelled(&self) -> bool {
        self.is_closed()
    }
}

impl Coalesced {
    /// Coalesces the reads of `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            replays: RequestCoalescer::default(),
            pages: RequestCoalescer::default(),
            room_list: RoomListCache::default(),
        }
    }

    async fn page(&self, room: &RoomId, before: Option<&MessageId>, limit: usize) -> Result<Page, StoreError> {
        let (request, answer) = oneshot::channel();
        let key: PageKey = (room.clone(), before.cloned(), limit);
        let (store, wanted) = (Arc::clone(&self.store), key.clone());
        self.pages.add(key, request, move |requests| {
            let (store, (room, before, limit)) = (Arc::clone(&store), wanted.clone());
            async move {
                let page = match &before {
                    None => store.latest(&room, limit).await,
                    Some(id) => store.before(&room, id, limit).await,
                };
                // A caller may have stopped waiting.
                requests.into_iter().for_each(|request| _ = request.send(page.clone()));
            }
        });
        within_deadline(answer).await
    }
}

#[async_trait]
impl Store for Coalesced {
    async fn append(&self, room: &RoomId, append: Append) -> Result<Appended, StoreError> {
        self.store.append(room, append).await
    }

    async fn after(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError> {
        let (sender, answer) = oneshot::channel();
        let request = ReplayRequest { cursor: cursor.clone(), answer: sender };
        let (store, wanted) = (Arc::clone(&self.store), room.clone());
        self.replays.add((room.clone(), limit), request, move |requests| {
            let (store, room) = (Arc::clone(&store), wanted.clone());
            async move { answer_all(&*store, &room, limit, requests).await }
        });
        within_deadline(answer).await
    }

    async fn latest(&self, room: &RoomId, limit: usize) -> Result<Page, StoreError> {
        self.page(room, None, limit).await
    }

    async fn before(&self, room: &RoomId, id: &MessageId, limit: usize) -> Result<Page, StoreError> {
        self.page(room, Some(id), limit).await
    }

    async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError> {
        timeout(READ_DEADLINE, self.room_list.rooms(&self.store)).await.unwrap_or(Err(StoreError::Deadline))
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.store.check().await
    }
}

/// Waits for an answer. The deadline of the contract includes the wait for a batch.
async fn within_deadline<T>(answer: Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    match timeout(READ_DEADLINE, answer).await {
        Ok(received) => received.unwrap_or_else(|_| Err(StoreError::Unavailable(Arc::new(Interrupted)))),
        Err(_) => Err(StoreError::Deadline),
    }
}

#[cfg(test)]
mod tests;

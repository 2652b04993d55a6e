//! The use cases. Each one is a function that performs its effects in order.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `post` | posting a message | `publishing` |
//! | `publishing` | one publish, counted and logged | nothing |
//! | `streams` | opening and continuing a stream | nothing |

mod post;
mod publishing;
mod streams;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::{
    chat::{MessageId, RoomId},
    feed::Feed,
    grip::Publisher,
    store::{Activity, Page, Store, StoreError},
};
pub use post::PostError;

/// The number of messages at the start of a stream without a cursor, on a page, and in a snapshot.
pub const INITIAL_MESSAGES: usize = 50;

/// The chat: a store, and the proxies that hold the streams.
pub struct App {
    store: Arc<dyn Store>,
    publisher: Arc<Publisher>,
    feed: Feed,
    lists_rooms: bool,
    /// Posts in progress, including their retractions.
    posts: TaskTracker,
}

impl App {
    /// Creates the chat over a store and proxies. Proxies recheck each stream at least once in `recheck`.
    pub fn new(store: Arc<dyn Store>, publisher: Arc<Publisher>, recheck: Duration) -> Self {
        Self { store, publisher, feed: Feed::new(recheck), lists_rooms: true, posts: TaskTracker::new() }
    }

    /// Turns off the list of rooms, so that a client can only reach rooms whose names it already knows.
    #[must_use]
    pub fn without_room_list(self) -> Self {
        Self { lists_rooms: false, ..self }
    }

    /// Returns the newest messages of a room, or the newest before a message.
    pub async fn history(&self, room: &RoomId, before: Option<&MessageId>, limit: usize) -> Result<Page, StoreError> {
        match before {
            None => self.store.latest(room, limit).await,
            Some(id) => self.store.before(room, id, limit).await,
        }
    }

    /// Returns whether clients may list the rooms.
    pub fn lists_rooms(&self) -> bool {
        self.lists_rooms
    }

    /// Returns the rooms with the newest messages, or those after a room in that order, and whether there are more. The
    /// list is empty if rooms are not listed.
    pub async fn rooms(&self, after: Option<&Activity>, limit: usize) -> Result<(Vec<Activity>, bool), StoreError> {
        if !self.lists_rooms {
            return Ok((Vec::new(), false));
        }
        let rooms = self.store.rooms().await?;
        let start = after.map_or(0, |after| rooms.partition_point(|room| room <= after));
        let rest = &rooms[start..];
        Ok((rest[..limit.min(rest.len())].to_vec(), rest.len() > limit))
    }

    /// Finishes the posts in progress, and then publishes what is queued, both within one deadline.
    pub async fn close(&self, deadline: Duration) {
        let until = Instant::now() + deadline;
        self.posts.close();
        // Posts that miss the deadline are repaired like those of a process that crashed.
        if timeout_at(until, self.posts.wait()).await.is_err() {
            warn!(posts = self.posts.len(), "stopped before every post was finished");
        }
        self.publisher.close(until.saturating_duration_since(Instant::now())).await;
    }
}

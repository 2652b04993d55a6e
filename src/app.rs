//! The use cases, in order of effect.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span, debug, warn};

use crate::{
    chat::{Cursor, CursorError, Draft, Message, MessageId, RoomId, Timestamp},
    failpoint,
    feed::{self, Feed, StreamPage, Then},
    grip::{Item, Outcome, Publisher},
    store::{Activity, Announce, Append, Appended, KeySearch, Page, Replay, ResetReason, Store, StoreError},
    telemetry::metrics::{
        posts,
        publish::{self, Kind},
        streams::{self, Opening, Recovery},
    },
};

/// Messages that a stream without a cursor begins with, and that a page or a snapshot shows.
pub const NEWEST: usize = 50;
/// Messages in one response of a replay; the proxy pages through the rest.
const REPLAY_PAGE: usize = 200;
/// While a proxy waits for what a stream missed, it delivers nothing else to it.
const RECOVER_DEADLINE: Duration = Duration::from_secs(3);
/// Proxies ignore an id they have seen within the last 60 s (Pushpin's `id_cache_ttl`), so a message
/// younger than this can be published twice without being delivered twice.
const PUBLISHED_AGAIN_WITHIN: Duration = Duration::from_secs(55);
/// A publish that takes so long is warned of. A sender waits for it no longer than this.
const SLOW_PUBLISH: Duration = Duration::from_secs(1);

/// A post is answered or refused within this time, whatever hangs: the longest append, and a second on either side of it
/// for a control port.
const POST_DEADLINE: Duration = Duration::from_millis(9_500);

/// The chat: a store, and the proxies that hold the streams.
pub struct App {
    store: Arc<dyn Store>,
    publisher: Arc<Publisher>,
    feed: Feed,
    lists_rooms: bool,
    posts: TaskTracker,
}

/// A message was not posted.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another message was posted with the same key.
    #[error("this idempotency key belongs to another message; use a new one")]
    KeyReused,
    /// The post was not finished.
    #[error("the post was interrupted")]
    Interrupted,
}

/// A publish that is under way. Dropped, it is counted; where nobody waited for its outcome, as unconfirmed.
struct Publishing {
    room: RoomId,
    kind: Kind,
    started: Instant,
    outcome: Outcome,
}

impl App {
    /// Over a store, proxies, and the longest time between two checks of a stream.
    pub fn new(store: Arc<dyn Store>, publisher: Arc<Publisher>, recheck: Duration) -> Self {
        Self { store, publisher, feed: Feed::new(recheck), lists_rooms: true, posts: TaskTracker::new() }
    }

    /// Without the list of rooms: whoever does not know a room's name does not get to know it.
    #[must_use]
    pub fn without_list(self) -> Self {
        Self { lists_rooms: false, ..self }
    }

    /// Posts a message: everyone sees it provisionally, it is stored, everyone gets it with its number.
    ///
    /// The work goes on when the caller stops waiting (its client went away), so that no provisional
    /// message is left without an end.
    pub async fn post_message(
        self: &Arc<Self>,
        room: RoomId,
        draft: Draft,
        key_search: KeySearch,
    ) -> Result<Message, PostError> {
        let app = Arc::clone(self);
        let post = async move {
            let outcome = app.post(&room, draft, key_search).await;
            count(&outcome);
            outcome.map(|appended| appended.message)
        };
        self.posts.spawn(post.in_current_span()).await.unwrap_or_else(|_| {
            let interrupted = Err(PostError::Interrupted);
            count(&interrupted);
            interrupted.map(|appended| appended.message)
        })
    }

    async fn post(&self, room: &RoomId, draft: Draft, key_search: KeySearch) -> Result<Appended, PostError> {
        let deadline = Instant::now() + POST_DEADLINE;
        failpoint::pass(failpoint::POST_BEGUN);
        self.publish(room, Kind::Provisional, &feed::provisional_item(room, &draft)).await;
        failpoint::pass(failpoint::POST_SHOWN);

        let (announce, announced) = self.announce(room);
        let appended = match self.store.append(room, Append { draft: draft.clone(), key_search, announce }).await {
            Ok(appended) => appended,
            Err(error) => {
                self.retract(room, &draft);
                return Err(error.into());
            }
        };
        if appended.duplicate && !draft.has_same_content(&appended.message) {
            self.retract(room, &draft);
            // The message that was there goes out again, and this sender does not wait for it.
            if let Ok(published) = announced.await {
                self.posts.spawn(published.in_current_span());
            }
            return Err(PostError::KeyReused);
        }
        // Once stored it is posted, whatever becomes of the publish: the publisher goes on trying,
        // and what it cannot publish the proxies notice missing.
        failpoint::pass(failpoint::POST_ANNOUNCED);
        if let Ok(published) = announced.await {
            // Whoever is late is counted as such.
            let _ = timeout_at(deadline, published).await;
        }
        failpoint::pass(failpoint::POST_PUBLISHED);
        Ok(appended)
    }

    /// What publishes a stored message while the store holds the room's turn.
    ///
    /// A duplicate is published again if it is young: the first post may have died before it did.
    fn announce(&self, room: &RoomId) -> (Announce, oneshot::Receiver<impl Future<Output = ()> + use<>>) {
        let (publisher, room) = (Arc::clone(&self.publisher), room.clone());
        let (announced, outcome) = oneshot::channel();
        // It may be called from anywhere, and is about this request all the same.
        let span = Span::current();
        let announce = Box::new(move |appended: &Appended| {
            let _entered = span.enter();
            failpoint::pass(failpoint::POST_STORED);
            let old = Timestamp::now() > appended.message.date.plus(PUBLISHED_AGAIN_WITHIN);
            if !(appended.duplicate && old) {
                let outcome = published(&publisher, &room, Kind::Persisted, &feed::persisted_item(&room, appended));
                // The poster may be gone; the item has its place all the same.
                let _ = announced.send(outcome);
            }
        });
        (announce, outcome)
    }

    /// Takes a provisional message back. Nobody waits for that: the poster's answer is late enough.
    fn retract(&self, room: &RoomId, draft: &Draft) {
        failpoint::pass(failpoint::POST_REFUSED);
        // It has its place behind the provisional message, and goes out by itself.
        let retracted = published(&self.publisher, room, Kind::Retraction, &feed::retraction_item(room, draft));
        self.posts.spawn(retracted.in_current_span());
    }

    async fn publish(&self, room: &RoomId, kind: Kind, item: &Item) {
        published(&self.publisher, room, kind, item).await;
    }

    /// Makes the responses of streams from their pages.
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
                let page = self.store.latest(room, NEWEST).await?;
                streams::opened(Opening::Fresh);
                let after = page.cursor_before();
                Ok(StreamPage { opening: true, reset: None, after, messages: page.messages, then: Then::Hold })
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
                Ok(StreamPage { opening: true, reset, after, messages: Vec::new(), then: Then::Hold })
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
                let then = if more { Then::NextPage } else { Then::Hold };
                StreamPage { opening: false, reset: None, after, messages, then }
            }
            Replay::Reset { reason, head } => {
                streams::reset(reason.as_str());
                debug!(room.id = %room, ?reason, "a stream was reset");
                let reset = Some(reason);
                StreamPage { opening: false, reset, after: head, messages: Vec::new(), then: Then::Hold }
            }
        })
    }

    /// The newest messages of a room, or those before one.
    pub async fn history(&self, room: &RoomId, before: Option<&MessageId>, limit: usize) -> Result<Page, StoreError> {
        match before {
            None => self.store.latest(room, limit).await,
            Some(id) => self.store.before(room, id, limit).await,
        }
    }

    /// Whether anybody may know which rooms there are.
    pub fn lists_rooms(&self) -> bool {
        self.lists_rooms
    }

    /// The rooms with the newest messages, those behind one in that order; and whether there are more. None where they
    /// are not listed.
    pub async fn rooms(&self, behind: Option<&Activity>, limit: usize) -> Result<(Vec<Activity>, bool), StoreError> {
        if !self.lists_rooms {
            return Ok((Vec::new(), false));
        }
        let rooms = self.store.rooms().await?;
        let from = behind.map_or(0, |behind| rooms.partition_point(|room| room <= behind));
        let rest = &rooms[from..];
        Ok((rest[..limit.min(rest.len())].to_vec(), rest.len() > limit))
    }

    /// Finishes what was begun, all of it by one deadline: posts, and then what waits to be published.
    pub async fn close(&self, deadline: Duration) {
        let until = Instant::now() + deadline;
        self.posts.close();
        // What is not done by then is repaired like after a crash.
        if timeout_at(until, self.posts.wait()).await.is_err() {
            warn!(posts = self.posts.len(), "stopped before every post was finished");
        }
        self.publisher.close(until.saturating_duration_since(Instant::now())).await;
    }
}

/// Publishes an item, which has its place at once; the future ends when what became of the first try is known.
fn published(publisher: &Publisher, room: &RoomId, kind: Kind, item: &Item) -> impl Future<Output = ()> + use<> {
    let publishing = Publishing { room: room.clone(), kind, started: Instant::now(), outcome: Outcome::Unconfirmed };
    let outcome = publisher.publish(room.as_str(), item);
    async move { publishing.end(outcome.await) }
}

fn count(outcome: &Result<Appended, PostError>) {
    match outcome {
        Ok(appended) => posts::stored(appended.duplicate),
        Err(PostError::Store(error)) => posts::failed(error.kind()),
        Err(PostError::KeyReused) => posts::refused("idempotency_key_reused"),
        Err(PostError::Interrupted) => posts::failed("interrupted"),
    }
}

impl Publishing {
    fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        let Self { room, kind, started, outcome } = self;
        let took = started.elapsed();
        publish::finished(*kind, *outcome == Outcome::Published, took);
        match outcome {
            _ if took >= SLOW_PUBLISH => warn!(
                room.id = %room,
                item = kind.name(),
                duration_ms = took.as_millis() as u64,
                "publishing takes long; no sender waits for it any longer"
            ),
            Outcome::Published => {}
            Outcome::Unconfirmed => debug!(room.id = %room, "an item was not published at the first try"),
        }
    }
}

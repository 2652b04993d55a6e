//! Posting a message: the steps in order of effect.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tracing::{Instrument as _, Span};

use super::{App, publishing::publish};
use crate::{
    chat::{Draft, Message, RoomId, Timestamp},
    failpoint, feed,
    store::{Announce, Append, Appended, KeySearch, StoreError},
    telemetry::metrics::{posts, publish::Kind},
};

/// A post succeeds or fails within this time, even if everything hangs: the longest append, and a second before and
/// after it for a control port.
const POST_DEADLINE: Duration = Duration::from_millis(9_500);

/// A duplicate is published again if its message is younger than this. Proxies ignore an id that they have received within
/// the last 60 s (Pushpin's `id_cache_ttl`), so the message is not delivered twice.
const REPUBLISH_MAX_AGE: Duration = Duration::from_secs(55);

/// Why a message was not posted.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The store did not accept the message.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another message was posted with the same key.
    #[error("this idempotency key belongs to another message; use a new one")]
    KeyReused,
    /// The post was not finished.
    #[error("the post was interrupted")]
    Interrupted,
}

impl App {
    /// Posts a message: publishes it provisionally, stores it, and publishes it with its id.
    ///
    /// The post is finished even if the returned future is dropped because the client has disconnected. Otherwise a
    /// provisional message could remain that is neither stored nor retracted.
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
        publish(&self.publisher, room, Kind::Provisional, &feed::provisional_item(room, &draft)).await;
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
            // The stored message is published again. This sender does not wait for it.
            if let Ok(published) = announced.await {
                self.posts.spawn(published.in_current_span());
            }
            return Err(PostError::KeyReused);
        }
        // A stored message is posted, whatever the outcome of the publish: the publisher retries, and proxies notice and
        // recover what it cannot publish.
        failpoint::pass(failpoint::POST_ANNOUNCED);
        if let Ok(published) = announced.await {
            // A publish that misses the deadline is counted as unconfirmed when it is dropped.
            let _ = timeout_at(deadline, published).await;
        }
        failpoint::pass(failpoint::POST_PUBLISHED);
        Ok(appended)
    }

    /// Returns a function that publishes a stored message, for the store to call during the room's turn, and a receiver
    /// of that publish.
    ///
    /// A young duplicate is published again: the process may have died after storing the message and before publishing
    /// it.
    fn announce(&self, room: &RoomId) -> (Announce, oneshot::Receiver<impl Future<Output = ()> + use<>>) {
        let (publisher, room) = (Arc::clone(&self.publisher), room.clone());
        let (announced, receiver) = oneshot::channel();
        // The store may call it from any task, but its logs belong to this request.
        let span = Span::current();
        let announce = Box::new(move |appended: &Appended| {
            let _entered = span.enter();
            failpoint::pass(failpoint::POST_STORED);
            let old = Timestamp::now() > appended.message.date.plus(REPUBLISH_MAX_AGE);
            if !(appended.duplicate && old) {
                let published = publish(&publisher, &room, Kind::Persisted, &feed::persisted_item(&room, appended));
                // If the post has ended, nothing waits for the outcome. The item is published in order nevertheless.
                let _ = announced.send(published);
            }
        });
        (announce, receiver)
    }

    /// Retracts a provisional message. The sender does not wait for this, because its response is already late.
    fn retract(&self, room: &RoomId, draft: &Draft) {
        failpoint::pass(failpoint::POST_REFUSED);
        // The item is queued after the provisional message before the task starts.
        let retracted = publish(&self.publisher, room, Kind::Retraction, &feed::retraction_item(room, draft));
        self.posts.spawn(retracted.in_current_span());
    }
}

fn count(outcome: &Result<Appended, PostError>) {
    match outcome {
        Ok(appended) => posts::stored(appended.duplicate),
        Err(PostError::Store(error)) => posts::failed(error.kind()),
        Err(PostError::KeyReused) => posts::refused("idempotency_key_reused"),
        Err(PostError::Interrupted) => posts::failed("interrupted"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        time::sleep,
    };
    use uuid::Uuid;

    use super::*;
    use crate::{
        chat::{Author, Cursor, Epoch, MessageId, Text},
        grip::{GripUrl, Publisher},
        store::{APPEND_DEADLINE, Activity, Page, Replay, Store},
    };

    /// The clock of these tests has a resolution of a millisecond, and a post has three waits.
    const ROUNDING: Duration = Duration::from_millis(10);

    /// A store whose appends take as long as the contract permits, and then succeed or fail. Nothing can be read.
    struct SlowStore {
        stores: bool,
    }

    #[async_trait::async_trait]
    impl Store for SlowStore {
        async fn append(&self, _: &RoomId, append: Append) -> Result<Appended, StoreError> {
            sleep(APPEND_DEADLINE).await;
            if !self.stores {
                return Err(StoreError::Deadline);
            }
            let id = MessageId { epoch: Epoch::generate(), seq: 1 };
            let appended = Appended::new(append.draft.into_message(id), true, false);
            (append.announce)(&appended);
            Ok(appended)
        }

        async fn after(&self, _: &RoomId, _: &Cursor, _: usize) -> Result<Replay, StoreError> {
            Err(StoreError::Deadline)
        }

        async fn latest(&self, _: &RoomId, _: usize) -> Result<Page, StoreError> {
            Err(StoreError::Deadline)
        }

        async fn before(&self, _: &RoomId, _: &MessageId, _: usize) -> Result<Page, StoreError> {
            Err(StoreError::Deadline)
        }

        async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError> {
            Err(StoreError::Deadline)
        }

        async fn check(&self) -> Result<(), StoreError> {
            Err(StoreError::Deadline)
        }
    }

    /// Publishes to a proxy that answers its first request after two seconds, and no other one. A sender waits for both:
    /// after a request that failed, it would not wait for the second one.
    async fn slow_publisher() -> Publisher {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            assert!(first.read(&mut [0; 4096]).await.unwrap() > 0);
            sleep(Duration::from_secs(2)).await;
            first.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            // Keeps both open until the test ends.
            std::future::pending::<()>().await;
            drop((listener, first));
        });
        Publisher::new(GripUrl::parse_list(&url).unwrap()).unwrap()
    }

    /// Posts a message, and returns the outcome and how long it took.
    async fn post(store: SlowStore) -> (Result<Message, PostError>, Duration) {
        let app = Arc::new(App::new(Arc::new(store), Arc::new(slow_publisher().await), Duration::from_secs(120)));
        let draft = Draft {
            provisional_id: Uuid::new_v4(),
            from: Author::parse("Ada").unwrap(),
            text: Text::parse("Hello").unwrap(),
            date: Timestamp::now(),
        };
        let started = Instant::now();
        let outcome = app.post_message(RoomId::parse("lobby").unwrap(), draft, KeySearch::None).await;
        (outcome, started.elapsed())
    }

    #[test]
    fn a_post_has_less_than_ten_seconds_and_an_append_that_uses_its_whole_deadline_fits() {
        assert!(POST_DEADLINE < Duration::from_secs(10));
        assert!(POST_DEADLINE > APPEND_DEADLINE + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_is_refused_within_its_deadline_if_store_and_proxy_hang() {
        let (outcome, took) = post(SlowStore { stores: false }).await;
        assert!(matches!(outcome, Err(PostError::Store(StoreError::Deadline))), "{outcome:?}");
        assert!(took >= APPEND_DEADLINE && took < POST_DEADLINE, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_is_answered_within_its_deadline_if_the_append_uses_its_own_and_the_proxy_hangs() {
        let (outcome, took) = post(SlowStore { stores: true }).await;
        assert_eq!(outcome.unwrap().id.seq, 1);
        // Without the deadline of the post, each of the two publishes would take a second.
        assert!(took >= POST_DEADLINE - Duration::from_secs(1), "{took:?}");
        assert!(took < POST_DEADLINE + ROUNDING, "{took:?}");
    }
}

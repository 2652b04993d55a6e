//! A client that posts messages, and repeats each post with the same key until it is acknowledged.

use std::{sync::Arc, time::Duration};

use rand::{RngExt as _, rngs::StdRng};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use uuid::Uuid;

/// Longer than any post may take, so that the judge sees a post that takes too long.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one post is repeated. Longer than it takes until everything works again.
const RETRY_FOR: Duration = Duration::from_secs(40);

/// A request and its result.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    /// The status, or why there was no response.
    pub(crate) outcome: Result<u16, String>,
    /// The message, if the response acknowledged it.
    pub(crate) acknowledged: Option<Value>,
}

/// A message that a client wanted to post.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) room: usize,
    pub(crate) key: Uuid,
    pub(crate) from: String,
    pub(crate) text: String,
    pub(crate) attempts: Vec<Attempt>,
}

impl Post {
    /// Returns the attempts that were acknowledged, each with the message in the response.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = (&Attempt, &Value)> {
        self.attempts.iter().filter_map(|attempt| Some((attempt, attempt.acknowledged.as_ref()?)))
    }
}

/// The URLs that posts are sent to: the messages of a room at the proxy or at a backend.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) http: reqwest::Client,
    /// The first is the proxy's, the others are the backends'.
    pub(crate) bases: Vec<String>,
    pub(crate) rooms: Vec<String>,
}

impl Target {
    fn url(&self, base: usize, room: usize) -> String {
        format!("{}/rooms/{}/messages/", self.bases[base], self.rooms[room])
    }
}

/// Posts messages, with pauses, until `over`.
pub(crate) async fn run(
    number: usize,
    target: Arc<Target>,
    cursors: Arc<Vec<watch::Receiver<String>>>,
    over: watch::Receiver<bool>,
    mut rng: StdRng,
) -> Vec<Post> {
    let mut posts = Vec::new();
    while !*over.borrow() {
        let room = rng.random_range(0..target.rooms.len());
        // Some messages are long enough to fill packets and buffers.
        let filler = if rng.random_bool(0.03) { rng.random_range(500..3_000) } else { rng.random_range(0..60) };
        let mut post = Post {
            room,
            key: Uuid::from_u128(rng.random()),
            from: format!("poster {number}"),
            text: format!("{number}-{} {}", posts.len(), "x".repeat(filler)),
            attempts: Vec::new(),
        };
        // The cursor of a client that has a stream. Without it the store looks for the key in the newest hundred messages.
        let cursor = rng.random_bool(0.7).then(|| cursors[room].borrow().clone()).filter(|cursor| !cursor.is_empty());
        // Some clients give up after one attempt. Nothing guarantees that such a message is stored.
        let max_attempts = if rng.random_bool(0.1) { 1 } else { usize::MAX };
        let started = Instant::now();
        for _ in 0..max_attempts {
            // Most requests go through the proxy, like those of real clients.
            let base = if rng.random_bool(0.8) { 0 } else { rng.random_range(0..target.bases.len()) };
            if attempt(&target, base, &mut post, cursor.as_deref()).await || started.elapsed() > RETRY_FOR {
                break;
            }
            sleep(Duration::from_millis(rng.random_range(50..400))).await;
        }
        // A client that lost the response, or whose user is impatient, sends the same post again.
        if rng.random_bool(0.05) {
            attempt(&target, 0, &mut post, cursor.as_deref()).await;
        }
        posts.push(post);
        sleep(Duration::from_millis(rng.random_range(50..300))).await;
    }
    posts
}

/// Sends a post once. Returns whether it was acknowledged.
pub(crate) async fn attempt(target: &Target, base: usize, post: &mut Post, cursor: Option<&str>) -> bool {
    let at = Instant::now();
    let mut request = target.http.post(target.url(base, post.room)).timeout(REQUEST_TIMEOUT);
    request = request.header("Idempotency-Key", post.key.to_string());
    if let Some(cursor) = cursor {
        request = request.header("Last-Event-ID", cursor);
    }
    let sent = request.json(&serde_json::json!({"from": post.from, "text": post.text})).send();
    let answer = async {
        let response = sent.await?;
        let status = response.status().as_u16();
        Ok::<_, reqwest::Error>((status, response.text().await?))
    };
    let outcome = answer.await.map_err(|error| format!("{:#}", anyhow::Error::from(error)));
    let acknowledged = match &outcome {
        Ok((200, body)) => serde_json::from_str::<Value>(body).ok(),
        _ => None,
    };
    let settled = acknowledged.is_some();
    post.attempts.push(Attempt { at, took: at.elapsed(), outcome: outcome.map(|(status, _)| status), acknowledged });
    settled
}

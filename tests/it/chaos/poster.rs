//! Somebody who posts, and repeats a post until it is answered, with the same key.

use std::{sync::Arc, time::Duration};

use rand::{RngExt as _, rngs::StdRng};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use uuid::Uuid;

/// Longer than any post may take, so that one which does is seen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// One post is tried for so long at the end, when everything works again.
const INSISTS_FOR: Duration = Duration::from_secs(40);

/// One request and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    /// The status, or why there was none.
    pub(crate) outcome: Result<u16, String>,
    /// The message, where the answer acknowledged it.
    pub(crate) acknowledged: Option<Value>,
}

/// A message somebody wanted posted.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) room: usize,
    pub(crate) key: Uuid,
    pub(crate) from: String,
    pub(crate) text: String,
    pub(crate) attempts: Vec<Attempt>,
}

impl Post {
    /// The attempts that were acknowledged, and the message of each answer.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = (&Attempt, &Value)> {
        self.attempts.iter().filter_map(|attempt| Some((attempt, attempt.acknowledged.as_ref()?)))
    }
}

/// Where posts go: a room's messages at the proxy or at a backend.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) http: reqwest::Client,
    /// The first is the proxy; backends follow.
    pub(crate) bases: Vec<String>,
    pub(crate) rooms: Vec<String>,
}

impl Target {
    fn url(&self, base: usize, room: usize) -> String {
        format!("{}/rooms/{}/messages/", self.bases[base], self.rooms[room])
    }
}

/// Posts with pauses until `over`.
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
        // Now and then one that fills packets and buffers.
        let filler = if rng.random_bool(0.03) { rng.random_range(500..3_000) } else { rng.random_range(0..60) };
        let mut post = Post {
            room,
            key: Uuid::from_u128(rng.random()),
            from: format!("poster {number}"),
            text: format!("{number}-{} {}", posts.len(), "x".repeat(filler)),
            attempts: Vec::new(),
        };
        // What a client that has a stream knows; without it a post is looked for among the newest hundred.
        let cursor = rng.random_bool(0.7).then(|| cursors[room].borrow().clone()).filter(|cursor| !cursor.is_empty());
        // Some give up early: whether those are stored is nobody's promise.
        let most = if rng.random_bool(0.1) { 1 } else { usize::MAX };
        let started = Instant::now();
        for _ in 0..most {
            // Most go through the proxy, as clients do.
            let base = if rng.random_bool(0.8) { 0 } else { rng.random_range(0..target.bases.len()) };
            if attempt(&target, base, &mut post, cursor.as_deref()).await || started.elapsed() > INSISTS_FOR {
                break;
            }
            sleep(Duration::from_millis(rng.random_range(50..400))).await;
        }
        // A client whose answer was lost, or whose user is impatient, sends the same once more.
        if rng.random_bool(0.05) {
            attempt(&target, 0, &mut post, cursor.as_deref()).await;
        }
        posts.push(post);
        sleep(Duration::from_millis(rng.random_range(50..300))).await;
    }
    posts
}

/// Whether it was answered for good.
pub(crate) async fn attempt(target: &Target, base: usize, post: &mut Post, cursor: Option<&str>) -> bool {
    let at = Instant::now();
    let mut request = target.http.post(target.url(base, post.room)).timeout(PATIENCE);
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

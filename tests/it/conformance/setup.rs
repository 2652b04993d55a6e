//! The setup of a rule: a proxy, the backend behind it, and paths and channels that no other rule uses.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::{
    edge::Edge,
    eventually::eventually,
    proxy::{self, Kind, Pair, Proxy},
    scripted::{Asked, Reply, ScriptedBackend},
    stack::SOON,
    wire::{Answer, Request},
};

/// A proxy and its backend, with paths and channels for one rule.
pub(crate) struct Setup {
    pair: Arc<Pair>,
    /// The first part of the paths and channels of this rule.
    prefix: String,
}

impl Setup {
    /// Uses the proxy that all rules share.
    pub(crate) async fn new(kind: Kind) -> anyhow::Result<Self> {
        Ok(Self::of(proxy::shared(kind).await?))
    }

    /// Starts a proxy for this rule alone, because it would disturb the others.
    pub(crate) async fn alone(kind: Kind) -> anyhow::Result<Self> {
        Ok(Self::of(Arc::new(Pair::start(kind).await?)))
    }

    /// Starts an edge for this rule alone, with these variables.
    pub(crate) async fn on_edge(variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let backend = ScriptedBackend::start().await?;
        Ok(Self::of_edge(Edge::start_with(backend.addr(), variables).await?, backend))
    }

    /// Uses this edge, which reaches this backend directly or through another proxy.
    pub(crate) fn of_edge(edge: Edge, backend: ScriptedBackend) -> Self {
        Self::of(Arc::new(Pair { proxy: Proxy::Edge(edge), backend }))
    }

    /// The edge, if that is the proxy.
    pub(crate) fn edge(&self) -> anyhow::Result<&Edge> {
        match &self.pair.proxy {
            Proxy::Edge(edge) => Ok(edge),
            Proxy::Pushpin(_) => anyhow::bail!("this proxy is not an edge"),
        }
    }

    /// The edge, if that is the proxy and it is not shared.
    pub(crate) fn edge_mut(&mut self) -> anyhow::Result<&mut Edge> {
        match &mut Arc::get_mut(&mut self.pair).context("this proxy is shared")?.proxy {
            Proxy::Edge(edge) => Ok(edge),
            Proxy::Pushpin(_) => anyhow::bail!("this proxy is not an edge"),
        }
    }

    fn of(pair: Arc<Pair>) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self { pair, prefix: format!("r{}", COUNT.fetch_add(1, Relaxed)) }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        format!("/{}/{name}", self.prefix)
    }

    pub(crate) fn channel(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    pub(crate) fn http_addr(&self) -> SocketAddr {
        self.pair.proxy.http_addr()
    }

    pub(crate) fn control_addr(&self) -> SocketAddr {
        self.pair.proxy.control_addr()
    }

    /// The URL for clients, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        self.pair.proxy.url()
    }

    pub(crate) fn backend_addr(&self) -> SocketAddr {
        self.pair.backend.addr()
    }

    /// Stops the proxy and starts it again, if it is not shared.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        let pair = Arc::get_mut(&mut self.pair).context("this proxy is shared")?;
        pair.proxy.restart().await
    }

    // === the backend ===

    /// From now on, answers requests for the path with this name with `reply`.
    pub(crate) fn answer(&self, name: &str, reply: Reply) {
        self.script(name, move |_| reply.clone());
    }

    /// From now on, answers them with one reply after the other, and repeats the last one.
    pub(crate) fn answer_in_turn(&self, name: &str, replies: Vec<Reply>) {
        let turn = AtomicU64::new(0);
        self.script(name, move |_| {
            let turn = usize::try_from(turn.fetch_add(1, Relaxed)).unwrap_or(usize::MAX);
            replies[turn.min(replies.len() - 1)].clone()
        });
    }

    pub(crate) fn script(&self, name: &str, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        self.pair.backend.on(&self.path(name), script);
    }

    /// The requests for the path with this name so far.
    pub(crate) fn requests(&self, name: &str) -> Vec<Asked> {
        self.pair.backend.asked(&self.path(name))
    }

    /// Waits until there have been so many of them.
    pub(crate) async fn wait_for_requests(&self, name: &str, times: usize) -> Vec<Asked> {
        self.wait_for_requests_within(SOON, name, times).await
    }

    pub(crate) async fn wait_for_requests_within(&self, within: Duration, name: &str, times: usize) -> Vec<Asked> {
        let what = format!("{times} requests to {name}");
        eventually(within, &what, || self.requests(name).len() >= times).await;
        self.requests(name)
    }

    // === the client ===

    pub(crate) async fn send(&self, request: Request) -> anyhow::Result<Answer> {
        request.send(self.http_addr()).await
    }

    pub(crate) async fn get(&self, name: &str) -> anyhow::Result<Answer> {
        self.send(Request::get(&self.path(name))).await
    }

    /// Sends a request that the backend answers with `reply`, and reads the body of the response.
    pub(crate) async fn open(&self, reply: Reply, body: &str) -> anyhow::Result<Answer> {
        self.answer("", reply);
        let mut answer = self.get("").await?;
        answer.reads(body).await?;
        Ok(answer)
    }

    /// The status that the client receives if the backend answers with `reply`.
    pub(crate) async fn status_of(&self, reply: Reply) -> anyhow::Result<u16> {
        self.answer("", reply);
        Ok(self.get("").await?.status)
    }

    // === the control port ===

    /// Publishes items, and expects them to be accepted.
    pub(crate) async fn publish(&self, items: &[Value]) -> anyhow::Result<()> {
        let mut answer = self.control(&json!({ "items": items })).await?;
        let body = String::from_utf8(answer.whole().await?)?;
        ensure!(answer.status == 200, "{} {body}", answer.status);
        Ok(())
    }

    /// Publishes an item repeatedly until this stream gets it: the body may arrive before the stream is held.
    pub(crate) async fn becomes_live(&self, answer: &mut Answer, channel: &str) -> anyhow::Result<()> {
        let live = format!("{}live", answer.text());
        let started = Instant::now();
        while !answer.text().starts_with(&live) {
            ensure!(started.elapsed() < SOON, "{:?} does not get what is published", answer.text());
            self.publish(&[stream_item(channel, "live")]).await?;
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Sends a publish request.
    pub(crate) async fn control(&self, body: &Value) -> anyhow::Result<Answer> {
        Request::new("POST", "/publish/").json(body).send(self.control_addr()).await
    }
}

/// A response that holds a stream after this body.
pub(crate) fn hold(body: &str) -> Reply {
    Reply::ok(body).header("Content-Type", "text/plain").header("Grip-Hold", "stream")
}

/// An item without an id.
pub(crate) fn stream_item(channel: &str, content: &str) -> Value {
    json!({ "channel": channel, "formats": { "http-stream": { "content": content } } })
}

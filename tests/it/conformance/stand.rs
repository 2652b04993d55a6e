//! What a rule works with: a proxy, the backend behind it, and paths and channels that nobody else uses.

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

/// A part of a proxy that is a rule's own.
pub(crate) struct Stand {
    pair: Arc<Pair>,
    /// Begins the rule's paths and channels.
    prefix: String,
}

impl Stand {
    /// On the proxy that rules share.
    pub(crate) async fn new(kind: Kind) -> anyhow::Result<Self> {
        Ok(Self::of(proxy::shared(kind).await?))
    }

    /// On a proxy of its own, for rules that would be felt by the others.
    pub(crate) async fn alone(kind: Kind) -> anyhow::Result<Self> {
        Ok(Self::of(Arc::new(Pair::start(kind).await?)))
    }

    /// On an edge of its own, with variables of its own.
    pub(crate) async fn on_edge(variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let backend = ScriptedBackend::start().await?;
        Ok(Self::of_edge(Edge::start_with(backend.addr(), variables).await?, backend))
    }

    /// On this edge, which has this backend, however it reaches it.
    pub(crate) fn of_edge(edge: Edge, backend: ScriptedBackend) -> Self {
        Self::of(Arc::new(Pair { proxy: Proxy::Edge(edge), backend }))
    }

    /// The edge, where that is the proxy.
    pub(crate) fn edge(&self) -> anyhow::Result<&Edge> {
        match &self.pair.proxy {
            Proxy::Edge(edge) => Ok(edge),
            Proxy::Pushpin(_) => anyhow::bail!("this proxy is no edge"),
        }
    }

    /// The same, where it is the rule's own.
    pub(crate) fn edge_mut(&mut self) -> anyhow::Result<&mut Edge> {
        match &mut Arc::get_mut(&mut self.pair).context("this proxy is shared")?.proxy {
            Proxy::Edge(edge) => Ok(edge),
            Proxy::Pushpin(_) => anyhow::bail!("this proxy is no edge"),
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

    /// Where clients connect, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        self.pair.proxy.url()
    }

    pub(crate) fn backend_addr(&self) -> SocketAddr {
        self.pair.backend.addr()
    }

    /// Ends the proxy and starts it again. Only where it is the rule's own.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        let pair = Arc::get_mut(&mut self.pair).context("this proxy is shared")?;
        pair.proxy.restart().await
    }

    // === the backend ===

    /// From now on requests to the path of that name are answered with this.
    pub(crate) fn answer(&self, name: &str, reply: Reply) {
        self.script(name, move |_| reply.clone());
    }

    /// From now on they are answered with one after the other, the last one again and again.
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

    /// What the path of that name was asked so far.
    pub(crate) fn asked(&self, name: &str) -> Vec<Asked> {
        self.pair.backend.asked(&self.path(name))
    }

    /// Waits until it was asked so often.
    pub(crate) async fn asked_times(&self, name: &str, times: usize) -> Vec<Asked> {
        self.asked_times_within(SOON, name, times).await
    }

    pub(crate) async fn asked_times_within(&self, within: Duration, name: &str, times: usize) -> Vec<Asked> {
        let what = format!("{times} requests to {name}");
        eventually(within, &what, || self.asked(name).len() >= times).await;
        self.asked(name)
    }

    // === the client ===

    pub(crate) async fn send(&self, request: Request) -> anyhow::Result<Answer> {
        request.send(self.http_addr()).await
    }

    pub(crate) async fn get(&self, name: &str) -> anyhow::Result<Answer> {
        self.send(Request::get(&self.path(name))).await
    }

    /// A client that gets what the backend gives here: opened, and come as far as the body of the answer.
    pub(crate) async fn open(&self, reply: Reply, body: &str) -> anyhow::Result<Answer> {
        self.answer("", reply);
        let mut answer = self.get("").await?;
        answer.reads(body).await?;
        Ok(answer)
    }

    /// The status that the client gets where the backend answers so.
    pub(crate) async fn status_of(&self, reply: Reply) -> anyhow::Result<u16> {
        self.answer("", reply);
        Ok(self.get("").await?.status)
    }

    // === the control port ===

    /// Publishes, and expects to be told so.
    pub(crate) async fn publish(&self, items: &[Value]) -> anyhow::Result<()> {
        let mut answer = self.control(&json!({ "items": items })).await?;
        let body = String::from_utf8(answer.whole().await?)?;
        ensure!(answer.status == 200, "{} {body}", answer.status);
        Ok(())
    }

    /// Publishes an item again and again until this stream gets it: its body may come before it is held.
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

    /// Posts this to be published.
    pub(crate) async fn control(&self, body: &Value) -> anyhow::Result<Answer> {
        Request::new("POST", "/publish/").json(body).send(self.control_addr()).await
    }
}

/// An answer that holds a stream behind this body.
pub(crate) fn hold(body: &str) -> Reply {
    Reply::ok(body).header("Content-Type", "text/plain").header("Grip-Hold", "stream")
}

/// An item without an id.
pub(crate) fn stream_item(channel: &str, content: &str) -> Value {
    json!({ "channel": channel, "formats": { "http-stream": { "content": content } } })
}

//! A GRIP proxy: Pushpin or the program's edge. Both take the same clients, publishers and keys.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::{self, Runtime},
    task::spawn_blocking,
};

use super::{edge::Edge, pushpin::Pushpin, scripted::ScriptedBackend};

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pushpin,
    Edge,
}

/// A running proxy. Ends when dropped.
#[derive(Debug)]
pub(crate) enum Proxy {
    Pushpin(Pushpin),
    Edge(Edge),
}

impl Proxy {
    /// Starts one in front of a backend that need not listen yet, and returns when it takes clients and messages.
    pub(crate) async fn start(kind: Kind, backend: SocketAddr) -> anyhow::Result<Self> {
        Ok(match kind {
            Kind::Pushpin => Self::Pushpin(Pushpin::start(backend).await?),
            Kind::Edge => Self::Edge(Edge::start(backend).await?),
        })
    }

    /// Ends it; [`Proxy::restart`] brings it back.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Pushpin(pushpin) => pushpin.stop().await,
            Self::Edge(edge) => edge.stop().await,
        }
    }

    /// Asks it to end, and waits until it has, whatever its clients do. [`Proxy::restart`] brings it back.
    pub(crate) async fn end(&mut self, within: Duration) -> anyhow::Result<()> {
        match self {
            // It has three seconds, and is killed then.
            Self::Pushpin(pushpin) => pushpin.stop().await,
            Self::Edge(edge) => edge.end(within).await,
        }
    }

    /// SIGKILL: it gets to do nothing more. [`Proxy::restart`] brings it back.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Pushpin(pushpin) => pushpin.kill().await,
            Self::Edge(edge) => edge.kill(),
        }
    }

    /// Ends it and starts it again on the same ports. Held streams break, and all it knew of channels and ids is gone.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Pushpin(pushpin) => pushpin.restart().await,
            Self::Edge(edge) => edge.restart().await,
        }
    }

    /// Where clients connect.
    pub(crate) fn http_addr(&self) -> SocketAddr {
        match self {
            Self::Pushpin(pushpin) => pushpin.http_addr(),
            Self::Edge(edge) => edge.http_addr(),
        }
    }

    /// Where a backend publishes.
    pub(crate) fn control_addr(&self) -> SocketAddr {
        match self {
            Self::Pushpin(pushpin) => pushpin.control_addr(),
            Self::Edge(edge) => edge.control_addr(),
        }
    }

    /// Where clients connect, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.http_addr())
    }
}

/// A proxy and the backend behind it.
pub(crate) struct Pair {
    pub(crate) proxy: Proxy,
    pub(crate) backend: ScriptedBackend,
}

impl Pair {
    pub(crate) async fn start(kind: Kind) -> anyhow::Result<Self> {
        let backend = ScriptedBackend::start().await?;
        Ok(Self { proxy: Proxy::start(kind, backend.addr()).await?, backend })
    }
}

/// The pairs that trials share, each with paths and channels of its own. A start that failed is not tried again.
static SHARED: Mutex<Vec<(Kind, Started)>> = Mutex::new(Vec::new());

/// A pair, or why there is none.
type Started = Result<Arc<Pair>, String>;

/// Serves the shared backends, which outlive the runtime of the trial that came first.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a thread more can be had where the trials have theirs")
});

/// The pair that trials share; started by whoever asks first.
pub(crate) async fn shared(kind: Kind) -> anyhow::Result<Arc<Pair>> {
    spawn_blocking(move || {
        // Held during the start: the others have to wait for it anyway.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pair)) = shared.iter().find(|(of, _)| *of == kind) {
            return pair.clone();
        }
        let pair = RUNTIME.block_on(Pair::start(kind)).map(Arc::new).map_err(|error| format!("{error:#}"));
        shared.push((kind, pair.clone()));
        pair
    })
    .await?
    .map_err(anyhow::Error::msg)
}

/// Ends those that were started. Nothing drops a static: `main` calls this when all tests have run.
pub(crate) fn stop_shared() {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

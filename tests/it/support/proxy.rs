//! A GRIP proxy: Pushpin or the program's edge. Both accept the same clients, publishers and keys.

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

/// The kind of a proxy.
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
    /// Starts one in front of a backend that need not listen yet, and returns when it accepts clients and messages.
    pub(crate) async fn start(kind: Kind, backend: SocketAddr) -> anyhow::Result<Self> {
        Ok(match kind {
            Kind::Pushpin => Self::Pushpin(Pushpin::start(backend).await?),
            Kind::Edge => Self::Edge(Edge::start(backend).await?),
        })
    }

    /// Stops it; [`Proxy::restart`] starts it again.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Pushpin(pushpin) => pushpin.stop().await,
            Self::Edge(edge) => edge.stop().await,
        }
    }

    /// Sends SIGTERM, and waits until it has ended with any status. [`Proxy::restart`] starts it again.
    pub(crate) async fn end(&mut self, within: Duration) -> anyhow::Result<()> {
        match self {
            // It is killed after three seconds.
            Self::Pushpin(pushpin) => pushpin.stop().await,
            Self::Edge(edge) => edge.end(within).await,
        }
    }

    /// Ends it with SIGKILL; [`Proxy::restart`] starts it again.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Pushpin(pushpin) => pushpin.kill().await,
            Self::Edge(edge) => edge.kill(),
        }
    }

    /// Restarts it on the same ports. Held streams break, and it forgets all channels and ids.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Pushpin(pushpin) => pushpin.restart().await,
            Self::Edge(edge) => edge.restart().await,
        }
    }

    /// Returns the address for clients.
    pub(crate) fn http_addr(&self) -> SocketAddr {
        match self {
            Self::Pushpin(pushpin) => pushpin.http_addr(),
            Self::Edge(edge) => edge.http_addr(),
        }
    }

    /// Returns the address of the control port, on which backends publish.
    pub(crate) fn control_addr(&self) -> SocketAddr {
        match self {
            Self::Pushpin(pushpin) => pushpin.control_addr(),
            Self::Edge(edge) => edge.control_addr(),
        }
    }

    /// Returns the URL for clients, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.http_addr())
    }
}

/// A proxy and its backend.
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

/// The pairs that tests share. Each test has its own paths and channels. A start that failed is not tried again.
static SHARED: Mutex<Vec<(Kind, Started)>> = Mutex::new(Vec::new());

/// A pair, or why there is none.
type Started = Result<Arc<Pair>, String>;

/// Runs the shared backends, which live longer than the runtime of the test that started them.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("another thread can be started, like those of the tests")
});

/// Returns the pair that tests share. The first call starts it.
pub(crate) async fn shared(kind: Kind) -> anyhow::Result<Arc<Pair>> {
    spawn_blocking(move || {
        // Locked during the start, which the other tests wait for in any case.
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

/// Stops the pairs that were started. `main` calls this after all tests, because statics are not dropped.
pub(crate) fn stop_shared() {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

//! The servers that are compared. One of them runs at a time, on free ports.

use std::{fmt, net::SocketAddr, thread, time::Duration};

use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    plan::Kind,
    publisher::Target,
    subscribers::Endpoint,
    support::{
        process::{Tree, descendants},
        pushpin::Pushpin,
    },
};

mod backend;
mod gripchat;
mod nchan;
mod pushpin;

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nchan => "nchan",
            Self::Pushpin => "Pushpin",
            Self::Edge => "edge",
            Self::Run => "gripchat run",
        })
    }
}

/// A running server. Dropping it stops it.
pub(crate) struct Server {
    pub(crate) endpoint: Endpoint,
    pub(crate) target: Target,
    _running: Running,
}

/// Connections that may be opened at the same time. Each of these servers has a longer queue.
const AT_ONCE: usize = 100;

/// Stops the server when it is dropped: first the processes, then their folder.
#[expect(dead_code, reason = "only dropping it matters")]
enum Running {
    Tree(Tree, TempDir),
    Pushpin(Pushpin),
}

impl Server {
    /// Returns the ids of its processes: all child processes, because one server runs at a time.
    pub(crate) fn processes() -> Vec<u32> {
        descendants(std::process::id()).iter().map(|process| process.id).collect()
    }
}

/// Starts servers.
pub(crate) struct Launcher {
    /// The backend of Pushpin and the edge.
    backend: SocketAddr,
    runtime: Runtime,
}

impl Launcher {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let backend = runtime.block_on(backend::start())?;
        Ok(Self { backend, runtime })
    }

    /// Checks that a server is installed, or returns what is missing.
    pub(crate) fn available(kind: Kind) -> Result<(), String> {
        match kind {
            Kind::Nchan => nchan::available(),
            Kind::Pushpin => Pushpin::available(),
            Kind::Edge | Kind::Run => Ok(()),
        }
    }

    /// Starts a server. `bursts` configures larger buffers if the server needs that.
    pub(crate) fn start(&self, kind: Kind, bursts: bool) -> anyhow::Result<Server> {
        match kind {
            Kind::Nchan => nchan::start(),
            Kind::Pushpin => self.runtime.block_on(pushpin::start(self.backend, bursts)),
            Kind::Edge => gripchat::edge(self.backend),
            Kind::Run => gripchat::run(),
        }
    }
}

/// Waits before the next check of a server that is starting.
fn pause() {
    thread::sleep(Duration::from_millis(5));
}

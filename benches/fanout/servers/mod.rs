//! The servers that are compared, each started by itself, on free ports.

use std::{fmt, net::SocketAddr, thread, time::Duration};

use clap::ValueEnum;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    crowd::Door,
    publisher::Target,
    support::{
        process::{Tree, descendants},
        pushpin::Pushpin,
    },
};

mod backend;
mod gripchat;
mod nchan;
mod pushpin;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// nginx with its fan-out module, two workers
    Nchan,
    /// Pushpin, with message_rate and message_hwm lifted, and larger buffers where memory is not measured
    Pushpin,
    /// `gripchat edge`
    Edge,
    /// `gripchat run`: backend, edge and the embedded store in one process
    #[value(skip)]
    Run,
}

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

/// A running server. Ends when dropped.
pub(crate) struct Server {
    pub(crate) door: Door,
    pub(crate) target: Target,
    _running: Running,
}

/// What may connect at once. Any of the servers has a longer queue.
const AT_ONCE: usize = 100;

/// Held for its end. The processes end before their folder goes.
#[expect(dead_code, reason = "all that is wanted of it is its end")]
enum Running {
    Tree(Tree, TempDir),
    Pushpin(Pushpin),
}

impl Server {
    /// The ids of its processes: all that this one has started, since there is one server at a time.
    pub(crate) fn processes() -> Vec<u32> {
        descendants(std::process::id()).iter().map(|process| process.id).collect()
    }
}

/// Starts servers.
pub(crate) struct Stand {
    /// What Pushpin and the edge forward to.
    backend: SocketAddr,
    runtime: Runtime,
}

impl Stand {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let backend = runtime.block_on(backend::start())?;
        Ok(Self { backend, runtime })
    }

    /// Whether it can run here, or what is missing.
    pub(crate) fn available(kind: Kind) -> Result<(), String> {
        match kind {
            Kind::Nchan => nchan::available(),
            Kind::Pushpin => Pushpin::available(),
            Kind::Edge | Kind::Run => Ok(()),
        }
    }

    /// With room for bursts, where a server has to be told.
    pub(crate) fn start(&self, kind: Kind, bursts: bool) -> anyhow::Result<Server> {
        match kind {
            Kind::Nchan => nchan::start(),
            Kind::Pushpin => self.runtime.block_on(pushpin::start(self.backend, bursts)),
            Kind::Edge => gripchat::edge(self.backend),
            Kind::Run => gripchat::run(),
        }
    }
}

/// Between two looks at a server that is starting.
fn pause() {
    thread::sleep(Duration::from_millis(5));
}

//! A complete chat system: a proxy, a backend and a store of its own, with fault proxies on both sides of the backend.
//!
//! ```text
//! test ──► Pushpin ──► backend ──► `store`, a fault proxy ──► DynamoDB Local
//!             ▲           └──────► `control`, a fault proxy ─┐
//!             └──────────────────────────────────────────────┘
//! ```
//!
//! [`Kind`] selects the parts: the edge may replace Pushpin, and the embedded store may replace DynamoDB. The embedded
//! store is in the process of the backend, where no fault proxy can make it fail.

mod kind;
mod room;
mod table;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;

pub(crate) use self::{
    kind::Kind,
    room::{Answer, Room, answer},
    table::{Table, client, table_name},
};
use super::{backend::Backend, fault::FaultProxy, ports::free_port, proxy::Proxy};

/// The limit for everything that happens as soon as the machine gets to it, such as the arrival of what was published.
/// Only a test that fails waits this long: a machine that is busy with other tests may be late by seconds.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// How often the proxy rechecks its streams in these tests.
pub(crate) const RECHECK: Duration = Duration::from_secs(4);

/// A running chat system. Its processes end when it is dropped.
pub(crate) struct Stack {
    pub(crate) proxy: Proxy,
    // Before the storage, whose folder is removed when nothing uses it any more.
    pub(crate) backend: Backend,
    pub(crate) control: FaultProxy,
    storage: Storage,
    http: reqwest::Client,
}

/// Where the messages are stored.
enum Storage {
    Table(Table),
    Folder(TempDir),
}

impl Stack {
    pub(crate) async fn start(kind: Kind) -> anyhow::Result<Self> {
        Self::start_with(kind, &[]).await
    }

    /// Starts it with additional variables for the backend.
    pub(crate) async fn start_with(kind: Kind, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let storage = match kind {
            Kind::PushpinDynamoDb | Kind::EdgeDynamoDb => Storage::Table(Table::create().await?),
            Kind::EdgeEmbedded => Storage::Folder(tempfile::tempdir()?),
        };
        let listen = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let proxy = Proxy::start(kind.proxy(), listen).await?;
        let control = FaultProxy::start(proxy.control_addr()).await?;
        let env = match &storage {
            Storage::Table(table) => environment(&table.name, table.fault_proxy.addr(), control.addr(), variables),
            Storage::Folder(folder) => embedded_environment(folder.path(), control.addr(), variables),
        };
        let backend = Backend::start_on(listen, env).await?;
        Ok(Self { proxy, backend, control, storage, http: http()? })
    }

    /// Creates it from parts that a test started itself.
    pub(crate) fn of(proxy: Proxy, backend: Backend, control: FaultProxy, table: Table) -> anyhow::Result<Self> {
        Ok(Self { proxy, backend, control, storage: Storage::Table(table), http: http()? })
    }

    /// Returns a room, reached through the proxy.
    pub(crate) fn room(&self, name: &str) -> Room {
        self.room_at(&self.proxy.url(), name)
    }

    /// Returns a room, reached at this base URL.
    pub(crate) fn room_at(&self, base: &str, name: &str) -> Room {
        Room::new(base, name, self.http.clone())
    }

    /// Returns the HTTP client that the rooms use.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Returns the table. Only for stacks with DynamoDB.
    pub(crate) fn table(&self) -> &Table {
        match &self.storage {
            Storage::Table(table) => table,
            Storage::Folder(_) => panic!("an embedded store has no table: this test needs a stack with DynamoDB"),
        }
    }

    /// Returns the fault proxy between the backend and the table.
    pub(crate) fn store(&self) -> &FaultProxy {
        &self.table().fault_proxy
    }

    /// Whether another backend can use the same store.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.storage, Storage::Table(_))
    }

    /// Deletes the history of a room. The backend must be restarted afterwards.
    pub(crate) async fn wipe(&self, room: &str) -> anyhow::Result<()> {
        match &self.storage {
            Storage::Table(table) => table.wipe(room).await,
            Storage::Folder(folder) => {
                let files: Vec<PathBuf> =
                    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
                anyhow::ensure!(!files.is_empty(), "the folder is empty");
                Ok(files.into_iter().try_for_each(std::fs::remove_file)?)
            }
        }
    }

    /// Starts another backend on the same table and proxy.
    pub(crate) async fn another_backend(&self) -> anyhow::Result<Backend> {
        self.another_backend_with(&[]).await
    }

    /// Starts another backend with additional variables.
    pub(crate) async fn another_backend_with(&self, variables: &[(&str, &str)]) -> anyhow::Result<Backend> {
        Backend::start(environment(&self.table().name, self.store().addr(), self.control.addr(), variables)).await
    }
}

/// Returns the variables of a backend with a table.
pub(crate) fn environment(
    table: &str,
    dynamodb: SocketAddr,
    control: SocketAddr,
    variables: &[(&str, &str)],
) -> Vec<(String, String)> {
    let dynamodb = format!("http://{dynamodb}");
    let needed = [
        ("DYNAMODB_TABLE", table),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb),
    ];
    with_control(control, &[&needed, variables].concat())
}

/// Returns the variables of a backend with an embedded store in a folder.
pub(crate) fn embedded_environment(
    folder: &Path,
    control: SocketAddr,
    variables: &[(&str, &str)],
) -> Vec<(String, String)> {
    let folder = folder.to_string_lossy();
    with_control(control, &[&[("STORE", "embedded"), ("DATA_DIR", &folder)], variables].concat())
}

fn with_control(control: SocketAddr, variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let grip = format!("http://{control}/?verify-iss=pushpin&verify-key=changeme");
    let recheck = format!("{}s", RECHECK.as_secs());
    let needed = [
        ("GRIP_URL", grip.as_str()),
        ("RECHECK_INTERVAL", &recheck),
        ("RUST_LOG", "info,gripchat=debug"),
        // No load balancer reads readiness before these tests stop it.
        ("SHUTDOWN_DELAY", "0s"),
        // All clients of a test have the same address.
        ("POST_RATE", "0"),
    ];
    // The last of several equal names applies.
    needed.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn http() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?)
}

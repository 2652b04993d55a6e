//! The whole chat: a proxy, a backend and a store of its own, with a proxy that can fail on either side of the backend.
//!
//! ```text
//! test ──► Pushpin ──► backend ──► `store`, a fault proxy ──► DynamoDB Local
//!             ▲           └──────► `control`, a fault proxy ─┐
//!             └──────────────────────────────────────────────┘
//! ```
//!
//! [`Kind`] tells which parts there are: the edge may be in Pushpin's place, and the embedded store in DynamoDB's. That
//! one is within the backend, where nothing can be made to fail.

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

/// Everything that a person's chat needs. Dropped, it ends.
pub(crate) struct Stack {
    pub(crate) proxy: Proxy,
    // Before the place, whose folder must not be in use when it is removed.
    pub(crate) backend: Backend,
    pub(crate) control: FaultProxy,
    place: Place,
    http: reqwest::Client,
}

/// Where the messages are.
enum Place {
    Table(Table),
    Folder(TempDir),
}

impl Stack {
    pub(crate) async fn start(kind: Kind) -> anyhow::Result<Self> {
        Self::start_with(kind, &[]).await
    }

    /// With variables for the backend beside those it needs.
    pub(crate) async fn start_with(kind: Kind, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let place = match kind {
            Kind::PushpinDynamoDb | Kind::EdgeDynamoDb => Place::Table(Table::create().await?),
            Kind::EdgeEmbedded => Place::Folder(tempfile::tempdir()?),
        };
        let listen = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let proxy = Proxy::start(kind.proxy(), listen).await?;
        let control = FaultProxy::start(proxy.control_addr()).await?;
        let env = match &place {
            Place::Table(table) => environment(&table.name, table.way.addr(), control.addr(), variables),
            Place::Folder(folder) => embedded_environment(folder.path(), control.addr(), variables),
        };
        let backend = Backend::start_on(listen, env).await?;
        Ok(Self { proxy, backend, control, place, http: http()? })
    }

    /// Of parts that a test has started in its own way.
    pub(crate) fn of(proxy: Proxy, backend: Backend, control: FaultProxy, table: Table) -> anyhow::Result<Self> {
        Ok(Self { proxy, backend, control, place: Place::Table(table), http: http()? })
    }

    /// A room, through the proxy.
    pub(crate) fn room(&self, name: &str) -> Room {
        self.room_at(&self.proxy.url(), name)
    }

    /// A room, straight at a backend.
    pub(crate) fn room_at(&self, base: &str, name: &str) -> Room {
        Room::new(base, name, self.http.clone())
    }

    /// The client that the rooms use.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The table, for trials on [`Kind::DYNAMODB`].
    pub(crate) fn table(&self) -> &Table {
        match &self.place {
            Place::Table(table) => table,
            Place::Folder(_) => panic!("an embedded store has no table: the trial is for DYNAMODB"),
        }
    }

    /// The backend's way to the table, which can fail.
    pub(crate) fn store(&self) -> &FaultProxy {
        &self.table().way
    }

    /// Whether another backend can use the same store.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.place, Place::Table(_))
    }

    /// Lets a room's history be lost, for a backend that is started anew after it.
    pub(crate) async fn wipe(&self, room: &str) -> anyhow::Result<()> {
        match &self.place {
            Place::Table(table) => table.wipe(room).await,
            Place::Folder(folder) => {
                let files: Vec<PathBuf> =
                    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
                anyhow::ensure!(!files.is_empty(), "nothing is there");
                Ok(files.into_iter().try_for_each(std::fs::remove_file)?)
            }
        }
    }

    /// One more backend on the same table and proxy, reached directly.
    pub(crate) async fn another_backend(&self) -> anyhow::Result<Backend> {
        self.another_backend_with(&[]).await
    }

    /// The same, with other variables.
    pub(crate) async fn another_backend_with(&self, variables: &[(&str, &str)]) -> anyhow::Result<Backend> {
        Backend::start(environment(&self.table().name, self.store().addr(), self.control.addr(), variables)).await
    }
}

/// What a backend needs to run against these.
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

/// The same, with the messages in a folder.
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
        // Nobody looks at readiness before these tests end it.
        ("SHUTDOWN_DELAY", "0s"),
        // All clients of a test are one.
        ("POST_RATE", "0"),
    ];
    // The later of two equal names holds.
    needed.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn http() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?)
}

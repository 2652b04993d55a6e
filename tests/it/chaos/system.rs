//! A complete chat system whose parts can be made to fail: several backends behind a load balancer, on one store.
//!
//! ```text
//! clients ──► proxy ──► balancer ──► backends ──► `table`, a fault proxy ──► DynamoDB Local
//!               ▲                        └──────► `control`, a fault proxy ─┐
//!               └──────────────────────────────────────────────────────────┘
//! ```

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, sleep},
};

use super::{
    client::{Behavior, Order},
    mix::{Fault, Mix, Step},
};
use crate::support::{
    backend::Backend,
    balancer::Balancer,
    clock::{self, Clock},
    disk::Disk,
    fault::{FaultProxy, Mode},
    proxy::Proxy,
    stack::{Kind, Table, embedded_environment, environment},
};

/// The MESSAGE_RETENTION where history expires: the shortest that is allowed.
const RETENTION_SECS: i64 = 3_600;
/// How far a clock jumps to be beyond it. Everything that is stored has expired then, and `Grip-Sig`, which a proxy signs
/// for an hour and a backend accepts for a minute more, has not.
const BEYOND_RETENTION_SECS: i64 = RETENTION_SECS + 30;
/// How often the supervisor looks for backends that have died.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// Longer than any fault that prevents a backend from starting.
const RESTART_DEADLINE: Duration = Duration::from_secs(10);
/// The time that a backend or a proxy has to stop after SIGTERM.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// How often the proxy rechecks its streams. Pushpin requests at most ten links a second, and each room has two.
fn recheck(kind: Kind) -> &'static str {
    match kind {
        Kind::PushpinDynamoDb => "10s",
        Kind::EdgeDynamoDb | Kind::EdgeEmbedded => "4s",
    }
}

pub(crate) struct System {
    pub(crate) proxy: Mutex<Proxy>,
    pub(crate) proxy_addr: SocketAddr,
    backends: Vec<Mutex<Backend>>,
    pub(crate) backend_addrs: Vec<SocketAddr>,
    control: FaultProxy,
    storage: Storage,
    clock: Option<Clock>,
    /// By room: the instructions for its clients.
    pub(crate) orders: Vec<watch::Sender<Order>>,
    /// When history was lost last.
    pub(crate) lost: watch::Sender<Option<Instant>>,
    _balancer: Balancer,
}

/// Where the messages are stored.
enum Storage {
    Table(Table),
    Folder(TempDir),
    Disk(Disk),
}

impl Storage {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Table(_) => None,
            Self::Folder(folder) => Some(folder.path()),
            Self::Disk(disk) => Some(disk.path()),
        }
    }
}

impl System {
    pub(crate) async fn start(kind: Kind, mix: Mix, rooms: usize) -> anyhow::Result<Self> {
        let storage = match kind {
            Kind::EdgeEmbedded if mix.has_disk(kind) => Storage::Disk(Disk::mount()?),
            Kind::EdgeEmbedded => Storage::Folder(tempfile::tempdir()?),
            Kind::PushpinDynamoDb | Kind::EdgeDynamoDb => Storage::Table(Table::create().await?),
        };
        let clock = mix.has_clock().then(Clock::new).transpose()?;
        let mut listening = Vec::new();
        for _ in 0..mix.backends(kind) {
            listening.push(SocketAddr::from(([127, 0, 0, 1], crate::support::ports::free_port()?)));
        }
        let balancer = Balancer::start(listening.clone()).await?;
        let proxy = Proxy::start(kind.proxy(), balancer.addr()).await?;
        let control = FaultProxy::start(proxy.control_addr()).await?;
        let retention = format!("{RETENTION_SECS}s");
        let mut variables = vec![("RECHECK_INTERVAL", recheck(kind))];
        if mix == Mix::History {
            variables.push(("MESSAGE_RETENTION", &retention));
        }
        let mut env = match &storage {
            Storage::Table(table) => environment(&table.name, table.fault_proxy.addr(), control.addr(), &variables),
            Storage::Folder(folder) => embedded_environment(folder.path(), control.addr(), &variables),
            Storage::Disk(disk) => embedded_environment(disk.path(), control.addr(), &variables),
        };
        env.extend(clock.iter().flat_map(Clock::environment));
        let mut backends = Vec::new();
        for addr in &listening {
            backends.push(Mutex::new(Backend::start_on(*addr, env.clone()).await?));
        }
        let order = Order { behavior: Behavior::Reads, storms: 0 };
        Ok(Self {
            proxy_addr: proxy.http_addr(),
            proxy: Mutex::new(proxy),
            backends,
            backend_addrs: listening,
            control,
            storage,
            clock,
            orders: (0..rooms).map(|_| watch::Sender::new(order)).collect(),
            lost: watch::Sender::new(None),
            _balancer: balancer,
        })
    }

    /// Restarts backends that have died, like a service manager. Never returns, except with an error.
    pub(crate) async fn supervise(&self) -> anyhow::Result<()> {
        loop {
            sleep(WATCH_INTERVAL).await;
            for backend in &self.backends {
                // A backend that is locked has a fault of its own at the moment.
                if let Ok(mut backend) = backend.try_lock()
                    && backend.has_died()?
                {
                    restart_until_up(&mut backend).await?;
                }
            }
        }
    }

    /// Injects faults one after another. Each of them is repaired when this returns.
    pub(crate) async fn inject_all(&self, steps: &[Step]) -> anyhow::Result<()> {
        for step in steps {
            sleep(step.pause).await;
            self.inject(step.fault, step.lasts).await.with_context(|| format!("{step:?}"))?;
        }
        Ok(())
    }

    async fn inject(&self, fault: Fault, lasts: Duration) -> anyhow::Result<()> {
        match fault {
            Fault::Kill(n) => {
                let mut backend = self.backends[n].lock().await;
                backend.kill()?;
                sleep(lasts).await;
                restart_until_up(&mut backend).await?;
            }
            Fault::Terminate(n) => {
                let mut backend = self.backends[n].lock().await;
                backend.end(STOP_DEADLINE).await?;
                sleep(lasts).await;
                restart_until_up(&mut backend).await?;
            }
            Fault::Dies(n, point, one_in) => {
                let mut backend = self.backends[n].lock().await;
                backend.kill()?;
                // The percentage may have a fraction.
                let points = format!("{point}={:.3}%return", 100.0 / f64::from(one_in));
                backend.restart_with(&[("FAILPOINTS", &points)]).await?;
                drop(backend);
                sleep(lasts).await;
                let mut backend = self.backends[n].lock().await;
                backend.kill()?;
                restart_until_up(&mut backend).await?;
            }
            Fault::ProxyStops | Fault::ProxyDies => {
                let mut proxy = self.proxy.lock().await;
                if fault == Fault::ProxyDies {
                    proxy.kill().await?
                } else {
                    proxy.end(STOP_DEADLINE).await?
                }
                sleep(lasts).await;
                proxy.restart().await?;
            }
            Fault::Control(mode) => {
                self.control.set(mode);
                sleep(lasts).await;
                self.control.set(Mode::Pass);
            }
            Fault::Table(mode) => {
                let Storage::Table(table) = &self.storage else { return Ok(()) };
                table.fault_proxy.set(mode);
                sleep(lasts).await;
                table.fault_proxy.set(Mode::Pass);
            }
            Fault::DiskFull => {
                let Storage::Disk(disk) = &self.storage else { return Ok(()) };
                let _full = disk.fill()?;
                sleep(lasts).await;
            }
            Fault::ReadOnly => {
                let Storage::Disk(disk) = &self.storage else { return Ok(()) };
                let mut backend = self.backends[0].lock().await;
                backend.kill()?;
                disk.set_read_only(true)?;
                let refused = backend.restart().await.err().context("it started on a read-only disk")?;
                sleep(lasts).await;
                disk.set_read_only(false)?;
                restart_until_up(&mut backend).await.with_context(|| format!("after {refused:#}"))?;
            }
            Fault::Slow(room) => self.order(room, Behavior::ReadsSlowly, lasts).await,
            Fault::Stopped(room) => self.order(room, Behavior::Stopped, lasts).await,
            Fault::Away(room) => self.order(room, Behavior::Away, lasts).await,
            Fault::Storm(room) => {
                self.orders[room].send_modify(|order| order.storms += 1);
                sleep(lasts).await;
            }
            Fault::Clock(seconds) => {
                self.set_clock(seconds)?;
                sleep(lasts).await;
                self.set_clock(0)?;
            }
            Fault::Expired(room) => {
                self.orders[room].send_modify(|order| order.behavior = Behavior::Away);
                self.set_clock(BEYOND_RETENTION_SECS)?;
                sleep(clock::SEEN_WITHIN + lasts).await;
                self.set_clock(0)?;
                // Until the programs notice that, posts may be lost.
                sleep(clock::SEEN_WITHIN).await;
                self.history_is_lost();
                self.orders[room].send_modify(|order| order.behavior = Behavior::Reads);
            }
            Fault::Wiped => self.wipe(lasts).await?,
        }
        Ok(())
    }

    async fn order(&self, room: usize, behavior: Behavior, lasts: Duration) {
        self.orders[room].send_modify(|order| order.behavior = behavior);
        sleep(lasts).await;
        self.orders[room].send_modify(|order| order.behavior = Behavior::Reads);
    }

    fn set_clock(&self, seconds: i64) -> anyhow::Result<()> {
        self.clock.as_ref().context("this system does not have its own clock")?.set(seconds)
    }

    /// Marks the time up to which messages may be lost.
    fn history_is_lost(&self) {
        self.lost.send_replace(Some(Instant::now()));
    }

    async fn wipe(&self, lasts: Duration) -> anyhow::Result<()> {
        match &self.storage {
            Storage::Table(table) => {
                table.client.delete_table().table_name(&table.name).send().await?;
                sleep(lasts).await;
                gripchat::store::table::create(&table.client, &table.name, |_| {}).await?;
            }
            Storage::Folder(_) | Storage::Disk(_) => {
                let mut backend = self.backends[0].lock().await;
                backend.kill()?;
                for file in files(self.storage.folder().context("a folder")?)? {
                    fs::remove_file(file)?;
                }
                sleep(lasts).await;
                restart_until_up(&mut backend).await?;
            }
        }
        self.history_is_lost();
        Ok(())
    }

    /// Returns all messages of a room, oldest first, from the first backend.
    pub(crate) async fn log(&self, http: &reqwest::Client, room: &str) -> anyhow::Result<Vec<Value>> {
        let url = format!("http://{}/rooms/{room}/messages/?limit=200", self.backend_addrs[0]);
        let mut log: Vec<Value> = Vec::new();
        loop {
            let before = log.first().and_then(|oldest| oldest["id"].as_str());
            let page = match before {
                Some(id) => http.get(format!("{url}&before={id}")),
                None => http.get(&url),
            };
            let page: Value =
                page.header("Accept", "application/json").send().await?.error_for_status()?.json().await?;
            let messages = page["messages"].as_array().context("messages")?;
            log.splice(0..0, messages.iter().cloned());
            if page["more"] != true {
                return Ok(log);
            }
        }
    }

    /// Returns the last lines of the logs of all backends.
    pub(crate) async fn logs(&self) -> String {
        let mut text = String::new();
        for backend in &self.backends {
            let backend = backend.lock().await;
            let log = backend.log();
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(20);
            text.push_str(&format!("{}:\n{}\n", backend.addr(), lines[from..].join("\n")));
        }
        text
    }
}

/// Starts a backend, again if necessary: because of another fault its disk may be full.
async fn restart_until_up(backend: &mut Backend) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        match backend.restart().await {
            Err(error) if began.elapsed() > RESTART_DEADLINE => return Err(error),
            Err(_) => sleep(WATCH_INTERVAL).await,
            Ok(()) => return Ok(()),
        }
    }
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// Appends a line to the report of a long run.
pub(crate) fn report(file: &Path, line: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    // One write, so that the lines of tests that end at the same time do not mix.
    fs::OpenOptions::new().create(true).append(true).open(file)?.write_all(format!("{line}\n").as_bytes())
}

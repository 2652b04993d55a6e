//! A real Pushpin for one test, with its own ports and its own folder.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{ports::free_port, process::Tree};

/// The template of the configuration, which scripts/dev uses as well.
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/pushpin.conf.in");

/// The runner, and the two programs from other packages that it starts.
const PROGRAMS: [&str; 3] = ["pushpin", "condure", "zurl"];

/// 0.2 s is usual, most of it ZeroMQ's second attempt to connect. The limit is for a machine that is busy on all cores.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The timeout of the first request that checks whether it is ready. It doubles with each request: messages that ZeroMQ
/// sends before its sockets are connected are lost, but on a busy machine a response may take a while.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(100);

/// Another program may bind a port after it was chosen.
const START_ATTEMPTS: u32 = 3;

/// A host that is routed to [`respond_ready`] instead of the backend, whose requests a test may count.
const READY_HOST: &str = "ready.invalid";

/// The status that the handler sends for the response of [`respond_ready`], and that no other program would send.
const READY_STATUS: &str = "HTTP/1.1 299 ";

/// A running Pushpin. Ends, with all its processes, when dropped.
#[derive(Debug)]
pub(crate) struct Pushpin {
    // Before the folder: the processes must have ended when it is removed.
    processes: Option<Tree>,
    folder: TempDir,
    backend: SocketAddr,
    http: SocketAddr,
    control: SocketAddr,
}

impl Pushpin {
    /// Checks whether it is installed. The error is what is missing.
    pub(crate) fn available() -> Result<(), String> {
        for program in PROGRAMS {
            let path = env::var_os("PATH").unwrap_or_default();
            if !env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
                return Err(format!("`{program}` is not on PATH (apt-get install pushpin)"));
            }
        }
        Ok(())
    }

    /// Starts one in front of `backend`, and returns when it accepts clients and messages.
    pub(crate) async fn start(backend: SocketAddr) -> anyhow::Result<Self> {
        Self::start_with(backend, &[]).await
    }

    /// Starts one with changed lines of the configuration: names, and the values after the `=`.
    pub(crate) async fn start_with(backend: SocketAddr, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::start_once(backend, settings).await {
                // Any failure is tried again: Pushpin does not report a control port that it could not bind.
                Err(error) if attempt < START_ATTEMPTS => eprintln!("pushpin, attempt {attempt}: {error:#}"),
                result => return result.with_context(|| format!("pushpin, attempt {attempt} of {START_ATTEMPTS}")),
            }
            attempt += 1;
        }
    }

    async fn start_once(backend: SocketAddr, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        // Not TMPDIR, which may be long: the path of a socket in it has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("pushpin-").tempdir_in("/tmp")?;
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));

        let config = fs::read_to_string(CONFIG)
            .context(CONFIG)?
            .replace("@HTTP_PORT@", &http.port().to_string())
            .replace("@CONTROL_PORT@", &control.port().to_string());
        let config = settings.iter().try_fold(config, |config, (name, value)| set(&config, name, value))?;
        fs::write(folder.path().join("pushpin.conf"), config)?;
        fs::create_dir(folder.path().join("run"))?;
        fs::create_dir(folder.path().join("log"))?;

        let mut pushpin = Self { processes: None, folder, backend, http, control };
        pushpin.launch().await?;
        Ok(pushpin)
    }

    /// Restarts it on the same ports. Held streams break, and it forgets all channels and ids.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.launch().await
    }

    /// Stops it, and returns when all its processes have ended. [`Pushpin::restart`] starts it again.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        match self.processes.take() {
            Some(mut processes) => spawn_blocking(move || processes.end()).await?.context("pushpin"),
            None => Ok(()),
        }
    }

    /// Ends all its processes with SIGKILL. [`Pushpin::restart`] starts it again.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        match self.processes.take() {
            Some(mut processes) => spawn_blocking(move || processes.kill()).await?.context("pushpin"),
            None => Ok(()),
        }
    }

    /// Returns the address for clients.
    pub(crate) fn http_addr(&self) -> SocketAddr {
        self.http
    }

    pub(crate) fn control_addr(&self) -> SocketAddr {
        self.control
    }

    /// Returns the last lines of each of its logs, for the message of a failing test.
    pub(crate) fn logs(&self) -> String {
        tails(&self.folder.path().join("log"))
    }

    async fn launch(&mut self) -> anyhow::Result<()> {
        let readiness = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let routes = format!("{READY_HOST} {}\n* {},over_http\n", readiness.local_addr()?, self.backend);
        fs::write(self.folder.path().join("routes"), routes)?;
        let log = fs::File::create(self.folder.path().join("log/runner.log"))?;
        let mut command = Command::new("pushpin");
        command.arg("--config=pushpin.conf").current_dir(&self.folder).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);

        let mut processes = Tree::spawn(&mut command).context("pushpin does not start")?;
        let ready = tokio::select! {
            ready = self.ready(&mut processes) => ready,
            error = respond_ready(readiness) => Err(error.into()),
        };
        processes.look();
        if let Err(error) = ready {
            spawn_blocking(move || processes.end()).await??;
            bail!("{error:#}; {}", self.logs());
        }
        self.processes = Some(processes);
        Ok(())
    }

    async fn ready(&self, processes: &mut Tree) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut response_timeout = RESPONSE_TIMEOUT;
        loop {
            if let Some(status) = processes.exited()? {
                bail!("the runner ended: {status}");
            }
            match timeout(response_timeout, self.answers()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) if started.elapsed() > READY_WITHIN => {
                    return Err(error.context(format!("not ready within {READY_WITHIN:?}")));
                }
                // Its processes do not listen yet, or are not connected to each other.
                Ok(Err(_)) => sleep(Duration::from_millis(5)).await,
                Err(_) if started.elapsed() > READY_WITHIN => {
                    bail!("the ports are open, but there is no response within {READY_WITHIN:?}");
                }
                Err(_) => response_timeout *= 2,
            }
        }
    }

    async fn answers(&self) -> anyhow::Result<()> {
        // Connecting is not enough: Pushpin also runs without its control port if another program uses it.
        expect_response(self.control, "localhost", "Pushpin API").await.context("control port")?;
        expect_response(self.http, READY_HOST, READY_STATUS).await.context("client port")
    }
}

/// Returns the configuration with another value for this name.
fn set(config: &str, name: &str, value: &str) -> anyhow::Result<String> {
    let prefix = format!("{name}=");
    let line = config.lines().find(|line| line.starts_with(&prefix));
    let line = line.with_context(|| format!("{CONFIG} has no line {prefix}"))?;
    Ok(config.replacen(&format!("\n{line}\n"), &format!("\n{prefix}{value}\n"), 1))
}

/// A backend whose response becomes a held stream, which needs every connection between the four processes that a test
/// will use. For some time after the ports are open, the proxy responds `500 Accept service unavailable` to requests that
/// it should pass to the handler, and data that the handler sends on a stream is lost without an error.
async fn respond_ready(listener: TcpListener) -> io::Error {
    loop {
        let (mut connection, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => return error,
        };
        // The request is short and has no body, so it arrives in one piece. If anything fails, it is repeated.
        let _ = connection.read(&mut [0; 4096]).await;
        let answer = b"HTTP/1.1 200 OK\r\nGrip-Status: 299 Ready\r\nGrip-Hold: stream\r\nGrip-Channel: ready\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = connection.write_all(answer).await;
    }
}

/// Sends a request to `addr`, and reads until the response contains what is `expected`.
async fn expect_response(addr: SocketAddr, host: &str, expected: &str) -> anyhow::Result<()> {
    let mut connection = TcpStream::connect(addr).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while connection.read_buf(&mut answer).await? > 0 {
        if String::from_utf8_lossy(&answer).contains(expected) {
            return Ok(());
        }
    }
    bail!("the response is {:?}, not {expected:?}", String::from_utf8_lossy(&answer))
}

fn tails(logs: &Path) -> String {
    /// More than Pushpin logs while it starts.
    const LINES: usize = 15;

    let mut tails = String::from("the logs end with");
    for entry in fs::read_dir(logs).into_iter().flatten().flatten() {
        let log = fs::read_to_string(entry.path()).unwrap_or_default();
        let skipped = log.lines().count().saturating_sub(LINES);
        for line in log.lines().skip(skipped) {
            // Writing to a string cannot fail.
            let _ = write!(tails, "\n  {}: {line}", entry.file_name().display());
        }
    }
    tails
}

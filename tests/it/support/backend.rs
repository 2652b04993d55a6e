//! The program itself, as a process: started, stopped, killed, started again on the same port.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

/// From SIGTERM to the end, when nothing is under way.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

/// A `gripchat serve`.
pub(crate) struct Backend {
    child: Option<Child>,
    env: Vec<(String, String)>,
    addr: SocketAddr,
    log: NamedTempFile,
}

impl Backend {
    /// Starts it with these variables and no others of its own. Ready when it listens.
    pub(crate) async fn start(env: Vec<(String, String)>) -> anyhow::Result<Self> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), env).await
    }

    /// Starts it on an address that a proxy has been told already.
    pub(crate) async fn start_on(addr: SocketAddr, env: Vec<(String, String)>) -> anyhow::Result<Self> {
        let mut backend = Self { child: None, env, addr, log: NamedTempFile::new()? };
        backend.spawn(addr).await?;
        Ok(backend)
    }

    /// Starts it again, on the address it had.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        ensure!(self.child.is_none(), "it still runs");
        self.spawn(self.addr).await
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    /// SIGKILL: it gets to do nothing more.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("it does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits until it has ended well.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("it does not run")?;
        kill_process(Pid::from_child(&child), Signal::TERM)?;
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if started.elapsed() > STOPS_WITHIN {
                child.kill()?;
                child.wait()?;
                bail!("it did not stop within {STOPS_WITHIN:?}; its log:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        ensure!(status.success(), "{status}; its log:\n{}", self.log());
        Ok(())
    }

    async fn spawn(&mut self, listen: SocketAddr) -> anyhow::Result<()> {
        let mut child = command("serve", &self.env)
            .env("LISTEN", listen.to_string())
            .stdout(Stdio::piped())
            .stderr(File::options().append(true).open(self.log.path())?)
            .spawn()
            .context("the program does not start")?;
        let stdout = child.stdout.take().context("its standard output is a pipe")?;
        self.child = Some(child);
        let line = spawn_blocking(move || BufReader::new(stdout).lines().next()).await?;
        let line = line.transpose()?.with_context(|| format!("it does not listen; its log:\n{}", self.log()))?;
        let addr = line.strip_prefix("gripchat listening on http://").context("the line has another form")?;
        self.addr = addr.parse()?;
        Ok(())
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if self.child.is_some() {
            let _ = self.kill();
        }
    }
}

/// The program with a subcommand and with these variables, none of which it takes from this process.
pub(crate) fn command(subcommand: &str, env: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gripchat"));
    let foreign = |name: &str| {
        ["AWS_", "GRIP_", "LISTEN", "DYNAMODB_", "MESSAGE_", "RECHECK_", "CORS_", "LOG_", "RUST_LOG"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(foreign) {
            command.env_remove(name);
        }
    }
    command.arg(subcommand).envs(env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    command
}

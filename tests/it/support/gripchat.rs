//! The program as a process: its output, and how it is started, stopped and killed.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

/// From SIGTERM to the exit. Without this limit, a test of a program that hangs would not end.
const STOPS_WITHIN: Duration = Duration::from_secs(30);

/// The prefixes of the variables that the program reads.
const VARIABLES: [&str; 20] = [
    "AWS_",
    "BACKEND",
    "CONTROL_",
    "CORS_",
    "DATA_DIR",
    "DRAIN_",
    "DYNAMODB_",
    "EDGE_",
    "GRIP_",
    "LISTEN",
    "LOG_",
    "MAX_",
    "MESSAGE_",
    "POST_",
    "RECHECK_",
    "RUST_LOG",
    "SHUTDOWN_",
    "SIG_",
    "STORE",
    "TRUSTED_",
];

/// A `gripchat` process. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Option<Child>,
    log: NamedTempFile,
}

impl Program {
    /// Creates one that does not run yet.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { child: None, log: NamedTempFile::new()? })
    }

    /// Starts it, and returns the first `LINES` lines of its output. After the last of them it is ready.
    pub(crate) async fn start<const LINES: usize>(&mut self, mut command: Command) -> anyhow::Result<[String; LINES]> {
        ensure!(self.child.is_none(), "it still runs");
        let log = File::options().append(true).open(self.log.path())?;
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().context("the program does not start")?;
        let stdout = child.stdout.take().context("its standard output is a pipe")?;
        self.child = Some(child);
        let read = || BufReader::new(stdout).lines().take(LINES).collect::<Result<Vec<_>, _>>();
        let lines = spawn_blocking(read).await??;
        lines.try_into().map_err(|lines: Vec<_>| {
            // It has ended or closed its output.
            let _ = self.kill();
            anyhow::anyhow!("it printed only {lines:?}; its log:\n{}", self.log())
        })
    }

    /// Whether it was started, and neither stopped nor killed afterwards.
    pub(crate) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Returns the id of its process.
    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        Ok(self.child.as_ref().context("it does not run")?.id())
    }

    /// Returns its log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("it does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Whether it has ended by itself since it was started.
    pub(crate) fn has_died(&mut self) -> anyhow::Result<bool> {
        let Some(child) = &mut self.child else { return Ok(false) };
        let died = child.try_wait()?.is_some();
        if died {
            self.child = None;
        }
        Ok(died)
    }

    /// Sends SIGTERM, and waits until it has ended with any status.
    pub(crate) async fn end(&mut self, within: Duration) -> anyhow::Result<()> {
        self.terminate()?;
        let began = Instant::now();
        while !self.has_died()? {
            ensure!(began.elapsed() < within, "it does not end within {within:?}; its log:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Sends SIGTERM, and waits until it has ended successfully.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.terminate()?;
        let status = self.ended().await?;
        ensure!(status.success(), "{status}; its log:\n{}", self.log());
        Ok(())
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        let child = self.child.as_ref().context("it does not run")?;
        Ok(kill_process(Pid::from_child(child), Signal::TERM)?)
    }

    /// Waits until it has ended after a signal, and returns its status.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let mut child = self.child.take().context("it does not run")?;
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if started.elapsed() > STOPS_WITHIN {
                child.kill()?;
                child.wait()?;
                bail!("it did not stop within {STOPS_WITHIN:?}; its log:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.child.is_some() {
            let _ = self.kill();
        }
    }
}

/// Returns the program with arguments and these variables. It inherits none of its variables from this process.
pub(crate) fn command(arguments: &[&str], env: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gripchat"));
    let foreign = |name: &str| VARIABLES.iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(foreign) {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    command
}

/// Returns the address in a line of its output: the text after `before`, up to a comma or the end.
pub(crate) fn address_in<'a>(line: &'a str, before: &str) -> anyhow::Result<&'a str> {
    let (_, rest) = line.split_once(before).with_context(|| format!("no {before:?} in {line:?}"))?;
    Ok(rest.split(',').next().unwrap_or(rest))
}

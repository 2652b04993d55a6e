//! A backend: `gripchat serve` as a process that can restart on the same port.

use std::{net::SocketAddr, process::ExitStatus, time::Duration};

use super::gripchat::{Program, address_in, command};

/// A `gripchat serve`.
pub(crate) struct Backend {
    program: Program,
    env: Vec<(String, String)>,
    addr: SocketAddr,
}

impl Backend {
    /// Starts it with only these variables. Returns when it listens.
    pub(crate) async fn start(env: Vec<(String, String)>) -> anyhow::Result<Self> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), env).await
    }

    /// Starts it on an address that a proxy already uses.
    pub(crate) async fn start_on(addr: SocketAddr, env: Vec<(String, String)>) -> anyhow::Result<Self> {
        let mut backend = Self { program: Program::new()?, env, addr };
        backend.restart().await?;
        Ok(backend)
    }

    /// Starts it again on the same address.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.restart_with(&[]).await
    }

    /// Starts it again on the same address, with additional variables until the next start.
    pub(crate) async fn restart_with(&mut self, variables: &[(&str, &str)]) -> anyhow::Result<()> {
        let mut serve = command(&["serve"], &self.env);
        serve.envs(variables.iter().copied());
        serve.env("LISTEN", self.addr.to_string());
        let [line] = self.program.start(serve).await?;
        self.addr = address_in(&line, "gripchat listening on http://")?.parse()?;
        Ok(())
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns its log so far.
    pub(crate) fn log(&self) -> String {
        self.program.log()
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.program.kill()
    }

    /// Whether it has ended by itself since it was started.
    pub(crate) fn has_died(&mut self) -> anyhow::Result<bool> {
        self.program.has_died()
    }

    /// Sends SIGTERM, and waits until it has ended with any status.
    pub(crate) async fn end(&mut self, within: Duration) -> anyhow::Result<()> {
        self.program.end(within).await
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        self.program.terminate()
    }

    /// Waits until it has ended after a signal, and returns its status.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.program.ended().await
    }

    /// Sends SIGTERM, and waits until it has ended successfully.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.program.stop().await
    }
}

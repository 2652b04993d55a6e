//! A backend: `gripchat serve` as a process, that starts again on the port it had.

use std::{net::SocketAddr, process::ExitStatus, time::Duration};

use super::gripchat::{Program, address_in, command};

/// A `gripchat serve`.
pub(crate) struct Backend {
    program: Program,
    env: Vec<(String, String)>,
    addr: SocketAddr,
}

impl Backend {
    /// Starts it with these variables and no others of its own. Ready when it listens.
    pub(crate) async fn start(env: Vec<(String, String)>) -> anyhow::Result<Self> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), env).await
    }

    /// Starts it on an address that a proxy has been told already.
    pub(crate) async fn start_on(addr: SocketAddr, env: Vec<(String, String)>) -> anyhow::Result<Self> {
        let mut backend = Self { program: Program::new()?, env, addr };
        backend.restart().await?;
        Ok(backend)
    }

    /// Starts it again, on the address it had.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.restart_with(&[]).await
    }

    /// The same, with variables beside those it has, until it is started again.
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

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        self.program.log()
    }

    /// SIGKILL: it gets to do nothing more.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.program.kill()
    }

    /// Whether it ended without being told to, since it was started.
    pub(crate) fn has_died(&mut self) -> anyhow::Result<bool> {
        self.program.has_died()
    }

    /// SIGTERM, and waits until it has ended, whatever was still under way.
    pub(crate) async fn end(&mut self, within: Duration) -> anyhow::Result<()> {
        self.program.end(within).await
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        self.program.terminate()
    }

    /// Waits until it has ended, which it was told to do; how it did.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.program.ended().await
    }

    /// SIGTERM, and waits until it has ended well.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.program.stop().await
    }
}

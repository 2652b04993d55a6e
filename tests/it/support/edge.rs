//! An edge: `gripchat edge` as a process that can restart on the same ports.

use std::{fs, net::SocketAddr, process::ExitStatus, time::Duration};

use anyhow::Context as _;

use super::{
    gripchat::{Program, address_in, command},
    ports::free_port,
};

/// A `gripchat edge`. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Edge {
    program: Program,
    env: Vec<(String, String)>,
    http: SocketAddr,
    control: SocketAddr,
}

impl Edge {
    /// Starts one in front of `backend`, on free ports.
    pub(crate) async fn start(backend: SocketAddr) -> anyhow::Result<Self> {
        Self::start_with(backend, &[]).await
    }

    /// Starts one with additional variables.
    pub(crate) async fn start_with(backend: SocketAddr, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let backend = format!("http://{backend}");
        let all = [
            ("BACKEND", backend.as_str()),
            ("RUST_LOG", "info,gripchat=debug"),
            // All clients of a test have the same address.
            ("MAX_STREAMS_PER_ADDRESS", "0"),
        ];
        // The last of several equal names applies.
        let env = all.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        // Not port 0: between a stop and the next start, the kernel may give such a port to another program.
        let port = || anyhow::Ok(SocketAddr::from(([127, 0, 0, 1], free_port()?)));
        let mut edge = Self { program: Program::new()?, env, http: port()?, control: port()? };
        edge.launch().await?;
        Ok(edge)
    }

    /// Restarts it on the same ports. Held streams break, and it forgets all channels and ids.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        if self.program.is_running() {
            self.stop().await?;
        }
        self.launch().await
    }

    /// Sends SIGTERM, and waits until it has ended successfully.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.program.stop().await
    }

    /// Sends SIGTERM, and waits until it has ended with any status.
    pub(crate) async fn end(&mut self, within: Duration) -> anyhow::Result<()> {
        self.program.end(within).await
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.program.kill()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        self.program.terminate()
    }

    /// Waits until it has ended after a signal, and returns its status.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.program.ended().await
    }

    /// Returns the number of its open descriptors.
    pub(crate) fn descriptors(&self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.program.id()?))?.count())
    }

    /// Returns its resident memory in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.id()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
    }

    pub(crate) fn http_addr(&self) -> SocketAddr {
        self.http
    }

    pub(crate) fn control_addr(&self) -> SocketAddr {
        self.control
    }

    /// Returns its log so far.
    pub(crate) fn log(&self) -> String {
        self.program.log()
    }

    async fn launch(&mut self) -> anyhow::Result<()> {
        let mut edge = command(&["edge"], &self.env);
        edge.env("LISTEN", self.http.to_string()).env("CONTROL_LISTEN", self.control.to_string());
        let [clients, control] = self.program.start(edge).await?;
        self.http = address_in(&clients, "gripchat edge listening on http://")?.parse()?;
        self.control = address_in(&control, "gripchat control port on http://")?.parse()?;
        Ok(())
    }
}

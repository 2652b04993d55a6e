//! The standard output of the program, which works without a reader.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use tokio::time::sleep;

use super::run::environment;
use crate::support::{
    gripchat::{Program, command},
    ports::free_port,
    stack::{Room, SOON, http},
    trials::trials,
};

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => it_works_without_a_reader_of_its_output,
    ]
}

/// As in `gripchat run | head -1`.
async fn it_works_without_a_reader_of_its_output() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut program = Program::new()?;
    let port = free_port()?;
    let env = environment(folder.path(), &[("EDGE_LISTEN", &format!("127.0.0.1:{port}"))]);
    // The pipe is closed before the first line is printed.
    let [] = program.start(command(&["run"], &env)).await?;
    let room = Room::new(&format!("http://127.0.0.1:{port}"), "lobby", http()?);
    let started = Instant::now();
    while room.history("").await.is_err() {
        anyhow::ensure!(!program.has_died()?, "it has ended: {}", program.log());
        anyhow::ensure!(started.elapsed() < SOON, "it does not respond: {}", program.log());
        sleep(Duration::from_millis(50)).await;
    }
    room.post("hello").await?;
    program.stop().await
}

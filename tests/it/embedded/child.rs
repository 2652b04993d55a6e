//! What the child processes of these tests do: this same program, told by its environment to be one of them.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use gripchat::store::{Store as _, StoreError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::sleep,
};

use super::{all, assert_dense, draft, open, room, say};

/// Names what a child does, and in which folder.
const ROLE: &str = "GRIPCHAT_TEST_CHILD";
const FOLDER: &str = "GRIPCHAT_TEST_FOLDER";

/// What the child that posts posts to.
pub(super) const ROOMS: [&str; 3] = ["a", "b", "c"];
const POSTERS: usize = 24;

/// The signal for a file that would grow beyond the limit; signal(7). Unless it is caught, it ends the process.
const SIGXFSZ: i32 = 25;

/// What a child can do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// Posts as fast as it can until it is killed, and says each message that was acknowledged.
    Post,
    /// Opens the store, says so, and keeps it until its input ends.
    Hold,
    /// Meets a full disk, and goes on when there is room again.
    Full,
}

/// A child that has not been started yet.
pub(super) fn command(role: Role, folder: &Path) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.env(ROLE, format!("{role:?}")).env(FOLDER, folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(command)
}

/// Does what the environment says, if it says anything.
pub(crate) fn main() -> Option<ExitCode> {
    let (role, folder) = (env::var(ROLE).ok()?, PathBuf::from(env::var_os(FOLDER)?));
    let outcome = Runtime::new().context("a runtime").and_then(|runtime| match role.as_str() {
        "Post" => runtime.block_on(post(&folder)),
        "Hold" => hold(&folder),
        "Full" => runtime.block_on(meet_a_full_disk(&folder)),
        other => anyhow::bail!("no role: {other}"),
    });
    Some(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("child: {error:#}");
            ExitCode::FAILURE
        }
    })
}

async fn post(folder: &Path) -> anyhow::Result<()> {
    let store = open(folder)?;
    let mut posters = JoinSet::new();
    for poster in 0..POSTERS {
        let store = store.clone();
        posters.spawn(async move {
            let room = room(ROOMS[poster % ROOMS.len()]);
            loop {
                // Of all lengths, so that pages are split at all places.
                let text = "x".repeat(rand::random_range(1..2_000));
                let message = say(&store, &room, draft(&text)).await?;
                // One write, so that lines do not mix.
                let line = format!("{room} {} {} {}\n", message.id, message.provisional_id, text.len());
                io::stdout().lock().write_all(line.as_bytes())?;
            }
        });
    }
    posters.join_next().await.context("a poster")??
}

fn hold(folder: &Path) -> anyhow::Result<()> {
    let _store = open(folder)?;
    println!("open");
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}

async fn meet_a_full_disk(folder: &Path) -> anyhow::Result<()> {
    let _caught = signal(SignalKind::from_raw(SIGXFSZ))?;
    let (store, room) = (open(folder)?, room("a"));
    let mut said = vec![say(&store, &room, draft("the first")).await?];

    let unlimited = getrlimit(Resource::Fsize);
    let length = std::fs::metadata(store.path())?.len();
    setrlimit(Resource::Fsize, Rlimit { current: Some(length), ..unlimited })?;
    let refusal = loop {
        match say(&store, &room, draft(&"x".repeat(4_000))).await {
            Ok(message) => said.push(message),
            Err(error) => break error,
        }
        ensure!(said.len() < 100_000, "the disk does not get full");
    };
    let refusal = refusal.downcast::<StoreError>()?;
    ensure!(matches!(refusal, StoreError::Unavailable(_)), "refused with {refusal:?}");
    let again = say(&store, &room, draft(&"x".repeat(4_000))).await;
    ensure!(again.is_err(), "there is no more room than before");

    setrlimit(Resource::Fsize, unlimited)?;
    let free = Instant::now();
    let last = loop {
        match say(&store, &room, draft("the last")).await {
            Ok(message) => break message,
            Err(error) => ensure!(free.elapsed() < Duration::from_secs(10), "still {error:#}"),
        }
        sleep(Duration::from_millis(20)).await;
    };
    store.check().await?;
    let stored = all(&store, &room).await?;
    assert_dense(&stored);
    ensure!(stored[..said.len()] == said, "what was acknowledged is there");
    ensure!(stored.last() == Some(&last), "and goes on");
    println!("{} messages, {} acknowledged before the disk was full", stored.len(), said.len());
    Ok(())
}

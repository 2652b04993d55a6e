//! The child processes of these tests: the test program itself, with a role from its environment.

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

use super::{all, assert_dense, draft, open, post, room};

/// The environment variables with a child's role and folder.
const ROLE: &str = "GRIPCHAT_TEST_CHILD";
const FOLDER: &str = "GRIPCHAT_TEST_FOLDER";

/// The rooms that the posting child posts to.
pub(super) const ROOMS: [&str; 3] = ["a", "b", "c"];
const POSTERS: usize = 24;

/// The signal that a process receives when a file would grow beyond the limit; see signal(7). Unless it is caught, it
/// terminates the process.
const SIGXFSZ: i32 = 25;

/// What a child does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// Posts as fast as it can until it is killed, and prints each acknowledged message.
    Post,
    /// Opens the store, prints a line, and keeps it open until its input ends.
    Hold,
    /// Fills the disk, and continues when there is space again.
    Full,
}

/// The command that starts a child.
pub(super) fn command(role: Role, folder: &Path) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.env(ROLE, format!("{role:?}")).env(FOLDER, folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(command)
}

/// Runs the role in the environment, if there is one.
pub(crate) fn main() -> Option<ExitCode> {
    let (role, folder) = (env::var(ROLE).ok()?, PathBuf::from(env::var_os(FOLDER)?));
    let outcome = Runtime::new().context("a runtime").and_then(|runtime| match role.as_str() {
        "Post" => runtime.block_on(post_until_killed(&folder)),
        "Hold" => hold(&folder),
        "Full" => runtime.block_on(fill_the_disk(&folder)),
        other => anyhow::bail!("unknown role: {other}"),
    });
    Some(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("child: {error:#}");
            ExitCode::FAILURE
        }
    })
}

async fn post_until_killed(folder: &Path) -> anyhow::Result<()> {
    let store = open(folder)?;
    let mut posters = JoinSet::new();
    for poster in 0..POSTERS {
        let store = store.clone();
        posters.spawn(async move {
            let room = room(ROOMS[poster % ROOMS.len()]);
            loop {
                // Texts of all lengths, so that pages are split at all positions.
                let text = "x".repeat(rand::random_range(1..2_000));
                let message = post(&store, &room, draft(&text)).await?;
                // One write, so that lines do not interleave.
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

async fn fill_the_disk(folder: &Path) -> anyhow::Result<()> {
    let _caught = signal(SignalKind::from_raw(SIGXFSZ))?;
    let (store, room) = (open(folder)?, room("a"));
    let mut posted = vec![post(&store, &room, draft("the first")).await?];

    let unlimited = getrlimit(Resource::Fsize);
    let length = std::fs::metadata(store.path())?.len();
    setrlimit(Resource::Fsize, Rlimit { current: Some(length), ..unlimited })?;
    let refusal = loop {
        match post(&store, &room, draft(&"x".repeat(4_000))).await {
            Ok(message) => posted.push(message),
            Err(error) => break error,
        }
        ensure!(posted.len() < 100_000, "the disk does not get full");
    };
    let refusal = refusal.downcast::<StoreError>()?;
    ensure!(matches!(refusal, StoreError::Unavailable(_)), "refused with {refusal:?}");
    let repeated = post(&store, &room, draft(&"x".repeat(4_000))).await;
    ensure!(repeated.is_err(), "there is no more space than before");

    setrlimit(Resource::Fsize, unlimited)?;
    let free = Instant::now();
    let last = loop {
        match post(&store, &room, draft("the last")).await {
            Ok(message) => break message,
            Err(error) => ensure!(free.elapsed() < Duration::from_secs(30), "still {error:#}"),
        }
        sleep(Duration::from_millis(20)).await;
    };
    store.check().await?;
    let stored = all(&store, &room).await?;
    assert_dense(&stored);
    ensure!(stored[..posted.len()] == posted, "an acknowledged message is lost");
    ensure!(stored.last() == Some(&last), "the last message is lost");
    println!("{} messages, {} acknowledged before the disk was full", stored.len(), posted.len());
    Ok(())
}

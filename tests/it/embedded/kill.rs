//! SIGKILL at any time: acknowledged messages are stored, numbers are dense, no message is torn.

use std::{collections::BTreeMap, io::Read as _, ops::Range, path::Path, thread, time::Duration};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use tokio::task::spawn_blocking;

use super::{
    all, assert_dense,
    child::{self, ROOMS, Role},
    open, room,
};
use crate::support::trials::trials;

const ROUNDS: usize = 16;
const MAX_ROUNDS: usize = 100;
/// How long a child runs, in milliseconds: some are killed while they open the file, most while they write.
const LIFETIMES: Range<u64> = 20..400;
/// With fewer acknowledged messages the test shows nothing.
const MIN_ACKNOWLEDGED: usize = 500;

pub(super) fn trials() -> Vec<Trial> {
    trials![[] => acknowledged_messages_survive_sigkill]
}

/// The provisional id and the length of the text, by room and id.
type Acknowledged = BTreeMap<(String, String), (String, usize)>;

async fn acknowledged_messages_survive_sigkill() -> anyhow::Result<()> {
    let parent = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let folder = parent.path().join("data");
    let mut acknowledged = Acknowledged::new();
    let mut round = 0;
    // On a busy machine a child stores less in its lifetime.
    while round < ROUNDS || (acknowledged.len() < MIN_ACKNOWLEDGED && round < MAX_ROUNDS) {
        round += 1;
        let child_folder = folder.clone();
        acknowledged.extend(spawn_blocking(move || post_until_killed(&child_folder)).await??);
        // In the other rounds, the next child opens the file as the killed one left it.
        if round % 2 == 0 {
            check(&folder, &acknowledged).await.with_context(|| format!("after {round} rounds"))?;
        }
    }
    ensure!(acknowledged.len() >= MIN_ACKNOWLEDGED, "only {} messages in {round} rounds", acknowledged.len());
    Ok(())
}

/// Runs a child until it is killed. Returns the messages that were acknowledged.
fn post_until_killed(folder: &Path) -> anyhow::Result<Acknowledged> {
    let mut child = child::command(Role::Post, folder)?.spawn()?;
    let mut output = child.stdout.take().context("its output")?;
    let reader = thread::spawn(move || {
        let mut lines = String::new();
        output.read_to_string(&mut lines).map(|_| lines)
    });
    thread::sleep(Duration::from_millis(rand::random_range(LIFETIMES)));
    let ended = child.try_wait()?;
    child.kill()?;
    child.wait()?;
    ensure!(ended.is_none(), "the child ended by itself: {ended:?}");
    let lines = reader.join().expect("the reader does not panic")?;
    // The last line may be incomplete.
    let whole = lines.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| {
            let parts: Vec<&str> = line.split(' ').collect();
            let [room, id, provisional_id, length] = parts[..] else { anyhow::bail!("an invalid line: {line}") };
            Ok(((room.to_owned(), id.to_owned()), (provisional_id.to_owned(), length.parse()?)))
        })
        .collect()
}

async fn check(folder: &Path, acknowledged: &Acknowledged) -> anyhow::Result<()> {
    let store = open(folder)?;
    let mut stored = Acknowledged::new();
    for name in ROOMS {
        let messages = all(&store, &room(name)).await?;
        assert_dense(&messages);
        for message in messages {
            let text = message.text.as_str();
            ensure!(text.bytes().all(|b| b == b'x'), "a torn text: {text}");
            let content = (message.provisional_id.to_string(), text.len());
            stored.insert((name.to_owned(), message.id.to_string()), content);
        }
    }
    let lost: Vec<_> = acknowledged.iter().filter(|(key, content)| stored.get(*key) != Some(content)).collect();
    ensure!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), acknowledged.len());
    Ok(())
}

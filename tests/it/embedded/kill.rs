//! SIGKILL at any moment: what was acknowledged is there, numbers are dense, nothing is torn.

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
/// From the start of a child to its end, in milliseconds: some are killed while they open the file, most while they
/// write.
const LIVES: Range<u64> = 20..400;
/// At least so many messages, or the rounds showed nothing.
const ENOUGH: usize = 500;

pub(super) fn trials() -> Vec<Trial> {
    trials![[] => what_was_acknowledged_survives_sigkill]
}

/// By room and id: the provisional id and the length of the text.
type Acknowledged = BTreeMap<(String, String), (String, usize)>;

async fn what_was_acknowledged_survives_sigkill() -> anyhow::Result<()> {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let folder = place.path().join("data");
    let mut acknowledged = Acknowledged::new();
    for round in 1..=ROUNDS {
        let of_child = folder.clone();
        acknowledged.extend(spawn_blocking(move || post_until_killed(&of_child)).await??);
        // In between, the next child opens the file as the killed one left it.
        if round % 2 == 0 {
            check(&folder, &acknowledged).await.with_context(|| format!("after {round} rounds"))?;
        }
    }
    ensure!(acknowledged.len() >= ENOUGH, "only {} messages in {ROUNDS} rounds", acknowledged.len());
    Ok(())
}

/// What a child had been told that it was stored when it was killed.
fn post_until_killed(folder: &Path) -> anyhow::Result<Acknowledged> {
    let mut child = child::command(Role::Post, folder)?.spawn()?;
    let mut output = child.stdout.take().context("its output")?;
    let reader = thread::spawn(move || {
        let mut lines = String::new();
        output.read_to_string(&mut lines).map(|_| lines)
    });
    thread::sleep(Duration::from_millis(rand::random_range(LIVES)));
    let ended = child.try_wait()?;
    child.kill()?;
    child.wait()?;
    ensure!(ended.is_none(), "the child ended by itself: {ended:?}");
    let lines = reader.join().expect("the reader does not panic")?;
    // The last line may have been cut off.
    let whole = lines.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| {
            let parts: Vec<&str> = line.split(' ').collect();
            let [room, id, provisional_id, length] = parts[..] else { anyhow::bail!("a broken line: {line}") };
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
            let of = (message.provisional_id.to_string(), text.len());
            stored.insert((name.to_owned(), message.id.to_string()), of);
        }
    }
    let lost: Vec<_> = acknowledged.iter().filter(|(place, of)| stored.get(*place) != Some(of)).collect();
    ensure!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), acknowledged.len());
    Ok(())
}

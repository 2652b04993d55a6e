//! The embedded store, beyond the contract: killed, damaged, in use, full, and at work.
//!
//! | module | what it shows |
//! |---|---|
//! | `killed` | SIGKILL at any moment loses nothing that was acknowledged |
//! | `refused` | files and folders that are not opened, and left as they are |
//! | `working` | commits in common, deletion, a writer that is held up |
//! | `child` | what the child processes of these tests do |

use std::path::Path;

use gripchat::{
    chat::{Author, Cursor, Draft, Message, RoomId, Text, Timestamp},
    store::{Append, Embedded, OpenError, Replay, Retention, Store as _},
};
use libtest_mimic::Trial;
use uuid::Uuid;

pub(crate) mod child;
mod killed;
mod refused;
mod working;

pub(crate) fn trials() -> Vec<Trial> {
    [killed::trials(), working::trials(), refused::trials()].into_iter().flatten().collect()
}

fn room(name: &str) -> RoomId {
    RoomId::parse(name).expect("a room")
}

fn draft(text: &str) -> Draft {
    Draft {
        provisional_id: Uuid::new_v4(),
        from: Author::parse("Ada").expect("an author"),
        text: Text::parse(text).expect("a text"),
        date: Timestamp::now(),
    }
}

/// Of long ago: where messages are kept for an hour, it has expired when it is stored.
fn old(text: &str) -> Draft {
    Draft { date: Timestamp::from_millis(1_000_000_000_000), ..draft(text) }
}

fn open(folder: &Path) -> Result<Embedded, OpenError> {
    Embedded::open(folder, Retention::FOREVER)
}

async fn say(store: &Embedded, room: &RoomId, draft: Draft) -> anyhow::Result<Message> {
    Ok(store.append(room, Append::new(draft)).await?.message)
}

/// All messages of a room, from its start, page by page.
async fn all(store: &Embedded, room: &RoomId) -> anyhow::Result<Vec<Message>> {
    let (mut cursor, mut all) = (Cursor::Start, Vec::new());
    loop {
        let Replay::Messages { messages, more } = store.after(room, &cursor, 500).await? else {
            anyhow::bail!("a reset at {cursor}");
        };
        all.extend(messages);
        match all.last() {
            Some(last) if more => cursor = last.id.clone().into(),
            _ => return Ok(all),
        }
    }
}

/// A room's numbers are 1, 2, 3 … of one epoch.
fn assert_dense(messages: &[Message]) {
    let seqs: Vec<u64> = messages.iter().map(|message| message.id.seq).collect();
    assert_eq!(seqs, (1..=messages.len() as u64).collect::<Vec<_>>());
    assert!(messages.iter().all(|message| message.id.epoch == messages[0].id.epoch), "one epoch");
}

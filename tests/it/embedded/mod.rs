//! The embedded store beyond the contract.
//!
//! | module | what it tests |
//! |---|---|
//! | `kill` | SIGKILL at any time loses no acknowledged message |
//! | `refusal` | files and folders that are refused and left unchanged |
//! | `operation` | shared commits, deletion, a full disk, a blocked writer |
//! | `child` | the child processes of these tests |

use std::path::Path;

use gripchat::{
    chat::{Author, Cursor, Draft, Message, RoomId, Text, Timestamp},
    store::{Append, Embedded, OpenError, Replay, Retention, Store as _},
};
use libtest_mimic::Trial;
use uuid::Uuid;

pub(crate) mod child;
mod kill;
mod operation;
mod refusal;

pub(crate) fn trials() -> Vec<Trial> {
    [kill::trials(), operation::trials(), refusal::trials()].into_iter().flatten().collect()
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

/// A draft with an old date. With a retention of an hour, its message has already expired when it is stored.
fn old(text: &str) -> Draft {
    Draft { date: Timestamp::from_millis(1_000_000_000_000), ..draft(text) }
}

fn open(folder: &Path) -> Result<Embedded, OpenError> {
    Embedded::open(folder, Retention::FOREVER)
}

async fn post(store: &Embedded, room: &RoomId, draft: Draft) -> anyhow::Result<Message> {
    Ok(store.append(room, Append::new(draft)).await?.message)
}

/// Reads all messages of a room, page by page.
async fn all(store: &Embedded, room: &RoomId) -> anyhow::Result<Vec<Message>> {
    let (mut cursor, mut all) = (Cursor::Start, Vec::new());
    loop {
        let Replay::Messages { messages, more } = store.after(room, &cursor, 500).await? else {
            anyhow::bail!("{cursor} was reset");
        };
        all.extend(messages);
        match all.last() {
            Some(last) if more => cursor = last.id.clone().into(),
            _ => return Ok(all),
        }
    }
}

/// Asserts that the numbers are 1, 2, 3 … of one epoch.
fn assert_dense(messages: &[Message]) {
    let seqs: Vec<u64> = messages.iter().map(|message| message.id.seq).collect();
    assert_eq!(seqs, (1..=messages.len() as u64).collect::<Vec<_>>());
    assert!(messages.iter().all(|message| message.id.epoch == messages[0].id.epoch), "one epoch");
}

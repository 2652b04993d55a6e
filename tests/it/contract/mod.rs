//! The contract of [`gripchat::store`]: each rule once, run for every store.
//!
//! | module | tests |
//! |---|---|
//! | `numbers` | numbering, announcements, separate rooms |
//! | `cursors` | replays |
//! | `pages` | the newest messages, and the messages before one |
//! | `expiry` | expired messages |
//! | `keys` | idempotency keys |
//! | `room_list` | the list of rooms |
//! | `instances` | two processes on one table |
//! | `failures` | how the store in memory fails on demand |

use std::sync::Arc;

use futures_util::future::BoxFuture;
use gripchat::{
    chat::{Author, Cursor, Draft, Message, RoomId, Text, Timestamp},
    store::{Append, Appended, Coalesced, DynamoDb, Embedded, Replay, Retention, Store, table},
};
use libtest_mimic::Trial;
use uuid::Uuid;

use crate::support::{
    dynamodb,
    memory::Memory,
    schedule::Load,
    stack,
    trials::{Need, trial},
};

mod cursors;
mod expiry;
mod failures;
mod instances;
mod keys;
mod numbers;
mod pages;
mod room_list;

/// Opens stores over the same messages. A test drops a store before it opens the next, unless it is about two stores.
type OpenStore = Box<dyn Fn(Retention) -> anyhow::Result<Arc<dyn Store>> + Send + Sync>;

type NewStorage = fn() -> BoxFuture<'static, anyhow::Result<OpenStore>>;

type Rule = fn(OpenStore) -> BoxFuture<'static, anyhow::Result<()>>;

/// All stores.
const STORES: [(&str, &[Need], NewStorage); 4] = [
    ("memory", &[], || Box::pin(memory())),
    ("coalesced", &[], || Box::pin(coalesced())),
    ("embedded", &[], || Box::pin(embedded())),
    ("dynamodb", &[Need::DynamoDb], || Box::pin(dynamodb())),
];

async fn memory() -> anyhow::Result<OpenStore> {
    let memory = Memory::new(Retention::FOREVER);
    Ok(Box::new(move |retention| Ok(Arc::new(memory.beside(retention)))))
}

/// Coalesces reads of the store in memory.
async fn coalesced() -> anyhow::Result<OpenStore> {
    let memory = Memory::new(Retention::FOREVER);
    Ok(Box::new(move |retention| Ok(Arc::new(Coalesced::new(Arc::new(memory.beside(retention)))))))
}

async fn embedded() -> anyhow::Result<OpenStore> {
    let folder = tempfile::tempdir()?;
    Ok(Box::new(move |retention| Ok(Arc::new(Embedded::open(folder.path(), retention)?))))
}

async fn dynamodb() -> anyhow::Result<OpenStore> {
    let (client, table) = (stack::client(dynamodb::shared().await?), stack::table_name());
    table::create(&client, &table, |_| {}).await?;
    Ok(Box::new(move |retention| Ok(Arc::new(DynamoDb::new(client.clone(), table.clone(), retention)))))
}

/// Names rules after their functions: `rules![a_rule, another]`.
macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        vec![$((stringify!($rule), |open| Box::pin($rule(open)))),*]
    };
}
use rules;

pub(crate) fn trials() -> Vec<Trial> {
    let rules: Vec<(&str, Rule)> =
        [numbers::rules(), cursors::rules(), pages::rules(), expiry::rules(), keys::rules(), room_list::rules()]
            .concat();
    let rules_of_stores = STORES.into_iter().flat_map(|(store, needs, new_storage)| {
        // Named like a test function of this crate.
        let name = move |rule| format!("it::contract::{store}::{rule}");
        rules.iter().map(move |&(rule, check)| {
            trial(&name(rule), Load::Light, needs, async move || check(new_storage().await?).await)
        })
    });
    rules_of_stores.chain(instances::trials()).chain(room_list::trials()).chain(failures::trials()).collect()
}

fn room() -> RoomId {
    RoomId::parse("lobby").expect("a room")
}

/// The shortest retention.
fn hour() -> Retention {
    "1h".parse().expect("a retention")
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

async fn append(store: &dyn Store, draft: Draft) -> anyhow::Result<Appended> {
    Ok(store.append(&room(), Append::new(draft)).await?)
}

async fn post(store: &dyn Store, text: &str) -> anyhow::Result<Message> {
    Ok(append(store, draft(text)).await?.message)
}

/// Posts `count` messages. If the room was empty, their texts are their numbers.
async fn post_numbers(store: &dyn Store, count: usize) -> anyhow::Result<Vec<Message>> {
    let mut messages = Vec::new();
    for n in 1..=count {
        messages.push(post(store, &n.to_string()).await?);
    }
    Ok(messages)
}

/// Reads everything after a cursor, page by page.
async fn all_after(store: &dyn Store, cursor: Cursor, limit: usize) -> anyhow::Result<Vec<Message>> {
    let (mut cursor, mut all) = (cursor, Vec::new());
    loop {
        let Replay::Messages { messages, more } = store.after(&room(), &cursor, limit).await? else {
            anyhow::bail!("{cursor} was reset");
        };
        anyhow::ensure!(!more || !messages.is_empty(), "an empty page after {cursor} reports that more follows");
        all.extend(messages);
        if !more {
            return Ok(all);
        }
        cursor = after(all.last().expect("the page is not empty"));
    }
}

fn after(message: &Message) -> Cursor {
    message.id.clone().into()
}

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.id.seq).collect()
}

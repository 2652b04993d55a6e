//! The contract of [`gripchat::store`]: each rule once, for every store.
//!
//! | module | rules of |
//! |---|---|
//! | `numbers` | numbering, announcing, keeping apart |
//! | `cursors` | what follows a cursor |
//! | `pages` | the newest messages, and those before one |
//! | `expiry` | what is gone |
//! | `keys` | idempotency |
//! | `listing` | the list of rooms |
//! | `instances` | two processes on one table |
//! | `demand` | how the store in memory fails |

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
    stack,
    trials::{Need, trial},
};

mod cursors;
mod demand;
mod expiry;
mod instances;
mod keys;
mod listing;
mod numbers;
mod pages;

/// A place that keeps messages. A store over it is dropped before the next one is opened, except where a rule is about
/// two of them.
type Place = Box<dyn Fn(Retention) -> anyhow::Result<Arc<dyn Store>> + Send + Sync>;

type MakePlace = fn() -> BoxFuture<'static, anyhow::Result<Place>>;

type Rule = fn(Place) -> BoxFuture<'static, anyhow::Result<()>>;

/// All stores. Another one is another line.
const STORES: [(&str, &[Need], MakePlace); 4] = [
    ("memory", &[], || Box::pin(memory())),
    ("coalesced", &[], || Box::pin(coalesced())),
    ("embedded", &[], || Box::pin(embedded())),
    ("dynamodb", &[Need::DynamoDb], || Box::pin(dynamodb())),
];

async fn memory() -> anyhow::Result<Place> {
    let keeper = Memory::new(Retention::FOREVER);
    Ok(Box::new(move |retention| Ok(Arc::new(keeper.beside(retention)))))
}

/// Reads that are shared, of the store in memory.
async fn coalesced() -> anyhow::Result<Place> {
    let keeper = Memory::new(Retention::FOREVER);
    Ok(Box::new(move |retention| Ok(Arc::new(Coalesced::new(Arc::new(keeper.beside(retention)))))))
}

async fn embedded() -> anyhow::Result<Place> {
    let folder = tempfile::tempdir()?;
    Ok(Box::new(move |retention| Ok(Arc::new(Embedded::open(folder.path(), retention)?))))
}

async fn dynamodb() -> anyhow::Result<Place> {
    let (client, table) = (stack::client(dynamodb::shared().await?), stack::table_name());
    table::create(&client, &table, |_| {}).await?;
    Ok(Box::new(move |retention| Ok(Arc::new(DynamoDb::new(client.clone(), table.clone(), retention)))))
}

/// Rules by their names: `rules![a_rule, another]`.
macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        vec![$((stringify!($rule), |place| Box::pin($rule(place)))),*]
    };
}
use rules;

pub(crate) fn trials() -> Vec<Trial> {
    let rules: Vec<(&str, Rule)> =
        [numbers::rules(), cursors::rules(), pages::rules(), expiry::rules(), keys::rules(), listing::rules()].concat();
    let of_stores = STORES.into_iter().flat_map(|(store, needs, make)| {
        // The first part stands for the crate, as in a module's path.
        let name = move |rule| format!("it::contract::{store}::{rule}");
        rules.iter().map(move |&(rule, check)| trial(&name(rule), needs, async move || check(make().await?).await))
    });
    of_stores.chain(instances::trials()).chain(listing::trials()).chain(demand::trials()).collect()
}

fn room() -> RoomId {
    RoomId::parse("lobby").expect("a room")
}

/// The shortest retention there is.
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

/// Of long ago: where messages are kept for an hour, it has expired when it is stored.
fn old(text: &str) -> Draft {
    Draft { date: Timestamp::from_millis(1_000_000_000_000), ..draft(text) }
}

async fn append(store: &dyn Store, draft: Draft) -> anyhow::Result<Appended> {
    Ok(store.append(&room(), Append::new(draft)).await?)
}

async fn say(store: &dyn Store, text: &str) -> anyhow::Result<Message> {
    Ok(append(store, draft(text)).await?.message)
}

/// So many messages, whose texts are their numbers if the room was empty.
async fn say_numbers(store: &dyn Store, count: usize) -> anyhow::Result<Vec<Message>> {
    let mut messages = Vec::new();
    for n in 1..=count {
        messages.push(say(store, &n.to_string()).await?);
    }
    Ok(messages)
}

/// All that follows a cursor, page by page.
async fn all_after(store: &dyn Store, cursor: Cursor, limit: usize) -> anyhow::Result<Vec<Message>> {
    let (mut cursor, mut all) = (cursor, Vec::new());
    loop {
        let Replay::Messages { messages, more } = store.after(&room(), &cursor, limit).await? else {
            anyhow::bail!("a reset at {cursor}");
        };
        anyhow::ensure!(!more || !messages.is_empty(), "more follows an empty page at {cursor}");
        all.extend(messages);
        if !more {
            return Ok(all);
        }
        cursor = behind(all.last().expect("more follows something"));
    }
}

fn behind(message: &Message) -> Cursor {
    message.id.clone().into()
}

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.id.seq).collect()
}

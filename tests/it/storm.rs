//! A storm: two thousand streams of one room lose their proxy and reconnect at the same time.
//!
//! Within seconds each of them has all messages, wherever it was cut, and the store is read only a few times for all.

mod clients;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use rustix::process::{Resource, getrlimit};
use tokio::time::{Instant, sleep};

use self::clients::Clients;
use crate::support::{
    stack::{Kind, Room, Stack},
    trials::on_stacks,
};

/// Fewer for Pushpin 1.36: it refuses many of more than a thousand requests at once, and forgets some of those that it
/// accepts, whose streams stay open and receive nothing more.
const CLIENTS_OF_PUSHPIN: usize = 500;
const CLIENTS: usize = 2_000;
/// From the restart of the proxy to the last event of the last client: ten seconds, which scripts/soak checks. A program
/// without optimizations has more time, because other tests run as well.
const COMPLETE_DEADLINE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 10 });
/// How often the store may be read in ten seconds.
const MAX_READS: u64 = 20;

/// The name of a read in the requests of DynamoDB's clients.
const READ: &str = "DynamoDB_20120810.Query";

/// The number of the last message before the clients connect, before the storm, and while the proxy is down.
const FIRST: u64 = 30;
const BEFORE: u64 = 50;
const DOWN: u64 = 55;
/// How often a message is posted while the clients reconnect.
const POST_EVERY: Duration = Duration::from_millis(500);

/// The message after which a client sleeps, and so loses its connection before the others. Each applies to a quarter of
/// the clients.
const ASLEEP_AT: [Option<u64>; 4] = [None, Some(FIRST + 3), Some(FIRST + 9), Some(FIRST + 15)];

pub(crate) fn trials() -> Vec<Trial> {
    on_stacks![
        Heavy [ALL] => streams_that_reconnect_at_once_miss_nothing_and_cost_a_few_reads,
    ]
}

async fn streams_that_reconnect_at_once_miss_nothing_and_cost_a_few_reads(kind: Kind) -> anyhow::Result<()> {
    ensure_descriptors()?;
    // As in production: streams are rechecked rarely.
    let mut stack = Stack::start_with(kind, &[("RECHECK_INTERVAL", "2m"), ("RUST_LOG", "info")]).await?;
    // Posts do not go through the proxy, which is down for some time.
    let room = stack.room_at(&stack.backend.url(), "lobby");
    let reads = |stack: &Stack| if stack.is_shared() { stack.store().times(READ) } else { 0 };

    let cursor = post_up_to(&room, FIRST).await?;
    let count = if kind == Kind::PushpinDynamoDb { CLIENTS_OF_PUSHPIN } else { CLIENTS };
    let clients = Clients::new(stack.proxy.http_addr(), count, &cursor, |n| ASLEEP_AT[n % ASLEEP_AT.len()])?;
    clients.are_all_open().await?;
    post_up_to(&room, BEFORE).await?;
    clients.all_have(|client| client.asleep_at.unwrap_or(BEFORE)).await?;
    // Killed, because a proxy that is told to stop spreads the ends of its streams.
    stack.proxy.kill().await?;
    post_up_to(&room, DOWN).await?;

    let (reads_before, refused) = (reads(&stack), clients.refused());
    stack.proxy.restart().await?;
    let back = Instant::now();
    clients.wake();
    let posting = async {
        let mut newest = DOWN;
        loop {
            sleep(POST_EVERY).await;
            newest += 1;
            post_up_to(&room, newest).await?;
        }
    };
    let open = tokio::select! {
        failed = posting => return failed,
        open = clients.are_all_open() => open.map(|()| back.elapsed())?,
    };
    // A message that follows shows a proxy that it missed something.
    let last = seq(&room.post("the last").await?)?;
    clients.all_have(|_| last).await?;
    let complete = back.elapsed();
    let (reads_after, refused) = (reads(&stack) - reads_before, clients.refused() - refused);
    println!(
        "{}: all open after {open:?} ({refused} refused), complete after {complete:?}, {reads_after} reads",
        kind.name()
    );
    ensure!(complete <= COMPLETE_DEADLINE, "complete only after {complete:?}");
    let max_reads = MAX_READS * (1 + complete.as_secs() / 10);
    ensure!(reads_after <= max_reads, "the store was read {reads_after} times within {complete:?}");
    Ok(())
}

/// Posts until the newest message has this number. Returns its id.
async fn post_up_to(room: &Room, newest: u64) -> anyhow::Result<String> {
    loop {
        let posted = room.post("x").await?;
        if seq(&posted)? >= newest {
            return Ok(posted["id"].as_str().unwrap_or_default().to_owned());
        }
    }
}

fn seq(posted: &serde_json::Value) -> anyhow::Result<u64> {
    let (_, seq) = posted["id"].as_str().and_then(|id| id.split_once('-')).context("an id")?;
    Ok(seq.parse()?)
}

/// Clients and proxy need a descriptor for each connection. The limit was raised when the tests started.
fn ensure_descriptors() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let enough = limit.current.is_none_or(|limit| limit >= 3 * CLIENTS as u64);
    ensure!(enough, "{limit:?} open files are too few for {CLIENTS} clients: raise the limit (ulimit -Hn)");
    Ok(())
}

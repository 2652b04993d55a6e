//! A storm: two thousand streams of one room lose their proxy and come back at once.
//!
//! Each of them is whole within seconds, whatever it had when it was cut, and the store is asked a few times for all.

mod crowd;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::{Instant, sleep};

use self::crowd::Crowd;
use crate::support::{
    stack::{Kind, Room, Stack},
    trials::on_stacks,
};

/// Pushpin 1.36 is sent fewer: of more than a thousand requests at once it refuses many, and of those that it accepts it
/// forgets some, whose streams stay open and get nothing more.
const CLIENTS_OF_PUSHPIN: usize = 500;
const CLIENTS: usize = 2_000;
/// From the proxy's return to the last event of the last client: ten seconds, as scripts/soak measures it. A program
/// without optimizations, beside other tests, has more.
const WHOLE_WITHIN: Duration = Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 10 });
/// What the store may be asked in ten seconds.
const MOST_READS: u64 = 20;

/// As DynamoDB's clients name a read in their requests.
const READ: &str = "DynamoDB_20120810.Query";

/// The last message before the clients come, before the storm, and while the proxy is away.
const FIRST: u64 = 30;
const BEFORE: u64 = 50;
const AWAY: u64 = 55;
/// While they come back, a message is posted so often.
const POST_EVERY: Duration = Duration::from_millis(500);

/// Where clients fall asleep, which then lose their connections before the others: a quarter of them each.
const ASLEEP_AT: [Option<u64>; 4] = [None, Some(FIRST + 3), Some(FIRST + 9), Some(FIRST + 15)];

pub(crate) fn trials() -> Vec<Trial> {
    on_stacks![
        [ALL] => streams_that_come_back_at_once_are_whole_and_cost_a_few_reads,
    ]
}

async fn streams_that_come_back_at_once_are_whole_and_cost_a_few_reads(kind: Kind) -> anyhow::Result<()> {
    raise_descriptors()?;
    // As in production: streams are rechecked now and then, and not all the time.
    let mut stack = Stack::start_with(kind, &[("RECHECK_INTERVAL", "2m"), ("RUST_LOG", "info")]).await?;
    // A poster does not wait for the proxy.
    let room = stack.room_at(&stack.backend.url(), "lobby");
    let reads = |stack: &Stack| if stack.is_shared() { stack.store().times(READ) } else { 0 };

    let cursor = post_up_to(&room, FIRST).await?;
    let count = if kind == Kind::PushpinDynamoDb { CLIENTS_OF_PUSHPIN } else { CLIENTS };
    let crowd = Crowd::new(stack.proxy.http_addr(), count, &cursor, |n| ASLEEP_AT[n % ASLEEP_AT.len()])?;
    crowd.is_seated().await?;
    post_up_to(&room, BEFORE).await?;
    crowd.has(|client| client.asleep_at.unwrap_or(BEFORE)).await?;
    // Not told to stop: it would spread the ends of its streams.
    stack.proxy.kill().await?;
    post_up_to(&room, AWAY).await?;

    let (asked, refused) = (reads(&stack), crowd.refused());
    stack.proxy.restart().await?;
    let back = Instant::now();
    crowd.wake();
    let posting = async {
        let mut newest = AWAY;
        loop {
            sleep(POST_EVERY).await;
            newest += 1;
            post_up_to(&room, newest).await?;
        }
    };
    let seated = tokio::select! {
        failed = posting => return failed,
        seated = crowd.is_seated() => seated.map(|()| back.elapsed())?,
    };
    // What follows is what tells a proxy that it has missed something.
    let last = seq(&room.post("the last").await?)?;
    crowd.has(|_| last).await?;
    let whole = back.elapsed();
    let (asked, refused) = (reads(&stack) - asked, crowd.refused() - refused);
    println!("{}: seated after {seated:?} ({refused} refused), whole after {whole:?}, {asked} reads", kind.name());
    ensure!(whole <= WHOLE_WITHIN, "whole only after {whole:?}");
    let most = MOST_READS * (1 + whole.as_secs() / 10);
    ensure!(asked <= most, "the store was asked {asked} times within {whole:?}");
    Ok(())
}

/// Posts until the newest message has this number; its id.
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

/// Clients and proxy need a descriptor each for every connection. Processes that are started from here on get the same
/// limit.
fn raise_descriptors() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let enough = limit.maximum.is_none_or(|most| most >= 3 * CLIENTS as u64);
    ensure!(enough, "{limit:?} open files are too few for {CLIENTS} clients: raise it (ulimit -Hn)");
    Ok(())
}

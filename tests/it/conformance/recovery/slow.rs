//! A client that reads more slowly than a backend publishes.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;
use tokio::time::Instant;

use super::super::{Rule, Stand, differences, room::Room, rules};
use crate::support::{
    eventually::eventually,
    proxy::Kind,
    stack::SOON,
    wire::{Connection, Request},
};

/// With [`LONG`], more than the buffers of two sockets and a queue of a hundred items take.
const ITEMS: usize = 480;
const LONG: usize = 40_000;

/// After which a stream that gets nothing of what is published is taken to have stalled.
const STALLED: Duration = Duration::from_secs(3);

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![a_client_that_does_not_keep_up_gets_no_item_twice_and_misses_none]
}

/// What does not fit into the proxy's queue for a client is a gap.
async fn a_client_that_does_not_keep_up_gets_no_item_twice_and_misses_none(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let _quick = room.open_settled().await?;
    let mut connection = Connection::open(stand.http_addr()).await?;
    connection.write(&Request::get(&stand.path("stream?from=1")).bytes()).await?;
    // Written earlier the items would be in the answer.
    eventually(SOON, "its answer", || stand.asked("stream").iter().filter(|asked| asked.answered).count() == 2).await;

    let written: Vec<_> = (0..ITEMS).map(|_| room.write()).collect();
    for batch in written.chunks(20) {
        let long = |&n: &u64| {
            let mut item = room.item(n);
            item["formats"]["http-stream"]["content"] = json!(format!("{n}\n{}", "-".repeat(LONG)));
            item
        };
        stand.publish(&batch.iter().map(long).collect::<Vec<_>>()).await?;
    }

    let mut answer = connection.answer().await?;
    let may_stall = differences::SLOW_CLIENT.of(kind) == "may stall";
    let mut changed = Instant::now();
    loop {
        while answer.changes(Duration::from_millis(200)).await {
            changed = Instant::now();
        }
        let text = answer.text();
        let numbers: Vec<u64> = text.split(['-', '\n']).filter_map(|number| number.parse().ok()).collect();
        let last = numbers.last().copied().unwrap_or(1);
        ensure!(numbers == (2..=last).collect::<Vec<_>>(), "{numbers:?}");
        if last == room.head() || (may_stall && changed.elapsed() > STALLED) {
            return Ok(());
        }
        ensure!(answer.is_open(), "it ended behind item {last}");
        ensure!(changed.elapsed() < SOON, "it stalled behind item {last} of {}", room.head());
        // That something was dropped shows when something follows.
        room.say(1).await?;
    }
}

//! A client that reads more slowly than a backend publishes.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;
use tokio::time::Instant;

use super::super::{Rule, Setup, differences, room::Room, rules};
use crate::support::{
    eventually::eventually,
    proxy::Kind,
    stack::SOON,
    wire::{Connection, Request},
};

/// With [`ITEM_BYTES`], more than the buffers of two sockets and a queue of a hundred items hold.
const ITEMS: usize = 480;
const ITEM_BYTES: usize = 40_000;

/// A stream that gets none of the published items for so long has stalled.
const STALLED_AFTER: Duration = Duration::from_secs(3);

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![a_client_that_does_not_keep_up_gets_no_item_twice_and_misses_none]
}

/// Items that do not fit into the proxy's queue for a client are a gap.
async fn a_client_that_does_not_keep_up_gets_no_item_twice_and_misses_none(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let _quick = room.open_settled().await?;
    let mut connection = Connection::open(setup.http_addr()).await?;
    connection.write(&Request::get(&setup.path("stream?from=1")).bytes()).await?;
    // Items appended earlier would be in the response.
    eventually(SOON, "its answer", || {
        setup.requests("stream").iter().filter(|received| received.answered).count() == 2
    })
    .await;

    let written: Vec<_> = (0..ITEMS).map(|_| room.append()).collect();
    for batch in written.chunks(20) {
        let long = |&n: &u64| {
            let mut item = room.item(n);
            item["formats"]["http-stream"]["content"] = json!(format!("{n}\n{}", "-".repeat(ITEM_BYTES)));
            item
        };
        setup.publish(&batch.iter().map(long).collect::<Vec<_>>()).await?;
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
        if last == room.head() || (may_stall && changed.elapsed() > STALLED_AFTER) {
            return Ok(());
        }
        ensure!(answer.is_open(), "it ended after item {last}");
        ensure!(changed.elapsed() < SOON, "it stalled after item {last} of {}", room.head());
        // The proxy notices a dropped item when another one follows.
        room.publish_next(1).await?;
    }
}

//! Clients that do not read: they get what they can have later, and cost nobody else anything.

use std::time::Duration;

use anyhow::ensure;
use libtest_mimic::Trial;
use serde_json::Value;
use tokio::time::Instant;

use self::log::{Log, item_of};
use super::{Stand, hold, stream_item};
use crate::support::{
    eventually::eventually,
    scripted::Reply,
    stack::SOON,
    trials::trials,
    wire::{Answer, Connection, Request},
};

mod log;

/// More than the buffers of two sockets and a queue take.
const ITEMS: u64 = 120;
/// For somebody who reads, while others do not.
const AT_ONCE: Duration = Duration::from_secs(2);
/// A reader that takes nothing is closed after so long.
const STALLED: Duration = Duration::from_secs(30);
/// The most that the process may grow by because of one reader: its queue has a mebibyte, and the rest is what the
/// items of a few requests take on their way.
const MOST_GROWTH: u64 = 24 << 20;

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => who_takes_nothing_for_long_is_closed_and_costs_no_memory,
        [] => on_a_reliable_channel_a_slow_reader_gets_everything_once_and_in_order,
        [] => on_an_unreliable_channel_a_slow_reader_skips_whole_items,
        [] => pages_wait_for_a_slow_reader,
        [] => recovered_pages_wait_for_a_slow_reader,
    ]
}

/// A client that has asked, and reads nothing until it is told to.
async fn does_not_read(stand: &Stand, name: &str) -> anyhow::Result<Connection> {
    let before = stand.asked(name).len();
    let mut connection = Connection::narrow(stand.http_addr()).await?;
    connection.write(&Request::get(&stand.path(name)).bytes()).await?;
    let answered = || stand.asked(name).iter().filter(|asked| asked.answered).count() > before;
    eventually(SOON, "its answer", answered).await;
    Ok(connection)
}

/// Publishes one after the other, and expects a reader to have each at once.
async fn publish_for(stand: &Stand, quick: &mut Answer, items: &[Value]) -> anyhow::Result<()> {
    let mut length = quick.text().len();
    for few in items.chunks(5) {
        stand.publish(few).await?;
        let sent = Instant::now();
        length += few
            .iter()
            .filter_map(|item| item["formats"]["http-stream"]["content"].as_str())
            .map(str::len)
            .sum::<usize>();
        eventually(SOON, "an item for the quick reader", || quick.arrival_of(length).is_some()).await;
        let late = quick.arrival_of(length).map(|at| at.saturating_duration_since(sent));
        ensure!(late.is_some_and(|late| late < AT_ONCE), "{late:?}");
    }
    Ok(())
}

async fn on_a_reliable_channel_a_slow_reader_gets_everything_once_and_in_order() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    let log = Log::new(&stand, 120);
    let mut quick = stand.get("stream").await?;
    // The first recheck of the channel is over.
    stand.asked_times("next", 1).await;
    let slow = does_not_read(&stand, "stream").await?;
    let before = stand.asked("next").len();
    let items: Vec<_> = (0..ITEMS).map(|_| log.write(&stand)).collect();
    publish_for(&stand, &mut quick, &items).await?;
    assert_eq!(stand.asked("next").len(), before, "nobody is recovered who cannot take it");

    log.end();
    let mut slow = slow.answer().await?;
    slow.ends_within(SOON * 3).await?;
    assert_eq!(log::numbers(&slow.text())?, (1..=ITEMS).collect::<Vec<_>>());
    let asked = stand.asked("next");
    let last = asked[before].headers.get("grip-last").unwrap_or_default();
    let prefix = format!("{}; last-id=", stand.channel("log"));
    let last: Option<u64> = last.strip_prefix(&prefix).and_then(|last| last.parse().ok());
    assert!(last.is_some_and(|last| last > 0 && last < ITEMS), "{last:?}");
    assert_eq!(log::numbers(&quick.text())?, (1..=ITEMS).collect::<Vec<_>>());
    Ok(())
}

async fn on_an_unreliable_channel_a_slow_reader_skips_whole_items() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    let a = stand.channel("a");
    stand.answer("", hold("").header("Grip-Channel", &a));
    let mut quick = stand.get("").await?;
    let slow = does_not_read(&stand, "").await?;
    let items: Vec<_> = (1..=ITEMS).map(|n| stream_item(&a, &item_of(n))).collect();
    publish_for(&stand, &mut quick, &items).await?;

    let mut slow = slow.answer().await?;
    while slow.changes(Duration::from_millis(500)).await {}
    let came = log::numbers(&slow.text())?;
    ensure!(came.is_sorted_by(|a, b| a < b), "{came:?}");
    ensure!(came.len() > 5 && came.len() < items.len(), "{} of {}", came.len(), items.len());
    let last = ITEMS + 1;
    stand.publish(&[stream_item(&a, &item_of(last))]).await?;
    while slow.changes(Duration::from_millis(500)).await {}
    assert_eq!(log::numbers(&slow.text())?, [&came[..], &[last]].concat());
    assert_eq!(log::numbers(&quick.text())?, (1..=last).collect::<Vec<_>>());
    Ok(())
}

async fn who_takes_nothing_for_long_is_closed_and_costs_no_memory() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    let a = stand.channel("a");
    let gone = format!("<{}>; rel=gone", stand.path("gone"));
    stand.answer("", hold("").header("Grip-Channel", &a).header("Grip-Link", &gone));
    stand.answer("gone", Reply::ok(""));
    let slow = does_not_read(&stand, "").await?;
    // What the control port needs for its work is not what this is about.
    let publish = async |stand: &Stand, from: u64| {
        for n in from..from + 2 * ITEMS {
            stand.publish(&[stream_item(&a, &item_of(n))]).await?;
        }
        anyhow::Ok(())
    };
    publish(&stand, 1).await?;
    let before = stand.edge()?.resident()?;
    publish(&stand, 1 + 2 * ITEMS).await?;
    let after = stand.edge()?.resident()?;
    ensure!(after < before + MOST_GROWTH, "from {before} to {after} bytes");

    assert_eq!(stand.asked("gone").len(), 0);
    stand.asked_times_within(STALLED + SOON, "gone", 1).await;
    let mut slow = slow.answer().await?;
    ensure!(slow.ends_within(SOON).await.is_err() && !slow.is_open(), "it ends as if it were whole");
    Ok(())
}

/// Before anything is held.
async fn pages_wait_for_a_slow_reader() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    let log = Log::new(&stand, 120);
    (0..2 * ITEMS).for_each(|_| drop(log.write(&stand)));
    log.end();
    stand.answer("pages", Reply::ok("").header("Grip-Link", &format!("<{}?from=0>; rel=next", stand.path("next"))));
    reads_page_after_page(&stand, "pages").await
}

/// A stream that is held already, and misses a lot.
async fn recovered_pages_wait_for_a_slow_reader() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    let log = Log::new(&stand, 1);
    (0..2 * ITEMS).for_each(|_| drop(log.write(&stand)));
    log.end();
    reads_page_after_page(&stand, "stream").await
}

async fn reads_page_after_page(stand: &Stand, name: &str) -> anyhow::Result<()> {
    let slow = does_not_read(stand, name).await?;
    let (mut known, mut since) = (0, Instant::now());
    eventually(SOON, "an end of the requests", || {
        let asked = stand.asked("next").len();
        if asked != known {
            (known, since) = (asked, Instant::now());
        }
        known > 0 && since.elapsed() > Duration::from_secs(3)
    })
    .await;
    ensure!(known < usize::try_from(2 * ITEMS / log::PAGE)?, "all {known} pages, and nobody has read one");
    let mut slow = slow.answer().await?;
    slow.ends_within(SOON * 3).await?;
    assert_eq!(log::numbers(&slow.text())?, (1..=2 * ITEMS).collect::<Vec<_>>());
    Ok(())
}

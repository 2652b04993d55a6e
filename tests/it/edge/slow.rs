//! Clients that do not read: they receive later what they can still get, and do not affect anybody else.

use std::time::Duration;

use anyhow::ensure;
use libtest_mimic::Trial;
use serde_json::Value;
use tokio::time::Instant;

use self::log::{Log, item_of};
use super::{Setup, hold, stream_item};
use crate::support::{
    eventually::eventually,
    scripted::Reply,
    stack::SOON,
    trials::trials,
    wire::{Answer, Connection, Request},
};

mod log;

/// More than the buffers of two sockets and a queue hold.
const ITEMS: u64 = 120;
/// How late an item may be for a client that reads, while others do not.
const AT_ONCE: Duration = Duration::from_secs(10);
/// A client that reads nothing is disconnected after this time.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How much the memory of the process may grow because of one reader, in bytes: its queue has a mebibyte, and the rest
/// is for the items of a few requests in transit.
const MAX_GROWTH: u64 = 24 << 20;

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => a_client_that_reads_nothing_is_disconnected_and_uses_little_memory,
        [] => a_slow_reader_of_a_reliable_channel_gets_every_item_once_and_in_order,
        [] => a_slow_reader_of_an_unreliable_channel_skips_whole_items,
        [] => pages_wait_for_a_slow_reader,
        [] => recovered_pages_wait_for_a_slow_reader,
    ]
}

/// Sends a request, and does not read the response.
async fn does_not_read(setup: &Setup, name: &str) -> anyhow::Result<Connection> {
    let before = setup.requests(name).len();
    let mut connection = Connection::narrow(setup.http_addr()).await?;
    connection.write(&Request::get(&setup.path(name)).bytes()).await?;
    let answered = || setup.requests(name).iter().filter(|received| received.answered).count() > before;
    eventually(SOON, "its response", answered).await;
    Ok(connection)
}

/// Publishes items one after the other, and expects a reader to receive each at once.
async fn publish_for(setup: &Setup, quick: &mut Answer, items: &[Value]) -> anyhow::Result<()> {
    let mut length = quick.text().len();
    for few in items.chunks(5) {
        setup.publish(few).await?;
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

async fn a_slow_reader_of_a_reliable_channel_gets_every_item_once_and_in_order() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let log = Log::new(&setup, 120);
    let mut quick = setup.get("stream").await?;
    // The first recheck of the channel is over.
    setup.wait_for_requests("next", 1).await;
    let slow = does_not_read(&setup, "stream").await?;
    let before = setup.requests("next").len();
    let items: Vec<_> = (0..ITEMS).map(|_| log.append(&setup)).collect();
    publish_for(&setup, &mut quick, &items).await?;
    assert_eq!(setup.requests("next").len(), before, "a client that cannot read was recovered");

    log.end();
    let mut slow = slow.answer().await?;
    slow.ends_within(SOON * 3).await?;
    assert_eq!(log::numbers(&slow.text())?, (1..=ITEMS).collect::<Vec<_>>());
    let received = setup.requests("next");
    let last = received[before].headers.get("grip-last").unwrap_or_default();
    let prefix = format!("{}; last-id=", setup.channel("log"));
    let last: Option<u64> = last.strip_prefix(&prefix).and_then(|last| last.parse().ok());
    assert!(last.is_some_and(|last| last > 0 && last < ITEMS), "{last:?}");
    assert_eq!(log::numbers(&quick.text())?, (1..=ITEMS).collect::<Vec<_>>());
    Ok(())
}

async fn a_slow_reader_of_an_unreliable_channel_skips_whole_items() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let a = setup.channel("a");
    setup.answer("", hold("").header("Grip-Channel", &a));
    let mut quick = setup.get("").await?;
    let slow = does_not_read(&setup, "").await?;
    let items: Vec<_> = (1..=ITEMS).map(|n| stream_item(&a, &item_of(n))).collect();
    publish_for(&setup, &mut quick, &items).await?;

    let mut slow = slow.answer().await?;
    while slow.changes(Duration::from_secs(3)).await {}
    let came = log::numbers(&slow.text())?;
    ensure!(came.is_sorted_by(|a, b| a < b), "{came:?}");
    ensure!(came.len() > 5 && came.len() < items.len(), "{} of {}", came.len(), items.len());
    let last = ITEMS + 1;
    setup.publish(&[stream_item(&a, &item_of(last))]).await?;
    while slow.changes(Duration::from_secs(3)).await {}
    assert_eq!(log::numbers(&slow.text())?, [&came[..], &[last]].concat());
    assert_eq!(log::numbers(&quick.text())?, (1..=last).collect::<Vec<_>>());
    Ok(())
}

async fn a_client_that_reads_nothing_is_disconnected_and_uses_little_memory() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let a = setup.channel("a");
    let gone = format!("<{}>; rel=gone", setup.path("gone"));
    setup.answer("", hold("").header("Grip-Channel", &a).header("Grip-Link", &gone));
    setup.answer("gone", Reply::ok(""));
    let slow = does_not_read(&setup, "").await?;
    // The first items let the control port allocate what it needs, which is not measured here.
    let publish = async |setup: &Setup, from: u64| {
        for n in from..from + 2 * ITEMS {
            setup.publish(&[stream_item(&a, &item_of(n))]).await?;
        }
        anyhow::Ok(())
    };
    publish(&setup, 1).await?;
    let before = setup.edge()?.resident()?;
    publish(&setup, 1 + 2 * ITEMS).await?;
    let after = setup.edge()?.resident()?;
    ensure!(after < before + MAX_GROWTH, "from {before} to {after} bytes");

    assert_eq!(setup.requests("gone").len(), 0);
    setup.wait_for_requests_within(STALL_TIMEOUT + SOON, "gone", 1).await;
    let mut slow = slow.answer().await?;
    ensure!(slow.ends_within(SOON).await.is_err() && !slow.is_open(), "it ends as if it were complete");
    Ok(())
}

/// Pages before the stream is held.
async fn pages_wait_for_a_slow_reader() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let log = Log::new(&setup, 120);
    (0..2 * ITEMS).for_each(|_| drop(log.append(&setup)));
    log.end();
    setup.answer("pages", Reply::ok("").header("Grip-Link", &format!("<{}?from=0>; rel=next", setup.path("next"))));
    reads_page_after_page(&setup, "pages").await
}

/// A stream that is held already, and has a long gap.
async fn recovered_pages_wait_for_a_slow_reader() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let log = Log::new(&setup, 1);
    (0..2 * ITEMS).for_each(|_| drop(log.append(&setup)));
    log.end();
    reads_page_after_page(&setup, "stream").await
}

async fn reads_page_after_page(setup: &Setup, name: &str) -> anyhow::Result<()> {
    let slow = does_not_read(setup, name).await?;
    let (mut known, mut since) = (0, Instant::now());
    eventually(SOON, "that no more requests arrive", || {
        let requests = setup.requests("next").len();
        if requests != known {
            (known, since) = (requests, Instant::now());
        }
        known > 0 && since.elapsed() > Duration::from_secs(3)
    })
    .await;
    ensure!(
        known < usize::try_from(2 * ITEMS / log::PAGE)?,
        "all {known} pages were requested before the first was read"
    );
    let mut slow = slow.answer().await?;
    slow.ends_within(SOON * 3).await?;
    assert_eq!(log::numbers(&slow.text())?, (1..=2 * ITEMS).collect::<Vec<_>>());
    Ok(())
}

//! A backend that fails while streams are held: the streams stay, and the recovery is retried.

use std::time::Duration;

use anyhow::ensure;

use super::{
    Rule, Setup, differences, hold,
    room::{NEXT, Room, lines},
    rules, stream_item,
};
use crate::support::{proxy::Kind, scripted::Reply, stack::SOON};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        a_link_that_fails_for_long,
        a_failed_recovery_is_retried_with_growing_pauses,
        a_recovery_is_retried_when_the_backend_closes_the_connection,
        a_hanging_recovery_delays_its_own_stream_only,
    ]
}

async fn a_link_that_fails_for_long(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::with(&setup, "1", &[]);
    let mut answer = room.open_settled().await?;
    setup.answer(NEXT, Reply::status("500 Oh"));
    let seen = if answer.changes(Duration::from_secs(40)).await { "ended" } else { "held" };
    assert_eq!(answer.is_open(), seen == "held");
    differences::LONG_OUTAGE.check(kind, seen);
    Ok(())
}

/// Causes a gap whose recovery is first answered like this. Returns the pauses between the requests.
async fn recovers_from(kind: Kind, failures: Vec<Reply>) -> anyhow::Result<Vec<Duration>> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open_settled().await?;
    let (before, failing) = (room.recoveries().len(), failures.len());
    setup.answer_in_turn(NEXT, failures);
    room.append();
    room.append();
    room.publish_unsequenced(&[3]).await?;
    setup.wait_for_requests(NEXT, before + failing).await;
    room.serve_next();
    answer.reads(&lines(0, 3)).await?;

    room.publish_next(1).await?;
    answer.reads(&lines(0, 4)).await?;
    let received = room.recoveries();
    assert_eq!(received.len(), before + failing + 1);
    // Every retry sends the same `Grip-Last`.
    assert_eq!(room.recoveries_from(1), failing + 1);
    Ok(received[before..].windows(2).map(|pair| pair[1].at - pair[0].at).collect())
}

async fn a_failed_recovery_is_retried_with_growing_pauses(kind: Kind) -> anyhow::Result<()> {
    let error = || Reply::status("500 Oh").part("not for the stream");
    let (errors, nonsense, redirect, busy) = tokio::try_join!(
        recovers_from(kind, vec![error(), error()]),
        recovers_from(kind, vec![Reply::raw("what?\r\n\r\n")]),
        recovers_from(kind, vec![Reply::status("302 Found").header("Location", "/")]),
        recovers_from(kind, vec![Reply::status("503 Busy").header("Grip-Hold", "x").part("not for the stream")]),
    )?;
    ensure!(errors[1] > Duration::from_millis(1900) && errors[1] < SOON, "{errors:?}");
    for waits in [errors, nonsense, redirect, busy] {
        ensure!(waits[0] > Duration::from_millis(900) && waits[0] < SOON, "{waits:?}");
    }
    Ok(())
}

/// The number of requests is not checked: on a connection that was used before, a retry may follow at once.
async fn a_recovery_is_retried_when_the_backend_closes_the_connection(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    setup.answer(NEXT, Reply::close());
    room.append();
    room.append();
    room.publish_unsequenced(&[3]).await?;
    setup.wait_for_requests(NEXT, before + 1).await;
    room.serve_next();
    answer.reads(&lines(0, 3)).await?;
    room.becomes_live(&mut answer).await
}

async fn a_hanging_recovery_delays_its_own_stream_only(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let hung = room.open_settled().await?;
    let before = room.recoveries().len();
    setup.answer(NEXT, Reply::silence());
    setup.publish(&[room.action("hint", Some((1, 2)))]).await?;
    setup.wait_for_requests(NEXT, before + 1).await;

    let other = setup.channel("other");
    let mut answer = setup.open(hold("").header("Grip-Channel", &other), "").await?;
    setup.publish(&[stream_item(&other, "item")]).await?;
    answer.reads("item").await?;
    assert!(hung.is_open());
    Ok(())
}

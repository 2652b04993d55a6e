//! A backend that fails while streams are held: they stay, and are asked for again.

use std::time::Duration;

use anyhow::ensure;

use super::{
    Rule, Stand, differences, hold,
    room::{NEXT, Room, lines},
    rules, stream_item,
};
use crate::support::{proxy::Kind, scripted::Reply};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        a_link_that_fails_for_long,
        a_recovery_that_fails_is_tried_again_ever_more_slowly,
        a_backend_that_hangs_up_is_asked_again,
        a_backend_that_hangs_holds_up_its_own_stream_only,
    ]
}

async fn a_link_that_fails_for_long(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::with(&stand, "1", &[]);
    let mut answer = room.open_settled().await?;
    stand.answer(NEXT, Reply::status("500 Oh"));
    let seen = if answer.changes(Duration::from_secs(40)).await { "ended" } else { "held" };
    assert_eq!(answer.is_open(), seen == "held");
    differences::LONG_OUTAGE.check(kind, seen);
    Ok(())
}

/// A gap whose recovery is answered like this at first.
async fn recovers_from(kind: Kind, failures: Vec<Reply>) -> anyhow::Result<Vec<Duration>> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open_settled().await?;
    let (before, failing) = (room.recoveries().len(), failures.len());
    stand.answer_in_turn(NEXT, failures);
    room.write();
    room.write();
    room.publish_unsequenced(&[3]).await?;
    stand.asked_times(NEXT, before + failing).await;
    room.serve_next();
    answer.reads(&lines(0, 3)).await?;

    room.say(1).await?;
    answer.reads(&lines(0, 4)).await?;
    let asked = room.recoveries();
    assert_eq!(asked.len(), before + failing + 1);
    // What was asked the first time is asked again.
    assert_eq!(room.recoveries_from(1), failing + 1);
    Ok(asked[before..].windows(2).map(|pair| pair[1].at - pair[0].at).collect())
}

async fn a_recovery_that_fails_is_tried_again_ever_more_slowly(kind: Kind) -> anyhow::Result<()> {
    let error = || Reply::status("500 Oh").part("not for the stream");
    let (errors, nonsense, redirect, busy) = tokio::try_join!(
        recovers_from(kind, vec![error(), error()]),
        recovers_from(kind, vec![Reply::raw("what?\r\n\r\n")]),
        recovers_from(kind, vec![Reply::status("302 Found").header("Location", "/")]),
        recovers_from(kind, vec![Reply::status("503 Busy").header("Grip-Hold", "x").part("not for the stream")]),
    )?;
    ensure!(errors[1] > Duration::from_millis(1900) && errors[1] < Duration::from_secs(6), "{errors:?}");
    for waits in [errors, nonsense, redirect, busy] {
        ensure!(waits[0] > Duration::from_millis(900) && waits[0] < Duration::from_secs(4), "{waits:?}");
    }
    Ok(())
}

/// How often, is not said: a connection that was used before may be tried again at once.
async fn a_backend_that_hangs_up_is_asked_again(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    stand.answer(NEXT, Reply::close());
    room.write();
    room.write();
    room.publish_unsequenced(&[3]).await?;
    stand.asked_times(NEXT, before + 1).await;
    room.serve_next();
    answer.reads(&lines(0, 3)).await?;
    room.becomes_live(&mut answer).await
}

async fn a_backend_that_hangs_holds_up_its_own_stream_only(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let hung = room.open_settled().await?;
    let before = room.recoveries().len();
    stand.answer(NEXT, Reply::silence());
    stand.publish(&[room.action("hint", Some((1, 2)))]).await?;
    stand.asked_times(NEXT, before + 1).await;

    let other = stand.channel("other");
    let mut answer = stand.open(hold("").header("Grip-Channel", &other), "").await?;
    stand.publish(&[stream_item(&other, "item")]).await?;
    answer.reads("item").await?;
    assert!(hung.is_open());
    Ok(())
}

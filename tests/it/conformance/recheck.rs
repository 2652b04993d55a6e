//! Rechecks: requests for the next link without a gap, soon after the first stream of a channel and at an interval.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use super::{
    Rule, Setup, hold,
    room::{NEXT, Room, lines},
    rules,
};
use crate::support::{proxy::Kind, stack::SOON};

/// How long to wait for a request too many: those for several channels would arrive together.
const QUIET: Duration = Duration::from_millis(700);

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        the_first_stream_of_a_channel_is_rechecked_after_a_second,
        a_stream_of_several_new_channels_is_rechecked_once,
        streams_are_rechecked_at_the_interval_of_their_link,
    ]
}

/// An item published between the response of the backend and the first subscription reaches no stream, and leaves no
/// trace.
async fn the_first_stream_of_a_channel_is_rechecked_after_a_second(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let requested = Instant::now();
    let mut answer = room.open(0).await?;
    room.append();
    answer.reads("1\n").await?;
    let waited = answer.arrival_of(1).context("no item")? - requested;
    ensure!((Duration::from_millis(800)..SOON).contains(&waited), "{waited:?}");

    // The second stream is not the first of its channel, and the first one is not rechecked again.
    let mut second = room.open(1).await?;
    room.publish_next(1).await?;
    answer.reads(&lines(0, 2)).await?;
    second.reads(&lines(1, 2)).await?;
    answer.stays(QUIET).await?;
    assert_eq!(room.recoveries().len(), 1);
    Ok(())
}

async fn a_stream_of_several_new_channels_is_rechecked_once(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channels = ["a", "b", "c"].map(|name| setup.channel(name));
    let reply = |body| {
        let reply = hold(body).header("Grip-Channel", &channels.join(", "));
        reply.header("Grip-Link", &format!("<{}>; rel=next; timeout=120", setup.path(NEXT)))
    };
    setup.answer(NEXT, reply("next "));
    let mut answer = setup.open(reply("body "), "body ").await?;
    answer.reads("body next ").await?;
    answer.stays(QUIET).await?;
    // Without ids there is no last one to name.
    assert_eq!(setup.requests(NEXT)[0].headers.get("grip-last"), None);
    assert_eq!(setup.requests(NEXT).len(), 1);
    Ok(())
}

async fn streams_are_rechecked_at_the_interval_of_their_link(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::with(&setup, "1", &[]);
    let mut answer = room.open_settled().await?;
    for _ in 0..4 {
        let written = Instant::now();
        let n = room.append();
        answer.reads(&lines(0, n)).await?;
        ensure!(written.elapsed() < SOON, "{:?}", written.elapsed());
    }
    // The interval is a minimum as well. The first request may be a second late, and the last one not.
    let received = room.recoveries();
    let took = received[received.len() - 1].at - received[0].at;
    ensure!(
        took > Duration::from_millis(700) * (u32::try_from(received.len())? - 2),
        "{} within {took:?}",
        received.len()
    );
    Ok(())
}

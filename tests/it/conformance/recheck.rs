//! Questions that nothing calls for: soon after the first stream of a channel, and every so often.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use super::{
    Rule, Stand, hold,
    room::{NEXT, Room, lines},
    rules,
};
use crate::support::proxy::Kind;

/// For a question too many: those of several channels would come at the same time.
const AWHILE: Duration = Duration::from_millis(700);

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        the_first_stream_of_a_channel_is_rechecked_after_a_second,
        a_stream_of_several_new_channels_is_rechecked_once,
        streams_are_rechecked_every_so_often,
    ]
}

/// What is published between the backend's answer and the first subscription reaches nobody, and nothing tells.
async fn the_first_stream_of_a_channel_is_rechecked_after_a_second(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let asked = Instant::now();
    let mut answer = room.open(0).await?;
    room.write();
    answer.reads("1\n").await?;
    let waited = answer.arrival_of(1).context("it has come")? - asked;
    ensure!((Duration::from_millis(800)..Duration::from_secs(4)).contains(&waited), "{waited:?}");

    // The second stream is none, nor is there another question for the first.
    let mut second = room.open(1).await?;
    room.say(1).await?;
    answer.reads(&lines(0, 2)).await?;
    second.reads(&lines(1, 2)).await?;
    answer.stays(AWHILE).await?;
    assert_eq!(room.recoveries().len(), 1);
    Ok(())
}

async fn a_stream_of_several_new_channels_is_rechecked_once(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let channels = ["a", "b", "c"].map(|name| stand.channel(name));
    let reply = |body| {
        let reply = hold(body).header("Grip-Channel", &channels.join(", "));
        reply.header("Grip-Link", &format!("<{}>; rel=next; timeout=120", stand.path(NEXT)))
    };
    stand.answer(NEXT, reply("next "));
    let mut answer = stand.open(reply("body "), "body ").await?;
    answer.reads("body next ").await?;
    answer.stays(AWHILE).await?;
    // Without ids there is nothing to say about them.
    assert_eq!(stand.asked(NEXT)[0].headers.get("grip-last"), None);
    assert_eq!(stand.asked(NEXT).len(), 1);
    Ok(())
}

async fn streams_are_rechecked_every_so_often(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::with(&stand, "1", &[]);
    let mut answer = room.open_settled().await?;
    for _ in 0..2 {
        let written = Instant::now();
        let n = room.write();
        answer.reads(&lines(0, n)).await?;
        ensure!(written.elapsed() < Duration::from_secs(4), "{:?}", written.elapsed());
    }
    // Not more often than that.
    let asked = room.recoveries();
    let took = asked[asked.len() - 1].at - asked[0].at;
    ensure!(took > Duration::from_millis(700) * (u32::try_from(asked.len())? - 1), "{} within {took:?}", asked.len());
    Ok(())
}

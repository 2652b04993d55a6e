//! The order of ids on a channel: what comes too early waits, what comes twice is dropped.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::time::Instant;

use super::{
    Rule, Stand, hold,
    room::{Room, lines},
    rules, stream_item,
};
use crate::support::proxy::Kind;

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        what_waits_for_a_lost_item_is_let_go_after_five_seconds_and_recovered_once,
        items_in_disorder_are_sent_in_order,
        items_in_disorder_within_a_request_are_sent_in_order,
        streams_without_ids_get_the_same_order,
        an_id_is_sent_once,
        an_id_is_known_though_nobody_was_there,
        an_id_is_known_per_channel,
        an_item_without_the_one_before_it_waits_for_nothing,
        an_unsequenced_item_waits_for_nothing,
        the_last_id_is_forgotten_with_the_last_stream,
        a_restart_forgets_all_ids,
    ]
}

async fn what_waits_for_a_lost_item_is_let_go_after_five_seconds_and_recovered_once(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();

    let lost = room.write();
    let published = Instant::now();
    room.say(2).await?;
    answer.reads(&lines(0, lost + 2)).await?;
    let waited = answer.arrival_of(4).context("it has come")? - published;
    ensure!((Duration::from_millis(4500)..Duration::from_secs(8)).contains(&waited), "{waited:?}");

    // All is well again, without another question.
    room.say(1).await?;
    answer.reads(&lines(0, 5)).await?;
    assert_eq!((room.recoveries().len() - before, room.recoveries_from(1)), (1, 1));
    Ok(())
}

async fn items_in_disorder_are_sent_in_order(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    for n in [3, 4, 2, 6, 5] {
        room.write();
        room.publish(&[n]).await?;
    }
    answer.reads(&lines(0, 6)).await?;
    assert_eq!(room.recoveries().len(), before);
    Ok(())
}

async fn items_in_disorder_within_a_request_are_sent_in_order(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open(0).await?;
    room.say(3).await?;
    (4..=7).for_each(|_| _ = room.write());
    room.publish(&[5, 4, 6, 7]).await?;
    answer.reads(&lines(0, 7)).await
}

async fn streams_without_ids_get_the_same_order(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = stand.open(hold("").header("Grip-Channel", &room.channel), "").await?;
    room.publish(&[8]).await?;
    room.publish(&[10]).await?;
    room.publish(&[9]).await?;
    answer.reads(&lines(7, 10)).await
}

async fn an_id_is_sent_once(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open(0).await?;
    room.say(1).await?;
    // As a publisher does that has not heard whether it was taken.
    room.publish(&[1]).await?;
    room.say(1).await?;
    room.publish(&[1, 2, 2]).await?;
    room.say(1).await?;
    answer.reads(&lines(0, 3)).await
}

async fn an_id_is_known_though_nobody_was_there(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    room.publish(&[1]).await?;
    let mut answer = stand.open(hold("").header("Grip-Channel", &room.channel), "").await?;
    room.publish(&[1, 2]).await?;
    answer.reads("2\n").await
}

async fn an_id_is_known_per_channel(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let channels = ["a", "b"].map(|name| stand.channel(name));
    let mut answer = stand.open(hold("").header("Grip-Channel", &channels.join(",")), "").await?;
    for channel in &channels {
        let mut item = stream_item(channel, "item ");
        item["id"] = json!("1");
        stand.publish(&[item]).await?;
    }
    answer.reads("item item ").await
}

async fn an_item_without_the_one_before_it_waits_for_nothing(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = stand.open(hold("").header("Grip-Channel", &room.channel), "").await?;
    room.publish(&[1]).await?;
    let mut item = room.item(8);
    item.as_object_mut().context("an object")?.remove("prev-id");
    stand.publish(&[item]).await?;
    // And is the one before the next.
    room.publish(&[10, 9]).await?;
    answer.reads_within(Duration::from_secs(4), "1\n8\n9\n10\n").await
}

async fn an_unsequenced_item_waits_for_nothing(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = stand.open(hold("").header("Grip-Channel", &room.channel), "").await?;
    room.publish(&[1]).await?;
    room.publish_unsequenced(&[9]).await?;
    room.publish(&[2]).await?;
    answer.reads_within(Duration::from_secs(4), "1\n9\n2\n").await
}

async fn the_last_id_is_forgotten_with_the_last_stream(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let reply = hold("").header("Grip-Channel", &room.channel);
    let mut answer = stand.open(reply.clone(), "").await?;
    room.publish(&[1]).await?;
    stand.publish(&[room.action("close", None)]).await?;
    answer.ends_as("1\n").await?;
    let mut answer = stand.open(reply, "").await?;
    room.publish(&[8]).await?;
    answer.reads_within(Duration::from_secs(4), "8\n").await
}

async fn a_restart_forgets_all_ids(kind: Kind) -> anyhow::Result<()> {
    let mut stand = Stand::alone(kind).await?;
    for restarted in [false, true] {
        let room = Room::new(&stand);
        let mut answer = room.open(0).await?;
        room.say(2).await?;
        answer.reads(&lines(0, 2)).await?;
        drop(answer);
        if !restarted {
            stand.restart().await?;
        }
    }
    Ok(())
}

//! The order of ids on a channel: an item that arrives too early waits, and one that arrives twice is dropped.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::time::Instant;

use super::{
    Rule, Setup, hold,
    room::{Room, lines},
    rules, stream_item,
};
use crate::support::{proxy::Kind, stack::SOON, wire::Answer};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        items_after_a_lost_one_are_released_after_five_seconds_and_recovered_once,
        items_out_of_order_are_sent_in_order,
        items_out_of_order_in_one_request_are_sent_in_order,
        streams_without_ids_get_the_same_order,
        an_id_is_sent_once,
        an_id_is_remembered_without_subscribers,
        ids_are_remembered_per_channel,
        an_item_without_prev_id_does_not_wait,
        an_unsequenced_item_does_not_wait,
        the_last_id_is_forgotten_with_the_last_stream,
        a_restart_forgets_all_ids,
    ]
}

async fn items_after_a_lost_one_are_released_after_five_seconds_and_recovered_once(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();

    let lost = room.append();
    let published = Instant::now();
    room.publish_next(2).await?;
    answer.reads(&lines(0, lost + 2)).await?;
    let waited = answer.arrival_of(4).context("no item")? - published;
    ensure!((Duration::from_millis(4500)..Duration::from_secs(5) + SOON).contains(&waited), "{waited:?}");

    // The stream is complete again, without another request.
    room.publish_next(1).await?;
    answer.reads(&lines(0, 5)).await?;
    assert_eq!((room.recoveries().len() - before, room.recoveries_from(1)), (1, 1));
    Ok(())
}

async fn items_out_of_order_are_sent_in_order(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    for n in [3, 4, 2, 6, 5] {
        room.append();
        room.publish(&[n]).await?;
    }
    answer.reads(&lines(0, 6)).await?;
    assert_eq!(room.recoveries().len(), before);
    Ok(())
}

async fn items_out_of_order_in_one_request_are_sent_in_order(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open(0).await?;
    room.publish_next(3).await?;
    (4..=7).for_each(|_| _ = room.append());
    room.publish(&[5, 4, 6, 7]).await?;
    answer.reads(&lines(0, 7)).await
}

async fn streams_without_ids_get_the_same_order(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = setup.open(hold("").header("Grip-Channel", &room.channel), "").await?;
    room.publish(&[8]).await?;
    room.publish(&[10]).await?;
    room.publish(&[9]).await?;
    answer.reads(&lines(7, 10)).await
}

async fn an_id_is_sent_once(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open(0).await?;
    room.publish_next(1).await?;
    // A publisher that received no response publishes again.
    room.publish(&[1]).await?;
    room.publish_next(1).await?;
    room.publish(&[1, 2, 2]).await?;
    room.publish_next(1).await?;
    answer.reads(&lines(0, 3)).await
}

async fn an_id_is_remembered_without_subscribers(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    room.publish(&[1]).await?;
    let mut answer = setup.open(hold("").header("Grip-Channel", &room.channel), "").await?;
    room.publish(&[1, 2]).await?;
    answer.reads("2\n").await
}

async fn ids_are_remembered_per_channel(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channels = ["a", "b"].map(|name| setup.channel(name));
    let mut answer = setup.open(hold("").header("Grip-Channel", &channels.join(",")), "").await?;
    for channel in &channels {
        let mut item = stream_item(channel, "item ");
        item["id"] = json!("1");
        setup.publish(&[item]).await?;
    }
    answer.reads("item item ").await
}

/// A stream that waits for a lost item. What reaches another stream before this one continues did not have to wait for
/// five seconds, however slow the machine is.
struct Waiting(Answer);

impl Waiting {
    async fn start(setup: &Setup) -> anyhow::Result<Self> {
        let channel = setup.channel("waiting");
        let mut answer = setup.open(hold("").header("Grip-Channel", &channel), "").await?;
        let item = |id: &str, before: &str| {
            let mut item = stream_item(&channel, id);
            (item["id"], item["prev-id"]) = (json!(id), json!(before));
            item
        };
        setup.publish(&[item("1", "0")]).await?;
        answer.reads("1").await?;
        setup.publish(&[item("3", "2")]).await?;
        Ok(Self(answer))
    }

    fn still_waits(&self) -> anyhow::Result<()> {
        ensure!(self.0.text() == "1", "it took as long as a gap");
        Ok(())
    }
}

async fn an_item_without_prev_id_does_not_wait(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = setup.open(hold("").header("Grip-Channel", &room.channel), "").await?;
    let waiting = Waiting::start(&setup).await?;
    room.publish(&[1]).await?;
    let mut item = room.item(8);
    item.as_object_mut().context("not an object")?.remove("prev-id");
    setup.publish(&[item]).await?;
    // The next item may name it as the previous one.
    room.publish(&[10, 9]).await?;
    answer.reads("1\n8\n9\n10\n").await?;
    waiting.still_waits()
}

async fn an_unsequenced_item_does_not_wait(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = setup.open(hold("").header("Grip-Channel", &room.channel), "").await?;
    let waiting = Waiting::start(&setup).await?;
    room.publish(&[1]).await?;
    room.publish_unsequenced(&[9]).await?;
    room.publish(&[2]).await?;
    answer.reads("1\n9\n2\n").await?;
    waiting.still_waits()
}

async fn the_last_id_is_forgotten_with_the_last_stream(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let reply = hold("").header("Grip-Channel", &room.channel);
    let mut answer = setup.open(reply.clone(), "").await?;
    room.publish(&[1]).await?;
    setup.publish(&[room.action("close", None)]).await?;
    answer.ends_as("1\n").await?;
    let mut answer = setup.open(reply, "").await?;
    let waiting = Waiting::start(&setup).await?;
    room.publish(&[8]).await?;
    answer.reads("8\n").await?;
    waiting.still_waits()
}

async fn a_restart_forgets_all_ids(kind: Kind) -> anyhow::Result<()> {
    let mut setup = Setup::alone(kind).await?;
    for restarted in [false, true] {
        let room = Room::new(&setup);
        let mut answer = room.open(0).await?;
        room.publish_next(2).await?;
        answer.reads(&lines(0, 2)).await?;
        drop(answer);
        if !restarted {
            setup.restart().await?;
        }
    }
    Ok(())
}

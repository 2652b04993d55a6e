//! Gaps: a stream that missed an item requests its next link, receives the item from there, and continues.

use std::sync::Arc;

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{
    Rule, Setup, hold,
    room::{NEXT, Room, lines},
    rules, stream_item,
};
use crate::support::{proxy::Kind, scripted::Reply, wire::Request};

mod answers;
mod slow;

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    let mut rules: Vec<(&'static str, Rule)> = rules![
        a_gap_is_filled_from_the_link,
        grip_last_names_the_last_id_of_each_channel,
        an_item_without_ids_on_a_reliable_channel_is_a_gap,
        an_item_without_its_own_id_ends_reliability,
        items_published_during_a_recovery_follow_it,
        recovered_items_are_not_sent_again,
        a_stream_behind_its_channel_is_recovered_at_once,
        a_gap_of_many_streams_takes_a_few_requests,
        links_with_different_paths_get_different_responses,
        a_hint_makes_a_stream_request_its_link,
        a_close_and_a_hint_follow_the_order_of_ids,
        a_close_out_of_order_is_a_gap,
        recover_makes_all_streams_request_their_links,
    ];
    rules.extend(answers::rules());
    rules.extend(slow::rules());
    rules
}

async fn a_gap_is_filled_from_the_link(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    room.append();
    room.append();
    room.publish_unsequenced(&[3]).await?;
    answer.reads(&lines(0, 3)).await?;
    let received = room.recoveries();
    assert_eq!(received.len(), before + 1);
    assert_eq!(received[before].headers.all("grip-last"), [format!("{}; last-id=1", room.channel)]);
    // It continues after what it received.
    room.publish_next(2).await?;
    answer.reads(&lines(0, 5)).await?;
    assert_eq!(room.recoveries().len(), before + 1);
    Ok(())
}

async fn grip_last_names_the_last_id_of_each_channel(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let [a, b, c] = ["a", "b", "c"].map(|name| setup.channel(name));
    let reply = |body, prev| {
        let channels = format!("{a}; prev-id={prev}, {b};PREV-ID=\"b 7\" , {c}");
        let link = format!("<{}>; rel=next; timeout=120", setup.path(NEXT));
        hold(body).header("Grip-Channel", &channels).header("Grip-Link", &link)
    };
    setup.answer(NEXT, reply("next ", "a-2"));
    let mut answer = setup.open(reply("", "a-1"), "").await?;
    // The first recheck comes first, then the hint.
    answer.reads("next ").await?;
    setup.publish(&[json!({ "channel": c, "formats": { "http-stream": { "action": "hint" } } })]).await?;
    answer.reads("next next ").await?;
    for (received, of_a) in setup.requests(NEXT).iter().zip(["a-1", "a-2"]) {
        let mut lines = received.headers.all("grip-last");
        lines.sort_unstable();
        assert_eq!(lines, [format!("{a}; last-id={of_a}"), format!("{b}; last-id=b 7")]);
    }
    Ok(())
}

async fn an_item_without_ids_on_a_reliable_channel_is_a_gap(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    setup.publish(&[stream_item(&room.channel, "lost")]).await?;
    room.wait_for_requests(before + 1).await;
    room.becomes_live(&mut answer).await
}

async fn an_item_without_its_own_id_ends_reliability(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    let mut item = stream_item(&room.channel, "item\n");
    item["prev-id"] = json!("1");
    setup.publish(&[item, room.item(9), stream_item(&room.channel, "end")]).await?;
    answer.reads("1\nitem\n9\nend").await?;
    assert_eq!(room.recoveries().len(), before);
    Ok(())
}

/// Makes the next link answer with what there is now, but only after a permit was added.
fn gate_next(room: &Room<'_>, until: u64) -> Arc<Semaphore> {
    let gate = Arc::new(Semaphore::new(0));
    let channel = format!("{}; prev-id={until}", room.channel);
    let reply = Reply::status("200 OK").header("Grip-Hold", "stream").header("Grip-Channel", &channel);
    let reply = reply.header("Grip-Link", &room.link(NEXT));
    room.setup.answer(NEXT, reply.until(&gate).part(lines(1, until)));
    gate
}

async fn items_published_during_a_recovery_follow_it(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    let gate = gate_next(&room, 3);
    room.publish_unsequenced(&[3]).await?;
    setup.wait_for_requests(NEXT, before + 1).await;
    room.publish_unsequenced(&[4, 5]).await?;
    answer.reads("1\n").await?;
    gate.add_permits(1);
    answer.reads(&lines(0, 5)).await?;
    assert_eq!(room.recoveries().len(), before + 1);
    Ok(())
}

async fn recovered_items_are_not_sent_again(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    let gate = gate_next(&room, 4);
    room.publish_unsequenced(&[4]).await?;
    setup.wait_for_requests(NEXT, before + 1).await;
    // The items that were late, and a new one.
    room.publish_unsequenced(&[2, 3, 5]).await?;
    gate.add_permits(1);
    answer.reads(&lines(0, 5)).await?;
    assert_eq!(room.recoveries().len(), before + 1);
    Ok(())
}

/// An item published between the response of the backend and the subscription does not reach the stream, but the proxy
/// knows its id.
async fn a_stream_behind_its_channel_is_recovered_at_once(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let _first = room.open_settled().await?;
    let before = room.recoveries().len();
    room.publish_next(1).await?;
    let mut late = setup.open(room.hold_at(1, "1\n"), "1\n").await?;
    late.reads(&lines(0, 2)).await?;
    assert_eq!((room.recoveries().len(), room.recoveries_from(1)), (before + 1, 1));
    Ok(())
}

async fn a_gap_of_many_streams_takes_a_few_requests(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answers = vec![room.open_settled().await?];
    for _ in 1..10 {
        answers.push(room.open(0).await?);
    }
    let before = room.recoveries().len();
    room.append();
    room.append();
    room.publish_unsequenced(&[3]).await?;
    for answer in &mut answers {
        answer.reads(&lines(0, 3)).await?;
    }
    let received = room.recoveries().len() - before;
    ensure!((1..=3).contains(&received), "{received} requests");
    Ok(())
}

async fn links_with_different_paths_get_different_responses(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut answers = Vec::new();
    for user in ["ada", "bob", "cyd", "dan"] {
        let link = format!("<{}>; rel=next; timeout=120", setup.path(user));
        let reply =
            |body: &str| hold(body).header("Grip-Channel", &format!("{a}; prev-id=1")).header("Grip-Link", &link);
        setup.answer(user, reply(user));
        answers.push((setup.open(reply("body "), "body ").await?, user));
    }
    // The first recheck requests all of them at the same time.
    for (answer, user) in &mut answers {
        answer.reads(&format!("body {user}")).await?;
    }
    Ok(())
}

async fn a_hint_makes_a_stream_request_its_link(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let [reliable, other] = ["log", "other"].map(|name| setup.channel(name));
    let room = Room::with(&setup, "120", &[("Grip-Channel", &other)]);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    room.append();
    setup.publish(&[json!({ "channel": other, "formats": { "http-stream": { "action": "hint" } } })]).await?;
    answer.reads(&lines(0, 2)).await?;
    assert_eq!(room.recoveries().len(), before + 1);
    assert_eq!(room.recoveries()[before].headers.all("grip-last"), [format!("{reliable}; last-id=1")]);
    Ok(())
}

async fn a_close_and_a_hint_follow_the_order_of_ids(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    // A hint announces an item, whose content is at the link.
    setup.answer(NEXT, room.hold_at(2, "2\n"));
    setup.publish(&[room.action("hint", Some((1, 2)))]).await?;
    answer.reads(&lines(0, 2)).await?;
    assert_eq!(room.recoveries().len(), before + 1);
    setup.publish(&[room.action("close", Some((2, 3)))]).await?;
    answer.ends_as(&lines(0, 2)).await
}

async fn a_close_out_of_order_is_a_gap(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open_settled().await?;
    for ids in [None, Some((70, 80))] {
        let before = room.recoveries().len();
        let mut close: Value = room.action("close", ids);
        close["no-seq"] = json!(true);
        setup.publish(&[close]).await?;
        room.wait_for_requests(before + 1).await;
        room.becomes_live(&mut answer).await?;
    }
    Ok(())
}

async fn recover_makes_all_streams_request_their_links(kind: Kind) -> anyhow::Result<()> {
    // It affects every stream of the proxy.
    let setup = Setup::alone(kind).await?;
    let room = Room::new(&setup);
    let mut answer = room.open_settled().await?;
    room.append();
    let mut received = Request::new("POST", "/recover/").send(setup.control_addr()).await?;
    received.whole().await?;
    assert_eq!(received.status, 200);
    answer.reads(&lines(0, 2)).await
}

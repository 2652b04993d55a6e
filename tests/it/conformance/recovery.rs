//! Gaps: a stream that lacks something goes back to its next link, gets that, and goes on.

use std::sync::Arc;

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{
    Rule, Stand, hold,
    room::{NEXT, Room, lines},
    rules, stream_item,
};
use crate::support::{proxy::Kind, scripted::Reply, wire::Request};

mod answers;
mod slow;

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    let mut rules: Vec<(&'static str, Rule)> = rules![
        a_gap_is_filled_from_the_link,
        a_stream_says_where_it_stands_on_each_of_its_channels,
        an_item_without_ids_on_a_reliable_channel_is_a_gap,
        an_item_without_its_own_id_ends_reliability,
        what_comes_during_a_recovery_follows_it,
        what_a_recovery_has_brought_is_not_sent_again,
        a_stream_that_is_behind_the_channel_is_recovered_at_once,
        one_gap_of_many_streams_is_a_few_requests,
        links_of_different_paths_are_different_answers,
        a_hint_makes_a_stream_ask,
        a_close_and_a_hint_keep_to_the_order_of_ids,
        a_close_out_of_order_is_a_gap,
        on_request_all_streams_ask,
    ];
    rules.extend(answers::rules());
    rules.extend(slow::rules());
    rules
}

async fn a_gap_is_filled_from_the_link(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    room.write();
    room.write();
    room.publish_unsequenced(&[3]).await?;
    answer.reads(&lines(0, 3)).await?;
    let asked = room.recoveries();
    assert_eq!(asked.len(), before + 1);
    assert_eq!(asked[before].headers.all("grip-last"), [format!("{}; last-id=1", room.channel)]);
    // It goes on behind what it got.
    room.say(2).await?;
    answer.reads(&lines(0, 5)).await?;
    assert_eq!(room.recoveries().len(), before + 1);
    Ok(())
}

async fn a_stream_says_where_it_stands_on_each_of_its_channels(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let [a, b, c] = ["a", "b", "c"].map(|name| stand.channel(name));
    let reply = |body, prev| {
        let channels = format!("{a}; prev-id={prev}, {b};PREV-ID=\"b 7\" , {c}");
        let link = format!("<{}>; rel=next; timeout=120", stand.path(NEXT));
        hold(body).header("Grip-Channel", &channels).header("Grip-Link", &link)
    };
    stand.answer(NEXT, reply("next ", "a-2"));
    let mut answer = stand.open(reply("", "a-1"), "").await?;
    // The first recheck, and then a hint.
    answer.reads("next ").await?;
    stand.publish(&[json!({ "channel": c, "formats": { "http-stream": { "action": "hint" } } })]).await?;
    answer.reads("next next ").await?;
    for (asked, of_a) in stand.asked(NEXT).iter().zip(["a-1", "a-2"]) {
        let mut lines = asked.headers.all("grip-last");
        lines.sort_unstable();
        assert_eq!(lines, [format!("{a}; last-id={of_a}"), format!("{b}; last-id=b 7")]);
    }
    Ok(())
}

async fn an_item_without_ids_on_a_reliable_channel_is_a_gap(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    stand.publish(&[stream_item(&room.channel, "lost")]).await?;
    room.asked_times(before + 1).await;
    room.becomes_live(&mut answer).await
}

async fn an_item_without_its_own_id_ends_reliability(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    let mut item = stream_item(&room.channel, "item\n");
    item["prev-id"] = json!("1");
    stand.publish(&[item, room.item(9), stream_item(&room.channel, "end")]).await?;
    answer.reads("1\nitem\n9\nend").await?;
    assert_eq!(room.recoveries().len(), before);
    Ok(())
}

/// The next link answers what there is now, but keeps it to itself until there is a permit.
fn gate_next(room: &Room<'_>, until: u64) -> Arc<Semaphore> {
    let gate = Arc::new(Semaphore::new(0));
    let channel = format!("{}; prev-id={until}", room.channel);
    let reply = Reply::status("200 OK").header("Grip-Hold", "stream").header("Grip-Channel", &channel);
    let reply = reply.header("Grip-Link", &room.link(NEXT));
    room.stand.answer(NEXT, reply.until(&gate).part(lines(1, until)));
    gate
}

async fn what_comes_during_a_recovery_follows_it(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    let gate = gate_next(&room, 3);
    room.publish_unsequenced(&[3]).await?;
    stand.asked_times(NEXT, before + 1).await;
    room.publish_unsequenced(&[4, 5]).await?;
    answer.reads("1\n").await?;
    gate.add_permits(1);
    answer.reads(&lines(0, 5)).await?;
    assert_eq!(room.recoveries().len(), before + 1);
    Ok(())
}

async fn what_a_recovery_has_brought_is_not_sent_again(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    let gate = gate_next(&room, 4);
    room.publish_unsequenced(&[4]).await?;
    stand.asked_times(NEXT, before + 1).await;
    // The late ones, and a new one.
    room.publish_unsequenced(&[2, 3, 5]).await?;
    gate.add_permits(1);
    answer.reads(&lines(0, 5)).await?;
    assert_eq!(room.recoveries().len(), before + 1);
    Ok(())
}

/// What is published between the backend's answer and the subscription is lost to the stream, but known to the proxy.
async fn a_stream_that_is_behind_the_channel_is_recovered_at_once(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let _first = room.open_settled().await?;
    let before = room.recoveries().len();
    room.say(1).await?;
    let mut late = stand.open(room.hold_at(1, "1\n"), "1\n").await?;
    late.reads(&lines(0, 2)).await?;
    assert_eq!((room.recoveries().len(), room.recoveries_from(1)), (before + 1, 1));
    Ok(())
}

async fn one_gap_of_many_streams_is_a_few_requests(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answers = vec![room.open_settled().await?];
    for _ in 1..10 {
        answers.push(room.open(0).await?);
    }
    let before = room.recoveries().len();
    room.write();
    room.write();
    room.publish_unsequenced(&[3]).await?;
    for answer in &mut answers {
        answer.reads(&lines(0, 3)).await?;
    }
    let asked = room.recoveries().len() - before;
    ensure!((1..=3).contains(&asked), "{asked} requests");
    Ok(())
}

async fn links_of_different_paths_are_different_answers(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let a = stand.channel("a");
    let mut answers = Vec::new();
    for user in ["ada", "bob", "cyd", "dan"] {
        let link = format!("<{}>; rel=next; timeout=120", stand.path(user));
        let reply =
            |body: &str| hold(body).header("Grip-Channel", &format!("{a}; prev-id=1")).header("Grip-Link", &link);
        stand.answer(user, reply(user));
        answers.push((stand.open(reply("body "), "body ").await?, user));
    }
    // By the first recheck, all at the same time.
    for (answer, user) in &mut answers {
        answer.reads(&format!("body {user}")).await?;
    }
    Ok(())
}

async fn a_hint_makes_a_stream_ask(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let [reliable, other] = ["log", "other"].map(|name| stand.channel(name));
    let room = Room::with(&stand, "120", &[("Grip-Channel", &other)]);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    room.write();
    stand.publish(&[json!({ "channel": other, "formats": { "http-stream": { "action": "hint" } } })]).await?;
    answer.reads(&lines(0, 2)).await?;
    assert_eq!(room.recoveries().len(), before + 1);
    assert_eq!(room.recoveries()[before].headers.all("grip-last"), [format!("{reliable}; last-id=1")]);
    Ok(())
}

async fn a_close_and_a_hint_keep_to_the_order_of_ids(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open_settled().await?;
    let before = room.recoveries().len();
    // A hint of an item: the link has its content.
    stand.answer(NEXT, room.hold_at(2, "2\n"));
    stand.publish(&[room.action("hint", Some((1, 2)))]).await?;
    answer.reads(&lines(0, 2)).await?;
    assert_eq!(room.recoveries().len(), before + 1);
    stand.publish(&[room.action("close", Some((2, 3)))]).await?;
    answer.ends_as(&lines(0, 2)).await
}

async fn a_close_out_of_order_is_a_gap(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open_settled().await?;
    for ids in [None, Some((70, 80))] {
        let before = room.recoveries().len();
        let mut close: Value = room.action("close", ids);
        close["no-seq"] = json!(true);
        stand.publish(&[close]).await?;
        room.asked_times(before + 1).await;
        room.becomes_live(&mut answer).await?;
    }
    Ok(())
}

async fn on_request_all_streams_ask(kind: Kind) -> anyhow::Result<()> {
    // It would be felt by every stream there is.
    let stand = Stand::alone(kind).await?;
    let room = Room::new(&stand);
    let mut answer = room.open_settled().await?;
    room.write();
    let mut asked = Request::new("POST", "/recover/").send(stand.control_addr()).await?;
    asked.whole().await?;
    assert_eq!(asked.status, 200);
    answer.reads(&lines(0, 2)).await
}

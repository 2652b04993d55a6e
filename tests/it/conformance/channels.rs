//! Channels: how they are named in an answer, and that a stream gets those and no others.

use super::{Rule, Stand, hold, rules, stream_item};
use crate::support::{proxy::Kind, scripted::Reply};

/// `connection_subscription_max`.
const MOST_CHANNELS: usize = 20;

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        channels_are_named_by_lines_and_by_commas,
        a_name_is_compared_as_it_stands,
        a_semicolon_ends_a_name_and_a_comma_begins_another,
        an_item_that_does_not_parse_is_left_out,
        a_channel_that_is_named_twice_is_one,
        channels_beyond_the_most_are_left_out,
        a_stream_gets_its_channels_and_no_others,
        all_streams_of_a_channel_get_its_items,
    ]
}

async fn channels_are_named_by_lines_and_by_commas(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| stand.channel(name));
    let reply =
        hold("").header("Grip-Channel", &format!("{a},{b} ; unknown=1")).header("Grip-Channel", &format!("  {c}  "));
    let mut answer = stand.open(reply.header("Grip-Channel", &format!(",, {d} ,")), "").await?;
    stand.publish(&[&a, &b, &c, &d].map(|name| stream_item(name, name))).await?;
    answer.reads(&[a, b, c, d].concat()).await
}

async fn a_name_is_compared_as_it_stands(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    for name in ["a b", "x%2Cy", "q\"q", "k=v", "/p/a:1@h", "räum-部屋", "CASE", "(a)", "a\\b", "*"] {
        let channel = stand.channel(name);
        let mut answer = stand.open(hold("").header("Grip-Channel", &channel), "").await?;
        let others = [stand.channel("x,y"), stand.channel("case"), stand.channel("a%20b"), stand.channel("")];
        stand.publish(&others.map(|other| stream_item(&other, "other"))).await?;
        stand.publish(&[stream_item(&channel, name)]).await?;
        answer.reads(name).await?;
    }
    Ok(())
}

async fn a_semicolon_ends_a_name_and_a_comma_begins_another(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let a = stand.channel("a");
    // No quotes help: they are part of the name.
    let reply = hold("").header("Grip-Channel", &format!("{a};b, \"{a},{a}c")).header("Grip-Channel", &format!("{a}d"));
    let mut answer = stand.open(reply, "").await?;
    stand
        .publish(&[stream_item(&format!("{a};b"), "whole"), stream_item(&a, "a"), stream_item(&format!("{a}d"), "d")])
        .await?;
    answer.reads("ad").await
}

async fn an_item_that_does_not_parse_is_left_out(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let [a, b] = ["a", "b"].map(|name| stand.channel(name));
    let reply = hold("").header("Grip-Channel", &format!("{a}; prev-id=\"open")).header("Grip-Channel", &b);
    let mut answer = stand.open(reply, "").await?;
    stand.publish(&[stream_item(&a, "a"), stream_item(&b, "b")]).await?;
    answer.reads("b").await
}

async fn a_channel_that_is_named_twice_is_one(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let a = stand.channel("a");
    let mut answer =
        stand.open(hold("").header("Grip-Channel", &format!("{a}, {a}")).header("Grip-Channel", &a), "").await?;
    stand.publish(&[stream_item(&a, "one "), stream_item(&a, "two")]).await?;
    answer.reads("one two").await
}

async fn channels_beyond_the_most_are_left_out(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let channels: Vec<_> = (0..=MOST_CHANNELS).map(|n| stand.channel(&n.to_string())).collect();
    let mut answer = stand.open(hold("").header("Grip-Channel", &channels.join(", ")), "").await?;
    // The one too many first, so that it would show.
    let items: Vec<_> = (0..=MOST_CHANNELS).rev().map(|n| stream_item(&channels[n], &format!("{n} "))).collect();
    stand.publish(&items).await?;
    answer.reads(&(0..MOST_CHANNELS).rev().map(|n| format!("{n} ")).collect::<String>()).await
}

async fn a_stream_gets_its_channels_and_no_others(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let [a, b, c] = ["a", "b", "c"].map(|name| stand.channel(name));
    let mut of_ab = stand.open(hold("").header("Grip-Channel", &format!("{a}, {b}")), "").await?;
    let mut of_bc = stand.open(hold("").header("Grip-Channel", &format!("{b}, {c}")), "").await?;
    let items = [&a, &c, &b, &a, &c, &b].map(|name| stream_item(name, &name[name.len() - 1..]));
    stand.publish(&items).await?;
    of_ab.reads("abab").await?;
    of_bc.reads("cbcb").await
}

async fn all_streams_of_a_channel_get_its_items(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let a = stand.channel("a");
    let reply: Reply = hold("body ").header("Grip-Channel", &a);
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(stand.open(reply.clone(), "body ").await?);
    }
    // One leaves, and is missed by nobody.
    answers.pop();
    for n in 0..5 {
        stand.publish(&[stream_item(&a, &format!("{n} "))]).await?;
    }
    for answer in &mut answers {
        answer.reads("body 0 1 2 3 4 ").await?;
    }
    Ok(())
}

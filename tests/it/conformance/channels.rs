//! Channels: how a response names them, and that a stream gets the items of those and no others.

use super::{Rule, Setup, hold, rules, stream_item};
use crate::support::{proxy::Kind, scripted::Reply};

/// Pushpin's `connection_subscription_max`.
const MAX_CHANNELS: usize = 20;

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        channels_are_named_by_lines_and_by_commas,
        a_name_is_compared_byte_by_byte,
        a_semicolon_ends_a_name_and_a_comma_starts_another,
        a_channel_that_does_not_parse_is_ignored,
        a_channel_named_twice_is_subscribed_once,
        channels_beyond_the_maximum_are_ignored,
        a_stream_gets_its_channels_and_no_others,
        all_streams_of_a_channel_get_its_items,
    ]
}

async fn channels_are_named_by_lines_and_by_commas(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| setup.channel(name));
    let reply =
        hold("").header("Grip-Channel", &format!("{a},{b} ; unknown=1")).header("Grip-Channel", &format!("  {c}  "));
    let mut answer = setup.open(reply.header("Grip-Channel", &format!(",, {d} ,")), "").await?;
    setup.publish(&[&a, &b, &c, &d].map(|name| stream_item(name, name))).await?;
    answer.reads(&[a, b, c, d].concat()).await
}

async fn a_name_is_compared_byte_by_byte(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    for name in ["a b", "x%2Cy", "q\"q", "k=v", "/p/a:1@h", "räum-部屋", "CASE", "(a)", "a\\b", "*"] {
        let channel = setup.channel(name);
        let mut answer = setup.open(hold("").header("Grip-Channel", &channel), "").await?;
        let others = [setup.channel("x,y"), setup.channel("case"), setup.channel("a%20b"), setup.channel("")];
        setup.publish(&others.map(|other| stream_item(&other, "other"))).await?;
        setup.publish(&[stream_item(&channel, name)]).await?;
        answer.reads(name).await?;
    }
    Ok(())
}

async fn a_semicolon_ends_a_name_and_a_comma_starts_another(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    // Quotes have no meaning: they are part of the name.
    let reply = hold("").header("Grip-Channel", &format!("{a};b, \"{a},{a}c")).header("Grip-Channel", &format!("{a}d"));
    let mut answer = setup.open(reply, "").await?;
    setup
        .publish(&[stream_item(&format!("{a};b"), "whole"), stream_item(&a, "a"), stream_item(&format!("{a}d"), "d")])
        .await?;
    answer.reads("ad").await
}

async fn a_channel_that_does_not_parse_is_ignored(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let [a, b] = ["a", "b"].map(|name| setup.channel(name));
    let reply = hold("").header("Grip-Channel", &format!("{a}; prev-id=\"open")).header("Grip-Channel", &b);
    let mut answer = setup.open(reply, "").await?;
    setup.publish(&[stream_item(&a, "a"), stream_item(&b, "b")]).await?;
    answer.reads("b").await
}

async fn a_channel_named_twice_is_subscribed_once(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut answer =
        setup.open(hold("").header("Grip-Channel", &format!("{a}, {a}")).header("Grip-Channel", &a), "").await?;
    setup.publish(&[stream_item(&a, "one "), stream_item(&a, "two")]).await?;
    answer.reads("one two").await
}

async fn channels_beyond_the_maximum_are_ignored(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channels: Vec<_> = (0..=MAX_CHANNELS).map(|n| setup.channel(&n.to_string())).collect();
    let mut answer = setup.open(hold("").header("Grip-Channel", &channels.join(", ")), "").await?;
    // The one beyond the maximum comes first, so that the test would see it.
    let items: Vec<_> = (0..=MAX_CHANNELS).rev().map(|n| stream_item(&channels[n], &format!("{n} "))).collect();
    setup.publish(&items).await?;
    answer.reads(&(0..MAX_CHANNELS).rev().map(|n| format!("{n} ")).collect::<String>()).await
}

async fn a_stream_gets_its_channels_and_no_others(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let [a, b, c] = ["a", "b", "c"].map(|name| setup.channel(name));
    let mut of_ab = setup.open(hold("").header("Grip-Channel", &format!("{a}, {b}")), "").await?;
    let mut of_bc = setup.open(hold("").header("Grip-Channel", &format!("{b}, {c}")), "").await?;
    let items = [&a, &c, &b, &a, &c, &b].map(|name| stream_item(name, &name[name.len() - 1..]));
    setup.publish(&items).await?;
    of_ab.reads("abab").await?;
    of_bc.reads("cbcb").await
}

async fn all_streams_of_a_channel_get_its_items(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let reply: Reply = hold("body ").header("Grip-Channel", &a);
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(setup.open(reply.clone(), "body ").await?);
    }
    // One client disconnects, which does not affect the others.
    answers.pop();
    for n in 0..5 {
        setup.publish(&[stream_item(&a, &format!("{n} "))]).await?;
    }
    for answer in &mut answers {
        answer.reads("body 0 1 2 3 4 ").await?;
    }
    Ok(())
}

//! Held streams: the body first, then every item in order, until the backend ends the stream.

use anyhow::bail;
use serde_json::json;

use super::{Rule, Setup, differences, hold, rules, stream_item};
use crate::support::{proxy::Kind, scripted::Reply, wire::Request};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        the_body_is_sent_first_and_then_the_items_in_order,
        an_item_may_be_any_bytes,
        a_large_item_arrives_complete,
        an_item_in_another_format_is_skipped,
        items_of_one_request_keep_their_order_across_channels,
        items_without_ids_are_never_duplicates,
        an_item_with_ids_reaches_a_stream_without_them,
        a_close_ends_the_stream_in_order,
        a_hint_without_a_link_does_nothing,
        an_item_without_subscribers_is_dropped,
        an_ended_stream_closes_or_keeps_its_connection_as_announced,
    ]
}

async fn the_body_is_sent_first_and_then_the_items_in_order(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut answer = setup.open(hold("body ").header("Grip-Channel", &a), "body ").await?;
    let mut expected = "body ".to_owned();
    for n in 0..50 {
        setup.publish(&[stream_item(&a, &format!("{n} "))]).await?;
        expected += &format!("{n} ");
    }
    answer.reads(&expected).await
}

async fn an_item_may_be_any_bytes(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut answer = setup.open(hold("").header("Grip-Channel", &a), "").await?;
    let binary = json!({ "channel": a, "formats": { "http-stream": { "content-bin": "AP8KgA==" } } });
    let close = json!({ "channel": a, "formats": { "http-stream": { "action": "close" } } });
    setup.publish(&[stream_item(&a, "räum\r\n\0"), binary, close]).await?;
    assert_eq!(answer.whole().await?, ["räum\r\n\0".as_bytes(), b"\0\xff\n\x80"].concat());
    Ok(())
}

async fn a_large_item_arrives_complete(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut answer = setup.open(hold("").header("Grip-Channel", &a), "").await?;
    // Close to the longest body that a control port accepts.
    let large = "0123456789".repeat(90_000);
    setup.publish(&[stream_item(&a, &large)]).await?;
    setup.publish(&[stream_item(&a, "end")]).await?;
    answer.reads(&(large + "end")).await
}

async fn an_item_in_another_format_is_skipped(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut answer = setup.open(hold("").header("Grip-Channel", &a), "").await?;
    let response = json!({ "channel": a, "formats": { "http-response": { "body": "response" } } });
    let message = json!({ "channel": a, "formats": { "ws-message": { "content": "message" } } });
    let mut several = stream_item(&a, "stream ");
    several["formats"]["http-response"] = json!({ "body": "response" });
    setup.publish(&[response, message, several]).await?;
    // Formats may also be fields of the item itself.
    setup.publish(&[json!({ "channel": a, "http-stream": { "content": "direct" } })]).await?;
    answer.reads("stream direct").await
}

async fn items_of_one_request_keep_their_order_across_channels(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channels = ["a", "b", "c"].map(|name| setup.channel(name));
    let mut answer = setup.open(hold("").header("Grip-Channel", &channels.join(", ")), "").await?;
    let items: Vec<_> = (0..30).map(|n| stream_item(&channels[n * 7 % 3], &format!("{n} "))).collect();
    setup.publish(&items).await?;
    answer.reads(&(0..30).map(|n| format!("{n} ")).collect::<String>()).await
}

async fn items_without_ids_are_never_duplicates(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut answer = setup.open(hold("").header("Grip-Channel", &a), "").await?;
    setup.publish(&[stream_item(&a, "x"), stream_item(&a, "x")]).await?;
    setup.publish(&[stream_item(&a, "x")]).await?;
    answer.reads("xxx").await
}

async fn an_item_with_ids_reaches_a_stream_without_them(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut answer = setup.open(hold("").header("Grip-Channel", &a), "").await?;
    let mut items = [stream_item(&a, "1 "), stream_item(&a, "2")];
    (items[0]["id"], items[0]["prev-id"]) = (json!("1"), json!("0"));
    (items[1]["id"], items[1]["prev-id"]) = (json!("2"), json!("1"));
    setup.publish(&items).await?;
    answer.reads("1 2").await
}

async fn a_close_ends_the_stream_in_order(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let [a, b] = ["a", "b"].map(|name| setup.channel(name));
    let mut of_a = setup.open(hold("body ").header("Grip-Channel", &a), "body ").await?;
    let mut of_b = setup.open(hold("body ").header("Grip-Channel", &b), "body ").await?;
    let close = json!({ "channel": a, "formats": { "http-stream": { "action": "close" } } });
    setup.publish(&[stream_item(&a, "item"), close, stream_item(&a, "late"), stream_item(&b, "item")]).await?;
    of_a.ends_as("body item").await?;
    of_b.reads("body item").await?;
    assert!(of_b.is_open());
    Ok(())
}

async fn a_hint_without_a_link_does_nothing(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut answer = setup.open(hold("").header("Grip-Channel", &a), "").await?;
    let hint = json!({ "channel": a, "formats": { "http-stream": { "action": "hint" } } });
    setup.publish(&[hint, stream_item(&a, "item")]).await?;
    answer.reads("item").await?;
    assert!(answer.is_open());
    Ok(())
}

async fn an_item_without_subscribers_is_dropped(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    setup.publish(&[stream_item(&a, "early")]).await?;
    let mut answer = setup.open(hold("").header("Grip-Channel", &a), "").await?;
    setup.publish(&[stream_item(&a, "item")]).await?;
    answer.reads("item").await
}

async fn an_ended_stream_closes_or_keeps_its_connection_as_announced(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    let mut answer = setup.open(hold("body").header("Grip-Channel", &a), "body").await?;
    setup.publish(&[json!({ "channel": a, "formats": { "http-stream": { "action": "close" } } })]).await?;
    answer.ends_as("body").await?;
    let closes = answer.headers.get("connection") == Some("close");
    let mut connection = answer.connection().await?;
    setup.answer("", Reply::ok("again"));
    let again = async {
        connection.write(&Request::get(&setup.path("")).bytes()).await?;
        connection.answer().await?.ends_as("again").await
    };
    let seen = match (again.await, closes) {
        (Ok(()), false) => "accepts the next request",
        (Err(_), true) => "closes, as the response announced",
        (outcome, closes) => bail!("{outcome:?}; it said close: {closes}"),
    };
    differences::ENDED_STREAM.check(kind, seen);
    Ok(())
}

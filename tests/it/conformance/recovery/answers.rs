//! How the response of a next link changes the stream.

use super::super::{
    Rule, Setup, hold,
    room::{NEXT, Room, lines},
    rules, stream_item,
};
use crate::support::{proxy::Kind, scripted::Reply, stack::SOON, wire::Answer};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        a_response_without_instructions_ends_the_stream,
        a_response_that_cannot_be_held_ends_the_stream,
        a_response_with_an_id_and_no_link_ends_the_stream,
        a_response_without_id_and_link_makes_the_stream_unreliable,
        a_response_replaces_the_channels,
        a_response_replaces_the_link,
        a_recovery_may_have_several_pages,
        the_fields_of_a_recovery_are_not_sent_to_the_client,
    ]
}

/// Opens a stream, which receives item 1, and then requests its next link because item 2 is a hint; this is the response.
async fn answered(room: &Room<'_>, reply: Reply) -> anyhow::Result<Answer> {
    let answer = room.open_settled().await?;
    room.setup.answer(NEXT, reply);
    room.setup.publish(&[room.action("hint", Some((1, 2)))]).await?;
    Ok(answer)
}

async fn a_response_without_instructions_ends_the_stream(kind: Kind) -> anyhow::Result<()> {
    async fn ends(kind: Kind, reply: Reply, body: &str) -> anyhow::Result<()> {
        let setup = Setup::new(kind).await?;
        answered(&Room::new(&setup), reply).await?.ends_as(body).await
    }
    tokio::try_join!(
        ends(kind, Reply::ok("the end"), "1\nthe end"),
        ends(kind, Reply::status("204 No Content"), "1\n")
    )?;
    Ok(())
}

async fn a_response_that_cannot_be_held_ends_the_stream(kind: Kind) -> anyhow::Result<()> {
    async fn ends(kind: Kind, name: &str, value: &str) -> anyhow::Result<()> {
        let setup = Setup::new(kind).await?;
        let room = Room::new(&setup);
        let reply = match name {
            "Grip-Hold" => Reply::ok("").header("Grip-Link", &room.link(NEXT)),
            _ => room.hold_at(2, ""),
        };
        let mut answer = answered(&room, reply.header(name, value)).await?;
        // The stream ends, regularly or not, because the instructions are invalid.
        let _ = answer.ends_within(SOON).await;
        assert!(!answer.is_open(), "{name}: {value}");
        Ok(())
    }
    tokio::try_join!(
        ends(kind, "Grip-Hold", "response"),
        ends(kind, "Grip-Hold", "nonsense"),
        ends(kind, "Grip-Keep-Alive", "x; timeout=-1"),
    )?;
    Ok(())
}

async fn a_response_with_an_id_and_no_link_ends_the_stream(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let reply = hold("the end").header("Grip-Channel", &format!("{}; prev-id=2", room.channel));
    answered(&room, reply).await?.ends_as("1\nthe end").await
}

async fn a_response_without_id_and_link_makes_the_stream_unreliable(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let mut answer = answered(&room, hold("plain ").header("Grip-Channel", &room.channel)).await?;
    answer.reads("1\nplain ").await?;
    setup.publish(&[stream_item(&room.channel, "no ids "), room.item(9)]).await?;
    answer.reads("1\nplain no ids 9\n").await
}

async fn a_response_replaces_the_channels(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let [old, new] = ["old", "new"].map(|name| setup.channel(name));
    let room = Room::with(&setup, "120", &[("Grip-Channel", &old)]);
    let reply = room.hold_at(2, "next ").header("Grip-Channel", &new);
    let mut answer = answered(&room, reply).await?;
    answer.reads("1\nnext ").await?;
    setup.publish(&[stream_item(&old, "old "), stream_item(&new, "new ")]).await?;
    answer.reads("1\nnext new ").await
}

async fn a_response_replaces_the_link(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let reply = hold("moved ").header("Grip-Channel", &format!("{}; prev-id=2", room.channel));
    let mut answer = answered(&room, reply.header("Grip-Link", &room.link("elsewhere"))).await?;
    answer.reads("1\nmoved ").await?;
    setup.answer("elsewhere", room.hold_at(3, "here "));
    setup.publish(&[room.action("hint", Some((2, 3)))]).await?;
    answer.reads("1\nmoved here ").await?;
    assert_eq!(setup.requests("elsewhere").len(), 1);
    Ok(())
}

async fn a_recovery_may_have_several_pages(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    setup.answer("second", room.hold_at(5, &lines(3, 5)));
    let first = Reply::ok(lines(1, 3)).header("Grip-Link", &format!("<{}>; rel=next", setup.path("second")));
    let mut answer = answered(&room, first).await?;
    answer.reads(&lines(0, 5)).await?;
    // If the stream is held only from now on, its link has what it missed.
    (2..=6).for_each(|_| _ = room.append());
    room.serve_next();
    room.publish(&[6]).await?;
    setup.publish(&[room.action("hint", None)]).await?;
    answer.reads(&lines(0, 6)).await
}

async fn the_fields_of_a_recovery_are_not_sent_to_the_client(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let reply = room.hold_at(2, "next").header("X-Own", "1").header("Grip-Status", "299 Other");
    let mut answer = answered(&room, reply).await?;
    answer.reads("1\nnext").await?;
    assert_eq!((answer.status, answer.headers.get("x-own")), (200, None));
    Ok(())
}

//! Filters: an item that is not meant for a stream is skipped, and the stream continues after it.

use serde_json::{Value, json};

use super::{
    Rule, Setup, hold,
    room::{NEXT, Room},
    rules, stream_item,
};
use crate::support::{proxy::Kind, scripted::Reply};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        skip_self_hides_an_item_from_its_sender,
        skip_users_hides_an_item_from_the_named_users,
        require_sub_hides_an_item_from_streams_without_the_channel,
        without_a_filter_every_stream_gets_every_item,
        an_unknown_filter_removes_nothing,
        a_filtered_item_is_not_a_gap,
        a_recovery_may_change_the_user,
    ]
}

/// Holds a stream of channel `a` with this filter, for this user.
fn of_user(setup: &Setup, user: &str, filter: &str) -> Reply {
    let reply = hold("").header("Grip-Channel", &format!("{}; filter={filter}", setup.channel("a")));
    reply.header("Grip-Set-Meta", &format!("user={user}"))
}

/// An item of channel `a`.
fn item(setup: &Setup, content: &str, meta: Value) -> Value {
    let mut item = stream_item(&setup.channel("a"), content);
    item["meta"] = meta;
    item
}

async fn skip_self_hides_an_item_from_its_sender(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let mut ada = setup.open(of_user(&setup, "\"ada \\\"a\\\"\"", "skip-self"), "").await?;
    let mut bob = setup.open(of_user(&setup, "bob", "skip-self"), "").await?;
    let of_ada = item(&setup, "of ada ", json!({ "sender": "ada \"a\"" }));
    let of_bob = item(&setup, "of bob ", json!({ "sender": "bob" }));
    setup.publish(&[of_ada, of_bob, item(&setup, "of nobody", json!({}))]).await?;
    ada.reads("of bob of nobody").await?;
    bob.reads("of ada of nobody").await
}

async fn skip_users_hides_an_item_from_the_named_users(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let mut ada = setup.open(of_user(&setup, "ada", "skip-users"), "").await?;
    let mut bob = setup.open(of_user(&setup, "bob", "skip-users"), "").await?;
    let mut cyd = setup.open(of_user(&setup, "cyd", "skip-users"), "").await?;
    let secret = item(&setup, "secret ", json!({ "skip_users": "ada,bob" }));
    setup.publish(&[secret, item(&setup, "for all", json!({}))]).await?;
    ada.reads("for all").await?;
    bob.reads("for all").await?;
    cyd.reads("secret for all").await
}

async fn require_sub_hides_an_item_from_streams_without_the_channel(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let vip = setup.channel("vip");
    let mut with = setup.open(of_user(&setup, "ada", "require-sub").header("Grip-Channel", &vip), "").await?;
    let mut without = setup.open(of_user(&setup, "bob", "require-sub"), "").await?;
    let special = item(&setup, "special ", json!({ "require_sub": vip }));
    setup.publish(&[special, item(&setup, "for all", json!({}))]).await?;
    with.reads("special for all").await?;
    without.reads("for all").await
}

async fn without_a_filter_every_stream_gets_every_item(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let reply = hold("").header("Grip-Channel", &setup.channel("a")).header("Grip-Set-Meta", "user=ada");
    let mut ada = setup.open(reply, "").await?;
    let meta = json!({ "sender": "ada", "skip_users": "ada", "require_sub": "vip" });
    setup.publish(&[item(&setup, "item", meta)]).await?;
    ada.reads("item").await
}

async fn an_unknown_filter_removes_nothing(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let mut ada = setup.open(of_user(&setup, "ada", "skip-rain; filter=skip-self"), "").await?;
    let of_ada = item(&setup, "of ada", json!({ "sender": "ada" }));
    setup.publish(&[of_ada, item(&setup, "item", json!({ "sender": "bob" }))]).await?;
    ada.reads("item").await
}

async fn a_filtered_item_is_not_a_gap(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let room = Room::new(&setup);
    let reply = |body| {
        let channel = format!("{}; prev-id=0; filter=skip-self", room.channel);
        let reply = hold(body).header("Grip-Channel", &channel).header("Grip-Set-Meta", "user=ada");
        reply.header("Grip-Link", &room.link(NEXT))
    };
    setup.answer(NEXT, reply("next\n"));
    let mut ada = setup.open(reply(""), "next\n").await?;
    let before = room.recoveries().len();
    let mut own = room.item(1);
    own["meta"] = json!({ "sender": "ada" });
    setup.publish(&[own, room.item(2)]).await?;
    ada.reads("next\n2\n").await?;
    assert_eq!(room.recoveries().len(), before);
    Ok(())
}

async fn a_recovery_may_change_the_user(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let link = format!("<{}>; rel=next; timeout=120", setup.path(NEXT));
    let next = hold("next ").header("Grip-Channel", &format!("{}; filter=skip-self", setup.channel("a")));
    setup.answer(NEXT, next.header("Grip-Set-Meta", "user=bob").header("Grip-Link", &link));
    let mut stream = setup.open(of_user(&setup, "ada", "skip-self").header("Grip-Link", &link), "next ").await?;
    let of_ada = item(&setup, "of ada ", json!({ "sender": "ada" }));
    let of_bob = item(&setup, "of bob ", json!({ "sender": "bob" }));
    setup.publish(&[of_bob, of_ada]).await?;
    stream.reads("next of ada ").await
}

//! Filters: an item that is not for a stream passes it by, and the stream goes on behind it.

use serde_json::{Value, json};

use super::{
    Rule, Stand, hold,
    room::{NEXT, Room},
    rules, stream_item,
};
use crate::support::{proxy::Kind, scripted::Reply};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        skip_self_keeps_an_item_from_its_sender,
        skip_users_keeps_an_item_from_those_it_names,
        require_sub_keeps_an_item_from_those_without_a_channel,
        without_a_filter_all_get_everything,
        an_unknown_filter_keeps_nothing,
        an_item_that_passes_by_is_no_gap,
        what_a_recovery_says_of_the_user_counts,
    ]
}

/// A stream of channel `a` with that filter, for that user.
fn of_user(stand: &Stand, user: &str, filter: &str) -> Reply {
    let reply = hold("").header("Grip-Channel", &format!("{}; filter={filter}", stand.channel("a")));
    reply.header("Grip-Set-Meta", &format!("user={user}"))
}

/// An item of channel `a`.
fn item(stand: &Stand, content: &str, meta: Value) -> Value {
    let mut item = stream_item(&stand.channel("a"), content);
    item["meta"] = meta;
    item
}

async fn skip_self_keeps_an_item_from_its_sender(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let mut ada = stand.open(of_user(&stand, "\"ada \\\"a\\\"\"", "skip-self"), "").await?;
    let mut bob = stand.open(of_user(&stand, "bob", "skip-self"), "").await?;
    let of_ada = item(&stand, "of ada ", json!({ "sender": "ada \"a\"" }));
    let of_bob = item(&stand, "of bob ", json!({ "sender": "bob" }));
    stand.publish(&[of_ada, of_bob, item(&stand, "of nobody", json!({}))]).await?;
    ada.reads("of bob of nobody").await?;
    bob.reads("of ada of nobody").await
}

async fn skip_users_keeps_an_item_from_those_it_names(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let mut ada = stand.open(of_user(&stand, "ada", "skip-users"), "").await?;
    let mut bob = stand.open(of_user(&stand, "bob", "skip-users"), "").await?;
    let mut cyd = stand.open(of_user(&stand, "cyd", "skip-users"), "").await?;
    let secret = item(&stand, "secret ", json!({ "skip_users": "ada,bob" }));
    stand.publish(&[secret, item(&stand, "for all", json!({}))]).await?;
    ada.reads("for all").await?;
    bob.reads("for all").await?;
    cyd.reads("secret for all").await
}

async fn require_sub_keeps_an_item_from_those_without_a_channel(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let vip = stand.channel("vip");
    let mut with = stand.open(of_user(&stand, "ada", "require-sub").header("Grip-Channel", &vip), "").await?;
    let mut without = stand.open(of_user(&stand, "bob", "require-sub"), "").await?;
    let special = item(&stand, "special ", json!({ "require_sub": vip }));
    stand.publish(&[special, item(&stand, "for all", json!({}))]).await?;
    with.reads("special for all").await?;
    without.reads("for all").await
}

async fn without_a_filter_all_get_everything(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let reply = hold("").header("Grip-Channel", &stand.channel("a")).header("Grip-Set-Meta", "user=ada");
    let mut ada = stand.open(reply, "").await?;
    let meta = json!({ "sender": "ada", "skip_users": "ada", "require_sub": "vip" });
    stand.publish(&[item(&stand, "item", meta)]).await?;
    ada.reads("item").await
}

async fn an_unknown_filter_keeps_nothing(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let mut ada = stand.open(of_user(&stand, "ada", "skip-rain; filter=skip-self"), "").await?;
    let of_ada = item(&stand, "of ada", json!({ "sender": "ada" }));
    stand.publish(&[of_ada, item(&stand, "item", json!({ "sender": "bob" }))]).await?;
    ada.reads("item").await
}

async fn an_item_that_passes_by_is_no_gap(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let room = Room::new(&stand);
    let reply = |body| {
        let channel = format!("{}; prev-id=0; filter=skip-self", room.channel);
        let reply = hold(body).header("Grip-Channel", &channel).header("Grip-Set-Meta", "user=ada");
        reply.header("Grip-Link", &room.link(NEXT))
    };
    stand.answer(NEXT, reply("next\n"));
    let mut ada = stand.open(reply(""), "next\n").await?;
    let before = room.recoveries().len();
    let mut own = room.item(1);
    own["meta"] = json!({ "sender": "ada" });
    stand.publish(&[own, room.item(2)]).await?;
    ada.reads("next\n2\n").await?;
    assert_eq!(room.recoveries().len(), before);
    Ok(())
}

async fn what_a_recovery_says_of_the_user_counts(kind: Kind) -> anyhow::Result<()> {
    let stand = Stand::new(kind).await?;
    let link = format!("<{}>; rel=next; timeout=120", stand.path(NEXT));
    let next = hold("next ").header("Grip-Channel", &format!("{}; filter=skip-self", stand.channel("a")));
    stand.answer(NEXT, next.header("Grip-Set-Meta", "user=bob").header("Grip-Link", &link));
    let mut stream = stand.open(of_user(&stand, "ada", "skip-self").header("Grip-Link", &link), "next ").await?;
    let of_ada = item(&stand, "of ada ", json!({ "sender": "ada" }));
    let of_bob = item(&stand, "of bob ", json!({ "sender": "bob" }));
    stand.publish(&[of_bob, of_ada]).await?;
    stream.reads("next of ada ").await
}

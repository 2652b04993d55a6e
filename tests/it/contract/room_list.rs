//! The list of rooms. It is written in the background, so these tests wait for it.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use anyhow::ensure;
use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef},
        retry::RetryConfig,
    },
    error::BoxError,
    types::AttributeValue,
};
use gripchat::{
    chat::{Draft, RoomId, Timestamp},
    store::{Activity, Append, DynamoDb, Retention, Store},
};
use libtest_mimic::Trial;
use tokio::time::{Instant, sleep};

use super::{OpenStore, Rule, draft, hour, old, rules};
use crate::support::{stack::Table, trials::trials};

/// How soon a room must be listed in these tests. The contract allows a minute.
const LIST_DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        a_room_is_listed_with_the_minute_of_its_newest_message,
        rooms_are_listed_in_the_order_of_their_newest_messages,
        a_room_whose_messages_have_expired_is_not_listed,
        the_list_outlives_the_process,
    ]
}

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [DynamoDb] => a_room_is_listed_although_the_answer_to_its_only_write_was_lost,
        [DynamoDb] => a_delayed_write_to_the_list_does_not_overwrite_a_newer_one,
        [DynamoDb] => an_invalid_room_does_not_hide_other_rooms,
    ]
}

async fn post_in(store: &dyn Store, room: &str, draft: Draft) -> anyhow::Result<()> {
    store.append(&RoomId::parse(room)?, Append::new(draft)).await?;
    Ok(())
}

fn dated(date: Timestamp) -> Draft {
    Draft { date, ..draft("x") }
}

fn minutes_ago(minutes: i64) -> Timestamp {
    Timestamp::from_millis(Timestamp::now().as_millis() - minutes * 60_000)
}

/// Waits until the list is as expected.
async fn wait_for_list(store: &dyn Store, is_expected: impl Fn(&[Activity]) -> bool) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let rooms = store.rooms().await?;
        if is_expected(&rooms) {
            return Ok(());
        }
        ensure!(started.elapsed() < LIST_DEADLINE, "{rooms:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn names(rooms: &[Activity]) -> Vec<&str> {
    rooms.iter().map(|activity| activity.room.as_str()).collect()
}

/// A newer version may accept names that this version does not.
async fn an_invalid_room_does_not_hide_other_rooms() -> anyhow::Result<()> {
    let table = Table::create().await?;
    let store = DynamoDb::new(table.client.clone(), table.name.clone(), Retention::FOREVER);
    for room in ["a", "z"] {
        post_in(&store, room, draft("x")).await?;
    }
    let invalid = [("pk", AttributeValue::S("rooms".to_owned())), ("sk", AttributeValue::S("no room!".to_owned()))];
    let item = invalid.map(|(name, value)| (name.to_owned(), value)).into();
    table.client.put_item().table_name(&table.name).set_item(Some(item)).send().await?;
    wait_for_list(&store, |rooms| {
        let mut listed = names(rooms);
        listed.sort_unstable();
        listed == ["a", "z"]
    })
    .await
}

async fn a_room_is_listed_with_the_minute_of_its_newest_message(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    assert_eq!(store.rooms().await?[..], []);
    let (first, second) = (minutes_ago(5), minutes_ago(2));
    post_in(&*store, "lobby", dated(first)).await?;
    wait_for_list(&*store, |rooms| names(rooms) == ["lobby"]).await?;
    for date in [first, second, second] {
        post_in(&*store, "lobby", dated(date)).await?;
    }
    let is_accurate = |at: Timestamp| at <= second && at.plus(Duration::from_secs(60)) > second;
    wait_for_list(&*store, |rooms| rooms.len() == 1 && is_accurate(rooms[0].at)).await
}

async fn rooms_are_listed_in_the_order_of_their_newest_messages(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let (long_ago, lately) = (minutes_ago(9), minutes_ago(3));
    for (room, date) in [("b", long_ago), ("a", long_ago), ("café", lately), ("d", minutes_ago(6)), ("a", lately)] {
        post_in(&*store, room, dated(date)).await?;
    }
    wait_for_list(&*store, |rooms| names(rooms) == ["a", "café", "d", "b"]).await
}

async fn a_room_whose_messages_have_expired_is_not_listed(open: OpenStore) -> anyhow::Result<()> {
    let store = open(hour())?;
    post_in(&*store, "expired", old("x")).await?;
    post_in(&*store, "visible", draft("x")).await?;
    wait_for_list(&*store, |rooms| !rooms.is_empty()).await?;
    // Give the other room time to appear.
    sleep(Duration::from_millis(200)).await;
    wait_for_list(&*store, |rooms| names(rooms) == ["visible"]).await
}

async fn the_list_outlives_the_process(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    post_in(&*store, "lobby", draft("x")).await?;
    wait_for_list(&*store, |rooms| names(rooms) == ["lobby"]).await?;
    drop(store);
    wait_for_list(&*open(Retention::FOREVER)?, |rooms| names(rooms) == ["lobby"]).await
}

/// Replaces the answer to the first write by an error.
#[derive(Debug, Default)]
struct LoseFirstAnswer {
    is_write: AtomicBool,
    lost: AtomicBool,
}

impl Intercept for LoseFirstAnswer {
    fn name(&self) -> &'static str {
        "LoseFirstAnswer"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap_or_default();
        self.is_write.store(target.ends_with(".PutItem"), Relaxed);
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.is_write.load(Relaxed) && !self.lost.swap(true, Relaxed) {
            *context.response_mut().status_mut() = 500.try_into()?;
        }
        Ok(())
    }
}

/// Either the SDK retries and finds the slot taken, or the store reads whether the write succeeded.
async fn a_room_is_listed_although_the_answer_to_its_only_write_was_lost() -> anyhow::Result<()> {
    for retries in [RetryConfig::disabled(), RetryConfig::standard()] {
        let table = Table::create().await?;
        let config =
            table.client.config().to_builder().retry_config(retries).interceptor(LoseFirstAnswer::default()).build();
        let store = DynamoDb::new(Client::from_conf(config), table.name.clone(), Retention::FOREVER);
        post_in(&store, "lobby", draft("x")).await?;
        wait_for_list(&store, |rooms| names(rooms) == ["lobby"]).await?;
    }
    Ok(())
}

async fn a_delayed_write_to_the_list_does_not_overwrite_a_newer_one() -> anyhow::Result<()> {
    let table = Table::create().await?;
    let process = || DynamoDb::new(table.client.clone(), table.name.clone(), Retention::FOREVER);
    let (earlier, later) = (minutes_ago(9), minutes_ago(2));
    post_in(&process(), "lobby", dated(later)).await?;
    wait_for_list(&process(), |rooms| !rooms.is_empty()).await?;
    // A process that knows no earlier message writes the room, whatever the date.
    table.wipe("lobby").await?;
    let late = process();
    post_in(&late, "lobby", dated(earlier)).await?;
    late.finish_room_list(LIST_DEADLINE).await;
    assert_eq!(late.rooms().await?[0].at, later);
    Ok(())
}

//! Which rooms there are. What is written beside an append's answer has its time.

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

use super::{Place, Rule, draft, hour, old, rules};
use crate::support::{stack::Table, trials::trials};

/// What was stored is listed so soon here. The contract has it a minute.
const LISTED_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        a_room_is_listed_with_the_minute_of_its_newest_message,
        rooms_come_in_the_order_of_their_newest_messages,
        a_room_whose_messages_have_expired_is_not_listed,
        a_list_outlives_its_process,
    ]
}

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [DynamoDb] => a_room_is_listed_though_the_answer_to_its_only_write_was_lost,
        [DynamoDb] => a_listing_that_comes_late_undoes_none_that_is_newer,
        [DynamoDb] => a_room_that_cannot_be_read_takes_no_other_with_it,
    ]
}

async fn say_in(store: &dyn Store, room: &str, draft: Draft) -> anyhow::Result<()> {
    store.append(&RoomId::parse(room)?, Append::new(draft)).await?;
    Ok(())
}

fn dated(date: Timestamp) -> Draft {
    Draft { date, ..draft("x") }
}

fn minutes_ago(minutes: i64) -> Timestamp {
    Timestamp::from_millis(Timestamp::now().as_millis() - minutes * 60_000)
}

/// The list, once it is as wanted.
async fn list_once(store: &dyn Store, wanted: impl Fn(&[Activity]) -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let rooms = store.rooms().await?;
        if wanted(&rooms) {
            return Ok(());
        }
        ensure!(began.elapsed() < LISTED_WITHIN, "{rooms:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn names(rooms: &[Activity]) -> Vec<&str> {
    rooms.iter().map(|activity| activity.room.as_str()).collect()
}

/// As a newer version writes it that knows letters which this one does not.
async fn a_room_that_cannot_be_read_takes_no_other_with_it() -> anyhow::Result<()> {
    let table = Table::create().await?;
    let store = DynamoDb::new(table.client.clone(), table.name.clone(), Retention::FOREVER);
    for room in ["a", "z"] {
        say_in(&store, room, draft("x")).await?;
    }
    let unknown = [("pk", AttributeValue::S("rooms".to_owned())), ("sk", AttributeValue::S("no room!".to_owned()))];
    let item = unknown.map(|(name, value)| (name.to_owned(), value)).into();
    table.client.put_item().table_name(&table.name).set_item(Some(item)).send().await?;
    list_once(&store, |rooms| {
        let mut listed = names(rooms);
        listed.sort_unstable();
        listed == ["a", "z"]
    })
    .await
}

async fn a_room_is_listed_with_the_minute_of_its_newest_message(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    assert_eq!(store.rooms().await?[..], []);
    let (first, second) = (minutes_ago(5), minutes_ago(2));
    say_in(&*store, "lobby", dated(first)).await?;
    list_once(&*store, |rooms| names(rooms) == ["lobby"]).await?;
    for date in [first, second, second] {
        say_in(&*store, "lobby", dated(date)).await?;
    }
    let exact = |at: Timestamp| at <= second && at.plus(Duration::from_secs(60)) > second;
    list_once(&*store, |rooms| rooms.len() == 1 && exact(rooms[0].at)).await
}

async fn rooms_come_in_the_order_of_their_newest_messages(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let (long_ago, lately) = (minutes_ago(9), minutes_ago(3));
    for (room, date) in [("b", long_ago), ("a", long_ago), ("café", lately), ("d", minutes_ago(6)), ("a", lately)] {
        say_in(&*store, room, dated(date)).await?;
    }
    list_once(&*store, |rooms| names(rooms) == ["a", "café", "d", "b"]).await
}

async fn a_room_whose_messages_have_expired_is_not_listed(place: Place) -> anyhow::Result<()> {
    let store = place(hour())?;
    say_in(&*store, "gone", old("x")).await?;
    say_in(&*store, "there", draft("x")).await?;
    list_once(&*store, |rooms| !rooms.is_empty()).await?;
    // Time for the other to appear, were it to.
    sleep(Duration::from_millis(200)).await;
    list_once(&*store, |rooms| names(rooms) == ["there"]).await
}

async fn a_list_outlives_its_process(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    say_in(&*store, "lobby", draft("x")).await?;
    list_once(&*store, |rooms| names(rooms) == ["lobby"]).await?;
    drop(store);
    list_once(&*place(Retention::FOREVER)?, |rooms| names(rooms) == ["lobby"]).await
}

/// Makes an error of the answer to the first write.
#[derive(Debug, Default)]
struct LoseFirstAnswer {
    writes: AtomicBool,
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
        self.writes.store(target.ends_with(".PutItem"), Relaxed);
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.writes.load(Relaxed) && !self.lost.swap(true, Relaxed) {
            *context.response_mut().status_mut() = 500.try_into()?;
        }
        Ok(())
    }
}

/// Whether the SDK tries again and finds the slot taken, or the store has to look.
async fn a_room_is_listed_though_the_answer_to_its_only_write_was_lost() -> anyhow::Result<()> {
    for retries in [RetryConfig::disabled(), RetryConfig::standard()] {
        let table = Table::create().await?;
        let config =
            table.client.config().to_builder().retry_config(retries).interceptor(LoseFirstAnswer::default()).build();
        let store = DynamoDb::new(Client::from_conf(config), table.name.clone(), Retention::FOREVER);
        say_in(&store, "lobby", draft("x")).await?;
        list_once(&store, |rooms| names(rooms) == ["lobby"]).await?;
    }
    Ok(())
}

async fn a_listing_that_comes_late_undoes_none_that_is_newer() -> anyhow::Result<()> {
    let table = Table::create().await?;
    let process = || DynamoDb::new(table.client.clone(), table.name.clone(), Retention::FOREVER);
    let (earlier, later) = (minutes_ago(9), minutes_ago(2));
    say_in(&process(), "lobby", dated(later)).await?;
    list_once(&process(), |rooms| !rooms.is_empty()).await?;
    // A process that knows of nothing before its message lists the room, whatever the date.
    table.wipe("lobby").await?;
    let late = process();
    say_in(&late, "lobby", dated(earlier)).await?;
    late.finish_room_list(LISTED_WITHIN).await;
    assert_eq!(late.rooms().await?[0].at, later);
    Ok(())
}

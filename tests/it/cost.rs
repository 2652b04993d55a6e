//! What messages and the list of rooms cost, in the capacity units that DynamoDB reports.

use std::{sync::Arc, time::Duration};

use gripchat::{
    chat::{Author, Cursor, Draft, Message, RoomId, Text, Timestamp},
    store::{Append, CapacityUnits, DynamoDb, KeySearch, Replay, ResetReason, Retention, Store, table},
};
use libtest_mimic::Trial;
use uuid::Uuid;

use crate::support::{
    dynamodb,
    stack::{self, SOON},
    trials::trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        [DynamoDb] => a_message_in_a_recently_written_room_costs_one_write_and_no_read,
        [DynamoDb] => a_message_in_another_room_costs_one_write_and_at_most_one_read,
        [DynamoDb] => a_key_costs_nothing_if_the_cursor_is_the_newest_message,
        [DynamoDb] => a_key_costs_nothing_if_the_process_knows_all_keys_after_the_cursor,
        [DynamoDb] => a_conflict_costs_a_write_and_a_read,
        [DynamoDb] => a_recovery_of_a_few_messages_costs_one_read,
        [DynamoDb] => a_replay_does_not_read_all_expired_messages,
        [DynamoDb] => a_message_of_three_kilobytes_costs_three_writes,
        [DynamoDb] => the_list_costs_one_write_per_room_and_minute,
        [DynamoDb] => the_list_costs_no_more_with_several_backends_whose_clocks_differ,
        [DynamoDb] => the_list_costs_no_more_if_posts_have_cursors,
        [DynamoDb] => reading_a_list_of_a_hundred_rooms_costs_at_most_two_reads,
        [DynamoDb] => a_store_without_the_list_writes_nothing_for_it,
    ]
}

struct Meter {
    client: aws_sdk_dynamodb::Client,
    table: String,
    store: Arc<DynamoDb>,
    room: RoomId,
    /// The default date of messages. With one date, the list is written once.
    date: Timestamp,
}

impl Meter {
    async fn start() -> anyhow::Result<Self> {
        let (client, table) = (stack::client(dynamodb::shared().await?), stack::table_name());
        table::create(&client, &table, |_| {}).await?;
        let store = Arc::new(DynamoDb::new(client.clone(), table.clone(), Retention::FOREVER));
        Ok(Self { client, table, store, room: RoomId::parse("lobby")?, date: Timestamp::now() })
    }

    /// Another process, which knows nothing of the table.
    fn another(&self) -> Self {
        let (client, table) = (self.client.clone(), self.table.clone());
        let store = Arc::new(DynamoDb::new(client.clone(), table.clone(), Retention::FOREVER));
        Self { client, table, store, room: self.room.clone(), date: self.date }
    }

    async fn post(&self, text: &str, key_search: KeySearch) -> anyhow::Result<Message> {
        self.post_dated(self.date, text, key_search).await
    }

    async fn post_dated(&self, date: Timestamp, text: &str, key_search: KeySearch) -> anyhow::Result<Message> {
        let draft =
            Draft { provisional_id: Uuid::new_v4(), from: Author::parse("Ada")?, text: Text::parse(text)?, date };
        Ok(self.store.append(&self.room, Append { key_search, ..Append::new(draft) }).await?.message)
    }

    /// Measures what some work consumes, including the list of rooms.
    async fn measure<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(T, CapacityUnits)> {
        let before = self.consumed().await;
        let done = work.await?;
        let after = self.consumed().await;
        Ok((done, CapacityUnits { read: after.read - before.read, write: after.write - before.write }))
    }

    async fn consumed(&self) -> CapacityUnits {
        self.store.finish_room_list(SOON).await;
        self.store.consumed()
    }
}

async fn a_message_in_a_recently_written_room_costs_one_write_and_no_read() -> anyhow::Result<()> {
    let meter = Meter::start().await?;
    meter.post("warm", KeySearch::None).await?;
    for _ in 0..5 {
        let (_, used) = meter.measure(meter.post("hello", KeySearch::None)).await?;
        assert_eq!(used, CapacityUnits { read: 0.0, write: 1.0 });
    }
    Ok(())
}

async fn a_message_in_another_room_costs_one_write_and_at_most_one_read() -> anyhow::Result<()> {
    let meter = Meter::start().await?;
    let cold = [meter.another(), meter.another()];
    // The first message is also written to the list.
    for (meter, writes) in [(&meter, 2.0), (&cold[0], 1.0), (&cold[1], 1.0)] {
        let (_, used) = meter.measure(meter.post("hello", KeySearch::None)).await?;
        assert_eq!(used.write, writes);
        assert!(used.read <= 1.0, "{used:?}");
    }
    // DynamoDB Local reports no units for a read that finds nothing, so only the others show that reads are counted.
    assert!(cold.iter().all(|meter| meter.store.consumed().read > 0.0), "reads are not counted");
    Ok(())
}

async fn a_key_costs_nothing_if_the_cursor_is_the_newest_message() -> anyhow::Result<()> {
    let meter = Meter::start().await?;
    let mut head = Cursor::from(meter.post("warm", KeySearch::None).await?.id);
    for _ in 0..5 {
        let (message, used) = meter.measure(meter.post("hello", KeySearch::After(head))).await?;
        assert_eq!(used, CapacityUnits { read: 0.0, write: 1.0 });
        head = message.id.into();
    }
    Ok(())
}

async fn a_key_costs_nothing_if_the_process_knows_all_keys_after_the_cursor() -> anyhow::Result<()> {
    let meter = Meter::start().await?;
    let first = meter.post("warm", KeySearch::None).await?;
    for _ in 0..150 {
        meter.post("hello", KeySearch::None).await?;
    }
    let (_, used) = meter.measure(meter.post("too far back", KeySearch::After(first.id.into()))).await?;
    assert!(used.read > 0.0, "{used:?}");
    let recent = meter.post("hello", KeySearch::None).await?;
    for key_search in [KeySearch::Newest, KeySearch::After(recent.id.into())] {
        meter.post("of another client", KeySearch::None).await?;
        let (_, used) = meter.measure(meter.post("hello", key_search)).await?;
        assert_eq!(used, CapacityUnits { read: 0.0, write: 1.0 });
    }
    Ok(())
}

/// A write whose condition fails costs as much as one that succeeds, but DynamoDB Local does not report it.
async fn a_conflict_costs_a_write_and_a_read() -> anyhow::Result<()> {
    let meter = Meter::start().await?;
    meter.post("warm", KeySearch::None).await?;
    meter.another().post("in between", KeySearch::None).await?;
    let (message, used) = meter.measure(meter.post("hello", KeySearch::None)).await?;
    assert_eq!(message.id.seq, 3);
    assert_eq!(used.write, 1.0);
    assert!((0.5..=1.0).contains(&used.read), "{used:?}");
    Ok(())
}

async fn a_recovery_of_a_few_messages_costs_one_read() -> anyhow::Result<()> {
    let meter = Meter::start().await?;
    let first = Cursor::from(meter.post("first", KeySearch::None).await?.id);
    for _ in 0..5 {
        meter.post("hello", KeySearch::None).await?;
    }
    let after = async { Ok(meter.store.after(&meter.room, &first, 200).await?) };
    let (replay, used) = meter.measure(after).await?;
    let Replay::Messages { messages, more: false } = replay else { anyhow::bail!("{replay:?}") };
    assert_eq!(messages.len(), 5);
    assert!(used.write == 0.0 && (0.5..=1.0).contains(&used.read), "{used:?}");
    Ok(())
}

async fn a_message_of_three_kilobytes_costs_three_writes() -> anyhow::Result<()> {
    let meter = Meter::start().await?;
    meter.post("warm", KeySearch::None).await?;
    let (_, used) = meter.measure(meter.post(&"a".repeat(2_500), KeySearch::None)).await?;
    assert_eq!(used, CapacityUnits { read: 0.0, write: 3.0 });
    Ok(())
}

/// The messages are stored without an expiry and the retention is shortened later, so DynamoDB never deletes them.
async fn a_replay_does_not_read_all_expired_messages() -> anyhow::Result<()> {
    let meter = Meter::start().await?;
    let first = meter.post_dated(Timestamp::from_millis(0), "hello", KeySearch::None).await?;
    for _ in 0..1_000 {
        meter.post_dated(Timestamp::from_millis(0), "hello", KeySearch::None).await?;
    }
    let store = Arc::new(DynamoDb::new(meter.client.clone(), meter.table.clone(), "1d".parse()?));
    let meter = Meter { store, ..meter };
    let empty = Replay::Messages { messages: Vec::new(), more: false };
    let reset = |head| Replay::Reset { reason: ResetReason::Expired, head };
    let first = Cursor::from(first.id);
    let read = |cursor: Cursor| async { Ok(meter.store.after(&meter.room, &{ cursor }, 200).await?) };
    for (cursor, answer) in [(Cursor::Start, empty), (first, reset(Cursor::Start))] {
        let (replay, used) = meter.measure(read(cursor)).await?;
        assert_eq!(replay, answer);
        assert!(used.read < 15.0, "{used:?}");
    }

    let head = Cursor::from(meter.post("alive", KeySearch::None).await?.id);
    let (replay, used) = meter.measure(read(Cursor::Start)).await?;
    assert_eq!(replay, reset(head));
    assert!(used.read < 15.0, "{used:?}");
    Ok(())
}

async fn the_list_costs_one_write_per_room_and_minute() -> anyhow::Result<()> {
    let meter = Meter::start().await?;
    let hundred = async {
        for _ in 0..100 {
            meter.post("hello", KeySearch::None).await?;
        }
        Ok(())
    };
    let (_, used) = meter.measure(hundred).await?;
    assert_eq!(used.write, 100.0 + 1.0);

    let ten_minutes = async {
        for n in 1..=120 {
            meter.post_dated(meter.date.plus(Duration::from_secs(5 * n)), "hello", KeySearch::None).await?;
        }
        Ok(())
    };
    let (_, used) = meter.measure(ten_minutes).await?;
    assert_eq!(used.write, 120.0 + 10.0);
    let newest = meter.date.plus(Duration::from_secs(600));
    let rooms = meter.store.rooms().await?;
    assert!(
        rooms.len() == 1 && rooms[0].at <= newest && rooms[0].at.plus(Duration::from_secs(60)) > newest,
        "{rooms:?}"
    );
    Ok(())
}

/// Two processes write alternately, and the clock of one is three seconds slow. The cost of conflicts is not included (see
/// above).
async fn the_list_costs_no_more_with_several_backends_whose_clocks_differ() -> anyhow::Result<()> {
    let fast = Meter::start().await?;
    let slow = fast.another();
    for n in 0..=120 {
        let date = fast.date.plus(Duration::from_secs(2 * n));
        if n % 2 == 0 {
            fast.post_dated(date, "hello", KeySearch::None).await?;
        } else {
            slow.post_dated(three_seconds_before(date), "hello", KeySearch::None).await?;
        }
    }
    let writes = fast.consumed().await.write + slow.consumed().await.write;
    assert_eq!(writes, 121.0 + 1.0 + 4.0);
    Ok(())
}

/// Pages post with a cursor, which avoids conflicts. Each process then reads only the other's message, whose date may be in
/// the minute before.
async fn the_list_costs_no_more_if_posts_have_cursors() -> anyhow::Result<()> {
    let fast = Meter::start().await?;
    let slow = fast.another();
    let mut key_search = KeySearch::After(Cursor::Start);
    for n in 0..=480 {
        let date = fast.date.plus(Duration::from_millis(500 * n));
        let posted = if n % 2 == 0 {
            fast.post_dated(date, "hello", key_search).await?
        } else {
            slow.post_dated(three_seconds_before(date), "hello", key_search).await?
        };
        key_search = KeySearch::After(posted.id.into());
    }
    let writes = fast.consumed().await.write + slow.consumed().await.write;
    assert_eq!(writes, 481.0 + 1.0 + 4.0);
    Ok(())
}

fn three_seconds_before(date: Timestamp) -> Timestamp {
    Timestamp::from_millis(date.as_millis() - 3_000)
}

async fn reading_a_list_of_a_hundred_rooms_costs_at_most_two_reads() -> anyhow::Result<()> {
    let mut meter = Meter::start().await?;
    for n in 0..100 {
        meter.room = RoomId::parse(&format!("room-{n}"))?;
        meter.post("hello", KeySearch::None).await?;
    }
    let (rooms, used) = meter.measure(async { Ok(meter.store.rooms().await?) }).await?;
    assert_eq!(rooms.len(), 100);
    assert!(used.write == 0.0 && (0.5..=2.0).contains(&used.read), "{used:?}");
    Ok(())
}

async fn a_store_without_the_list_writes_nothing_for_it() -> anyhow::Result<()> {
    let meter = Meter::start().await?;
    let store = DynamoDb::new(meter.client.clone(), meter.table.clone(), Retention::FOREVER).without_room_list();
    let meter = Meter { store: Arc::new(store), ..meter };
    let (_, used) = meter.measure(meter.post("hello", KeySearch::None)).await?;
    assert_eq!(used.write, 1.0);
    assert_eq!(meter.another().store.rooms().await?[..], []);
    Ok(())
}

//! Numbers and announcements; and that a message is stored unchanged, in its own room.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use gripchat::{
    chat::{Cursor, RoomId},
    store::{Announce, Append, Appended, Replay, Retention},
};
use tokio::{task::JoinSet, time::timeout};

use super::{OpenStore, Rule, after, all_after, append, draft, post, room, rules, seqs};

const APPENDERS: usize = 32;
const EACH: usize = 4;

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        concurrent_appends_are_numbered_from_1_without_a_gap_a_loss_or_a_duplicate,
        an_acknowledged_message_is_in_the_next_read,
        every_append_returns_the_cursor_before_its_message,
        each_message_is_announced_once_in_order_and_before_the_append_returns,
        a_stored_message_is_announced_although_the_caller_stopped_waiting,
        rooms_whose_names_share_a_prefix_are_separate,
        a_text_is_stored_byte_for_byte,
    ]
}

async fn concurrent_appends_are_numbered_from_1_without_a_gap_a_loss_or_a_duplicate(
    open: OpenStore,
) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let mut appenders = JoinSet::new();
    for appender in 0..APPENDERS {
        let store = Arc::clone(&store);
        appenders.spawn(async move {
            let mut appended = Vec::new();
            for n in 0..EACH {
                appended.push(append(&*store, draft(&format!("{appender}, {n}"))).await?);
            }
            anyhow::Ok(appended)
        });
    }
    let mut appended: Vec<Appended> = Vec::new();
    for appender in appenders.join_all().await {
        let appender = appender?;
        assert!(appender.is_sorted_by_key(|appended| appended.message.id.seq), "the appends of one task are in order");
        appended.extend(appender);
    }

    appended.sort_by_key(|appended| appended.message.id.seq);
    let acknowledged: Vec<_> = appended.iter().map(|appended| appended.message.clone()).collect();
    assert_eq!(seqs(&acknowledged), (1..=(APPENDERS * EACH) as u64).collect::<Vec<_>>());
    assert!(acknowledged.iter().all(|message| message.id.epoch == acknowledged[0].id.epoch), "one epoch");
    assert!(appended.iter().all(|appended| !appended.duplicate));
    let texts: BTreeSet<_> = acknowledged.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts.len(), APPENDERS * EACH);
    assert_eq!(all_after(&*store, Cursor::Start, 50).await?, acknowledged);
    Ok(())
}

async fn an_acknowledged_message_is_in_the_next_read(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let mut appenders = JoinSet::new();
    for appender in 0..APPENDERS {
        let store = Arc::clone(&store);
        appenders.spawn(async move {
            let Appended { message, prev, .. } = append(&*store, draft(&appender.to_string())).await?;
            let Replay::Messages { messages, .. } = store.after(&room(), &prev, 1).await? else {
                anyhow::bail!("{prev} was acknowledged, and is reset")
            };
            assert_eq!(messages.first(), Some(&message));
            assert!(store.latest(&room(), 1).await?.messages[0].id.seq >= message.id.seq);
            Ok(())
        });
    }
    appenders.join_all().await.into_iter().collect()
}

async fn every_append_returns_the_cursor_before_its_message(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let mut prev = Cursor::Start;
    for n in 1..=3 {
        let appended = append(&*store, draft("hello")).await?;
        assert_eq!((appended.prev, appended.message.id.seq), (prev, n));
        prev = appended.message.id.into();
    }
    Ok(())
}

/// The numbers of the announced messages, in order.
#[derive(Clone, Default)]
struct Announced(Arc<Mutex<Vec<u64>>>);

impl Announced {
    fn announce(&self) -> Announce {
        let announced = self.clone();
        Box::new(move |appended| announced.0.lock().unwrap().push(appended.message.id.seq))
    }

    fn seqs(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }
}

async fn each_message_is_announced_once_in_order_and_before_the_append_returns(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let announced = Announced::default();
    let mut appenders = JoinSet::new();
    for appender in 0..APPENDERS {
        let (store, announced) = (Arc::clone(&store), announced.clone());
        appenders.spawn(async move {
            let draft = draft(&appender.to_string());
            let appended =
                store.append(&room(), Append { announce: announced.announce(), ..Append::new(draft) }).await?;
            assert!(announced.seqs().contains(&appended.message.id.seq));
            anyhow::Ok(())
        });
    }
    appenders.join_all().await.into_iter().collect::<anyhow::Result<()>>()?;
    assert_eq!(announced.seqs(), (1..=APPENDERS as u64).collect::<Vec<_>>());
    Ok(())
}

/// A caller may stop waiting at any time: before its turn, while its message is written, or afterwards.
async fn a_stored_message_is_announced_although_the_caller_stopped_waiting(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let (room, announced) = (room(), Announced::default());
    let post = async |text: &str, patience| {
        let append = store.append(&room, Append { announce: announced.announce(), ..Append::new(draft(text)) });
        timeout(patience, append).await.is_ok()
    };
    assert!(post("warm", Duration::from_secs(30)).await);
    for step in 0..40 {
        post("impatient", Duration::from_micros(250 * (step % 20))).await;
    }
    // The appends of a room take turns, so after this one all earlier appends are done.
    assert!(post("last", Duration::from_secs(30)).await);
    assert_eq!(announced.seqs(), seqs(&all_after(&*store, Cursor::Start, 50).await?));
    Ok(())
}

async fn rooms_whose_names_share_a_prefix_are_separate(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let names = ["a", "a-", "a.", "aa", "a-1", "A", "á"];
    let rooms: Vec<RoomId> = names.iter().map(|name| RoomId::parse(name)).collect::<Result<_, _>>()?;
    for round in 1..=2 {
        for room in &rooms {
            let appended = store.append(room, Append::new(draft(room.as_str()))).await?;
            assert_eq!(appended.message.id.seq, round, "{room}");
        }
    }
    for room in &rooms {
        let page = store.latest(room, 50).await?;
        assert_eq!(page.messages.iter().map(|m| m.text.as_str()).collect::<Vec<_>>(), [room.as_str(); 2], "{room}");
        let Replay::Messages { messages, more: false } = store.after(room, &Cursor::Start, 50).await? else {
            anyhow::bail!("{room} is incomplete")
        };
        assert_eq!(messages, page.messages, "{room}");
    }
    let of_another = store.latest(&rooms[1], 1).await?.messages[0].id.clone();
    assert!(store.before(&rooms[0], &of_another, 50).await?.messages.is_empty());
    Ok(())
}

async fn a_text_is_stored_byte_for_byte(open: OpenStore) -> anyhow::Result<()> {
    let texts = [
        "😀".repeat(4_000),
        "a".repeat(4_000),
        "  \n\t leading and trailing \t\n ".to_owned(),
        r#"<script>alert("&amp;")</script> '; DROP TABLE messages; -- ${x} $& \0 \u0000 %00 {{x}}"#.to_owned(),
        "\u{2028}\u{2029}\u{feff}\u{fffd}\u{202e}e\u{301} é שלום 👩‍👩‍👧 \u{10ffff}\u{e000}".to_owned(),
        "data: x\n\nevent: message\nid: e-9\n\n:".to_owned(),
    ];
    let store = open(Retention::FOREVER)?;
    let mut posted = Vec::new();
    for text in &texts {
        posted.push(post(&*store, text).await?);
        assert_eq!(posted.last().map(|message| message.text.as_str()), Some(text.as_str()));
    }
    let stored = store.latest(&room(), 50).await?.messages;
    assert_eq!(stored, posted);
    assert_eq!(all_after(&*store, after(&posted[0]), 50).await?, posted[1..]);
    Ok(())
}

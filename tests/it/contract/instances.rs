//! Two stores over one table, which are like two processes: one outdates what the other knows of a room.

use std::sync::{Arc, Mutex};

use gripchat::{
    chat::Cursor,
    store::{Append, Appended, KeySearch, Retention, Store},
};
use libtest_mimic::Trial;
use tokio::task::JoinSet;

use super::{after, all_after, append, draft, dynamodb, post, post_numbers, room, seqs};
use crate::support::trials::trials;

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [DynamoDb] => concurrent_appends_of_two_processes_are_dense,
        [DynamoDb] => a_process_may_have_outdated_knowledge_of_the_newest_message,
        [DynamoDb] => a_key_posted_concurrently_to_two_processes_is_one_message,
        [DynamoDb] => a_process_finds_a_key_although_the_cursor_is_the_newest_message_it_knows,
    ]
}

async fn two() -> anyhow::Result<[Arc<dyn Store>; 2]> {
    let open = dynamodb().await?;
    Ok([open(Retention::FOREVER)?, open(Retention::FOREVER)?])
}

async fn concurrent_appends_of_two_processes_are_dense() -> anyhow::Result<()> {
    const EACH: u64 = 32;
    let stores = two().await?;
    let announced: [Arc<Mutex<Vec<u64>>>; 2] = Default::default();
    let mut appends = JoinSet::new();
    for n in 0..EACH {
        for (store, announced) in stores.iter().zip(&announced) {
            let (store, announced) = (Arc::clone(store), Arc::clone(announced));
            appends.spawn(async move {
                let announce =
                    Box::new(move |appended: &Appended| announced.lock().unwrap().push(appended.message.id.seq));
                store.append(&room(), Append { announce, ..Append::new(draft(&n.to_string())) }).await
            });
        }
    }
    let mut appended: Vec<Appended> = appends.join_all().await.into_iter().collect::<Result<_, _>>()?;
    appended.sort_by_key(|appended| appended.message.id.seq);
    let messages: Vec<_> = appended.iter().map(|appended| appended.message.clone()).collect();
    assert_eq!(seqs(&messages), (1..=2 * EACH).collect::<Vec<_>>());
    let mut prev = Cursor::Start;
    for appended in &appended {
        assert_eq!(appended.prev, prev);
        prev = after(&appended.message);
    }
    for store in &stores {
        assert_eq!(all_after(&**store, Cursor::Start, 50).await?, messages);
    }
    for announced in &announced {
        let announced = announced.lock().unwrap();
        assert_eq!(announced.len() as u64, EACH);
        assert!(announced.is_sorted(), "{announced:?}");
    }
    Ok(())
}

async fn a_process_may_have_outdated_knowledge_of_the_newest_message() -> anyhow::Result<()> {
    let [one, other] = two().await?;
    assert_eq!(post(&*one, "1").await?.id.seq, 1);
    post_numbers(&*other, 5).await?;
    let appended = append(&*one, draft("7")).await?;
    assert_eq!((appended.message.id.seq, appended.duplicate), (7, false));
    for n in 8..=15 {
        let store = if n % 2 == 0 { &other } else { &one };
        assert_eq!(post(&**store, "in turns").await?.id.seq, n);
    }
    Ok(())
}

async fn a_key_posted_concurrently_to_two_processes_is_one_message() -> anyhow::Result<()> {
    let stores = two().await?;
    let head = after(&post(&*stores[0], "1").await?);
    for key_search in [KeySearch::Newest, KeySearch::After(Cursor::Start), KeySearch::After(head.clone())] {
        let draft = draft("keyed");
        let mut posts = JoinSet::new();
        for n in 0..20 {
            let (store, draft, key_search) = (Arc::clone(&stores[n % 2]), draft.clone(), key_search.clone());
            posts.spawn(async move { store.append(&room(), Append { key_search, ..Append::new(draft) }).await });
        }
        let posts: Vec<Appended> = posts.join_all().await.into_iter().collect::<Result<_, _>>()?;
        assert!(posts.iter().all(|post| post.message == posts[0].message && post.prev == posts[0].prev), "{posts:?}");
        assert_eq!(posts.iter().filter(|post| !post.duplicate).count(), 1, "{key_search:?}");
    }
    assert_eq!(seqs(&all_after(&*stores[1], Cursor::Start, 50).await?), [1, 2, 3, 4]);
    Ok(())
}

/// Nothing is read before the first write. The taken slot makes the process read.
async fn a_process_finds_a_key_although_the_cursor_is_the_newest_message_it_knows() -> anyhow::Result<()> {
    let [one, other] = two().await?;
    let head = after(&post(&*one, "1").await?);
    let draft = draft("keyed");
    let key_search = KeySearch::After(head);
    let stored = other.append(&room(), Append { key_search: key_search.clone(), ..Append::new(draft.clone()) }).await?;
    post(&*other, "3").await?;
    let repeated = one.append(&room(), Append { key_search, ..Append::new(draft) }).await?;
    assert_eq!(repeated, Appended { duplicate: true, ..stored });
    assert_eq!(post(&*one, "4").await?.id.seq, 4);
    Ok(())
}

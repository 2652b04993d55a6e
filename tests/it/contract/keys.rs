//! Idempotency: a draft whose key is found is not stored again.

use std::sync::{Arc, Mutex};

use gripchat::{
    chat::{Cursor, Draft, Epoch, MAX_SEQ, MessageId},
    store::{Append, Appended, KEY_SEARCH_NEWEST, KeySearch, Retention, Store},
};
use tokio::task::JoinSet;

use super::{OpenStore, Rule, after, all_after, append, draft, post, post_numbers, room, rules, seqs};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        a_repeated_key_is_one_message_for_every_key_search,
        a_repeated_key_is_one_message_for_a_new_process,
        a_key_posted_twenty_times_concurrently_is_one_message_and_one_answer,
        every_duplicate_is_announced_once,
        an_old_key_is_found_after_a_cursor_and_not_without_one,
        an_invalid_cursor_causes_neither_a_gap_nor_a_duplicate,
        a_cursor_of_another_epoch_does_not_hide_a_key,
    ]
}

async fn keyed(store: &dyn Store, draft: &Draft, key_search: &KeySearch) -> anyhow::Result<Appended> {
    Ok(store.append(&room(), Append { key_search: key_search.clone(), ..Append::new(draft.clone()) }).await?)
}

/// All key searches of a client that started at `old` and posted at `head`.
fn searches(old: &Cursor, head: &Cursor) -> [KeySearch; 4] {
    [KeySearch::Newest, KeySearch::After(Cursor::Start), KeySearch::After(old.clone()), KeySearch::After(head.clone())]
}

async fn a_repeated_key_is_one_message_for_every_key_search(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let posted = post_numbers(&*store, 3).await?;
    let mut count = posted.len() as u64;
    let (old, head) = (after(&posted[0]), after(&posted[2]));
    for first in searches(&old, &head) {
        let draft = draft("keyed");
        let stored = keyed(&*store, &draft, &first).await?;
        count += 1;
        assert_eq!((stored.duplicate, stored.message.id.seq), (false, count), "{first:?}");
        post(&*store, "in between").await?;
        count += 1;
        for again in searches(&old, &head) {
            let repeated = keyed(&*store, &draft, &again).await?;
            assert_eq!(repeated, Appended { duplicate: true, ..stored.clone() }, "{first:?}, then {again:?}");
        }
    }
    assert_eq!(seqs(&all_after(&*store, Cursor::Start, 50).await?), (1..=count).collect::<Vec<_>>());
    Ok(())
}

async fn a_repeated_key_is_one_message_for_a_new_process(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let posted = post_numbers(&*store, 3).await?;
    let (old, head) = (after(&posted[0]), after(&posted[2]));
    let draft = draft("keyed");
    let stored = keyed(&*store, &draft, &KeySearch::After(head.clone())).await?;
    drop(store);
    for again in searches(&old, &head) {
        let repeated = keyed(&*open(Retention::FOREVER)?, &draft, &again).await?;
        assert_eq!(repeated, Appended { duplicate: true, ..stored.clone() }, "{again:?}");
    }
    assert_eq!(seqs(&all_after(&*open(Retention::FOREVER)?, Cursor::Start, 50).await?), [1, 2, 3, 4]);
    Ok(())
}

async fn a_key_posted_twenty_times_concurrently_is_one_message_and_one_answer(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let posted = post_numbers(&*store, 2).await?;
    let searches = searches(&after(&posted[0]), &after(&posted[1]));
    let draft = draft("keyed");
    let mut posts = JoinSet::new();
    for key_search in searches.iter().cycle().take(20) {
        let (store, draft, key_search) = (Arc::clone(&store), draft.clone(), key_search.clone());
        posts.spawn(async move { keyed(&*store, &draft, &key_search).await });
    }
    let posts: Vec<Appended> = posts.join_all().await.into_iter().collect::<Result<_, _>>()?;
    assert!(posts.iter().all(|post| (&post.message, &post.prev) == (&posts[0].message, &posts[0].prev)), "{posts:?}");
    assert_eq!(posts.iter().filter(|post| !post.duplicate).count(), 1);
    assert_eq!(all_after(&*store, after(&posted[1]), 50).await?, [posts[0].message.clone()]);
    Ok(())
}

async fn every_duplicate_is_announced_once(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let draft = draft("keyed");
    let announced = Arc::new(Mutex::new(Vec::new()));
    let mut answers = Vec::new();
    for _ in 0..2 {
        let log = Arc::clone(&announced);
        let announce = Box::new(move |appended: &Appended| log.lock().unwrap().push(appended.clone()));
        answers.push(
            store.append(&room(), Append { draft: draft.clone(), key_search: KeySearch::Newest, announce }).await?,
        );
    }
    assert_eq!(*announced.lock().unwrap(), answers);
    assert_eq!([answers[0].duplicate, answers[1].duplicate], [false, true]);
    Ok(())
}

async fn an_old_key_is_found_after_a_cursor_and_not_without_one(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let before = post(&*store, "before").await?;
    let draft = draft("keyed");
    let stored = append(&*store, draft.clone()).await?;
    // The message is now the oldest of those that are searched without a cursor.
    let posted = post_numbers(&*store, KEY_SEARCH_NEWEST - 1).await?;
    let duplicate = Appended { duplicate: true, ..stored };
    assert_eq!(keyed(&*store, &draft, &KeySearch::Newest).await?, duplicate);
    post(&*store, "one more").await?;

    for cursor in [Cursor::Start, after(&before)] {
        assert_eq!(keyed(&*store, &draft, &KeySearch::After(cursor.clone())).await?, duplicate, "{cursor}");
    }
    let newer = KeySearch::After(after(&posted[0]));
    let again = keyed(&*store, &draft, &newer).await?;
    assert!(!again.duplicate, "the message is not after the cursor");
    let other = Draft { provisional_id: before.provisional_id, ..draft };
    assert!(!keyed(&*store, &other, &KeySearch::Newest).await?.duplicate, "the message is too old");
    Ok(())
}

fn cursor_in(epoch: &Epoch, seq: u64) -> Cursor {
    MessageId { epoch: epoch.clone(), seq }.into()
}

async fn an_invalid_cursor_causes_neither_a_gap_nor_a_duplicate(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let other: Epoch = "other".parse()?;
    let draft_in_empty = draft("in an empty room");
    let invalid = KeySearch::After(cursor_in(&other, 7));
    let first = keyed(&*store, &draft_in_empty, &invalid).await?;
    assert_eq!((first.message.id.seq, &first.prev), (1, &Cursor::Start));
    assert!(keyed(&*store, &draft_in_empty, &invalid).await?.duplicate);

    let epoch = first.message.id.epoch;
    let mut count = 1;
    let invalid_cursors = [(&epoch, 10), (&epoch, MAX_SEQ), (&other, 1), (&other, 2), (&other, 10), (&other, MAX_SEQ)];
    for (epoch, seq) in invalid_cursors {
        let (draft, invalid) = (draft("keyed"), KeySearch::After(cursor_in(epoch, seq)));
        let stored = keyed(&*store, &draft, &invalid).await?;
        count += 1;
        assert_eq!((stored.message.id.seq, stored.duplicate), (count, false), "{invalid:?}");
        assert_eq!(keyed(&*store, &draft, &invalid).await?, Appended { duplicate: true, ..stored }, "{invalid:?}");
    }
    assert_eq!(seqs(&all_after(&*store, Cursor::Start, 50).await?), (1..=count).collect::<Vec<_>>());
    Ok(())
}

/// An invalid cursor counts as none: the newest messages are searched.
async fn a_cursor_of_another_epoch_does_not_hide_a_key(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let draft = draft("keyed");
    let stored = append(&*store, draft.clone()).await?;
    post_numbers(&*store, 5).await?;
    let other: Epoch = "other".parse()?;
    for seq in 1..=7 {
        let repeated = keyed(&*store, &draft, &KeySearch::After(cursor_in(&other, seq))).await?;
        assert_eq!(repeated, Appended { duplicate: true, ..stored.clone() }, "other-{seq}");
    }
    Ok(())
}

//! Idempotency: a draft whose key is found where it may stand is not stored again.

use std::sync::{Arc, Mutex};

use gripchat::{
    chat::{Cursor, Draft, Epoch, MAX_SEQ, MessageId},
    store::{Append, Appended, KEY_SEARCH_NEWEST, KeySearch, Retention, Store},
};
use tokio::task::JoinSet;

use super::{Place, Rule, all_after, append, behind, draft, room, rules, say, say_numbers, seqs};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        a_repeated_key_is_one_message_wherever_the_poster_stood,
        a_repeated_key_is_one_message_for_a_process_that_knows_nothing,
        a_key_posted_twenty_times_at_once_is_one_message_and_one_answer,
        a_duplicate_is_announced_once,
        a_key_far_back_is_found_behind_a_cursor_and_not_without_one,
        a_cursor_that_does_not_hold_makes_neither_a_hole_nor_a_double,
        a_cursor_of_another_epoch_does_not_hide_a_key,
    ]
}

async fn keyed(store: &dyn Store, draft: &Draft, key_search: &KeySearch) -> anyhow::Result<Appended> {
    Ok(store.append(&room(), Append { key_search: key_search.clone(), ..Append::new(draft.clone()) }).await?)
}

/// All that a client may say of where its key may stand, having posted at `head` and begun at `old`.
fn places(old: &Cursor, head: &Cursor) -> [KeySearch; 4] {
    [KeySearch::Newest, KeySearch::After(Cursor::Start), KeySearch::After(old.clone()), KeySearch::After(head.clone())]
}

async fn a_repeated_key_is_one_message_wherever_the_poster_stood(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let said = say_numbers(&*store, 3).await?;
    let mut count = said.len() as u64;
    let (old, head) = (behind(&said[0]), behind(&said[2]));
    for first in places(&old, &head) {
        let draft = draft("keyed");
        let stored = keyed(&*store, &draft, &first).await?;
        count += 1;
        assert_eq!((stored.duplicate, stored.message.id.seq), (false, count), "{first:?}");
        say(&*store, "in between").await?;
        count += 1;
        for again in places(&old, &head) {
            let repeated = keyed(&*store, &draft, &again).await?;
            assert_eq!(repeated, Appended { duplicate: true, ..stored.clone() }, "{first:?}, then {again:?}");
        }
    }
    assert_eq!(seqs(&all_after(&*store, Cursor::Start, 50).await?), (1..=count).collect::<Vec<_>>());
    Ok(())
}

async fn a_repeated_key_is_one_message_for_a_process_that_knows_nothing(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let said = say_numbers(&*store, 3).await?;
    let (old, head) = (behind(&said[0]), behind(&said[2]));
    let draft = draft("keyed");
    let stored = keyed(&*store, &draft, &KeySearch::After(head.clone())).await?;
    drop(store);
    for again in places(&old, &head) {
        let repeated = keyed(&*place(Retention::FOREVER)?, &draft, &again).await?;
        assert_eq!(repeated, Appended { duplicate: true, ..stored.clone() }, "{again:?}");
    }
    assert_eq!(seqs(&all_after(&*place(Retention::FOREVER)?, Cursor::Start, 50).await?), [1, 2, 3, 4]);
    Ok(())
}

async fn a_key_posted_twenty_times_at_once_is_one_message_and_one_answer(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let said = say_numbers(&*store, 2).await?;
    let places = places(&behind(&said[0]), &behind(&said[1]));
    let draft = draft("keyed");
    let mut posts = JoinSet::new();
    for key_search in places.iter().cycle().take(20) {
        let (store, draft, key_search) = (Arc::clone(&store), draft.clone(), key_search.clone());
        posts.spawn(async move { keyed(&*store, &draft, &key_search).await });
    }
    let posts: Vec<Appended> = posts.join_all().await.into_iter().collect::<Result<_, _>>()?;
    assert!(posts.iter().all(|post| (&post.message, &post.prev) == (&posts[0].message, &posts[0].prev)), "{posts:?}");
    assert_eq!(posts.iter().filter(|post| !post.duplicate).count(), 1);
    assert_eq!(all_after(&*store, behind(&said[1]), 50).await?, [posts[0].message.clone()]);
    Ok(())
}

async fn a_duplicate_is_announced_once(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
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

async fn a_key_far_back_is_found_behind_a_cursor_and_not_without_one(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let before = say(&*store, "before").await?;
    let draft = draft("keyed");
    let stored = append(&*store, draft.clone()).await?;
    // So that it is the oldest of those that are searched without a cursor.
    let said = say_numbers(&*store, KEY_SEARCH_NEWEST - 1).await?;
    let duplicate = Appended { duplicate: true, ..stored };
    assert_eq!(keyed(&*store, &draft, &KeySearch::Newest).await?, duplicate);
    say(&*store, "one more").await?;

    for cursor in [Cursor::Start, behind(&before)] {
        assert_eq!(keyed(&*store, &draft, &KeySearch::After(cursor.clone())).await?, duplicate, "{cursor}");
    }
    let newer = KeySearch::After(behind(&said[0]));
    let again = keyed(&*store, &draft, &newer).await?;
    assert!(!again.duplicate, "it does not stand behind the cursor");
    let other = Draft { provisional_id: before.provisional_id, ..draft };
    assert!(!keyed(&*store, &other, &KeySearch::Newest).await?.duplicate, "it is too far back");
    Ok(())
}

fn place_in(epoch: &Epoch, seq: u64) -> Cursor {
    MessageId { epoch: epoch.clone(), seq }.into()
}

async fn a_cursor_that_does_not_hold_makes_neither_a_hole_nor_a_double(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let other: Epoch = "other".parse()?;
    let draft_in_empty = draft("in an empty room");
    let lie = KeySearch::After(place_in(&other, 7));
    let first = keyed(&*store, &draft_in_empty, &lie).await?;
    assert_eq!((first.message.id.seq, &first.prev), (1, &Cursor::Start));
    assert!(keyed(&*store, &draft_in_empty, &lie).await?.duplicate);

    let epoch = first.message.id.epoch;
    let mut count = 1;
    let lies = [(&epoch, 10), (&epoch, MAX_SEQ), (&other, 1), (&other, 2), (&other, 10), (&other, MAX_SEQ)];
    for (epoch, seq) in lies {
        let (draft, lie) = (draft("keyed"), KeySearch::After(place_in(epoch, seq)));
        let stored = keyed(&*store, &draft, &lie).await?;
        count += 1;
        assert_eq!((stored.message.id.seq, stored.duplicate), (count, false), "{lie:?}");
        assert_eq!(keyed(&*store, &draft, &lie).await?, Appended { duplicate: true, ..stored }, "{lie:?}");
    }
    assert_eq!(seqs(&all_after(&*store, Cursor::Start, 50).await?), (1..=count).collect::<Vec<_>>());
    Ok(())
}

/// A cursor that does not hold counts as none: all of the newest messages are searched.
async fn a_cursor_of_another_epoch_does_not_hide_a_key(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let draft = draft("keyed");
    let stored = append(&*store, draft.clone()).await?;
    say_numbers(&*store, 5).await?;
    let other: Epoch = "other".parse()?;
    for seq in 1..=7 {
        let repeated = keyed(&*store, &draft, &KeySearch::After(place_in(&other, seq))).await?;
        assert_eq!(repeated, Appended { duplicate: true, ..stored.clone() }, "other-{seq}");
    }
    Ok(())
}

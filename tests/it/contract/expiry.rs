//! Expired messages are in no answer, whether they are deleted or not.

use gripchat::{
    chat::{Cursor, Draft},
    store::{Append, KeySearch, Page, Replay, ResetReason, Retention, Store},
};

use super::{OpenStore, Rule, after, all_after, append, draft, hour, old, post, room, rules, seqs};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        a_message_that_has_expired_is_in_no_answer,
        a_room_whose_newest_message_has_expired_continues_under_a_new_epoch,
        a_room_whose_newest_message_has_expired_is_empty_although_older_messages_have_not,
        a_shortened_retention_hides_older_messages,
        a_lengthened_retention_restores_nothing,
        the_key_of_an_expired_message_can_be_used_again,
    ]
}

async fn assert_empty(store: &dyn Store) -> anyhow::Result<()> {
    assert_eq!(store.latest(&room(), 50).await?, Page { messages: Vec::new(), more: false });
    for limit in [1, 50] {
        assert_eq!(all_after(store, Cursor::Start, limit).await?, []);
    }
    Ok(())
}

async fn a_message_that_has_expired_is_in_no_answer(open: OpenStore) -> anyhow::Result<()> {
    let store = open(hour())?;
    let first = append(&*store, old("1")).await?.message;
    let second = append(&*store, old("2")).await?.message;
    assert_empty(&*store).await?;
    for message in [&first, &second] {
        let reset = Replay::Reset { reason: ResetReason::Expired, head: Cursor::Start };
        assert_eq!(store.after(&room(), &after(message), 50).await?, reset);
        assert!(store.before(&room(), &message.id, 50).await?.messages.is_empty());
    }
    Ok(())
}

async fn a_room_whose_newest_message_has_expired_continues_under_a_new_epoch(open: OpenStore) -> anyhow::Result<()> {
    let store = open(hour())?;
    let expired = append(&*store, old("1")).await?.message;
    let next = append(&*store, draft("2")).await?;
    assert_eq!((next.message.id.seq, &next.prev), (2, &Cursor::Start));
    assert_ne!(next.message.id.epoch, expired.id.epoch);
    let third = append(&*store, draft("3")).await?;
    assert_eq!((&third.message.id.epoch, third.prev), (&next.message.id.epoch, after(&next.message)));

    let posted = [next.message, third.message];
    assert_eq!(all_after(&*store, Cursor::Start, 50).await?, posted);
    assert_eq!(store.latest(&room(), 50).await?, Page { messages: posted.to_vec(), more: false });
    assert_eq!(store.latest(&room(), 2).await?, Page { messages: posted.to_vec(), more: false });
    assert!(store.before(&room(), &posted[0].id, 50).await?.messages.is_empty());
    let reset = Replay::Reset { reason: ResetReason::Epoch, head: after(&posted[1]) };
    assert_eq!(store.after(&room(), &after(&expired), 50).await?, reset);
    Ok(())
}

/// One of two processes may have a slow clock. Then the newest message expires before an older one.
async fn a_room_whose_newest_message_has_expired_is_empty_although_older_messages_have_not(
    open: OpenStore,
) -> anyhow::Result<()> {
    let store = open(hour())?;
    let first = post(&*store, "1").await?;
    append(&*store, old("2")).await?;
    assert_empty(&*store).await?;
    let reset = Replay::Reset { reason: ResetReason::Expired, head: Cursor::Start };
    assert_eq!(store.after(&room(), &after(&first), 50).await?, reset);

    let next = append(&*store, draft("3")).await?;
    assert_eq!((next.message.id.seq, next.prev), (3, Cursor::Start));
    assert_ne!(next.message.id.epoch, first.id.epoch);
    assert_eq!(all_after(&*store, Cursor::Start, 50).await?, [next.message]);
    Ok(())
}

async fn a_shortened_retention_hides_older_messages(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    append(&*store, old("1")).await?;
    append(&*store, old("2")).await?;
    let posted = [post(&*store, "3").await?, post(&*store, "4").await?];
    assert_eq!(seqs(&all_after(&*store, Cursor::Start, 50).await?), [1, 2, 3, 4]);
    drop(store);

    let store = open(hour())?;
    assert_eq!(store.latest(&room(), 50).await?, Page { messages: posted.to_vec(), more: false });
    assert_eq!(store.latest(&room(), 2).await?, Page { messages: posted.to_vec(), more: false });
    let page = store.before(&room(), &posted[1].id, 50).await?;
    assert_eq!(page, Page { messages: posted[..1].to_vec(), more: false });
    let next = append(&*store, draft("5")).await?;
    assert_eq!((next.message.id.epoch, next.prev), (posted[0].id.epoch.clone(), after(&posted[1])));
    Ok(())
}

async fn a_lengthened_retention_restores_nothing(open: OpenStore) -> anyhow::Result<()> {
    let store = open(hour())?;
    append(&*store, old("1")).await?;
    drop(store);
    assert_empty(&*open(Retention::FOREVER)?).await
}

async fn the_key_of_an_expired_message_can_be_used_again(open: OpenStore) -> anyhow::Result<()> {
    let store = open(hour())?;
    let expired = append(&*store, old("1")).await?.message;
    let again = Draft { provisional_id: expired.provisional_id, ..draft("2") };
    let appended = store.append(&room(), Append { key_search: KeySearch::Newest, ..Append::new(again) }).await?;
    assert_eq!((appended.message.id.seq, appended.duplicate), (2, false));
    Ok(())
}

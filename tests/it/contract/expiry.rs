//! What is gone: for every answer, whether it was deleted or not.

use gripchat::{
    chat::{Cursor, Draft},
    store::{Append, KeySearch, Page, Replay, ResetReason, Retention, Store},
};

use super::{Place, Rule, all_after, append, behind, draft, hour, old, room, rules, say, seqs};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        a_message_that_has_expired_is_in_no_answer,
        a_room_whose_newest_message_has_expired_goes_on_under_a_new_epoch,
        a_room_whose_newest_message_has_expired_is_empty_whatever_stands_before_it,
        a_shortened_retention_hides_what_is_older,
        a_lengthened_retention_brings_nothing_back,
        the_key_of_a_message_that_has_expired_is_free,
    ]
}

async fn assert_empty(store: &dyn Store) -> anyhow::Result<()> {
    assert_eq!(store.latest(&room(), 50).await?, Page { messages: Vec::new(), more: false });
    for limit in [1, 50] {
        assert_eq!(all_after(store, Cursor::Start, limit).await?, []);
    }
    Ok(())
}

async fn a_message_that_has_expired_is_in_no_answer(place: Place) -> anyhow::Result<()> {
    let store = place(hour())?;
    let first = append(&*store, old("1")).await?.message;
    let second = append(&*store, old("2")).await?.message;
    assert_empty(&*store).await?;
    for message in [&first, &second] {
        let gone = Replay::Reset { reason: ResetReason::Expired, head: Cursor::Start };
        assert_eq!(store.after(&room(), &behind(message), 50).await?, gone);
        assert!(store.before(&room(), &message.id, 50).await?.messages.is_empty());
    }
    Ok(())
}

async fn a_room_whose_newest_message_has_expired_goes_on_under_a_new_epoch(place: Place) -> anyhow::Result<()> {
    let store = place(hour())?;
    let expired = append(&*store, old("1")).await?.message;
    let next = append(&*store, draft("2")).await?;
    assert_eq!((next.message.id.seq, &next.prev), (2, &Cursor::Start));
    assert_ne!(next.message.id.epoch, expired.id.epoch);
    let third = append(&*store, draft("3")).await?;
    assert_eq!((&third.message.id.epoch, third.prev), (&next.message.id.epoch, behind(&next.message)));

    let said = [next.message, third.message];
    assert_eq!(all_after(&*store, Cursor::Start, 50).await?, said);
    assert_eq!(store.latest(&room(), 50).await?, Page { messages: said.to_vec(), more: false });
    assert_eq!(store.latest(&room(), 2).await?, Page { messages: said.to_vec(), more: false });
    assert!(store.before(&room(), &said[0].id, 50).await?.messages.is_empty());
    let reset = Replay::Reset { reason: ResetReason::Epoch, head: behind(&said[1]) };
    assert_eq!(store.after(&room(), &behind(&expired), 50).await?, reset);
    Ok(())
}

/// Of two processes one may have the slower clock, so that the newest message expires a moment early.
async fn a_room_whose_newest_message_has_expired_is_empty_whatever_stands_before_it(
    place: Place,
) -> anyhow::Result<()> {
    let store = place(hour())?;
    let first = say(&*store, "1").await?;
    append(&*store, old("2")).await?;
    assert_empty(&*store).await?;
    let gone = Replay::Reset { reason: ResetReason::Expired, head: Cursor::Start };
    assert_eq!(store.after(&room(), &behind(&first), 50).await?, gone);

    let next = append(&*store, draft("3")).await?;
    assert_eq!((next.message.id.seq, next.prev), (3, Cursor::Start));
    assert_ne!(next.message.id.epoch, first.id.epoch);
    assert_eq!(all_after(&*store, Cursor::Start, 50).await?, [next.message]);
    Ok(())
}

async fn a_shortened_retention_hides_what_is_older(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    append(&*store, old("1")).await?;
    append(&*store, old("2")).await?;
    let said = [say(&*store, "3").await?, say(&*store, "4").await?];
    assert_eq!(seqs(&all_after(&*store, Cursor::Start, 50).await?), [1, 2, 3, 4]);
    drop(store);

    let store = place(hour())?;
    assert_eq!(store.latest(&room(), 50).await?, Page { messages: said.to_vec(), more: false });
    assert_eq!(store.latest(&room(), 2).await?, Page { messages: said.to_vec(), more: false });
    let page = store.before(&room(), &said[1].id, 50).await?;
    assert_eq!(page, Page { messages: said[..1].to_vec(), more: false });
    let next = append(&*store, draft("5")).await?;
    assert_eq!((next.message.id.epoch, next.prev), (said[0].id.epoch.clone(), behind(&said[1])));
    Ok(())
}

async fn a_lengthened_retention_brings_nothing_back(place: Place) -> anyhow::Result<()> {
    let store = place(hour())?;
    append(&*store, old("1")).await?;
    drop(store);
    assert_empty(&*place(Retention::FOREVER)?).await
}

async fn the_key_of_a_message_that_has_expired_is_free(place: Place) -> anyhow::Result<()> {
    let store = place(hour())?;
    let expired = append(&*store, old("1")).await?.message;
    let again = Draft { provisional_id: expired.provisional_id, ..draft("2") };
    let appended = store.append(&room(), Append { key_search: KeySearch::Newest, ..Append::new(again) }).await?;
    assert_eq!((appended.message.id.seq, appended.duplicate), (2, false));
    Ok(())
}

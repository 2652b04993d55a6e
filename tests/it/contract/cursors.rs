//! What follows a cursor: all of it, page by page, or a reset that says why not.

use gripchat::{
    chat::{Cursor, Epoch, MessageId},
    store::{Page, Replay, ResetReason, Retention},
};

use super::{Place, Rule, all_after, append, behind, draft, hour, old, room, rules, say_numbers, seqs};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        the_cursor_of_an_empty_room_is_0_and_nothing_follows_it,
        everything_follows_0_and_every_message_is_followed_by_the_rest,
        a_cursor_whose_own_message_has_expired_is_answered_while_the_next_is_stored,
        a_cursor_whose_next_message_has_expired_is_reset,
        a_cursor_ahead_of_the_newest_message_is_reset,
        a_cursor_of_another_epoch_is_reset,
        a_cursor_in_an_empty_room_is_reset_to_0,
        a_replay_in_pages_is_whole_and_says_where_more_follows,
        more_is_not_said_of_what_has_expired,
        a_replay_has_no_hole_although_clocks_differ,
    ]
}

fn no_messages() -> Replay {
    Replay::Messages { messages: Vec::new(), more: false }
}

fn place_in(epoch: &Epoch, seq: u64) -> Cursor {
    MessageId { epoch: epoch.clone(), seq }.into()
}

async fn the_cursor_of_an_empty_room_is_0_and_nothing_follows_it(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let page = store.latest(&room(), 50).await?;
    assert_eq!(page, Page { messages: Vec::new(), more: false });
    assert_eq!((page.cursor(), page.cursor().to_string()), (Cursor::Start, "0".to_owned()));
    assert_eq!(store.after(&room(), &page.cursor(), 50).await?, no_messages());
    Ok(())
}

async fn everything_follows_0_and_every_message_is_followed_by_the_rest(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let said = say_numbers(&*store, 6).await?;
    let all = Replay::Messages { messages: said.clone(), more: false };
    assert_eq!(store.after(&room(), &Cursor::Start, 50).await?, all);
    for (n, message) in said.iter().enumerate() {
        let rest = Replay::Messages { messages: said[n + 1..].to_vec(), more: false };
        assert_eq!(store.after(&room(), &behind(message), 50).await?, rest, "behind {}", message.id);
    }
    Ok(())
}

async fn a_cursor_whose_own_message_has_expired_is_answered_while_the_next_is_stored(
    place: Place,
) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let expired = append(&*store, old("1")).await?.message;
    let said = say_numbers(&*store, 2).await?;
    drop(store);
    let store = place(hour())?;
    let rest = Replay::Messages { messages: said, more: false };
    assert_eq!(store.after(&room(), &behind(&expired), 50).await?, rest);
    Ok(())
}

async fn a_cursor_whose_next_message_has_expired_is_reset(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let oldest = append(&*store, old("1")).await?.message;
    append(&*store, old("2")).await?;
    let newest = append(&*store, draft("3")).await?.message;
    drop(store);
    let store = place(hour())?;
    let reset = Replay::Reset { reason: ResetReason::Expired, head: behind(&newest) };
    for cursor in [behind(&oldest), Cursor::Start] {
        assert_eq!(store.after(&room(), &cursor, 50).await?, reset, "{cursor}");
        assert_eq!(store.after(&room(), &cursor, 1).await?, reset, "{cursor}, short pages");
    }
    Ok(())
}

async fn a_cursor_ahead_of_the_newest_message_is_reset(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let newest = say_numbers(&*store, 3).await?.pop().expect("three");
    let reset = Replay::Reset { reason: ResetReason::Ahead, head: behind(&newest) };
    for seq in [4, 5, 1_000, gripchat::chat::MAX_SEQ] {
        let cursor = place_in(&newest.id.epoch, seq);
        assert_eq!(store.after(&room(), &cursor, 50).await?, reset, "{cursor}");
    }
    Ok(())
}

async fn a_cursor_of_another_epoch_is_reset(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let newest = say_numbers(&*store, 3).await?.pop().expect("three");
    let reset = Replay::Reset { reason: ResetReason::Epoch, head: behind(&newest) };
    for seq in [1, 2, 3, 4, 1_000] {
        for limit in [1, 50] {
            let cursor = place_in(&"other".parse()?, seq);
            assert_eq!(store.after(&room(), &cursor, limit).await?, reset, "{cursor}, {limit} at a time");
        }
    }
    Ok(())
}

async fn a_cursor_in_an_empty_room_is_reset_to_0(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let answer = store.after(&room(), &place_in(&"other".parse()?, 7), 50).await?;
    assert_eq!(answer, Replay::Reset { reason: ResetReason::Expired, head: Cursor::Start });
    Ok(())
}

async fn a_replay_in_pages_is_whole_and_says_where_more_follows(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let said = say_numbers(&*store, 7).await?;
    for limit in 1..=9 {
        assert_eq!(all_after(&*store, Cursor::Start, limit).await?, said, "{limit} at a time");
        for start in 0..7 {
            let cursor = if start == 0 { Cursor::Start } else { behind(&said[start - 1]) };
            let end = said.len().min(start + limit);
            let page = Replay::Messages { messages: said[start..end].to_vec(), more: end < said.len() };
            assert_eq!(store.after(&room(), &cursor, limit).await?, page, "{limit} behind {cursor}");
        }
    }
    Ok(())
}

async fn more_is_not_said_of_what_has_expired(place: Place) -> anyhow::Result<()> {
    let store = place(hour())?;
    for n in 1..=8 {
        append(&*store, old(&n.to_string())).await?;
    }
    let said = append(&*store, draft("9")).await?.message;
    let all = Replay::Messages { messages: vec![said], more: false };
    for limit in 1..=10 {
        assert_eq!(store.after(&room(), &Cursor::Start, limit).await?, all, "{limit} at a time");
    }
    Ok(())
}

/// A message whose date is before that of the one before it expires before it. What is left before it is history.
async fn a_replay_has_no_hole_although_clocks_differ(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let before = append(&*store, draft("1")).await?.message;
    let expired = append(&*store, old("2")).await?.message;
    let said = say_numbers(&*store, 2).await?;
    drop(store);
    let store = place(hour())?;
    let reset = Replay::Reset { reason: ResetReason::Expired, head: behind(&said[1]) };
    assert_eq!(store.after(&room(), &Cursor::Start, 50).await?, reset);
    assert_eq!(store.after(&room(), &behind(&before), 50).await?, reset);
    assert_eq!(seqs(&all_after(&*store, behind(&expired), 50).await?), [3, 4]);
    assert_eq!(store.latest(&room(), 50).await?, Page { messages: said, more: false });
    Ok(())
}

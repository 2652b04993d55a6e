//! Replays: everything after a cursor, page by page, or a reset with a reason.

use gripchat::{
    chat::{Cursor, Epoch, MessageId},
    store::{Page, Replay, ResetReason, Retention},
};

use super::{OpenStore, Rule, after, all_after, append, draft, hour, old, post_numbers, room, rules, seqs};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        the_cursor_of_an_empty_room_is_0_and_nothing_follows_it,
        all_messages_follow_0_and_each_message_is_followed_by_the_rest,
        a_cursor_whose_own_message_has_expired_is_answered_while_the_next_is_stored,
        a_cursor_whose_next_message_has_expired_is_reset,
        a_cursor_ahead_of_the_newest_message_is_reset,
        a_cursor_of_another_epoch_is_reset,
        a_cursor_in_an_empty_room_is_reset_to_0,
        a_replay_in_pages_is_complete_and_reports_whether_more_follows,
        expired_messages_are_not_reported_as_more,
        a_replay_has_no_gap_although_clocks_differ,
    ]
}

fn no_messages() -> Replay {
    Replay::Messages { messages: Vec::new(), more: false }
}

fn cursor_in(epoch: &Epoch, seq: u64) -> Cursor {
    MessageId { epoch: epoch.clone(), seq }.into()
}

async fn the_cursor_of_an_empty_room_is_0_and_nothing_follows_it(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let page = store.latest(&room(), 50).await?;
    assert_eq!(page, Page { messages: Vec::new(), more: false });
    assert_eq!((page.cursor(), page.cursor().to_string()), (Cursor::Start, "0".to_owned()));
    assert_eq!(store.after(&room(), &page.cursor(), 50).await?, no_messages());
    Ok(())
}

async fn all_messages_follow_0_and_each_message_is_followed_by_the_rest(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let posted = post_numbers(&*store, 6).await?;
    let all = Replay::Messages { messages: posted.clone(), more: false };
    assert_eq!(store.after(&room(), &Cursor::Start, 50).await?, all);
    for (n, message) in posted.iter().enumerate() {
        let rest = Replay::Messages { messages: posted[n + 1..].to_vec(), more: false };
        assert_eq!(store.after(&room(), &after(message), 50).await?, rest, "after {}", message.id);
    }
    Ok(())
}

async fn a_cursor_whose_own_message_has_expired_is_answered_while_the_next_is_stored(
    open: OpenStore,
) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let expired = append(&*store, old("1")).await?.message;
    let posted = post_numbers(&*store, 2).await?;
    drop(store);
    let store = open(hour())?;
    let rest = Replay::Messages { messages: posted, more: false };
    assert_eq!(store.after(&room(), &after(&expired), 50).await?, rest);
    Ok(())
}

async fn a_cursor_whose_next_message_has_expired_is_reset(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let oldest = append(&*store, old("1")).await?.message;
    append(&*store, old("2")).await?;
    let newest = append(&*store, draft("3")).await?.message;
    drop(store);
    let store = open(hour())?;
    let reset = Replay::Reset { reason: ResetReason::Expired, head: after(&newest) };
    for cursor in [after(&oldest), Cursor::Start] {
        assert_eq!(store.after(&room(), &cursor, 50).await?, reset, "{cursor}");
        assert_eq!(store.after(&room(), &cursor, 1).await?, reset, "{cursor}, short pages");
    }
    Ok(())
}

async fn a_cursor_ahead_of_the_newest_message_is_reset(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let newest = post_numbers(&*store, 3).await?.pop().expect("three");
    let reset = Replay::Reset { reason: ResetReason::Ahead, head: after(&newest) };
    for seq in [4, 5, 1_000, gripchat::chat::MAX_SEQ] {
        let cursor = cursor_in(&newest.id.epoch, seq);
        assert_eq!(store.after(&room(), &cursor, 50).await?, reset, "{cursor}");
    }
    Ok(())
}

async fn a_cursor_of_another_epoch_is_reset(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let newest = post_numbers(&*store, 3).await?.pop().expect("three");
    let reset = Replay::Reset { reason: ResetReason::Epoch, head: after(&newest) };
    for seq in [1, 2, 3, 4, 1_000] {
        for limit in [1, 50] {
            let cursor = cursor_in(&"other".parse()?, seq);
            assert_eq!(store.after(&room(), &cursor, limit).await?, reset, "{cursor}, {limit} at a time");
        }
    }
    Ok(())
}

async fn a_cursor_in_an_empty_room_is_reset_to_0(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let answer = store.after(&room(), &cursor_in(&"other".parse()?, 7), 50).await?;
    assert_eq!(answer, Replay::Reset { reason: ResetReason::Expired, head: Cursor::Start });
    Ok(())
}

async fn a_replay_in_pages_is_complete_and_reports_whether_more_follows(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let posted = post_numbers(&*store, 7).await?;
    for limit in 1..=9 {
        assert_eq!(all_after(&*store, Cursor::Start, limit).await?, posted, "{limit} at a time");
        for start in 0..7 {
            let cursor = if start == 0 { Cursor::Start } else { after(&posted[start - 1]) };
            let end = posted.len().min(start + limit);
            let page = Replay::Messages { messages: posted[start..end].to_vec(), more: end < posted.len() };
            assert_eq!(store.after(&room(), &cursor, limit).await?, page, "{limit} after {cursor}");
        }
    }
    Ok(())
}

async fn expired_messages_are_not_reported_as_more(open: OpenStore) -> anyhow::Result<()> {
    let store = open(hour())?;
    for n in 1..=8 {
        append(&*store, old(&n.to_string())).await?;
    }
    let posted = append(&*store, draft("9")).await?.message;
    let all = Replay::Messages { messages: vec![posted], more: false };
    for limit in 1..=10 {
        assert_eq!(store.after(&room(), &Cursor::Start, limit).await?, all, "{limit} at a time");
    }
    Ok(())
}

/// A message with an earlier date than the message before it expires first. The history before it then ends.
async fn a_replay_has_no_gap_although_clocks_differ(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let before = append(&*store, draft("1")).await?.message;
    let expired = append(&*store, old("2")).await?.message;
    let posted = post_numbers(&*store, 2).await?;
    drop(store);
    let store = open(hour())?;
    let reset = Replay::Reset { reason: ResetReason::Expired, head: after(&posted[1]) };
    assert_eq!(store.after(&room(), &Cursor::Start, 50).await?, reset);
    assert_eq!(store.after(&room(), &after(&before), 50).await?, reset);
    assert_eq!(seqs(&all_after(&*store, after(&expired), 50).await?), [3, 4]);
    assert_eq!(store.latest(&room(), 50).await?, Page { messages: posted, more: false });
    Ok(())
}

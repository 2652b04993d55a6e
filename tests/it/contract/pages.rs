//! The newest messages, and the messages before one.

use gripchat::{
    chat::{Cursor, MessageId},
    store::{Page, Retention},
};

use super::{OpenStore, Rule, after, all_after, post, post_numbers, room, rules};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        the_latest_page_has_the_requested_size_oldest_first,
        the_page_before_a_message_ends_with_the_message_before_it,
        paging_back_reaches_every_message,
        nothing_is_before_the_first_message_or_a_message_of_another_epoch,
        a_page_larger_than_one_megabyte_is_complete,
    ]
}

async fn the_latest_page_has_the_requested_size_oldest_first(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let posted = post_numbers(&*store, 5).await?;
    for limit in 1..=7 {
        let oldest = posted.len().saturating_sub(limit);
        let page = store.latest(&room(), limit).await?;
        assert_eq!(page, Page { messages: posted[oldest..].to_vec(), more: oldest > 0 }, "{limit}");
        assert_eq!(page.cursor(), after(&posted[4]));
        let before = if oldest == 0 { Cursor::Start } else { after(&posted[oldest - 1]) };
        assert_eq!(page.cursor_before(), before, "{limit}");
    }
    Ok(())
}

async fn the_page_before_a_message_ends_with_the_message_before_it(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let posted = post_numbers(&*store, 5).await?;
    for (n, message) in posted.iter().enumerate() {
        for limit in 1..=6 {
            let oldest = n.saturating_sub(limit);
            let page = Page { messages: posted[oldest..n].to_vec(), more: oldest > 0 };
            assert_eq!(store.before(&room(), &message.id, limit).await?, page, "{limit} before {}", message.id);
        }
    }
    Ok(())
}

async fn paging_back_reaches_every_message(open: OpenStore) -> anyhow::Result<()> {
    let store = open(Retention::FOREVER)?;
    let posted = post_numbers(&*store, 7).await?;
    for limit in 1..=8 {
        let mut page = store.latest(&room(), limit).await?;
        let mut all = page.messages.clone();
        while page.more {
            page = store.before(&room(), &page.messages[0].id, limit).await?;
            all.splice(0..0, page.messages.clone());
        }
        assert_eq!(all, posted, "{limit} at a time");
    }
    Ok(())
}

async fn nothing_is_before_the_first_message_or_a_message_of_another_epoch(open: OpenStore) -> anyhow::Result<()> {
    let nothing = Page { messages: Vec::new(), more: false };
    let store = open(Retention::FOREVER)?;
    let foreign = |seq| anyhow::Ok(MessageId { epoch: "other".parse()?, seq });
    assert_eq!(store.before(&room(), &foreign(7)?, 50).await?, nothing);
    let posted = post_numbers(&*store, 3).await?;
    assert_eq!(store.before(&room(), &posted[0].id, 50).await?, nothing);
    for seq in [1, 2, 3, 4, 1_000] {
        assert_eq!(store.before(&room(), &foreign(seq)?, 50).await?, nothing, "{seq}");
    }
    Ok(())
}

/// A response of DynamoDB ends at one megabyte.
async fn a_page_larger_than_one_megabyte_is_complete(open: OpenStore) -> anyhow::Result<()> {
    const COUNT: usize = 140;
    let store = open(Retention::FOREVER)?;
    let text = "😀".repeat(4_000);
    assert!(text.len() * COUNT > 2 * 1024 * 1024);
    let mut posted = Vec::new();
    for _ in 0..COUNT {
        posted.push(post(&*store, &text).await?);
    }
    assert_eq!(all_after(&*store, Cursor::Start, COUNT).await?, posted);
    assert_eq!(all_after(&*store, after(&posted[0]), COUNT - 5).await?, posted[1..]);
    assert_eq!(store.latest(&room(), COUNT - 1).await?, Page { messages: posted[1..].to_vec(), more: true });
    let page = store.before(&room(), &posted[COUNT - 1].id, COUNT).await?;
    assert_eq!(page, Page { messages: posted[..COUNT - 1].to_vec(), more: false });
    Ok(())
}

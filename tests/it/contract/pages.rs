//! The newest messages, and those before one.

use gripchat::{
    chat::{Cursor, MessageId},
    store::{Page, Retention},
};

use super::{Place, Rule, all_after, behind, room, rules, say, say_numbers};

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        the_newest_are_as_many_as_asked_for_oldest_first,
        the_page_before_a_message_ends_with_the_one_before_it,
        paging_back_reaches_every_message,
        nothing_is_before_the_first_message_or_before_one_of_another_epoch,
        a_page_beyond_one_megabyte_is_whole,
    ]
}

async fn the_newest_are_as_many_as_asked_for_oldest_first(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let said = say_numbers(&*store, 5).await?;
    for limit in 1..=7 {
        let oldest = said.len().saturating_sub(limit);
        let page = store.latest(&room(), limit).await?;
        assert_eq!(page, Page { messages: said[oldest..].to_vec(), more: oldest > 0 }, "{limit}");
        assert_eq!(page.cursor(), behind(&said[4]));
        let before = if oldest == 0 { Cursor::Start } else { behind(&said[oldest - 1]) };
        assert_eq!(page.cursor_before(), before, "{limit}");
    }
    Ok(())
}

async fn the_page_before_a_message_ends_with_the_one_before_it(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let said = say_numbers(&*store, 5).await?;
    for (n, message) in said.iter().enumerate() {
        for limit in 1..=6 {
            let oldest = n.saturating_sub(limit);
            let page = Page { messages: said[oldest..n].to_vec(), more: oldest > 0 };
            assert_eq!(store.before(&room(), &message.id, limit).await?, page, "{limit} before {}", message.id);
        }
    }
    Ok(())
}

async fn paging_back_reaches_every_message(place: Place) -> anyhow::Result<()> {
    let store = place(Retention::FOREVER)?;
    let said = say_numbers(&*store, 7).await?;
    for limit in 1..=8 {
        let mut page = store.latest(&room(), limit).await?;
        let mut all = page.messages.clone();
        while page.more {
            page = store.before(&room(), &page.messages[0].id, limit).await?;
            all.splice(0..0, page.messages.clone());
        }
        assert_eq!(all, said, "{limit} at a time");
    }
    Ok(())
}

async fn nothing_is_before_the_first_message_or_before_one_of_another_epoch(place: Place) -> anyhow::Result<()> {
    let nothing = Page { messages: Vec::new(), more: false };
    let store = place(Retention::FOREVER)?;
    let foreign = |seq| anyhow::Ok(MessageId { epoch: "other".parse()?, seq });
    assert_eq!(store.before(&room(), &foreign(7)?, 50).await?, nothing);
    let said = say_numbers(&*store, 3).await?;
    assert_eq!(store.before(&room(), &said[0].id, 50).await?, nothing);
    for seq in [1, 2, 3, 4, 1_000] {
        assert_eq!(store.before(&room(), &foreign(seq)?, 50).await?, nothing, "{seq}");
    }
    Ok(())
}

/// DynamoDB ends a page of its own there.
async fn a_page_beyond_one_megabyte_is_whole(place: Place) -> anyhow::Result<()> {
    const COUNT: usize = 140;
    let store = place(Retention::FOREVER)?;
    let text = "😀".repeat(4_000);
    assert!(text.len() * COUNT > 2 * 1024 * 1024);
    let mut said = Vec::new();
    for _ in 0..COUNT {
        said.push(say(&*store, &text).await?);
    }
    assert_eq!(all_after(&*store, Cursor::Start, COUNT).await?, said);
    assert_eq!(all_after(&*store, behind(&said[0]), COUNT - 5).await?, said[1..]);
    assert_eq!(store.latest(&room(), COUNT - 1).await?, Page { messages: said[1..].to_vec(), more: true });
    let page = store.before(&room(), &said[COUNT - 1].id, COUNT).await?;
    assert_eq!(page, Page { messages: said[..COUNT - 1].to_vec(), more: false });
    Ok(())
}

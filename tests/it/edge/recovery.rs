//! Next links: asked once for all who miss the same, and never for those who miss something else.

use std::time::Duration;

use anyhow::ensure;
use futures_util::future::try_join_all;
use libtest_mimic::Trial;

use super::{
    Stand, hold,
    room::{Room, lines},
};
use crate::support::{eventually::eventually, scripted::Asked, stack::SOON, trials::trials, wire::Request};

const STREAMS: usize = 200;

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => a_gap_of_many_streams_is_one_request,
        [] => links_that_differ_in_their_query_are_different_answers,
    ]
}

async fn a_gap_of_many_streams_is_one_request() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    let room = Room::new(&stand);
    let mut answers = vec![room.open_settled().await?];
    answers.extend(try_join_all((1..STREAMS).map(|_| room.open(0))).await?);
    let before = room.recoveries().len();
    room.write();
    room.write();
    room.publish_unsequenced(&[3]).await?;
    for answer in &mut answers {
        answer.reads(&lines(0, 3)).await?;
    }
    let asked = room.recoveries().len() - before;
    ensure!((1..=2).contains(&asked), "{asked} requests");
    room.say(1).await?;
    for answer in &mut answers {
        answer.reads(&lines(0, 4)).await?;
    }
    Ok(())
}

/// What one client may see must not reach another one because their links look alike.
async fn links_that_differ_in_their_query_are_different_answers() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    let (channel, next) = (format!("{}; prev-id=1", stand.channel("a")), stand.path("next"));
    // What is asked for is what is answered, with itself as the link.
    let answer = move |asked: &Asked| {
        let query = asked.query().unwrap_or_default();
        let link = format!("<{next}?{query}>; rel=next; timeout=120");
        hold(&format!("{query} ")).header("Grip-Channel", &channel).header("Grip-Link", &link)
    };
    stand.script("stream", answer.clone());
    stand.script("next", answer);
    let streams = try_join_all((0..40).map(|n| {
        let stand = &stand;
        async move { anyhow::Ok((stand.get(&format!("stream?user={n}")).await?, format!("user={n} "))) }
    }));
    // All at the same time, besides the first recheck.
    let streams = streams.await?;
    assert_eq!(Request::new("POST", "/recover/").send(stand.control_addr()).await?.status, 200);
    for (mut stream, own) in streams {
        eventually(SOON, "what its link answers", || stream.text().len() >= 2 * own.len()).await;
        while stream.changes(Duration::from_millis(20)).await {}
        assert_eq!(stream.text().replace(&own, ""), "", "not its own, {own:?}");
    }
    Ok(())
}

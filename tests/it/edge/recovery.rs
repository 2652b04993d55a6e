//! Next links: one request for all streams with the same gap, and never for streams with another one.

use std::time::Duration;

use anyhow::ensure;
use futures_util::future::try_join_all;
use libtest_mimic::Trial;

use super::{
    Setup, hold,
    room::{Room, lines},
};
use crate::support::{eventually::eventually, scripted::Asked, stack::SOON, trials::trials, wire::Request};

const STREAMS: usize = 200;

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => a_gap_of_many_streams_takes_one_request,
        [] => links_that_differ_in_their_query_get_different_responses,
    ]
}

async fn a_gap_of_many_streams_takes_one_request() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let room = Room::new(&setup);
    let mut answers = vec![room.open_settled().await?];
    answers.extend(try_join_all((1..STREAMS).map(|_| room.open(0))).await?);
    let before = room.recoveries().len();
    room.append();
    room.append();
    room.publish_unsequenced(&[3]).await?;
    for answer in &mut answers {
        answer.reads(&lines(0, 3)).await?;
    }
    let requests = room.recoveries().len() - before;
    ensure!((1..=2).contains(&requests), "{requests} requests");
    room.publish_next(1).await?;
    for answer in &mut answers {
        answer.reads(&lines(0, 4)).await?;
    }
    Ok(())
}

/// A client must not receive what only another may see because their links look alike.
async fn links_that_differ_in_their_query_get_different_responses() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let (channel, next) = (format!("{}; prev-id=1", setup.channel("a")), setup.path("next"));
    // Each response contains its own query, and links to itself.
    let answer = move |received: &Asked| {
        let query = received.query().unwrap_or_default();
        let link = format!("<{next}?{query}>; rel=next; timeout=120");
        hold(&format!("{query} ")).header("Grip-Channel", &channel).header("Grip-Link", &link)
    };
    setup.script("stream", answer.clone());
    setup.script("next", answer);
    let streams = try_join_all((0..40).map(|n| {
        let setup = &setup;
        async move { anyhow::Ok((setup.get(&format!("stream?user={n}")).await?, format!("user={n} "))) }
    }));
    // All of them are requested at the same time, in addition to the first recheck.
    let streams = streams.await?;
    assert_eq!(Request::new("POST", "/recover/").send(setup.control_addr()).await?.status, 200);
    for (mut stream, own) in streams {
        eventually(SOON, "the response of its link", || stream.text().len() >= 2 * own.len()).await;
        while stream.changes(Duration::from_millis(20)).await {}
        assert_eq!(stream.text().replace(&own, ""), "", "more than its own, {own:?}");
    }
    Ok(())
}

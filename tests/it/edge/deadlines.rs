//! A backend that does not answer, and one that is away for long.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use libtest_mimic::Trial;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    Stand, hold,
    room::{NEXT, Room, lines},
    stream_item,
};
use crate::support::{
    edge::Edge,
    fault::{FaultProxy, Mode},
    ports::free_port,
    scripted::{Reply, ScriptedBackend},
    stack::SOON,
    trials::trials,
    wire::Request,
};

/// Longer than Pushpin keeps a stream whose link fails.
const OUTAGE: Duration = Duration::from_secs(40);

/// So long a backend may take to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest pause between two requests for a link, and some time for the answer.
const RECOVERED_WITHIN: Duration = Duration::from_secs(16 + 1 + 5);

/// The shortest such pause, and some time for the answer.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(1 + 2);

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => a_backend_that_refuses_for_long_costs_no_stream_and_no_item,
        [] => a_backend_that_fails_for_long_costs_no_stream_and_no_item,
        [] => a_backend_that_hangs_is_a_timeout_and_streams_go_on,
        [] => a_body_that_has_begun_may_take_its_time,
        [] => a_backend_that_is_not_there_is_a_bad_gateway,
        [] => a_backend_that_takes_no_connection_is_a_bad_gateway,
    ]
}

async fn a_backend_that_hangs_is_a_timeout_and_streams_go_on() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[("BACKEND_TIMEOUT", "1s")]).await?;
    let a = stand.channel("a");
    let mut held = stand.open(hold("").header("Grip-Channel", &a), "").await?;
    stand.answer("hangs", Reply::silence());
    let started = Instant::now();
    let items = [stream_item(&a, "item")];
    let (mut answer, ()) = tokio::try_join!(stand.get("hangs"), stand.publish(&items))?;
    let waited = started.elapsed();
    assert_eq!(answer.status, 504);
    answer.whole().await?;
    ensure!(waited > Duration::from_millis(900) && waited < Duration::from_secs(3), "{waited:?}");
    held.reads("item").await?;
    stand.publish(&[stream_item(&a, " and another")]).await?;
    held.reads("item and another").await
}

/// The deadline is for the head: behind it may be a download, or a stream of the backend's own.
async fn a_body_that_has_begun_may_take_its_time() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[("BACKEND_TIMEOUT", "500ms")]).await?;
    let gate = Arc::new(Semaphore::new(0));
    let mut answer = stand.open(Reply::ok("begin ").until(&gate).part("end"), "begin ").await?;
    answer.stays(Duration::from_secs(1)).await?;
    gate.add_permits(1);
    answer.ends_as("begin end").await
}

async fn a_backend_that_is_not_there_is_a_bad_gateway() -> anyhow::Result<()> {
    let edge = Edge::start(([127, 0, 0, 1], free_port()?).into()).await?;
    let started = Instant::now();
    let mut answer = Request::get("/").send(edge.http_addr()).await?;
    assert_eq!(answer.status, 502);
    answer.whole().await?;
    ensure!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    Ok(())
}

/// As behind a firewall that drops what comes: here a queue of connections that is full.
async fn a_backend_that_takes_no_connection_is_a_bad_gateway() -> anyhow::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let backend = socket.listen(1)?;
    let address = backend.local_addr()?;
    let mut queued = Vec::new();
    while let Ok(connected) = timeout(Duration::from_secs(1), TcpStream::connect(address)).await {
        queued.push(connected?);
        ensure!(queued.len() < 20, "the queue has no end");
    }
    let edge = Edge::start(address).await?;
    let started = Instant::now();
    let mut answer = Request::get("/").send(edge.http_addr()).await?;
    let waited = started.elapsed();
    assert_eq!(answer.status, 502);
    answer.whole().await?;
    ensure!(waited > CONNECT_TIMEOUT - Duration::from_millis(500), "{waited:?}");
    Ok(())
}

async fn a_backend_that_fails_for_long_costs_no_stream_and_no_item() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    let room = Room::with(&stand, "1", &[]);
    let away = || stand.answer(NEXT, Reply::status("500 Oh").part("not for the stream"));
    outlasts(&room, away, || room.serve_next(), false).await
}

async fn a_backend_that_refuses_for_long_costs_no_stream_and_no_item() -> anyhow::Result<()> {
    let backend = ScriptedBackend::start().await?;
    let pipe = FaultProxy::start(backend.addr()).await?;
    let edge = Edge::start(pipe.addr()).await?;
    let stand = Stand::of_edge(edge, backend);
    let room = Room::with(&stand, "1", &[]);
    outlasts(&room, || pipe.set(Mode::Refuse), || pipe.set(Mode::Pass), true).await
}

/// A stream over an outage: what comes in turn is delivered meanwhile, and what was lost is recovered after it, sooner
/// where an item follows that shows that the backend is back.
async fn outlasts(room: &Room<'_>, away: impl Fn(), back: impl Fn(), followed: bool) -> anyhow::Result<()> {
    let mut answer = room.open_settled().await?;
    away();
    let began = Instant::now();
    while began.elapsed() < OUTAGE - Duration::from_secs(10) {
        room.say(1).await?;
        answer.reads_within(Duration::from_secs(3), &lines(0, room.head())).await?;
        answer.stays(Duration::from_secs(4)).await?;
    }
    // This one is lost, and the next ones cannot be sent before it.
    let before = room.head();
    room.write();
    room.say(1).await?;
    answer.stays(OUTAGE.saturating_sub(began.elapsed())).await?;
    assert_eq!(answer.text(), lines(0, before));
    back();
    if followed {
        room.say(1).await?;
    }
    let within = if followed { FOLLOWED_WITHIN } else { RECOVERED_WITHIN };
    answer.reads_within(within, &lines(0, room.head())).await?;
    // And it goes on as before.
    answer.stays(Duration::from_millis(200)).await?;
    room.becomes_live(&mut answer).await?;
    room.say(3).await?;
    answer.reads_within(SOON, &lines(0, room.head())).await
}

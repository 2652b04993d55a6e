//! A backend that does not answer, and one that is down for long.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use libtest_mimic::Trial;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    Setup, hold,
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

/// How long a backend may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest pause between two requests for a link, and time for the response.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(16 + 1 + 30);

/// The shortest such pause, and time for the response.
const QUICK_RECOVERY_TIMEOUT: Duration = Duration::from_secs(1 + 9);

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => a_long_outage_with_refused_connections_loses_no_stream_and_no_item,
        [] => a_long_outage_with_failing_responses_loses_no_stream_and_no_item,
        [] => a_backend_that_hangs_is_a_gateway_timeout_and_streams_continue,
        [] => a_body_that_has_started_has_no_deadline,
        [] => an_unreachable_backend_is_a_bad_gateway,
        [] => a_backend_that_accepts_no_connection_is_a_bad_gateway,
    ]
}

async fn a_backend_that_hangs_is_a_gateway_timeout_and_streams_continue() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[("BACKEND_TIMEOUT", "1s")]).await?;
    let a = setup.channel("a");
    let mut held = setup.open(hold("").header("Grip-Channel", &a), "").await?;
    setup.answer("hangs", Reply::silence());
    let started = Instant::now();
    let items = [stream_item(&a, "item")];
    let (mut answer, ()) = tokio::try_join!(setup.get("hangs"), setup.publish(&items))?;
    let waited = started.elapsed();
    assert_eq!(answer.status, 504);
    answer.whole().await?;
    ensure!(waited > Duration::from_millis(900) && waited < Duration::from_secs(15), "{waited:?}");
    held.reads("item").await?;
    setup.publish(&[stream_item(&a, " and another")]).await?;
    held.reads("item and another").await
}

/// The deadline is for the head: the body may be a download, or a stream of the backend.
async fn a_body_that_has_started_has_no_deadline() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[("BACKEND_TIMEOUT", "500ms")]).await?;
    let gate = Arc::new(Semaphore::new(0));
    let mut answer = setup.open(Reply::ok("start ").until(&gate).part("end"), "start ").await?;
    answer.stays(Duration::from_secs(1)).await?;
    gate.add_permits(1);
    answer.ends_as("start end").await
}

async fn an_unreachable_backend_is_a_bad_gateway() -> anyhow::Result<()> {
    let edge = Edge::start(([127, 0, 0, 1], free_port()?).into()).await?;
    let started = Instant::now();
    let mut answer = Request::get("/").send(edge.http_addr()).await?;
    assert_eq!(answer.status, 502);
    answer.whole().await?;
    ensure!(started.elapsed() < CONNECT_TIMEOUT, "{:?}", started.elapsed());
    Ok(())
}

/// Like a firewall that drops packets: here the queue of pending connections is full.
async fn a_backend_that_accepts_no_connection_is_a_bad_gateway() -> anyhow::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let backend = socket.listen(1)?;
    let address = backend.local_addr()?;
    let mut queued = Vec::new();
    while let Ok(connected) = timeout(Duration::from_secs(1), TcpStream::connect(address)).await {
        queued.push(connected?);
        ensure!(queued.len() < 20, "the queue does not fill");
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

async fn a_long_outage_with_failing_responses_loses_no_stream_and_no_item() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let room = Room::with(&setup, "1", &[]);
    let away = || setup.answer(NEXT, Reply::status("500 Oh").part("not for the stream"));
    outlasts(&room, away, || room.serve_next(), false).await
}

async fn a_long_outage_with_refused_connections_loses_no_stream_and_no_item() -> anyhow::Result<()> {
    let backend = ScriptedBackend::start().await?;
    let pipe = FaultProxy::start(backend.addr()).await?;
    let edge = Edge::start(pipe.addr()).await?;
    let setup = Setup::of_edge(edge, backend);
    let room = Room::with(&setup, "1", &[]);
    outlasts(&room, || pipe.set(Mode::Refuse), || pipe.set(Mode::Pass), true).await
}

/// A stream during an outage: items in order are delivered meanwhile, and a lost one is recovered afterwards, sooner if
/// another item follows, which shows that the backend is back.
async fn outlasts(room: &Room<'_>, away: impl Fn(), back: impl Fn(), followed: bool) -> anyhow::Result<()> {
    let mut answer = room.open_settled().await?;
    away();
    let started = Instant::now();
    while started.elapsed() < OUTAGE - Duration::from_secs(10) {
        room.publish_next(1).await?;
        answer.reads_within(SOON, &lines(0, room.head())).await?;
        answer.stays(Duration::from_secs(4)).await?;
    }
    // This item is lost, and the next ones cannot be sent before it.
    let before = room.head();
    room.append();
    room.publish_next(1).await?;
    answer.stays(OUTAGE.saturating_sub(started.elapsed())).await?;
    assert_eq!(answer.text(), lines(0, before));
    back();
    if followed {
        room.publish_next(1).await?;
    }
    let within = if followed { QUICK_RECOVERY_TIMEOUT } else { RECOVERY_TIMEOUT };
    answer.reads_within(within, &lines(0, room.head())).await?;
    // The stream continues as before.
    answer.stays(Duration::from_millis(200)).await?;
    room.becomes_live(&mut answer).await?;
    room.publish_next(3).await?;
    answer.reads_within(SOON, &lines(0, room.head())).await
}

//! How a shard handles commands that arrive in an order that is rare in practice.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderValue;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{Shard, timers::Timer};
use crate::{
    edge::{
        backend::{Backend, Recoveries},
        channels::Hub,
        commands::{Answer, Command, ShardHandle},
        config::Config,
        held::{Held, HeldStream, Link, NextStep, Priority, SessionId, Settings, Subscriber, WriteQueue},
        items::Frame,
    },
    forwarded::TrustedProxies,
    grip::{Signer, Subscription},
};

const ID: SessionId = 1;

/// A shard with one stream, whose next link is being requested. There is no backend: each test sends the outcome.
fn shard() -> Shard {
    let config = Config {
        backend: "http://127.0.0.1:1".parse().unwrap(),
        signer: Signer::parse("gripchat", "key").unwrap(),
        publishers: None,
        max_connections: 1,
        max_streams_per_address: 0,
        trusted: TrustedProxies::default(),
        max_body: 0,
        backend_timeout: Duration::from_secs(1),
        drain_window: Duration::ZERO,
    };
    let (handle, inbox) = ShardHandle::new();
    let handles: Arc<[ShardHandle]> = Arc::new([handle]);
    let recoveries = Recoveries::new(Backend::new(&config), Arc::clone(&handles));
    let mut shard = Shard::new(0, Arc::new(Hub::new(handles)), Arc::new(recoveries), inbox);

    let channel = Subscription { channel: "messages".to_owned(), prev_id: Some("0".to_owned()), filters: Vec::new() };
    let settings = Settings {
        subscriber: Subscriber::new(vec![channel], &[]),
        keep_alive: None,
        link: Some(Link { uri: "/next".into(), recheck_after: Duration::from_secs(60) }),
    };
    let stream =
        HeldStream::new(settings, WriteQueue::new(true, None), HeaderValue::from_static("chat.example"), None, None);
    shard.handle(Command::Hold { id: ID, held: Held::Stream(Box::new(stream)), is_behind: false });
    shard.request(ID, Priority::Low);
    shard
}

/// Has the shard take over the stream's connection. Returns the client's end.
async fn connect(shard: &mut Shard) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    shard.handle(Command::Connect { id: ID, socket, permit });
    client
}

fn retry_at(shard: &Shard) -> Option<Instant> {
    shard.sessions[&ID].timers.at(Timer::Recover)
}

/// Otherwise the stream would wait for the next recheck, up to two minutes later.
#[tokio::test]
async fn a_retry_is_not_postponed_when_the_connection_is_taken_over() {
    let mut shard = shard();
    let at = shard.now + Duration::from_secs(2);
    shard.handle(Command::RecoveryFailed { ids: vec![ID], retry_at: at });
    let _client = connect(&mut shard).await;
    assert_eq!(retry_at(&shard), Some(at));
}

#[tokio::test]
async fn without_a_failure_the_next_recheck_is_armed_when_the_connection_is_taken_over() {
    let mut shard = shard();
    let _client = connect(&mut shard).await;
    let (now, recheck_after) = (shard.now, Duration::from_secs(60));
    assert!(retry_at(&shard).is_some_and(|at| at > now + recheck_after / 2 && at <= now + recheck_after));
}

/// Nothing may follow the last chunk of a response.
#[tokio::test]
async fn an_answer_for_a_closing_stream_writes_nothing_after_the_last_chunk() {
    let mut shard = shard();
    let mut client = connect(&mut shard).await;
    shard.close(ID);
    let answer = Answer { body: Frame::new(b"late"), next: NextStep::End };
    shard.handle(Command::Recovered { ids: vec![ID], answer: Arc::new(answer) });
    shard.flush().await;
    let mut received = String::new();
    client.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "0\r\n\r\n");
    assert!(shard.sessions.is_empty());
}

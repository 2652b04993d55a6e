//! Measures how many recoveries one core answers in a second. Proxies send these requests when a stream may have missed
//! something, and they are the most frequent ones. The store is in memory, so the result is the cost of the backend
//! alone.
//!
//! `cargo bench --bench recover`; needs only Rust. The server runs in its own thread, whose processor time is
//! measured. The client runs in another thread and keeps the server busy.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use gripchat::{
    app::App,
    chat::{Author, Draft, RoomId, Text, Timestamp},
    forwarded::TrustedProxies,
    grip::{GripUrl, Publisher},
    store::{Append, Retention, Store},
    web::{self, CorsOrigins, Readiness, Web},
};
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;

#[path = "../tests/it/support/memory.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod memory;

const CONNECTIONS: usize = 32;
const WARM_UP: usize = 200;
const COUNTED: usize = 2_000;
/// Messages in the room. A recovery returns the last one.
const MESSAGES: usize = 100;

fn main() -> anyhow::Result<()> {
    let (listening, address) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let server = thread::spawn(move || runtime()?.block_on(serve(listening, stopped)));
    let (addr, last_id) = address.recv()?;

    let request = request(&last_id)?;
    let (elapsed, length) = runtime()?.block_on(load(addr, &request, COUNTED))?;
    // The receiver is dropped only if the server failed, and then the join returns the error.
    let _ = stop.send(());
    let busy = server.join().expect("the server does not panic")?;

    let total = CONNECTIONS * (COUNTED + WARM_UP);
    println!("{total} recoveries of one message over {CONNECTIONS} connections; a response has {length} bytes");
    println!("  {:8.0} /s in {:.2} s", (CONNECTIONS * COUNTED) as f64 / elapsed.as_secs_f64(), elapsed.as_secs_f64());
    println!("  {:8.1} µs of processor time each", busy.as_secs_f64() * 1e6 / total as f64);
    println!("  {:8.0} /s per core", total as f64 / busy.as_secs_f64());
    Ok(())
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Serves until `stopped`, and returns the processor time of this thread since it started to listen.
async fn serve(
    listening: std::sync::mpsc::Sender<(SocketAddr, String)>,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<Duration> {
    let store = Arc::new(memory::Memory::new(Retention::FOREVER));
    let room = RoomId::parse("bench")?;
    let mut last_but_one = String::new();
    let mut last = String::new();
    for n in 0..MESSAGES {
        let draft = Draft {
            provisional_id: uuid::Uuid::new_v4(),
            from: Author::parse("Ada")?,
            text: Text::parse(&format!("chat message {n} of about the usual length here."))?,
            date: Timestamp::now(),
        };
        let appended = store.append(&room, Append::new(draft)).await?;
        last_but_one = std::mem::replace(&mut last, appended.message.id.to_string());
    }
    let urls = GripUrl::parse_list("http://127.0.0.1:1/?verify-iss=pushpin&verify-key=changeme")?;
    let trust = Arc::new(GripUrl::trust(&urls));
    let publisher = Arc::new(Publisher::new(urls)?);
    let readiness = Arc::new(Readiness::new(store.clone(), Arc::clone(&publisher), CancellationToken::new()));
    let trusted_proxies = Arc::new(TrustedProxies::default());
    let app = Arc::new(App::new(store, publisher, Duration::from_secs(60)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    listening.send((listener.local_addr()?, last_but_one))?;
    let before = processor_time();
    let web = Web { app, trust, trusted_proxies, readiness, post_limit: None };
    axum::serve(listener, web::router(web, &CorsOrigins::SameOrigin))
        .with_graceful_shutdown(async {
            let _ = stopped.await;
        })
        .await?;
    Ok(processor_time() - before)
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Returns a request like those of Pushpin.
fn request(last_id: &str) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let claims = serde_json::json!({"iss": "pushpin", "exp": now + 3600});
    let key = jsonwebtoken::EncodingKey::from_secret(b"changeme")?;
    let sig = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?;
    Ok(format!(
        "GET /rooms/bench/recover/ HTTP/1.1\r\nHost: localhost:7999\r\nGrip-Sig: {sig}\r\n\
         Grip-Feature: status, session, link:next, filter:skip-self, filter:skip-users\r\n\
         Grip-Last: messages-bench; last-id={last_id}\r\nAccept: */*\r\n\r\n"
    ))
}

/// Keeps all connections busy, and returns the time that `count` requests on each took and the length of one response.
async fn load(addr: SocketAddr, request: &str, count: usize) -> anyhow::Result<(Duration, usize)> {
    let mut connections = try_join_all((0..CONNECTIONS).map(|_| TcpStream::connect(addr))).await?;
    for connection in &connections {
        connection.set_nodelay(true)?;
    }
    try_join_all(connections.iter_mut().map(|connection| request_repeatedly(connection, request, WARM_UP))).await?;
    let started = Instant::now();
    let lengths =
        try_join_all(connections.iter_mut().map(|connection| request_repeatedly(connection, request, count))).await?;
    Ok((started.elapsed(), lengths[0]))
}

/// Sends requests one after the other. All responses have the length of the first one.
async fn request_repeatedly(connection: &mut TcpStream, request: &str, count: usize) -> anyhow::Result<usize> {
    let mut buffer = [0; 16 * 1024];
    let mut length = 0;
    for _ in 0..count {
        connection.write_all(request.as_bytes()).await?;
        let mut got = 0;
        while length == 0 || got < length {
            let read = connection.read(&mut buffer[got..]).await?;
            anyhow::ensure!(read > 0, "the server closed the connection");
            got += read;
            length = response_length(&buffer[..got])?.unwrap_or(0).max(length);
        }
        anyhow::ensure!(got == length, "a response of another length");
    }
    let answer = String::from_utf8_lossy(&buffer[..length]);
    anyhow::ensure!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("grip-hold: stream"),
        "unexpected response: {answer}"
    );
    anyhow::ensure!(answer.matches("event: message").count() == 1, "not one message: {answer}");
    Ok(length)
}

/// Returns the length of the response at the start of `bytes`, if its head is complete.
fn response_length(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
    let text = std::str::from_utf8(bytes)?;
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("no content-length")?;
    Ok(Some(head.len() + 4 + length.parse::<usize>()?))
}

//! The HTTP/1.1 connections of the program's own routers: bounded in number and in time, and ended
//! without cutting an answer.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::ConnectInfo};
use hyper::{
    Request,
    body::{Body as _, Incoming},
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncWriteExt as _, copy, sink},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// A request's head comes within this time, from the connection's begin or the end of the request before it. Longer
/// than proxies and load balancers commonly keep an idle connection (60 s), so that none ends just when it is used.
const HEAD_WITHIN: Duration = Duration::from_secs(75);
/// The longest head, or up to twice as long where it comes at once. Cookies are what makes it long.
const MOST_HEAD: usize = 64 << 10;
/// After a failure to accept, as when the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a client that is refused gets to hear it.
const LINGER: Duration = Duration::from_secs(1);
/// Clients that are being refused, beside those that are served. One more is closed unheard.
const MOST_REFUSALS: usize = 64;
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Type: application/json\r\n\
    Content-Length: 99\r\nConnection: close\r\n\r\n\
    {\"error\":\"overloaded\",\"message\":\"this server has all the connections it can take; try again later\"}";

/// Takes connections, so many at a time, until `stop`; then finishes the requests under way, for as long as the
/// caller waits for it. Handlers find the peer's address as [`ConnectInfo`].
pub async fn serve(listener: TcpListener, router: Router, most: usize, stop: CancellationToken) {
    let refusals = Refusals::new(REFUSAL);
    // They end when this is dropped.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((socket, peer)) if connections.len() < most => {
                connections.spawn(connection(socket, peer, router.clone(), stop.clone()));
            }
            Ok((socket, _)) => refusals.refuse(socket),
            Err(error) => {
                warn!(%error, "cannot take a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(socket: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    // It fails where the client has gone, which shows below.
    let _ = socket.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let refused = Arc::new(AtomicBool::new(false));
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let has_body = !request.body().is_end_stream();
        let (answer, refused) = (router.call(request), Arc::clone(&refused));
        Box::pin(async move {
            let mut answer = answer.await?;
            let refusal = answer.status().is_client_error();
            refused.store(refusal, Ordering::Relaxed);
            if refusal && has_body {
                // What is refused is not read to its end, and then the connection ends. A client that is not told may
                // have sent its next request on it.
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        })
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(MOST_HEAD);
    let mut connection = http.serve_connection(TokioIo::new(socket), service);
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        return debug!(%error, "a connection broke");
    }
    let mut socket = connection.into_parts().io.into_inner();
    let _ = socket.shutdown().await;
    if refused.load(Ordering::Relaxed) {
        linger(&mut socket).await;
    }
}

/// Waits a moment for a client to hear why it was refused: closing while it still sends would take that back.
async fn linger(socket: &mut TcpStream) {
    if timeout(LINGER, copy(socket, &mut sink())).await.is_err() {
        debug!("a client goes on sending what was refused");
    }
}

/// Tells clients for which there is no place.
pub struct Refusals {
    answer: &'static [u8],
    slots: Arc<Semaphore>,
}

impl Refusals {
    /// With this answer, a whole one.
    pub fn new(answer: &'static [u8]) -> Self {
        Self { answer, slots: Arc::new(Semaphore::new(MOST_REFUSALS)) }
    }

    /// Says so, and waits a moment for the client to hear it; beside the caller.
    pub fn refuse(&self, mut socket: TcpStream) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { return };
        let answer = self.answer;
        tokio::spawn(async move {
            let _slot = slot;
            let told = async {
                socket.write_all(answer).await?;
                socket.shutdown().await
            };
            if let Ok(Ok(())) = timeout(LINGER, told).await {
                linger(&mut socket).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn start(most: usize) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
        let slow = async || sleep(Duration::from_millis(200)).await;
        let router = Router::new().route("/", get(peer)).route("/slow", get(slow));
        let stop = CancellationToken::new();
        (address, stop.clone(), tokio::spawn(serve(listener, router, most, stop)))
    }

    async fn get_of(path: &str, connection: &mut TcpStream) -> String {
        connection.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = connection.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    #[tokio::test]
    async fn one_connection_too_many_is_told_so_and_a_place_that_is_left_is_taken() {
        let (address, ..) = start(1).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        let peer = first.local_addr().unwrap().to_string();
        assert!(get_of("/", &mut first).await.ends_with(&peer), "handlers know the peer");
        let mut second = TcpStream::connect(address).await.unwrap();
        let mut refusal = String::new();
        second.read_to_string(&mut refusal).await.unwrap();
        let (head, body) = refusal.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nRetry-After: 5\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head} {}", body.len());
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["error"], "overloaded");
        drop(first);
        let taken = async {
            loop {
                let mut next = TcpStream::connect(address).await.unwrap();
                if get_of("/", &mut next).await.starts_with("HTTP/1.1 200 ") {
                    return;
                }
            }
        };
        timeout(Duration::from_secs(10), taken).await.expect("the place is given to nobody");
    }

    #[tokio::test]
    async fn a_client_whose_body_is_refused_is_told_to_send_no_more_on_that_connection() {
        let (address, ..) = start(10).await;
        for (body, closes) in [("Content-Length: 70000\r\n\r\n{", true), ("\r\n", false)] {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(format!("PUT / HTTP/1.1\r\nHost: a\r\n{body}").as_bytes()).await.unwrap();
            let mut answer = vec![0; 4096];
            let length = connection.read(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
            assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
            assert_eq!(answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), closes, "{answer}");
        }
    }

    #[tokio::test]
    async fn it_stops_without_cutting_an_answer_and_waits_for_no_idle_connection() {
        let (address, stop, server) = start(10).await;
        let (mut idle, mut busy) =
            (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        get_of("/", &mut idle).await;
        let answer = tokio::spawn(async move { get_of("/slow", &mut busy).await });
        sleep(Duration::from_millis(50)).await;
        stop.cancel();
        timeout(Duration::from_secs(10), server).await.expect("it does not end").unwrap();
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 200 "));
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_ends_its_connection() {
        let (address, ..) = start(10).await;
        for begun in ["", "GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(begun.as_bytes()).await.unwrap();
            let started = tokio::time::Instant::now();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).await.unwrap();
            assert!(started.elapsed() >= HEAD_WITHIN, "{begun:?}: {:?}", started.elapsed());
            assert_eq!(answer.starts_with("HTTP/1.1 200 "), begun.ends_with("\r\n\r\n"), "{answer}");
        }
    }
}

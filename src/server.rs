//! HTTP/1.1 connections for the program's own routers. Their number and the time of each step are limited, and they are
//! closed without truncating a response.

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

/// The time limit for a request's head, from the start of the connection or the end of the previous request. Proxies and
/// load balancers commonly keep an idle connection for 60 s; it must not be closed just when they use it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// The longest head, or up to twice as long if it arrives in one piece. Cookies make heads long.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// The pause after a failure to accept, for example when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a refused client may take to receive the refusal.
const LINGER: Duration = Duration::from_secs(1);
/// The maximum number of clients that are being refused at the same time. Connections beyond it are closed without a
/// response.
const MAX_REFUSALS: usize = 64;
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Type: application/json\r\n\
    Content-Length: 101\r\nConnection: close\r\n\r\n\
    {\"error\":\"overloaded\",\"message\":\"this server has the maximum number of connections; try again later\"}";

/// Serves up to `max_connections` connections until `stop`, and returns when the requests in progress are finished.
///
/// Drop the future to cut them off. Handlers get the peer's address as [`ConnectInfo`].
pub async fn serve(listener: TcpListener, router: Router, max_connections: usize, stop: CancellationToken) {
    let refusals = Refusals::new(REFUSAL);
    // Dropping the set ends all connections.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((socket, peer)) if connections.len() < max_connections => {
                connections.spawn(connection(socket, peer, router.clone(), stop.clone()));
            }
            Ok((socket, _)) => refusals.refuse(socket),
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(socket: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    // This fails if the client has disconnected. Reading fails too then.
    let _ = socket.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let refused = Arc::new(AtomicBool::new(false));
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let has_body = !request.body().is_end_stream();
        let (response, refused) = (router.call(request), Arc::clone(&refused));
        Box::pin(async move {
            let mut response = response.await?;
            let refusal = response.status().is_client_error();
            refused.store(refusal, Ordering::Relaxed);
            if refusal && has_body {
                // The rest of a refused body is not read, so the connection is closed. Without the header, a client could
                // send its next request on it.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        })
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let mut connection = http.serve_connection(TokioIo::new(socket), service);
    let mut stopping = false;
    let outcome = loop {
        tokio::select! {
            outcome = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break outcome,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if let Err(error) = outcome {
        return debug!(%error, "a connection failed");
    }
    let mut socket = connection.into_parts().io.into_inner();
    let _ = socket.shutdown().await;
    if refused.load(Ordering::Relaxed) {
        linger(&mut socket).await;
    }
}

/// Gives a client time to receive its refusal. If the connection were closed while the client still sends, the client
/// would get a reset instead of the response.
async fn linger(socket: &mut TcpStream) {
    if timeout(LINGER, copy(socket, &mut sink())).await.is_err() {
        debug!("a client continues to send a refused request");
    }
}

/// Refuses the connections beyond a limit.
pub struct Refusals {
    response: &'static [u8],
    slots: Arc<Semaphore>,
}

impl Refusals {
    /// Refuses with these bytes, a complete response.
    pub fn new(response: &'static [u8]) -> Self {
        Self { response, slots: Arc::new(Semaphore::new(MAX_REFUSALS)) }
    }

    /// Sends the response in a task, and gives the client time to receive it.
    pub fn refuse(&self, mut socket: TcpStream) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { return };
        let response = self.response;
        tokio::spawn(async move {
            let _slot = slot;
            let sent = async {
                socket.write_all(response).await?;
                socket.shutdown().await
            };
            if let Ok(Ok(())) = timeout(LINGER, sent).await {
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

    async fn start(max_connections: usize) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
        let slow = async || sleep(Duration::from_millis(200)).await;
        let router = Router::new().route("/", get(peer)).route("/slow", get(slow));
        let stop = CancellationToken::new();
        (address, stop.clone(), tokio::spawn(serve(listener, router, max_connections, stop)))
    }

    async fn get_of(path: &str, connection: &mut TcpStream) -> String {
        connection.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = connection.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_are_refused_until_one_is_closed() {
        let (address, ..) = start(1).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        let peer = first.local_addr().unwrap().to_string();
        assert!(get_of("/", &mut first).await.ends_with(&peer), "handlers get the address of the peer");
        let mut second = TcpStream::connect(address).await.unwrap();
        let mut refusal = String::new();
        second.read_to_string(&mut refusal).await.unwrap();
        let (head, body) = refusal.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nRetry-After: 5\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head} {}", body.len());
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["error"], "overloaded");
        drop(first);
        let accepted = async {
            loop {
                let mut next = TcpStream::connect(address).await.unwrap();
                if get_of("/", &mut next).await.starts_with("HTTP/1.1 200 ") {
                    return;
                }
            }
        };
        timeout(Duration::from_secs(10), accepted).await.expect("no connection is accepted");
    }

    #[tokio::test]
    async fn the_connection_of_a_refused_body_is_closed_and_announces_it() {
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
    async fn stopping_finishes_requests_and_closes_idle_connections() {
        let (address, stop, server) = start(10).await;
        let (mut idle, mut busy) =
            (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        get_of("/", &mut idle).await;
        let answer = tokio::spawn(async move { get_of("/slow", &mut busy).await });
        sleep(Duration::from_millis(50)).await;
        stop.cancel();
        timeout(Duration::from_secs(10), server).await.expect("it does not stop").unwrap();
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 200 "));
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_head_is_closed() {
        let (address, ..) = start(10).await;
        for sent in ["", "GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(sent.as_bytes()).await.unwrap();
            let started = tokio::time::Instant::now();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).await.unwrap();
            assert!(started.elapsed() >= HEAD_TIMEOUT, "{sent:?}: {:?}", started.elapsed());
            assert_eq!(answer.starts_with("HTTP/1.1 200 "), sent.ends_with("\r\n\r\n"), "{answer}");
        }
    }
}

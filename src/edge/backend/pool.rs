//! Requests to the backend, through one pool of connections. Each is signed and has a deadline.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{sleep, timeout};

use super::connector::{ConnectionWatch, Connector, connector};
use crate::{
    edge::{
        body::Body,
        config::{BackendUrl, Config},
        items::Id,
    },
    grip::{GRIP_SIG, Signer},
    telemetry::{
        RequestId,
        metrics::edge::{Answer, Purpose, backend_requested},
    },
};

/// How long `Grip-Sig` is valid, as in Pushpin: long enough for skewed clocks.
const SIG_LIFETIME: Duration = Duration::from_secs(3600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept. Backends commonly keep one for longer, so that they do not close it just when
/// it is used.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest body of a response with GRIP headers, which is read completely before anything reaches the client.
const MAX_BODY_BYTES: usize = 16 << 20;

/// The optional features of GRIP that the edge supports. The filters are those of `held::filter`.
const FEATURES: &str = "status,link:next,link:gone,filter:skip-self,filter:skip-users,filter:require-sub";

/// A handle to the backend. Clones share the pool.
#[derive(Clone)]
pub(crate) struct Backend {
    client: Client<Connector, Body>,
    url: BackendUrl,
    signer: Arc<Signer>,
    timeout: Duration,
}

/// Why a request got no usable response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the backend cannot be reached, or closed the connection: {0}")]
    Unreachable(#[from] hyper_util::client::legacy::Error),
    #[error("the connection to the backend was closed before it answered")]
    Closed,
    #[error("the backend did not answer within {0:?}")]
    Deadline(Duration),
    #[error("the backend's response is incomplete: {0}")]
    Incomplete(Box<dyn std::error::Error + Send + Sync>),
    #[error("the backend's response is longer than {MAX_BODY_BYTES} bytes, which is too long to be held")]
    TooLong,
    #[error("the backend answered {0}")]
    Status(StatusCode),
    #[error("the request cannot be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
    #[error("the request is invalid: {0}")]
    Invalid(#[from] http::Error),
}

impl Backend {
    pub(crate) fn new(config: &Config) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector(tcp));
        Self {
            client,
            url: config.backend.clone(),
            signer: Arc::new(config.signer.clone()),
            timeout: config.backend_timeout,
        }
    }

    /// The backend's host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.authority().as_str()
    }

    /// Sends a request, whose URI has only a path, and waits for the head of the response.
    pub(crate) async fn send(
        &self,
        purpose: Purpose,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, FetchError> {
        let started = Instant::now();
        let outcome = self.signed(request).await;
        backend_requested(purpose, kind(&outcome), started.elapsed());
        outcome
    }

    async fn signed(&self, mut request: Request<Body>) -> Result<Response<Incoming>, FetchError> {
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() =
            Uri::builder().scheme("http").authority(self.url.authority().clone()).path_and_query(path).build()?;
        let signature = self.signer.token(SystemTime::now(), SIG_LIFETIME)?;
        // A JWT consists of base64 and dots.
        let signature = HeaderValue::try_from(signature).map_err(http::Error::from)?;
        request.headers_mut().insert(GRIP_SIG, signature);
        request.headers_mut().insert("grip-feature", HeaderValue::from_static(FEATURES));
        let watch = ConnectionWatch::new(&mut request);
        tokio::select! {
            answer = self.client.request(request) => answer.map_err(FetchError::from),
            () = watch.closed() => Err(FetchError::Closed),
            () = sleep(self.timeout) => Err(FetchError::Deadline(self.timeout)),
        }
    }

    /// Requests a link. The request contains nothing of any client, since its answer may be for many.
    pub(crate) async fn get(
        &self,
        purpose: Purpose,
        id: &RequestId,
        uri: &str,
        host: &HeaderValue,
        last: &[(Arc<str>, Id)],
    ) -> Result<(HeaderMap, Bytes), FetchError> {
        let mut request = self.request(Method::GET, id, uri, host)?;
        add_grip_last(request.headers_mut(), last)?;
        let response = self.send(purpose, request).await?;
        if !response.status().is_success() {
            return Err(FetchError::Status(response.status()));
        }
        let (head, body) = response.into_parts();
        Ok((head.headers, self.collect(body).await?))
    }

    /// Posts an empty body to a link.
    pub(crate) async fn post(&self, uri: &str, host: &HeaderValue) -> Result<(), FetchError> {
        let request = self.request(Method::POST, &RequestId::generate(), uri, host)?;
        let response = self.send(Purpose::Gone, request).await?;
        if response.status().is_success() { Ok(()) } else { Err(FetchError::Status(response.status())) }
    }

    fn request(
        &self,
        method: Method,
        id: &RequestId,
        uri: &str,
        host: &HeaderValue,
    ) -> Result<Request<Body>, FetchError> {
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let mut request = Request::builder().method(method).uri(uri).header(header::HOST, host).body(body)?;
        id.put(request.headers_mut());
        Ok(request)
    }

    /// Reads a whole body, within the deadline and [`MAX_BODY_BYTES`].
    pub(crate) async fn collect(&self, body: Incoming) -> Result<Bytes, FetchError> {
        let whole = Limited::new(body, MAX_BODY_BYTES).collect();
        let whole = timeout(self.timeout, whole).await.map_err(|_| FetchError::Deadline(self.timeout))?;
        match whole {
            Ok(whole) => Ok(whole.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLong),
            Err(error) => Err(FetchError::Incomplete(error)),
        }
    }
}

fn kind(outcome: &Result<Response<Incoming>, FetchError>) -> Answer {
    match outcome {
        Ok(response) if response.status().is_server_error() => Answer::Failed,
        Ok(_) => Answer::Answered,
        Err(FetchError::Deadline(_)) => Answer::Timeout,
        Err(FetchError::Sign(_) | FetchError::Invalid(_)) => Answer::Unsent,
        Err(
            FetchError::Unreachable(_)
            | FetchError::Closed
            | FetchError::Incomplete(_)
            | FetchError::TooLong
            | FetchError::Status(_),
        ) => Answer::Unreachable,
    }
}

/// Adds a line for each channel, as Pushpin does.
pub(crate) fn add_grip_last(headers: &mut HeaderMap, last: &[(Arc<str>, Id)]) -> Result<(), http::Error> {
    for (channel, id) in last {
        let value = HeaderValue::from_bytes(format!("{channel}; last-id={id}").as_bytes())?;
        headers.append(HeaderName::from_static("grip-last"), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::{net::TcpListener, task::JoinSet};

    use super::*;
    use crate::forwarded::TrustedProxies;

    /// A request that is given to a connection just as that is closed may never be answered: hyper 1.12 leaves it in a
    /// queue that is no longer read (hyperium/hyper#4122). Not every run reproduces this: without the watch one run in
    /// six failed, and each run with five times as many requests. The test of `connector` covers the watch itself.
    #[tokio::test(flavor = "multi_thread", worker_threads = 8)]
    async fn no_request_waits_for_a_closed_connection() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_zero_linger().unwrap();
            }
        });
        let config = Config {
            backend: format!("http://{address}").parse().unwrap(),
            signer: Signer::parse("edge", "secret").unwrap(),
            publishers: None,
            max_connections: 1,
            max_streams_per_address: 0,
            trusted: TrustedProxies::default(),
            max_body: 0,
            backend_timeout: Duration::from_secs(60),
            drain_window: Duration::ZERO,
        };
        let backend = Backend::new(&config);
        let mut requests = JoinSet::new();
        let host = HeaderValue::from_static("chat");
        for _ in 0..64 {
            let (backend, host) = (backend.clone(), host.clone());
            requests.spawn(async move {
                for _ in 0..400 {
                    let id = RequestId::generate();
                    let request = backend.get(Purpose::Recovery, &id, "/", &host, &[]);
                    assert!(timeout(Duration::from_secs(20), request).await.expect("it waits").is_err());
                }
            });
        }
        requests.join_all().await;
    }
}

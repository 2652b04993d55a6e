//! A proxy's control port: one request, its credentials, and what its answer means.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use http::{StatusCode, header};
use serde::Serialize;
use tracing::{debug, info, warn};

use super::{Item, PublisherError};
use crate::{
    grip::url::{Auth, GripUrl},
    telemetry::metrics::publish::{Request, requested},
};

/// One request, from connecting to its answer. A control port answers within milliseconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// Shorter than the idle timeout of common servers, so that a connection is not closed by the server just as it is used.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a publishing token is valid, as js-grip has it: long enough for skewed clocks.
const TOKEN_LIFETIME: Duration = Duration::from_secs(600);

/// A handle to a control port. Clones share the state of the proxy's health.
#[derive(Clone)]
pub(super) struct Control {
    url: Arc<GripUrl>,
    http: reqwest::Client,
    healthy: Arc<AtomicBool>,
}

/// A request failed. Its items may have been published all the same.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("cannot sign the request")]
    Sign(#[from] jsonwebtoken::errors::Error),
    #[error("{}", root_cause(.0))]
    Http(#[from] reqwest::Error),
    #[error("it answered {0}{hint}", hint = hint(*.0))]
    Status(StatusCode),
}

/// Creates the HTTP client that all proxies share.
pub(super) fn client() -> Result<reqwest::Client, PublisherError> {
    // Fails if this process has installed a provider before, which is then used.
    #[cfg(feature = "tls")]
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder()
        .timeout(REQUEST_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        // A redirect would turn the POST into a GET that publishes nothing.
        .redirect(reqwest::redirect::Policy::none())
        .build()?)
}

impl Control {
    pub(super) fn new(url: GripUrl, http: reqwest::Client) -> Self {
        Self { url: Arc::new(url), http, healthy: Arc::new(AtomicBool::new(true)) }
    }

    pub(super) fn url(&self) -> &GripUrl {
        &self.url
    }

    /// Whether the last request succeeded. Until one does, publishers do not wait for this proxy.
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Publishes an empty list, and logs the error if that fails.
    pub(super) async fn check(&self) {
        match self.reach().await {
            Ok(()) => debug!(grip.url = %self.url, "the GRIP proxy answers"),
            Err(error) => warn!(
                grip.url = %self.url,
                "cannot publish to the GRIP proxy: {error}; messages are stored, and delivered once it answers"
            ),
        }
    }

    /// Publishes an empty list.
    pub(super) async fn reach(&self) -> Result<(), RequestError> {
        match self.request(&[]).await {
            // The service answers, but some publishing services refuse an empty list.
            Err(RequestError::Status(StatusCode::BAD_REQUEST)) => Ok(()),
            answer => answer,
        }
    }

    /// Publishes all of the items or none of them, and records whether the proxy is healthy.
    pub(super) async fn publish(&self, items: &[&Item]) -> Result<(), RequestError> {
        let started = Instant::now();
        let outcome = self.request(items).await;
        requested(outcome.as_ref().map_or_else(RequestError::kind, |()| Request::Published), started.elapsed());
        let was_healthy = self.healthy.swap(outcome.is_ok(), Ordering::Relaxed);
        match &outcome {
            Ok(()) if !was_healthy => info!(grip.url = %self.url, "the GRIP proxy answers again"),
            Ok(()) => {}
            Err(error) if was_healthy => {
                warn!(grip.url = %self.url, "cannot publish to the GRIP proxy: {error}; retrying");
            }
            Err(error) => debug!(grip.url = %self.url, "still cannot publish to the GRIP proxy: {error}"),
        }
        outcome
    }

    async fn request(&self, items: &[&Item]) -> Result<(), RequestError> {
        #[derive(Serialize)]
        struct Body<'a> {
            items: &'a [&'a Item],
        }
        let body = serde_json::to_vec(&Body { items }).expect("strings serialize");
        let mut request =
            self.http.post(self.url.publish.clone()).header(header::CONTENT_TYPE, "application/json").body(body);
        match &self.url.auth {
            Auth::None => {}
            Auth::Fixed(authorization) => request = request.header(header::AUTHORIZATION, authorization),
            Auth::Jwt(signer) => request = request.bearer_auth(signer.token(SystemTime::now(), TOKEN_LIFETIME)?),
        }
        match request.send().await?.status() {
            status if status.is_success() => Ok(()),
            status => Err(RequestError::Status(status)),
        }
    }
}

impl RequestError {
    fn kind(&self) -> Request {
        match self {
            Self::Sign(_) => Request::Unsigned,
            Self::Http(error) if error.is_timeout() => Request::Timeout,
            Self::Http(_) => Request::Unreachable,
            Self::Status(_) => Request::Refused,
        }
    }

    /// Whether the same request would fail again. Repeating it would only delay the items after it.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Sign(_) => true,
            Self::Http(_) => false,
            Self::Status(status) => {
                status.is_client_error()
                    && ![StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(status)
            }
        }
    }

    /// Whether a smaller batch may succeed: the proxy may refuse a single item, or the size of the batch.
    pub(super) fn depends_on_batch(&self) -> bool {
        matches!(self, Self::Status(StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE))
    }
}

/// Returns the innermost cause: "Connection refused" is clearer than "error sending request".
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {REQUEST_TIMEOUT:?}");
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; check the key in GRIP_URL",
        StatusCode::NOT_FOUND => "; check the path in GRIP_URL",
        _ => "",
    }
}

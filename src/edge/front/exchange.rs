//! An exchange: a request is forwarded to the backend, and its response is forwarded or handed over to be held.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    body::{Body as _, Incoming},
    ext::ReasonPhrase,
};
use tokio::time::sleep;
use tower_http::timeout::TimeoutBody;
use tracing::{Instrument as _, debug};

use super::{
    forward,
    hold_response::{Handled, hold_response},
    hold_stream::hold_stream,
    refuse::{self, ExchangeError},
    repeat::{BodyCopy, Forwarded},
    state::{Client, Front},
    upgrade,
};
use crate::{
    edge::{
        backend::{self, FetchError},
        body::Body,
    },
    grip::{HoldMode, Instructions},
    telemetry::{
        RequestId,
        metrics::{edge::Purpose, http::method_label},
    },
};

/// The longest pause in a request body; a longer one would only occupy a connection to the backend. It is shorter than
/// the default `BACKEND_TIMEOUT`, which includes the pause: otherwise a stalled client would look like a slow backend.
const REQUEST_IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest pause in a response body. It is longer, since the body may be a stream that rarely sends something.
const RESPONSE_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// The pause before a held request is repeated because it missed an item, so that a backend that stays behind does not
/// get requests all the time.
const REPEAT_PAUSE: Duration = Duration::from_millis(100);

impl Front {
    /// Returns the response to a request. Errors are responses too. Gives the request an id if it has none.
    pub(super) async fn handle(self: Arc<Self>, client: Client, mut request: Request<Incoming>) -> Response<Body> {
        let (started, method) = (Instant::now(), method_label(request.method()));
        let id = RequestId::of(request.headers());
        id.put(request.headers_mut());
        let span = id.span();
        let response = self.response_to(client, request, &id).instrument(span.clone()).await;
        let status = response.status().as_u16();
        let duration_ms = started.elapsed().as_millis() as u64;
        debug!(parent: &span, method, status, duration_ms, "forwarded");
        response
    }

    async fn response_to(&self, client: Client, request: Request<Incoming>, id: &RequestId) -> Response<Body> {
        if request.method() == Method::CONNECT {
            return refuse::plain(StatusCode::METHOD_NOT_ALLOWED, "CONNECT is not supported.\n");
        }
        if request.body().size_hint().lower() > self.max_body {
            return refuse::body_too_long(self.max_body);
        }
        let mut response = match self.exchange(&client, request, id).await {
            Ok(response) => response,
            Err(error) => {
                let mut response = refuse::response_to(&error, self.max_body);
                id.put(response.headers_mut());
                response
            }
        };
        // The client's next request should go to another server, or to this one's successor.
        if self.draining.is_cancelled() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn exchange(
        &self,
        client: &Client,
        mut request: Request<Incoming>,
        id: &RequestId,
    ) -> Result<Response<Body>, ExchangeError> {
        let protocol = forward::upgrade_protocol(request.headers());
        let upgraded = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
        let (mut head, body) = request.into_parts();
        forward::to_backend(&mut head.headers, client.address);
        if let Some(protocol) = protocol {
            upgrade::request(&mut head.headers, protocol);
        }
        if !head.headers.contains_key(header::HOST) {
            let host = HeaderValue::try_from(self.backend.address()).map_err(http::Error::from);
            head.headers.insert(header::HOST, host.map_err(FetchError::from)?);
        }
        let limit = usize::try_from(self.max_body).unwrap_or(usize::MAX);
        let copy = BodyCopy::new(&body);
        let body = Limited::new(TimeoutBody::new(REQUEST_IDLE_TIMEOUT, body), limit);
        let body = match copy.clone() {
            Some(copy) => body.map_frame(move |frame| copy.add(frame)).boxed_unsync(),
            None => body.boxed_unsync(),
        };
        let forwarded = Forwarded { head: head.clone(), body: copy };
        let mut response = self.backend.send(Purpose::Client, Request::from_parts(head, body)).await?;
        if let (Some(upgraded), StatusCode::SWITCHING_PROTOCOLS) = (upgraded, response.status()) {
            return Ok(upgrade::join(upgraded, response, Arc::clone(&client.takeover), self.stop.clone()));
        }
        loop {
            match self.follow(client, &forwarded, response, id).await? {
                Handled::Response(response) => return Ok(response),
                Handled::Repeat(mut request, last) => {
                    sleep(REPEAT_PAUSE).await;
                    backend::add_grip_last(request.headers_mut(), &last).map_err(FetchError::from)?;
                    response = self.backend.send(Purpose::Client, request).await?;
                }
            }
        }
    }

    /// Forwards a response, or follows its instructions.
    async fn follow(
        &self,
        client: &Client,
        forwarded: &Forwarded,
        response: Response<Incoming>,
        id: &RequestId,
    ) -> Result<Handled, ExchangeError> {
        let (mut head, body) = response.into_parts();
        if !Instructions::is_in(&head.headers) || forwarded.head.method == Method::HEAD {
            forward::to_client(&mut head.headers);
            let body = TimeoutBody::new(RESPONSE_IDLE_TIMEOUT, body).boxed_unsync();
            return Ok(Handled::Response(Response::from_parts(head, body)));
        }
        if head.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(ExchangeError::Compressed);
        }
        let body = self.backend.collect(body).await?;
        let instructions = Instructions::parse(&head.headers)?;
        forward::to_client(&mut head.headers);
        forward::expose(&mut head.headers, &instructions.expose);
        if let Some(status) = &instructions.status {
            head.status = status.code;
            head.extensions.remove::<ReasonPhrase>();
            forward::set_reason(&mut head.extensions, status.reason.as_deref());
        }
        if instructions.hold == Some(HoldMode::Response) {
            let Some(_slot) = self.limits.acquire(client.id) else {
                return Ok(Handled::Response(refuse::too_many_held()));
            };
            return Ok(hold_response(&self.hub, instructions, forwarded, head, body).await);
        }
        hold_stream(self, client, &forwarded.head, instructions, head, body, id).map(Handled::Response)
    }
}

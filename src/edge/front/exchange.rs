//! An exchange: a request is forwarded to the backend, and its response is forwarded, held or continued.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, request, response,
};
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    body::{Body as _, Incoming},
    ext::ReasonPhrase,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutBody;
use tracing::{Instrument as _, debug};

use super::{
    body_copy::BodyCopy,
    forward,
    hold::HoldContext,
    pagination,
    refuse::{self, ExchangeError},
    takeover::{BodyPart, HeldBody, Takeover},
    upgrade,
};
use crate::{
    edge::{
        backend::{self, Backend, FetchError},
        body::{self, Body},
        channels::Hub,
        held::{ClientLimits, HeldResponse, LinkBase, NextStep, Outcome, Subscriber},
        items::{Id, ends_event},
    },
    forwarded::{ClientId, TrustedProxies},
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

/// The state that the handling of all requests shares.
pub(crate) struct Front {
    pub(crate) backend: Backend,
    pub(crate) hub: Arc<Hub>,
    /// The longest request body, in bytes.
    pub(crate) max_body: u64,
    pub(crate) limits: Arc<ClientLimits>,
    pub(crate) trusted: TrustedProxies,
    /// Cancelled when streams start to be ended. From then on there are no new ones.
    pub(crate) draining: CancellationToken,
    /// Ends what would not end by itself, such as upgraded connections.
    pub(crate) stop: CancellationToken,
}

/// The client of a request.
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// Identifies the client for limits. Behind trusted proxies, this is not the address of the connection.
    pub(super) id: ClientId,
    /// For the takeover of the connection if a stream is held.
    pub(super) takeover: Arc<Takeover>,
    /// Whether streams were being ended already when it sent the request.
    pub(super) is_late: bool,
}

/// What follows from a response of the backend.
enum Handled {
    Response(Response<Body>),
    /// The request was held and missed an item. It is to be repeated with this `Grip-Last`.
    Repeat(Request<Body>, Vec<(Arc<str>, Id)>),
}

/// The request that was forwarded, kept for as long as it may have to be repeated.
struct Forwarded {
    head: request::Parts,
    /// None if the body was too long to be copied.
    body: Option<BodyCopy>,
}

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
        let protocol = forward::upgrade(request.headers());
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
            set_reason(&mut head.extensions, status.reason.as_deref());
        }
        if instructions.hold == Some(HoldMode::Response) {
            let Some(_slot) = self.limits.acquire(client.id) else {
                return Ok(Handled::Response(refuse::too_many_held()));
            };
            return Ok(self.hold_response(instructions, forwarded, head, body).await);
        }
        self.hold_stream(client, &forwarded.head, instructions, head, body, id).map(Handled::Response)
    }

    async fn hold_response(
        &self,
        instructions: Instructions,
        forwarded: &Forwarded,
        head: response::Parts,
        body: Bytes,
    ) -> Handled {
        let until = instructions.response_timeout();
        let (sender, outcome) = oneshot::channel();
        let subscriber = Subscriber::new(instructions.channels, &instructions.meta);
        // Held until this is dropped, which also happens when the client goes.
        let _guard = self.hub.hold_response(HeldResponse::new(subscriber, sender));
        match timeout(until, outcome).await {
            Ok(Ok(Outcome::Respond(published))) => {
                let mut response = Response::new(body::full(published.body.replace(body)));
                *response.status_mut() = published.status;
                *response.headers_mut() = published.headers;
                set_reason(response.extensions_mut(), published.reason.as_deref());
                Handled::Response(response)
            }
            Ok(Ok(Outcome::Repeat(last))) if let Some(body) = forwarded.body.as_ref().and_then(BodyCopy::complete) => {
                Handled::Repeat(Request::from_parts(forwarded.head.clone(), body::full(body)), last)
            }
            // Nothing was published in time, the request cannot be repeated, or the edge stops.
            _ => Handled::Response(Response::from_parts(head, body::full(body))),
        }
    }

    fn hold_stream(
        &self,
        client: &Client,
        request: &request::Parts,
        instructions: Instructions,
        mut head: response::Parts,
        body: Bytes,
        id: &RequestId,
    ) -> Result<Response<Body>, ExchangeError> {
        // Copied, since the value is a slice of the buffer into which the whole request was read.
        let host = request.headers.get(header::HOST).map_or(b"".as_slice(), HeaderValue::as_bytes);
        let host = HeaderValue::from_bytes(host).map_err(|error| FetchError::Invalid(error.into()))?;
        let uri = request.uri.path_and_query().map_or("/", |uri| uri.as_str());
        let base = LinkBase { host: &host, uri, backend: self.backend.address() };
        let gone_link = instructions.gone.as_deref().map(|uri| base.path(uri)).transpose()?;
        // Such a response has no body, so nothing can follow it (RFC 9110, section 6.4.1).
        let is_bodyless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
        let next = if is_bodyless { NextStep::End } else { NextStep::new(instructions, &base)? };
        if matches!(next, NextStep::End) {
            return Ok(Response::from_parts(head, body::full(body)));
        }
        let is_event_stream = is_event_stream(&head.headers);
        if client.is_late && !is_event_stream {
            return Ok(refuse::stopping());
        }
        let Some(client_slot) = self.limits.acquire(client.id) else { return Ok(refuse::too_many_held()) };
        let between_events = body.is_empty() || ends_event(&body);
        let (parts, receiver) = mpsc::channel(2);
        // The channel has room for this and for one more part, and nobody else has sent anything yet.
        if !body.is_empty() {
            let _ = parts.try_send(BodyPart::Bytes(body));
        }
        let context = HoldContext {
            hub: Arc::clone(&self.hub),
            takeover: Arc::clone(&client.takeover),
            id: id.clone(),
            host,
            gone_link,
            is_chunked: request.version >= Version::HTTP_11,
            is_event_stream,
            client_slot,
        };
        match next {
            NextStep::End => {}
            NextStep::Hold(instructions) => {
                context.hold(&instructions, between_events);
                let _ = parts.try_send(BodyPart::Hold);
            }
            NextStep::Page(link) => pagination::start(self.backend.clone(), link, context, between_events, parts),
        }
        // The connection ends with the stream, so the client must not send another request on it.
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let body = HeldBody::new(receiver, Arc::clone(&client.takeover)).map_err(|never| match never {}).boxed_unsync();
        Ok(Response::from_parts(head, body))
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("text/event-stream")
}

/// Sets the reason phrase of a response.
fn set_reason(extensions: &mut Extensions, reason: Option<&str>) {
    let phrase = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok());
    if let Some(phrase) = phrase {
        extensions.insert(phrase);
    }
}

//! One request's life: to the backend, and what its answer makes of it.

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
    body_copy::Kept,
    forward,
    hold::Hold,
    pagination,
    refuse::{self, ExchangeError},
    takeover::{Handover, HeldBody, Part},
    upgrade,
};
use crate::{
    edge::{
        backend::{self, Backend, FetchError},
        body::{self, Body},
        channels::Hub,
        held::{Addresses, Base, Listener, Response as HeldResponse, Then, Verdict},
        items::{Id, ends_event},
    },
    forwarded::{ClientId, TrustedProxies},
    grip::{HoldMode, Instructions},
    telemetry::{
        RequestId,
        metrics::{edge::Purpose, http::method_label},
    },
};

/// A request's body that stands still for so long keeps a connection to the backend for nothing. Less than a backend
/// commonly gets to answer, which includes this: so that it is not blamed for a client that stalls.
const REQUEST_IDLE: Duration = Duration::from_secs(20);
/// A response's may be a stream that says something now and then.
const RESPONSE_IDLE: Duration = Duration::from_secs(300);
/// Before a held request is repeated because it missed something: so that a backend that never catches up is not
/// asked all the time.
const REPEAT_AFTER: Duration = Duration::from_millis(100);

/// What all requests need.
pub(in crate::edge) struct Edge {
    pub(in crate::edge) backend: Backend,
    pub(in crate::edge) hub: Arc<Hub>,
    pub(in crate::edge) max_body: u64,
    /// What clients have held.
    pub(in crate::edge) addresses: Arc<Addresses>,
    pub(in crate::edge) trusted: TrustedProxies,
    /// Once streams are being ended: from then on there are no new ones.
    pub(in crate::edge) draining: CancellationToken,
    /// Ends what nothing else would end.
    pub(in crate::edge) stop: CancellationToken,
}

/// Who asks.
pub(in crate::edge) struct Client {
    pub(in crate::edge) address: IpAddr,
    /// Who that is for limits: not the last proxy before the edge, if that is trusted.
    pub(in crate::edge) id: ClientId,
    /// How a stream that is held leaves this connection.
    pub(in crate::edge) handover: Arc<Handover>,
    /// Whether it asked when streams were being ended already.
    pub(in crate::edge) late: bool,
}

/// What a response becomes.
enum Outcome {
    Answer(Response<Body>),
    /// The request was held, and missed something: it is to be repeated with this `Grip-Last`.
    Repeat(Request<Body>, Vec<(Arc<str>, Id)>),
}

/// What was asked of the backend, for as long as it may have to be asked again.
struct Asked {
    head: request::Parts,
    /// Unless it was too long to be kept.
    body: Option<Kept>,
}

impl Edge {
    /// Answers a request, which gets an id if it has none. Whatever goes wrong is an answer too.
    pub(in crate::edge) async fn answer(
        self: Arc<Self>,
        client: Client,
        mut request: Request<Incoming>,
    ) -> Response<Body> {
        let (started, method) = (Instant::now(), method_label(request.method()));
        let id = RequestId::of(request.headers());
        id.put(request.headers_mut());
        let span = id.span();
        let response = self.answer_to(client, request, &id).instrument(span.clone()).await;
        let status = response.status().as_u16();
        let duration_ms = started.elapsed().as_millis() as u64;
        debug!(parent: &span, method, status, duration_ms, "proxied");
        response
    }

    async fn answer_to(&self, client: Client, request: Request<Incoming>, id: &RequestId) -> Response<Body> {
        if request.method() == Method::CONNECT {
            return refuse::plain(StatusCode::METHOD_NOT_ALLOWED, "This is no forward proxy.\n");
        }
        if request.body().size_hint().lower() > self.max_body {
            return refuse::too_long(self.max_body);
        }
        let mut response = match self.exchange(&client, request, id).await {
            Ok(response) => response,
            Err(error) => {
                let mut response = refuse::answer(&error, self.max_body);
                id.put(response.headers_mut());
                response
            }
        };
        // The next request had better go to another server, or to this one's successor.
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
            upgrade::ask(&mut head.headers, protocol);
        }
        if !head.headers.contains_key(header::HOST) {
            let host = HeaderValue::try_from(self.backend.address()).map_err(http::Error::from);
            head.headers.insert(header::HOST, host.map_err(FetchError::from)?);
        }
        let limit = usize::try_from(self.max_body).unwrap_or(usize::MAX);
        let kept = Kept::of(&body);
        let body = Limited::new(TimeoutBody::new(REQUEST_IDLE, body), limit);
        let body = match kept.clone() {
            Some(kept) => body.map_frame(move |frame| kept.note(frame)).boxed_unsync(),
            None => body.boxed_unsync(),
        };
        let asked = Asked { head: head.clone(), body: kept };
        let mut response = self.backend.send(Purpose::Client, Request::from_parts(head, body)).await?;
        if let (Some(upgraded), StatusCode::SWITCHING_PROTOCOLS) = (upgraded, response.status()) {
            return Ok(upgrade::join(upgraded, response, Arc::clone(&client.handover), self.stop.clone()));
        }
        loop {
            match self.respond(client, &asked, response, id).await? {
                Outcome::Answer(response) => return Ok(response),
                Outcome::Repeat(mut again, last) => {
                    sleep(REPEAT_AFTER).await;
                    backend::add_grip_last(again.headers_mut(), &last).map_err(FetchError::from)?;
                    response = self.backend.send(Purpose::Client, again).await?;
                }
            }
        }
    }

    /// Passes a response on, or does what it says.
    async fn respond(
        &self,
        client: &Client,
        asked: &Asked,
        response: Response<Incoming>,
        id: &RequestId,
    ) -> Result<Outcome, ExchangeError> {
        let (mut head, body) = response.into_parts();
        if !Instructions::is_in(&head.headers) || asked.head.method == Method::HEAD {
            forward::to_client(&mut head.headers);
            let body = TimeoutBody::new(RESPONSE_IDLE, body).boxed_unsync();
            return Ok(Outcome::Answer(Response::from_parts(head, body)));
        }
        if head.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(ExchangeError::Compressed);
        }
        let body = self.backend.collect(body).await?;
        let instruct = Instructions::parse(&head.headers)?;
        forward::to_client(&mut head.headers);
        forward::expose(&mut head.headers, &instruct.expose);
        if let Some(status) = &instruct.status {
            head.status = status.code;
            head.extensions.remove::<ReasonPhrase>();
            say(&mut head.extensions, status.reason.as_deref());
        }
        if instruct.hold == Some(HoldMode::Response) {
            let Some(_place) = self.addresses.take(client.id) else { return Ok(Outcome::Answer(refuse::too_many())) };
            return Ok(self.hold_response(instruct, asked, head, body).await);
        }
        self.hold_stream(client, &asked.head, instruct, head, body, id).map(Outcome::Answer)
    }

    async fn hold_response(
        &self,
        instruct: Instructions,
        asked: &Asked,
        head: response::Parts,
        body: Bytes,
    ) -> Outcome {
        let until = instruct.response_timeout();
        let (answer, verdict) = oneshot::channel();
        let listener = Listener::new(instruct.channels, &instruct.meta);
        // Until it is dropped, and so also when the client goes.
        let _place = self.hub.hold_response(HeldResponse { listener, answer: Some(answer) });
        match timeout(until, verdict).await {
            Ok(Ok(Verdict::Respond(published))) => {
                let mut response = Response::new(body::full(published.body.instead_of(body)));
                *response.status_mut() = published.status;
                *response.headers_mut() = published.headers;
                say(response.extensions_mut(), published.reason.as_deref());
                Outcome::Answer(response)
            }
            Ok(Ok(Verdict::Repeat(last))) if let Some(body) = asked.body.as_ref().and_then(Kept::whole) => {
                Outcome::Repeat(Request::from_parts(asked.head.clone(), body::full(body)), last)
            }
            // Nothing was published in time, or the edge is closing.
            _ => Outcome::Answer(Response::from_parts(head, body::full(body))),
        }
    }

    fn hold_stream(
        &self,
        client: &Client,
        request: &request::Parts,
        instruct: Instructions,
        mut head: response::Parts,
        body: Bytes,
        id: &RequestId,
    ) -> Result<Response<Body>, ExchangeError> {
        // A copy, since the value is a part of the buffer that the whole request was read into.
        let host = request.headers.get(header::HOST).map_or(b"".as_slice(), HeaderValue::as_bytes);
        let host = HeaderValue::from_bytes(host).map_err(|error| FetchError::Path(error.into()))?;
        let uri = request.uri.path_and_query().map_or("/", |uri| uri.as_str());
        let base = Base { host: &host, uri, backend: self.backend.address() };
        let gone = instruct.gone.as_deref().map(|uri| base.path(uri)).transpose()?;
        // Such a response has no body, and so nothing can follow it (RFC 9110, section 6.4.1).
        let bodyless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
        let then = if bodyless { Then::End } else { Then::new(instruct, &base)? };
        if matches!(then, Then::End) {
            return Ok(Response::from_parts(head, body::full(body)));
        }
        let events = is_event_stream(&head.headers);
        if client.late && !events {
            return Ok(refuse::stopping());
        }
        let Some(place) = self.addresses.take(client.id) else { return Ok(refuse::too_many()) };
        let between_events = body.is_empty() || ends_event(&body);
        let (parts, receiver) = mpsc::channel(2);
        // The channel has room for this and the next, and nobody else has sent anything yet.
        if !body.is_empty() {
            let _ = parts.try_send(Part::Bytes(body));
        }
        let chunked = request.version >= Version::HTTP_11;
        let (hub, handover) = (Arc::clone(&self.hub), Arc::clone(&client.handover));
        let hold = Hold { hub, handover, id: id.clone(), host, gone, chunked, events, place };
        match then {
            Then::End => {}
            Then::Hold(conditions) => {
                hold.begin(&conditions, between_events);
                let _ = parts.try_send(Part::Hold);
            }
            Then::Page(link) => pagination::turn(self.backend.clone(), link, hold, between_events, parts),
        }
        // When the stream ends, so does its connection: nobody shall send a request there just then.
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let body = HeldBody::new(receiver, Arc::clone(&client.handover)).map_err(|never| match never {}).boxed_unsync();
        Ok(Response::from_parts(head, body))
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("text/event-stream")
}

/// Gives a response a reason phrase of its own.
fn say(extensions: &mut Extensions, reason: Option<&str>) {
    let phrase = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok());
    if let Some(phrase) = phrase {
        extensions.insert(phrase);
    }
}

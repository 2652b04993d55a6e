//! One request's life: to the backend, and what its answer makes of it.

use std::{error::Error as StdError, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Extensions, HeaderValue, Method, Request, Response, StatusCode, Version, header, request, response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    body::{Body as _, Incoming},
    ext::ReasonPhrase,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tower_http::timeout::{TimeoutBody, TimeoutError};
use tracing::{debug, warn};

use super::{
    backend::{self, Backend, FetchError},
    forward::{self, Body},
    hub::Hub,
    item::Id,
    outlet::Outlet,
    pager,
    session::{Listener, Response as HeldResponse, Stream, Verdict},
    terms::{Base, Conditions, LinkError, Then},
    upgrade,
    wire::{Handover, HeldBody, Part},
};
use crate::grip::{HoldMode, Instruct, InstructError};

/// A request's body that stands still for so long keeps a connection to the backend for nothing.
const REQUEST_IDLE: Duration = Duration::from_secs(30);
/// A response's may be a stream that says something now and then.
const RESPONSE_IDLE: Duration = Duration::from_secs(300);
/// A request's body of this length or less is taken whole before the backend hears of it, so that a slow client costs
/// the backend nothing, and a held request can be repeated (Pushpin keeps as much, `proxysession.cpp`).
const MOST_KEPT: u64 = 100_000;
/// Before a held request is repeated because it missed something: so that a backend that never catches up is not
/// asked all the time.
const REPEAT_AFTER: Duration = Duration::from_millis(100);

/// What all requests need.
pub(super) struct Edge {
    pub(super) backend: Backend,
    pub(super) hub: Arc<Hub>,
    pub(super) max_body: u64,
}

/// Who asks.
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// How a stream that is held leaves this connection.
    pub(super) handover: Arc<Handover>,
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
    body: Option<Bytes>,
}

/// An answer that cannot be given. What the client hears says no more than its status.
#[derive(Debug, thiserror::Error)]
enum ExchangeError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Instruct(#[from] InstructError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("the request's body did not come")]
    Body(#[source] Box<dyn StdError + Send + Sync>),
    #[error("the backend compressed an answer with GRIP headers, to which nothing could be added")]
    Compressed,
}

impl Edge {
    /// Answers a request. Whatever goes wrong is an answer too.
    pub(super) async fn answer(self: Arc<Self>, client: Client, request: Request<Incoming>) -> Response<Body> {
        if request.method() == Method::CONNECT {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "This is no forward proxy.\n");
        }
        if request.body().size_hint().lower() > self.max_body {
            return self.too_long();
        }
        match self.exchange(&client, request).await {
            Ok(response) => response,
            Err(error) => self.refuse(&error),
        }
    }

    async fn exchange(&self, client: &Client, mut request: Request<Incoming>) -> Result<Response<Body>, ExchangeError> {
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
        let size = body.size_hint().upper();
        let body = Limited::new(TimeoutBody::new(REQUEST_IDLE, body), limit);
        let (body, kept) = if size.is_some_and(|size| size <= MOST_KEPT) {
            let body = body.collect().await.map_err(ExchangeError::Body)?.to_bytes();
            (full(body.clone()), Some(body))
        } else {
            (body.boxed_unsync(), None)
        };
        let asked = Asked { head: head.clone(), body: kept };
        let mut response = self.backend.send(Request::from_parts(head, body)).await?;
        if let (Some(client), StatusCode::SWITCHING_PROTOCOLS) = (upgraded, response.status()) {
            return Ok(upgrade::join(client, response));
        }
        loop {
            match self.respond(client, &asked, response).await? {
                Outcome::Answer(response) => return Ok(response),
                Outcome::Repeat(mut again, last) => {
                    sleep(REPEAT_AFTER).await;
                    backend::add_grip_last(again.headers_mut(), &last).map_err(FetchError::from)?;
                    response = self.backend.send(again).await?;
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
    ) -> Result<Outcome, ExchangeError> {
        let (mut head, body) = response.into_parts();
        if !Instruct::is_in(&head.headers) || asked.head.method == Method::HEAD {
            forward::to_client(&mut head.headers);
            let body = TimeoutBody::new(RESPONSE_IDLE, body).boxed_unsync();
            return Ok(Outcome::Answer(Response::from_parts(head, body)));
        }
        if head.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(ExchangeError::Compressed);
        }
        let body = self.backend.collect(body).await?;
        let instruct = Instruct::parse(&head.headers)?;
        forward::to_client(&mut head.headers);
        forward::expose(&mut head.headers, &instruct.expose);
        if let Some(status) = &instruct.status {
            head.status = status.code;
            head.extensions.remove::<ReasonPhrase>();
            say(&mut head.extensions, status.reason.as_deref());
        }
        if instruct.hold == Some(HoldMode::Response) {
            return Ok(self.hold_response(instruct, asked, head, body).await);
        }
        self.hold_stream(client, &asked.head, instruct, head, body).map(Outcome::Answer)
    }

    async fn hold_response(&self, instruct: Instruct, asked: &Asked, head: response::Parts, body: Bytes) -> Outcome {
        let until = instruct.response_timeout();
        let (answer, verdict) = oneshot::channel();
        let listener = Listener::new(instruct.channels, &instruct.meta);
        // Until it is dropped, and so also when the client goes.
        let _place = self.hub.hold_response(HeldResponse { listener, answer: Some(answer) });
        match timeout(until, verdict).await {
            Ok(Ok(Verdict::Respond(published))) => {
                let mut response = Response::new(full(published.body));
                *response.status_mut() = published.status;
                *response.headers_mut() = published.headers;
                say(response.extensions_mut(), published.reason.as_deref());
                Outcome::Answer(response)
            }
            Ok(Ok(Verdict::Repeat(last))) if let Some(body) = &asked.body => {
                Outcome::Repeat(Request::from_parts(asked.head.clone(), full(body.clone())), last)
            }
            // Nothing was published in time, or the edge is closing.
            _ => Outcome::Answer(Response::from_parts(head, full(body))),
        }
    }

    fn hold_stream(
        &self,
        client: &Client,
        request: &request::Parts,
        instruct: Instruct,
        mut head: response::Parts,
        body: Bytes,
    ) -> Result<Response<Body>, ExchangeError> {
        // A copy, since the value is a part of the buffer that the whole request was read into.
        let host = request.headers.get(header::HOST).map_or(b"".as_slice(), HeaderValue::as_bytes);
        let host = HeaderValue::from_bytes(host).map_err(|error| FetchError::Path(error.into()))?;
        let uri = request.uri.path_and_query().map_or("/", |uri| uri.as_str());
        let base = Base { host: &host, uri, backend: self.backend.address() };
        let gone = instruct.gone.as_deref().map(|uri| base.path(uri)).transpose()?;
        let then = Then::new(instruct, &base)?;
        // Such a response has no body, and so nothing can follow it (RFC 9110, section 6.4.1).
        let bodyless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
        let (parts, receiver) = mpsc::channel(2);
        // The channel has room for both, and nobody else has sent anything yet.
        if !body.is_empty() && !matches!(then, Then::End) {
            let _ = parts.try_send(Part::Bytes(body.clone()));
        }
        let chunked = request.version >= Version::HTTP_11;
        let hold = Hold { hub: Arc::clone(&self.hub), handover: Arc::clone(&client.handover), host, gone, chunked };
        match then {
            _ if bodyless => return Ok(Response::from_parts(head, full(body))),
            Then::End => return Ok(Response::from_parts(head, full(body))),
            Then::Hold(conditions) => {
                hold.begin(&conditions);
                let _ = parts.try_send(Part::Hold);
            }
            Then::Page(link) => pager::turn(self.backend.clone(), link, hold, parts),
        }
        // When the stream ends, so does its connection: nobody shall send a request there just then.
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let body = HeldBody::new(receiver, Arc::clone(&client.handover)).map_err(|never| match never {}).boxed_unsync();
        Ok(Response::from_parts(head, body))
    }

    fn too_long(&self) -> Response<Body> {
        plain(StatusCode::PAYLOAD_TOO_LARGE, &format!("The body must not be longer than {} bytes.\n", self.max_body))
    }

    fn refuse(&self, error: &ExchangeError) -> Response<Body> {
        if has_cause(error, |cause| cause.is::<LengthLimitError>()) {
            return self.too_long();
        }
        if has_cause(error, |cause| cause.is::<TimeoutError>()) {
            return plain(StatusCode::REQUEST_TIMEOUT, "The body did not come in time.\n");
        }
        match error {
            ExchangeError::Fetch(FetchError::Deadline(_)) => {
                debug!(%error, "answered 504");
                plain(StatusCode::GATEWAY_TIMEOUT, "The server behind this proxy did not answer in time.\n")
            }
            ExchangeError::Fetch(_) => {
                debug!(%error, "answered 502");
                plain(StatusCode::BAD_GATEWAY, "The server behind this proxy cannot be reached.\n")
            }
            // Most likely the client is gone, and does not hear it.
            ExchangeError::Body(_) => plain(StatusCode::BAD_REQUEST, "The body broke off.\n"),
            ExchangeError::Instruct(_) | ExchangeError::Link(_) | ExchangeError::Compressed => {
                warn!("{error}; answered 502");
                plain(StatusCode::BAD_GATEWAY, "The server behind this proxy gave an answer that makes no sense.\n")
            }
        }
    }
}

/// What it takes to hold a stream, once there is a response that says so.
pub(super) struct Hold {
    pub(super) hub: Arc<Hub>,
    pub(super) handover: Arc<Handover>,
    pub(super) host: HeaderValue,
    pub(super) gone: Option<Arc<str>>,
    pub(super) chunked: bool,
}

impl Hold {
    /// Holds the stream; it is written to once the connection is handed over.
    pub(super) fn begin(&self, conditions: &Conditions) {
        let outlet = Outlet::new(self.chunked);
        let stream = Stream::new(conditions.terms(), outlet, self.host.clone(), self.gone.clone());
        self.handover.reserve(self.hub.hold_stream(stream));
    }
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

pub(super) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(full(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Gives a response a reason phrase of its own.
fn say(extensions: &mut Extensions, reason: Option<&str>) {
    let phrase = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok());
    if let Some(phrase) = phrase {
        extensions.insert(phrase);
    }
}

fn has_cause(error: &(dyn StdError + 'static), is: impl Fn(&(dyn StdError + 'static)) -> bool) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if is(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

//! HTTP: the table of routes, and what goes for all of them.
//!
//! | path | methods | what |
//! |---|---|---|
//! | `/` | GET | goes to the default room, or to the one that a form names |
//! | `/{room}` | GET | a room's page; asks for a name first |
//! | `/assets/{version}/{file}` | GET | scripts of the pages, to be kept for ever |
//! | `/rooms/` | GET | which rooms there are, as a page or as JSON, by `Accept`, unless the operator keeps that a secret |
//! | `/rooms/{room}/messages/` | GET | the stream, or a snapshot as JSON, by `Accept` |
//! | | POST | posts a message; answers a form sent without scripts with the way back to the room |
//! | `/rooms/{room}/recover/…` | GET | for GRIP proxies: what a stream missed |
//! | `/metrics` | GET | figures for Prometheus; not through a proxy |
//! | `/healthz` | GET | whether the program is alive |
//! | `/readyz` | GET | whether it can do its work, and if not why |
//!
//! HEAD and OPTIONS are answered wherever GET is. Only pages, the list of rooms and assets are compressed, for whoever
//! asks for it: on the GRIP routes a proxy would have to undo it, and not all do.

mod assets;
mod caching;
mod coding;
mod error;
mod extract;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod health;
mod limit;
mod messages;
mod observe;
mod pages;
mod rooms;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{OriginalUri, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header, uri::Uri},
    middleware,
    response::{IntoResponse, Redirect, Response},
    routing::{MethodRouter, get},
};
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
};
use tracing::error;

use self::{coding::Coding, error::WebError};
pub use self::{
    health::Readiness,
    limit::{PostLimit, PostRate},
};
use crate::{app::App, feed::Variant, grip::Trust, health::alive};

/// For a room's page with 50 messages, 28 KB, Brotli takes 0.3 ms at this level and makes 7.7 KB of them, gzip 0.2 ms and
/// 8.0 KB. One level more makes it 7.3 KB in twice the time; the lowest takes a third of it and makes 9.1 KB.
const PAGE_COMPRESSION: CompressionLevel = CompressionLevel::Precise(4);

/// What every handler may use.
#[derive(Clone)]
pub struct Web {
    /// The chat.
    pub app: Arc<App>,
    /// Whose `Grip-Sig` is believed.
    pub trust: Arc<Trust>,
    /// Whether work may be sent here.
    pub readiness: Arc<Readiness>,
    /// How often a client may post.
    pub posts: Arc<PostLimit>,
}

/// Which pages of other origins may use the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CorsOrigins {
    /// None.
    #[default]
    SameOrigin,
    /// Those.
    Listed(Vec<HeaderValue>),
    /// All.
    Any,
}

/// All routes.
pub fn router(web: Web, cors: &CorsOrigins) -> Router {
    let recover = |variant: Variant| get(messages::recover).layer(Extension(variant));
    let lists_rooms = web.app.lists_rooms();
    let router = Router::new()
        .route("/", get(pages::index))
        .route("/{room}", compressed(get(pages::room)))
        .route("/assets/{version}/{file}", get(assets::versioned))
        .route("/metrics", get(observe::figures))
        .route("/rooms/{room}/messages/", get(messages::get).post(messages::post))
        .route("/rooms/{room}/recover/", recover(Variant::Full))
        .route("/rooms/{room}/recover/after/{cursor}/", recover(Variant::Full))
        .route("/rooms/{room}/recover/persisted/", recover(Variant::Persisted))
        .route("/rooms/{room}/recover/persisted/after/{cursor}/", recover(Variant::Persisted))
        .route("/rooms/{room}/messages", axum::routing::any(add_slash))
        .route("/healthz", get(alive))
        .route("/readyz", get(health::ready));
    let router = if lists_rooms {
        router.route("/rooms/", compressed(get(rooms::list))).route("/rooms", axum::routing::any(add_slash))
    } else {
        router
    };
    let router = router.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(web);
    with_cors(router, cors).layer(CatchPanicLayer::custom(panicked)).layer(middleware::from_fn(observe::observe))
}

/// For pages. They are the same for whoever knows their address, so that there is no secret in them which their length
/// could betray (BREACH).
fn compressed(page: MethodRouter<Web>) -> MethodRouter<Web> {
    page.layer(CompressionLayer::new().quality(PAGE_COMPRESSION)).layer(middleware::map_request(choose_coding))
}

/// Leaves nothing to choose, so that all that is compressed follows one rule: the layer has one of its own, by which who
/// accepts nothing is refused.
async fn choose_coding(mut request: Request) -> Request {
    let headers = request.headers_mut();
    match Coding::negotiate(headers).name() {
        Some(coding) => headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(coding)),
        None => headers.remove(header::ACCEPT_ENCODING),
    };
    request
}

fn with_cors(router: Router, cors: &CorsOrigins) -> Router {
    let origins = match cors {
        CorsOrigins::SameOrigin => return router,
        CorsOrigins::Listed(origins) => AllowOrigin::list(origins.clone()),
        CorsOrigins::Any => AllowOrigin::any(),
    };
    let request_headers =
        [header::CONTENT_TYPE, HeaderName::from_static("idempotency-key"), HeaderName::from_static("last-event-id")];
    router.layer(
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::HEAD, Method::POST])
            .allow_headers(request_headers)
            .expose_headers([header::RETRY_AFTER])
            .max_age(std::time::Duration::from_secs(3600)),
    )
}

/// Keeps method and body, as a client that only forgot the slash expects.
async fn add_slash(OriginalUri(uri): OriginalUri) -> Redirect {
    Redirect::permanent(&slashed(&uri))
}

fn slashed(uri: &Uri) -> String {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{query}", uri.path())
}

async fn not_found() -> WebError {
    WebError::NotFound
}

/// axum adds `Allow`, which is all that an answer to OPTIONS has to say.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        WebError::MethodNotAllowed.into_response()
    }
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let cause = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
    error!(cause = cause.unwrap_or("unknown"), "a handler panicked");
    WebError::Internal.into_response()
}

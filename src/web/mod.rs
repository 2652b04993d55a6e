//! HTTP: the table of routes, and the layers around all of them.
//!
//! | path | methods | what |
//! |---|---|---|
//! | `/` | GET | redirects to the default room, or to the room that a form names |
//! | `/{room}` | GET | a room's page, or a form that requests a name |
//! | `/assets/{version}/{file}` | GET | scripts and icons of the pages, cached forever |
//! | `/rooms/` | GET | the list of rooms, as a page or as JSON, by `Accept`, unless the operator turned it off |
//! | `/rooms/{room}/messages/` | GET | a stream, or messages as JSON, by `Accept` |
//! | | POST | posts a message; redirects to the room if the browser sent a form without scripts |
//! | `/rooms/{room}/recover/…` | GET | for GRIP proxies: what a stream missed |
//! | `/metrics` | GET | metrics for Prometheus; not through a proxy |
//! | `/healthz` | GET | whether the process responds |
//! | `/readyz` | GET | whether the backend can do its work, and if not, why |
//!
//! HEAD and OPTIONS work wherever GET does. Only pages, the list of rooms and assets are compressed, if the
//! client accepts it. GRIP responses are not, because a proxy would have to decompress them, and not all proxies do.
//!
//! # The modules, and which of them each imports
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `assets` | the files of `client/`, prepared at build time | `error`, `respond` |
//! | `error` | the errors of the API, as JSON | nothing |
//! | `extract` | extractors: parameters, bodies, proof of a proxy | `error`, `state` |
//! | `fallback` | responses where no handler matches or one panics | `error` |
//! | `layers` | compression, CORS, log and metrics of requests | `respond`, `state` |
//! | `messages` | `/rooms/{room}/messages/` | `error`, `extract`, `pages`, `respond`, `state` |
//! | `pages` | pages for people, and errors as pages | `assets`, `error`, `extract`, `respond`, `state` |
//! | `post_limit` | the rate limit for posts | nothing |
//! | `probes` | `/readyz` and `/metrics` | `error`, `readiness`, `state` |
//! | `readiness` | the checks of `/readyz` | nothing |
//! | `recover` | `/rooms/{room}/recover/…` | `error`, `extract`, `respond`, `state` |
//! | `respond` | caching, content codings, stream headers | `extract` |
//! | `rooms` | `/rooms/` | `error`, `extract`, `pages`, `state` |
//! | `state` | what all handlers share | `post_limit`, `readiness` |

mod assets;
mod error;
mod extract;
mod fallback;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod layers;
mod messages;
mod pages;
mod post_limit;
mod probes;
mod readiness;
mod recover;
mod respond;
mod rooms;
mod state;

use axum::{
    Router, middleware,
    routing::{any, get},
};
use tower_http::catch_panic::CatchPanicLayer;

use self::{
    fallback::{add_slash, method_not_allowed, not_found, panicked},
    layers::{compressed, observe, with_cors},
};
pub use self::{
    layers::CorsOrigins,
    post_limit::{PostLimit, PostRate},
    readiness::Readiness,
    state::Web,
};
use crate::health::alive;

/// Creates the router of all routes.
pub fn router(web: Web, cors: &CorsOrigins) -> Router {
    let lists_rooms = web.app.lists_rooms();
    let router = Router::new()
        .route("/", get(pages::index))
        .route("/{room}", compressed(get(pages::room)))
        .route("/assets/{version}/{file}", get(assets::versioned))
        .route("/metrics", get(probes::metrics))
        .route("/rooms/{room}/messages/", get(messages::get).post(messages::post))
        .route("/rooms/{room}/messages", any(add_slash))
        .merge(recover::routes())
        .route("/healthz", get(alive))
        .route("/readyz", get(probes::ready));
    let router = if lists_rooms {
        router.route("/rooms/", compressed(get(rooms::list))).route("/rooms", any(add_slash))
    } else {
        router
    };
    let router = router.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(web);
    with_cors(router, cors).layer(CatchPanicLayer::custom(panicked)).layer(middleware::from_fn(observe))
}

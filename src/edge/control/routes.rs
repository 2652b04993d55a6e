//! The routes of the control port.
//!
//! | request | does |
//! |---|---|
//! | `POST /publish/` | publishes `{"items": […]}`, all of them or none |
//! | `POST /recover/` | has every stream request its next link |
//! | `GET /metrics` | returns metrics, for Prometheus |
//! | `GET /` | returns a line that identifies the program |
//! | `GET /healthz` | answers that the edge is alive |
//! | `GET /readyz` | answers whether clients may be sent to it, and if not, why |

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use headers_accept::Accept;
use mediatype::{MediaType, media_type};
use serde_json::json;

use super::health::Health;
use crate::{
    edge::{channels::Hub, items},
    grip::Verifier,
    health::alive,
    telemetry::metrics,
};

/// The longest body of a request (`push_in_http_max_body_size`).
const MAX_BODY_BYTES: usize = 1_000_000;

/// What the handlers use.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) hub: Arc<Hub>,
    /// Checks the tokens of publishers. Without it no token is required.
    pub(crate) publishers: Option<Arc<Verifier>>,
    pub(crate) health: Arc<Health>,
}

/// Why a request is refused.
enum Refusal {
    Unauthorized,
    NotAcceptable,
    Items(items::ItemError),
}

pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .route("/", get(async || "gripchat edge: publish to /publish/\n"))
        .route("/publish", post(publish))
        .route("/publish/", post(publish))
        .route("/recover", post(recover))
        .route("/recover/", post(recover))
        .route("/metrics", get(read_metrics))
        .route("/healthz", get(alive))
        .route("/readyz", get(async |State(control): State<Control>| control.health.readiness().await))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(control)
}

async fn publish(State(control): State<Control>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    control.authorize(&headers)?;
    let as_json = wants_json(&headers)?;
    let items = items::parse(&body).map_err(Refusal::Items)?;
    control.hub.publish(items).await;
    Ok(reply(as_json, "Published"))
}

async fn recover(State(control): State<Control>, headers: HeaderMap) -> Result<Response, Refusal> {
    control.authorize(&headers)?;
    let as_json = wants_json(&headers)?;
    control.hub.recover_all();
    Ok(reply(as_json, "Updated"))
}

/// Metrics reveal how much is published, though not what. So they require a token if publishing does.
async fn read_metrics(State(control): State<Control>, headers: HeaderMap) -> Result<Response, Refusal> {
    control.authorize(&headers)?;
    Ok(([metrics::CONTENT_TYPE], metrics::text()).into_response())
}

impl Control {
    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(verifier) = &self.publishers else { return Ok(()) };
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, token) = value.and_then(|value| value.split_once(' ')).ok_or(Refusal::Unauthorized)?;
        let holds = scheme.eq_ignore_ascii_case("bearer") && verifier.accepts(token.trim());
        holds.then_some(()).ok_or(Refusal::Unauthorized)
    }
}

/// Whether the client prefers JSON to plain text.
fn wants_json(headers: &HeaderMap) -> Result<bool, Refusal> {
    const TEXT: MediaType<'_> = media_type!(TEXT / PLAIN);
    const JSON: MediaType<'_> = media_type!(APPLICATION / JSON);
    let Some(accept) = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()) else { return Ok(false) };
    let accept: Accept = accept.parse().map_err(|_| Refusal::NotAcceptable)?;
    let offered = [TEXT, JSON];
    let chosen = accept.negotiate(&offered).ok_or(Refusal::NotAcceptable)?;
    Ok(*chosen == JSON)
}

fn reply(as_json: bool, message: &str) -> Response {
    if as_json {
        axum::Json(json!({"message": message})).into_response()
    } else {
        format!("{message}\n").into_response()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                [(header::WWW_AUTHENTICATE, "Bearer")],
                "A JWT signed with the control key is required; set iss and key in GRIP_URL.\n",
            )
                .into_response(),
            Self::NotAcceptable => {
                (StatusCode::NOT_ACCEPTABLE, "The response can be text/plain or application/json.\n").into_response()
            }
            Self::Items(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        }
    }
}

//! The control port: where backends publish.
//!
//! | request | does |
//! |---|---|
//! | `POST /publish/` | publishes `{"items": […]}`, all of them or none |
//! | `POST /recover/` | has every stream ask its next link |
//! | `GET /metrics` | tells figures, for Prometheus |
//! | `GET /` | tells what this is |
//! | `GET /healthz` | tells that the edge is alive |
//! | `GET /readyz` | tells whether clients may be sent to it, and if not why |

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

use super::Health;
use crate::{
    edge::{channels::Hub, items},
    grip::Verifier,
    health::alive,
    telemetry::metrics,
};

/// The longest body of a request (`push_in_http_max_body_size`).
const MOST_BYTES: usize = 1_000_000;

/// Everything a request may use.
#[derive(Clone)]
pub(in crate::edge) struct Control {
    pub(in crate::edge) hub: Arc<Hub>,
    /// Whose tokens are asked for, if any are.
    pub(in crate::edge) publishers: Option<Arc<Verifier>>,
    pub(in crate::edge) health: Arc<Health>,
}

/// Why a request does nothing.
enum Refusal {
    Unauthorized,
    NotAcceptable,
    Items(items::ItemError),
}

pub(in crate::edge) fn router(control: Control) -> Router {
    Router::new()
        .route("/", get(async || "gripchat edge: publish to /publish/\n"))
        .route("/publish", post(publish))
        .route("/publish/", post(publish))
        .route("/recover", post(recover))
        .route("/recover/", post(recover))
        .route("/metrics", get(figures))
        .route("/healthz", get(alive))
        .route("/readyz", get(async |State(control): State<Control>| control.health.readiness().await))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(control)
}

async fn publish(State(control): State<Control>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    control.authorize(&headers)?;
    let as_json = wants_json(&headers)?;
    let items = items::parse(&body).map_err(Refusal::Items)?;
    control.hub.publish(items).await;
    Ok(said(as_json, "Published"))
}

async fn recover(State(control): State<Control>, headers: HeaderMap) -> Result<Response, Refusal> {
    control.authorize(&headers)?;
    let as_json = wants_json(&headers)?;
    control.hub.recover_all();
    Ok(said(as_json, "Updated"))
}

/// Figures tell a stranger how much is said, though not what: so where a token is asked for, it is asked for here too.
async fn figures(State(control): State<Control>, headers: HeaderMap) -> Result<Response, Refusal> {
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

/// Plain text, unless JSON is liked better.
fn wants_json(headers: &HeaderMap) -> Result<bool, Refusal> {
    const TEXT: MediaType<'_> = media_type!(TEXT / PLAIN);
    const JSON: MediaType<'_> = media_type!(APPLICATION / JSON);
    let Some(accept) = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()) else { return Ok(false) };
    let accept: Accept = accept.parse().map_err(|_| Refusal::NotAcceptable)?;
    let offered = [TEXT, JSON];
    let chosen = accept.negotiate(&offered).ok_or(Refusal::NotAcceptable)?;
    Ok(*chosen == JSON)
}

fn said(as_json: bool, what: &str) -> Response {
    if as_json { axum::Json(json!({"message": what})).into_response() } else { format!("{what}\n").into_response() }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                [(header::WWW_AUTHENTICATE, "Bearer")],
                "Publish with a JWT that is signed with the control key: iss and key in GRIP_URL do it.\n",
            )
                .into_response(),
            Self::NotAcceptable => {
                (StatusCode::NOT_ACCEPTABLE, "This is answered as text/plain or application/json.\n").into_response()
            }
            Self::Items(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        }
    }
}

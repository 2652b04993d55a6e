//! A message to post, after the check of the rate limit.

use std::sync::Once;

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use http::request::Parts;
use tracing::warn;
use uuid::Uuid;

use super::{client::ClientAddr, fields::Fields, idempotency::idempotency_key, last_event_id::last_event_id};
use crate::{
    chat::{Author, CursorError, Draft, Text, Timestamp},
    store::KeySearch,
    web::{Web, error::WebError},
};

/// A message to post.
pub(in crate::web) struct Post {
    pub(in crate::web) draft: Draft,
    pub(in crate::web) key_search: KeySearch,
}

/// A message to post, of a client that has not exceeded the rate limit.
pub(in crate::web) struct AdmittedPost(pub(in crate::web) Post);

impl FromRequest<Web> for AdmittedPost {
    type Rejection = WebError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, WebError> {
        let (mut parts, body) = request.into_parts();
        // Before the body, so that a client that is refused costs nothing but its headers.
        admit(&mut parts, web).await?;
        Post::from_request(Request::from_parts(parts, body), web).await.map(Self)
    }
}

/// Counts a post towards its client's rate limit, or refuses it.
async fn admit(parts: &mut Parts, web: &Web) -> Result<(), WebError> {
    static WARNED: Once = Once::new();

    let Some(limit) = &web.post_limit else { return Ok(()) };
    let Ok(ClientAddr(client)) = ClientAddr::from_request_parts(parts, web).await;
    match client {
        Some(client) => limit.admit(client).map_err(WebError::TooManyPosts),
        // With one limit for all of them, the clients of this proxy could lock each other out.
        None => {
            WARNED.call_once(|| {
                warn!(
                    "a GRIP proxy does not send the addresses of its clients, so posts through it are not limited; \
                     configure it to add X-Forwarded-For (Pushpin: x_forwarded_for=truncate:0,append)"
                );
            });
            Ok(())
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Post {
    type Rejection = WebError;

    async fn from_request(request: Request, state: &S) -> Result<Self, WebError> {
        let (parts, body) = request.into_parts();
        let headers = parts.headers.clone();
        let fields = Fields::read(parts, body, state).await?;
        let missing = |name| WebError::Body(format!("the field \"{name}\" is missing"));
        let from = Author::parse(&fields.from.ok_or_else(|| missing("from"))?)?;
        let text = Text::parse(&fields.text.ok_or_else(|| missing("text"))?)?;
        let key = idempotency_key(&headers, fields.provisional_id.as_deref())?;
        let key_search = match (key, last_event_id(&headers, None)) {
            (None, _) => KeySearch::None,
            (Some(_), Some(Ok(cursor))) => KeySearch::After(cursor),
            (Some(_), Some(Err(CursorError)) | None) => KeySearch::Newest,
        };
        let provisional_id = key.unwrap_or_else(Uuid::new_v4);
        Ok(Self { draft: Draft { provisional_id, from, text, date: Timestamp::now() }, key_search })
    }
}

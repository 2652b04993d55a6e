//! A message to post, after the check of the rate limit.

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use uuid::Uuid;

use super::{client::ClientAddr, fields::Fields, idempotency::idempotency_key, last_event_id::last_event_id};
use crate::{
    chat::{Author, CursorError, Draft, Text, Timestamp},
    store::KeySearch,
    web::{Web, error::WebError},
};

/// A message to post.
pub(crate) struct Post {
    pub(crate) draft: Draft,
    pub(crate) key_search: KeySearch,
}

/// A message to post, of a client that has not exceeded the rate limit.
pub(crate) struct AdmittedPost(pub(crate) Post);

impl FromRequest<Web> for AdmittedPost {
    type Rejection = WebError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, WebError> {
        let (mut parts, body) = request.into_parts();
        // Before the body, so that a client that is refused costs nothing but its headers.
        if let Some(limit) = &web.post_limit {
            let Ok(ClientAddr(client)) = ClientAddr::from_request_parts(&mut parts, web).await;
            limit.admit(client).map_err(WebError::TooManyPosts)?;
        }
        Post::from_request(Request::from_parts(parts, body), web).await.map(Self)
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

//! The fields of a post, as JSON, form or multipart.

use axum::{
    body::Body,
    extract::{FromRequest as _, Multipart, Request},
    http::{header, request::Parts},
};
use mediatype::{MediaType, MediaTypeBuf, Name, names};
use serde::Deserialize;

use super::body;
use crate::web::error::WebError;

const JSON: MediaType<'_> = MediaType::new(names::APPLICATION, names::JSON);
const FORM: MediaType<'_> = MediaType::new(names::APPLICATION, Name::new_unchecked("x-www-form-urlencoded"));
const MULTIPART_FORM: MediaType<'_> = MediaType::new(names::MULTIPART, names::FORM_DATA);

/// The fields of a post. Others are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fields {
    pub(super) from: Option<String>,
    pub(super) text: Option<String>,
    pub(super) provisional_id: Option<String>,
}

impl Fields {
    /// Reads the fields of a body in the format that `Content-Type` declares.
    pub(super) async fn read<S: Send + Sync>(parts: Parts, body: Body, state: &S) -> Result<Self, WebError> {
        let media_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type: MediaTypeBuf = media_type.and_then(|text| text.parse().ok()).ok_or(WebError::MediaType)?;
        let essence = media_type.essence();
        if essence == JSON {
            let body = body::read(body).await?;
            let invalid = |e| WebError::Body(format!("the body is not the expected JSON: {e}"));
            serde_json::from_slice(&body).map_err(invalid)
        } else if essence == FORM {
            Ok(Self::from_form(&body::read(body).await?))
        } else if essence == MULTIPART_FORM {
            let body = body::read(body).await?;
            Self::from_multipart(Request::from_parts(parts, Body::from(body)), state).await
        } else {
            Err(WebError::MediaType)
        }
    }

    fn from_form(body: &[u8]) -> Self {
        let mut fields = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            if let Some(field) = fields.named(&name) {
                *field = Some(value.into_owned());
            }
        }
        fields
    }

    async fn from_multipart<S: Send + Sync>(request: Request, state: &S) -> Result<Self, WebError> {
        let invalid =
            |e: &dyn std::fmt::Display| WebError::Body(format!("the body is not the expected multipart form: {e}"));
        let mut parts = Multipart::from_request(request, state).await.map_err(|e| invalid(&e))?;
        let mut fields = Self::default();
        while let Some(part) = parts.next_field().await.map_err(|e| invalid(&e))? {
            if let Some(field) = part.name().and_then(|name| fields.named(name)) {
                *field = Some(part.text().await.map_err(|e| invalid(&e))?);
            }
        }
        Ok(fields)
    }

    fn named(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "from" => Some(&mut self.from),
            "text" => Some(&mut self.text),
            "provisionalId" => Some(&mut self.provisional_id),
            _ => None,
        }
    }
}

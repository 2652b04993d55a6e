//! The path of a next link.

use axum::{
    extract::{FromRequestParts, MatchedPath},
    http::request::Parts,
};

use super::path::path_param;
use crate::{chat::Cursor, feed::Variant, web::error::WebError};

/// The segment in the routes of next links of [`Variant::Persisted`].
const PERSISTED: &str = "/persisted/";

/// The path of a next link, at which a GRIP proxy requests what a stream missed. `feed` creates these paths.
pub(in crate::web) struct NextLink {
    /// The variant of the stream.
    pub(in crate::web) variant: Variant,
    /// The cursor of a page of a replay. The first page has none in its path: its cursor is in `Grip-Last`.
    pub(in crate::web) page: Option<Cursor>,
}

impl<S: Send + Sync> FromRequestParts<S> for NextLink {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, WebError> {
        let page = path_param(parts, "cursor").await?;
        let page = page.map(|cursor| cursor.parse()).transpose().map_err(|_| WebError::NotFound)?;
        // The route, not the path, in which a room could have this name.
        let route = MatchedPath::from_request_parts(parts, state).await.map_err(|_| WebError::NotFound)?;
        let variant = if route.as_str().contains(PERSISTED) { Variant::Persisted } else { Variant::Full };
        Ok(Self { variant, page })
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, http::Request, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    /// The variant and the cursor that are extracted from a path.
    async fn extracted(path: &str) -> String {
        let link = get(async |NextLink { variant, page }: NextLink| {
            format!("{variant:?} {}", page.map(|page| page.to_string()).unwrap_or_default())
        });
        let router = Router::new()
            .route("/rooms/{room}/recover/", link.clone())
            .route("/rooms/{room}/recover/after/{cursor}/", link.clone())
            .route("/rooms/{room}/recover/persisted/", link.clone())
            .route("/rooms/{room}/recover/persisted/after/{cursor}/", link);
        let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
        if status.is_success() { String::from_utf8(body.to_vec()).unwrap() } else { status.to_string() }
    }

    #[tokio::test]
    async fn the_path_of_a_next_link_contains_the_variant_and_the_cursor() {
        for (path, expected) in [
            ("/rooms/a/recover/", "Full "),
            ("/rooms/a/recover/after/e-7/", "Full e-7"),
            ("/rooms/a/recover/persisted/", "Persisted "),
            ("/rooms/a/recover/persisted/after/e-7/", "Persisted e-7"),
            ("/rooms/persisted/recover/", "Full "),
            ("/rooms/a/recover/after/7/", "404 Not Found"),
        ] {
            assert_eq!(extracted(path).await, expected, "{path}");
        }
    }
}

//! Errors as a page, for a person instead of a program.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};

use super::render::page_headers;
use crate::web::error::WebError;

/// An error as a page.
pub(crate) struct PageError {
    error: WebError,
    not_sent: bool,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    title: String,
    message: String,
    /// Whether a message was refused, whose text is still in the form on the previous page.
    not_sent: bool,
}

impl PageError {
    /// The reason why a message was not posted.
    pub(crate) fn not_sent(error: WebError) -> Self {
        Self { error, not_sent: true }
    }
}

impl From<WebError> for PageError {
    fn from(error: WebError) -> Self {
        Self { error, not_sent: false }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let Self { error, not_sent } = self;
        error.log();
        let title = match &error {
            WebError::Room(_) => "This is not a room",
            _ if not_sent => "Your message was not sent",
            WebError::Store(_) => "The chat is not available",
            _ => "This did not work",
        };
        let page = ErrorPage { title: title.to_owned(), message: sentence(&error), not_sent };
        let html = page.render().unwrap_or_else(|_| title.to_owned());
        let mut response = (error.status(), page_headers(), Html(html)).into_response();
        response.headers_mut().extend(error.headers());
        response
    }
}

/// Returns an error's text as a sentence about what a page shows: fields have labels instead of names, and idempotency
/// keys and logs are not visible.
pub(super) fn sentence(error: &WebError) -> String {
    match error {
        WebError::Store(_) => return "The message store is not available. Try again in a moment.".to_owned(),
        WebError::Internal => return "The server has a problem. Try again in a moment.".to_owned(),
        _ => {}
    }
    let clause = error.to_string().replace("\"from\"", "your name").replace("\"text\"", "your message");
    let mut rest = clause.chars();
    let first = rest.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(rest).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chat::{MessageError, RoomError},
        store::StoreError,
    };

    #[test]
    fn pages_show_errors_as_sentences_about_what_is_on_the_page() {
        assert_eq!(sentence(&MessageError::AuthorLength.into()), "Your name must have 1 to 64 characters.");
        let room = sentence(&RoomError::Character(' ').into());
        assert!(room.starts_with("A room's name may ") && room.ends_with('.'), "{room}");
        assert!(!sentence(&WebError::Store(StoreError::Deadline)).contains("Idempotency-Key"));
        assert!(!sentence(&WebError::Internal).contains("log"));
    }
}

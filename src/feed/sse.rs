//! Events as Server-Sent Events, for all that carries them: published items, pages of streams, and keep-alives.

use super::{event::Event, page::StreamPage};
use crate::sse::push_event;

/// Encodes an event.
pub(super) fn event(event: &Event) -> String {
    let mut body = String::new();
    push(&mut body, event);
    body
}

/// Encodes the events of a page.
pub(super) fn page(page: &StreamPage) -> String {
    let mut body = String::new();
    page.events().for_each(|event| push(&mut body, &event));
    body
}

/// Encodes what a proxy sends on an idle stream.
pub(super) fn keep_alive() -> String {
    event(&Event::keep_alive())
}

fn push(body: &mut String, event: &Event) {
    push_event(body, event.name, event.id.as_ref().map(|id| id as _), &event.data);
}

//! Extractors: what handlers read from a request, parsed and checked before they run.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `accept` | the format that a client accepts | nothing |
//! | `body` | the bytes of a body, within a size and a time | nothing |
//! | `client` | the address of the client | `proxied` |
//! | `fields` | the fields of a post, as JSON, form or multipart | `body` |
//! | `idempotency` | the idempotency key of a post | nothing |
//! | `last_event_id` | a client's position in a stream | nothing |
//! | `next_link` | the path of a next link | nothing |
//! | `path` | a parameter of the path | nothing |
//! | `post` | a message to post, after the check of the rate limit | `client`, `fields`, `idempotency`, `last_event_id` |
//! | `proxied` | proof that a trusted GRIP proxy forwarded the request | nothing |
//! | `query` | the parameters of the query | nothing |
//! | `room` | the room in the path | `path` |
//!
//! Those that can fail reject with [`WebError`](super::error::WebError). Handlers that respond with pages take a `Result`,
//! to show the error as a page.

mod accept;
mod body;
mod client;
mod fields;
mod idempotency;
mod last_event_id;
mod next_link;
mod path;
mod post;
mod proxied;
mod query;
mod room;

pub(super) use self::{
    accept::{Format, Reader},
    last_event_id::last_event_id,
    next_link::Link,
    post::{AdmittedPost, Post},
    proxied::Proxied,
    query::Query,
    room::Room,
};

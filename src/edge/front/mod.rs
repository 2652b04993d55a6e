//! The clients' side: connections, requests forwarded to the backend, and the responses or held streams they become.
//!
//! It imports `backend`, `channels`, `held` and `items`.

mod accept;
mod body_copy;
mod exchange;
pub(in crate::edge) mod forward;
mod hold;
mod pagination;
mod refuse;
mod takeover;
mod upgrade;

pub(in crate::edge) use self::{accept::serve, exchange::Edge};

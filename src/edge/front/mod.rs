//! The clients' side: connections, the requests that are forwarded to the backend, and what becomes of the responses.
//!
//! It may import `backend`, `body`, `channels`, `held` and `items`.
//!
//! | module | is | imports |
//! |---|---|---|
//! | `forward` | which headers a proxy changes | nothing |
//! | `body_copy` | a copy of a request's body | nothing |
//! | `refuse` | responses that the edge gives itself | nothing |
//! | `takeover` | how a held stream's socket leaves hyper | nothing |
//! | `upgrade` | changes of protocol | `takeover` |
//! | `hold` | from a response to a held stream | `takeover` |
//! | `pagination` | responses in pages | `hold`, `takeover` |
//! | `exchange` | a request and its response | `body_copy`, `forward`, `hold`, `pagination`, `refuse`, `takeover`, `upgrade` |
//! | `accept` | connections of clients | `exchange`, `takeover` |

mod accept;
mod body_copy;
mod exchange;
pub(crate) mod forward;
mod hold;
mod pagination;
mod refuse;
mod takeover;
mod upgrade;

pub(crate) use self::{accept::serve, exchange::Front};

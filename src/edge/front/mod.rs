//! The clients' side: connections, the requests that are forwarded to the backend, and what becomes of the responses.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `forward` | what a proxy changes in the head of a message | nothing |
//! | `repeat` | a copy of a request, to repeat it | nothing |
//! | `refuse` | responses that the edge gives itself | nothing |
//! | `takeover` | how a held stream's socket leaves hyper | nothing |
//! | `upgrade` | changes of protocol | `takeover` |
//! | `state` | what all requests share, and the client of one | `takeover` |
//! | `hold_response` | holds a response until the first item | `forward`, `repeat` |
//! | `hold_context` | what is needed to hold a stream | `takeover` |
//! | `pagination` | responses in pages | `hold_context`, `takeover` |
//! | `hold_stream` | starts to hold a stream | `hold_context`, `pagination`, `refuse`, `state`, `takeover` |
//! | `exchange` | a request and its response | `forward`, `hold_response`, `hold_stream`, `refuse`, `repeat`, `state`, `upgrade` |
//! | `accept` | connections of clients, whose requests `exchange` handles | `state`, `takeover` |

mod accept;
mod exchange;
mod forward;
mod hold_context;
mod hold_response;
mod hold_stream;
mod pagination;
mod refuse;
mod repeat;
mod state;
mod takeover;
mod upgrade;

#[cfg(any(test, fuzzing))]
pub(crate) use self::forward::{to_backend, to_client, upgrade_protocol};
pub(crate) use self::{accept::serve, state::Front};

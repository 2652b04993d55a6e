//! What the program tells of itself: a log, figures, and the ids by which its parts speak of one request.
//!
//! | module | is |
//! |---|---|
//! | `log` | lines on standard error |
//! | [`metrics`] | everything that is counted, with its name, as Prometheus reads it |
//! | `request_id` | `X-Request-Id`, from the proxy to the store |
//!
//! Every module may import this one, and it imports none.

mod log;
pub mod metrics;
mod request_id;

pub use self::{
    log::{Log, start},
    request_id::{RequestId, X_REQUEST_ID},
};

//! Observability: the log, the metrics, and the request ids that connect the log lines of all components.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `log` | log lines on standard error | `metrics` |
//! | [`metrics`] | every metric with its name, exposed in Prometheus' format | nothing |
//! | `request_id` | `X-Request-Id`, passed from the proxy through the backend to the store | nothing |
//!
//! Every module may import this one. It imports none.

mod log;
pub mod metrics;
mod request_id;

pub use self::{
    log::{Log, start},
    request_id::{RequestId, X_REQUEST_ID},
};

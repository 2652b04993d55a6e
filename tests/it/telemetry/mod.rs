//! Tests of metrics and of request ids in the log.
//!
//! | module | tests |
//! |---|---|
//! | `backend` | the metrics of posts, publishes, streams and the store |
//! | `edge` | the metrics of connections, streams, items and recoveries |
//! | `requests` | the request id in the response and in the log of every component |
//! | `document` | docs/metrics.md, the dashboard and the alert rules match the program |

use libtest_mimic::Trial;

mod backend;
mod document;
mod edge;
mod requests;

pub(crate) fn trials() -> Vec<Trial> {
    [requests::trials(), backend::trials(), edge::trials(), document::trials()].into_iter().flatten().collect()
}

//! What the program tells of itself: figures, and lines that name the request they are about.
//!
//! | module | shows |
//! |---|---|
//! | `backend` | posts, publishes, streams and the store, counted |
//! | `edge` | connections, streams, items and recoveries, counted |
//! | `requests` | the id of a request: in the answer, and in the log of every part |
//! | `document` | docs/metrics.md, the dashboard and the alerts name what there is |

use libtest_mimic::Trial;

mod backend;
mod document;
mod edge;
mod requests;

pub(crate) fn trials() -> Vec<Trial> {
    [requests::trials(), backend::trials(), edge::trials(), document::trials()].into_iter().flatten().collect()
}

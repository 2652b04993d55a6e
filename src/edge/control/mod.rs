//! The control port: where backends publish, and where Prometheus and probes read.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `health` | answers to probes | nothing |
//! | `routes` | the routes of the control port | `health` |

mod health;
mod routes;

pub(crate) use self::{
    health::Health,
    routes::{Control, router},
};

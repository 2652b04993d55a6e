//! The control port: where backends publish, and probes and Prometheus read.
//!
//! It imports `channels` and `items`.

mod health;
mod routes;

pub(in crate::edge) use self::{
    health::Health,
    routes::{Control, router},
};

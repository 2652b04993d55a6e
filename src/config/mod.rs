//! The configuration: every flag with its variable, default, help text and type.
//!
//! [`parse`] reads the arguments and variables of the process into these structs. A value is checked while it is read,
//! so each flag appears in one place only. All problems are reported together: an operator who corrects one value does
//! not have to start the program again to learn about the next. Until all checks are made the configuration is
//! [`Unchecked`], and cannot be used.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `serve` | `gripchat serve` | `backend`, `log`, `store`, `values` |
//! | `edge` | `gripchat edge` | `edge_common`, `log`, `problems`, `trusted`, `values` |
//! | `run` | `gripchat run`: backend, edge and store on one machine | `backend`, `edge_common`, `log`, `problems`, `store`, `values` |
//! | `backend` | the backend, with any proxy and any store | `trusted`, `values` |
//! | `edge_common` | the edge, alone or together with a backend | `problems`, `trusted`, `values` |
//! | `trusted` | the proxies that may name the client of a request | `values` |
//! | `store` | where the messages are stored | `values` |
//! | `log` | the log | `problems`, `values` |
//! | `values` | how the text of a value is parsed | `problems`, `unchecked` |
//! | `unchecked` | a configuration that may have problems | `problems` |
//! | `problems` | everything that is wrong, reported together | nothing |

mod backend;
mod edge;
mod edge_common;
mod log;
mod problems;
mod run;
mod serve;
mod store;
mod trusted;
mod unchecked;
mod values;

#[cfg(any(test, fuzzing))]
pub use values::parse_flags;
pub use {
    backend::Backend,
    edge::Edge,
    edge_common::EdgeCommon,
    log::LogFlags,
    problems::Problems,
    run::{Keys, Run, reachable},
    serve::Serve,
    store::{DataFolder, Store, StoreKind, Table},
    trusted::Trusted,
    unchecked::Unchecked,
    values::parse,
};

#[cfg(test)]
mod tests;

//! The configuration: every flag with its variable, default, help text and type.
//!
//! [`parse`] reads the arguments and variables of the process into these structs. A value is checked while it is read,
//! so each flag appears in one place only. All problems are reported together: an operator who corrects one value does
//! not have to start the program again to learn about the next.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `serve` | `gripchat serve` | `backend`, `log`, `store`, `values` |
//! | `edge` | `gripchat edge` | `log`, `problems`, `proxy`, `values` |
//! | `run` | `gripchat run`: backend, edge and store on one machine | `backend`, `log`, `problems`, `proxy`, `store`, `values` |
//! | `backend` | the backend, with any proxy and any store | `proxy`, `values` |
//! | `proxy` | the edge, alone or together with a backend | `problems`, `values` |
//! | `store` | where the messages are stored | `values` |
//! | `log` | the log | `problems`, `values` |
//! | `values` | how the text of a value is parsed | `problems` |
//! | `problems` | everything that is wrong, reported together | nothing |

mod backend;
mod edge;
mod log;
mod problems;
mod proxy;
mod run;
mod serve;
mod store;
mod values;

#[cfg(any(test, fuzzing))]
pub use values::parse_flags;
pub use {
    backend::Backend,
    edge::Edge,
    log::LogFlags,
    problems::Problems,
    proxy::{Proxy, Trusted},
    run::{Keys, Run, reachable},
    serve::Serve,
    store::{DataFolder, Store, StoreKind, Table},
    values::parse,
};

#[cfg(test)]
mod tests;

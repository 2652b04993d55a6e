//! Layers around the handlers, for what applies to many routes.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `compression` | compression of pages | nothing |
//! | `cors` | CORS headers for pages of other origins | nothing |
//! | `observe` | request ids, the request log, and the metrics of requests | nothing |

mod compression;
mod cors;
mod observe;

pub use self::cors::CorsOrigins;
pub(super) use self::{compression::compressed, cors::with_cors, observe::observe};

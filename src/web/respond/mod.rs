//! Parts of responses that several handlers share.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `caching` | `Cache-Control` and entity tags | nothing |
//! | `coding` | content codings: which one a client gets | nothing |
//! | `stream` | the headers of a stream | nothing |

mod caching;
mod coding;
mod stream;

pub(super) use self::{
    caching::{IMMUTABLE, REVALIDATED, VARY, tagged},
    coding::Coding,
    stream::{stream, stream_head},
};

//! Items: what is published, how it is read, and the bytes that held streams share.
//!
//! Pure, and the lowest layer: it imports nothing else of the edge.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `frame` | bytes for held streams | nothing |
//! | `patch` | JSON Patches with limits | nothing |
//! | `item` | an item and its actions | `frame`, `patch` |
//! | `parse` | reads the items of a request | `frame`, `item` |

mod frame;
mod item;
mod parse;
mod patch;

#[cfg(any(test, fuzzing))]
pub(crate) use self::item::PublishedBody;
pub(crate) use self::{
    frame::{Frame, LAST_CHUNK, ends_event},
    item::{Action, Id, Item, PublishedResponse},
    parse::{ItemError, parse},
};

//! What is published: items, their formats and the bytes that held streams share.
//!
//! Pure, and the lowest layer: it imports nothing else of the edge.

mod frame;
mod item;
mod patch;

#[cfg(any(test, fuzzing))]
pub(in crate::edge) use self::item::Content;
pub(in crate::edge) use self::{
    frame::{Frame, LAST_CHUNK, ends_event},
    item::{Action, HeldResponse, Id, Item, ItemError, parse},
};

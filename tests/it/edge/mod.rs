//! Behaviour of the edge that the conformance suite does not cover: limits, deadlines and shutdown. What it shares with
//! Pushpin is in `conformance`.
//!
//! | module | shows |
//! |---|---|
//! | `limits` | too many connections, heads and bodies that are too long, and idle connections |
//! | `deadlines` | a backend that hangs, is down for long, or cannot be reached |
//! | `slow` | clients that do not read |
//! | `recovery` | next links: one request for all streams with the same gap |
//! | `control` | who may publish, and how the backend can trust a request |
//! | `passing` | protocol upgrades, and HTTP/1.0 |
//! | `ending` | what happens when a client disconnects, and when the edge stops |
//! | `document` | that docs/edge.md is correct |

use libtest_mimic::Trial;

use crate::conformance::{
    room,
    setup::{Setup, hold, stream_item},
};

mod control;
mod deadlines;
mod document;
mod ending;
mod limits;
mod passing;
mod recovery;
mod slow;

pub(crate) fn trials() -> Vec<Trial> {
    // The slow ones first, so that they do not run alone at the end.
    let trials = [
        deadlines::trials(),
        slow::trials(),
        limits::trials(),
        ending::trials(),
        recovery::trials(),
        control::trials(),
        passing::trials(),
        document::trials(),
    ];
    trials.into_iter().flatten().collect()
}

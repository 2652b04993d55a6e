//! What is the edge's own: where it stops, how long it waits, and how it ends. What it shares with Pushpin is in
//! `conformance`.
//!
//! | module | shows |
//! |---|---|
//! | `limits` | connections, heads and bodies that are too many or too long, and connections on which nothing comes |
//! | `deadlines` | a backend that hangs, is away for long, or is not there |
//! | `slow` | clients that do not read |
//! | `recovery` | next links: asked once for all who miss the same |
//! | `control` | who may publish, and whom the backend may believe |
//! | `passing` | changes of protocol, and HTTP/1.0 |
//! | `ending` | what goes with a client, and with the edge |
//! | `document` | docs/edge.md says what is so |

use libtest_mimic::Trial;

use crate::conformance::{
    room,
    stand::{Stand, hold, stream_item},
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
    // Those that have to wait first, so that they do not run alone at the end.
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

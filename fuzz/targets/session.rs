//! Held streams of the edge. After events in any order, no message is lost or duplicated.
#![no_main]

use gripchat::edge::fuzzing::session;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|events: &[u8]| {
    let (sent, expected) = session(events);
    assert_eq!(sent, expected);
});

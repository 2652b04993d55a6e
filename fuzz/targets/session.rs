//! The edge's rule of streams, after events in any order: no message is missing, none comes twice.
#![no_main]

use gripchat::edge::fuzzing::session;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|events: &[u8]| {
    let (said, all) = session(events);
    assert_eq!(said, all);
});

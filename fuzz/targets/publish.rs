//! Bodies of publish requests to the edge, with items in all formats.
#![no_main]

use gripchat::edge::fuzzing::publish;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| publish(body));

//! The order of a channel: items that arrive in any order are delivered in their own.
#![no_main]

use gripchat::edge::fuzzing::sequence;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|swaps: &[u8]| sequence(swaps));

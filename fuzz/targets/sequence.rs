//! The order of a channel. Items that arrive in any order are delivered in the order of their ids.
#![no_main]

use gripchat::edge::fuzzing::sequence;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|swaps: &[u8]| sequence(swaps));

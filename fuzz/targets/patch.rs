//! JSON Patches of held responses. The first line of the input is the held body, and the rest is the patch.
#![no_main]

use gripchat::edge::fuzzing::patch;
use gripchat_fuzz::line;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (held, changes) = line(data);
    patch(held, changes);
});

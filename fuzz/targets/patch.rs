//! JSON Patches of held responses: the held body on the first line, then the patch.
#![no_main]

use gripchat::edge::fuzzing::patch;
use gripchat_fuzz::line;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (held, changes) = line(data);
    patch(held, changes);
});

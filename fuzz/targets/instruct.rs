//! Instructions of a backend to the edge. The input consists of a `Host`, a path, and the header lines of a response.
#![no_main]

use gripchat::edge::fuzzing::instructions;
use gripchat_fuzz::{headers, line};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (host, rest) = line(data);
    let (uri, rest) = line(rest);
    instructions(&headers(rest).0, host, &String::from_utf8_lossy(uri));
});

//! Headers that the edge forwards. The input consists of header lines.
#![no_main]

use gripchat::edge::fuzzing::forwarded;
use gripchat_fuzz::headers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| forwarded(&headers(data).0));

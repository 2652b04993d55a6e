//! Names of rooms. A valid name is encoded in channels and paths, and decodes to itself.
#![no_main]

use gripchat::{chat::RoomId, feed};
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;

fuzz_target!(|name: &str| {
    let Ok(room) = RoomId::parse(name) else { return };
    assert!((1..=64).contains(&room.as_str().chars().count()));
    assert!(!room.as_str().contains(|c: char| c.is_control() || c.is_whitespace() || "/,;%?#\"<>\\".contains(c)));
    assert_eq!(RoomId::parse(room.as_str()).as_ref(), Ok(&room));

    let channel = feed::messages_channel(&room);
    let encoded = channel.as_str().strip_prefix("messages-").expect("its kind");
    assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)), "{encoded}");
    assert_eq!(percent_decode_str(encoded).decode_utf8().expect("UTF-8"), room.as_str());
    let segment = feed::path_segment(&room);
    assert!(segment.is_ascii() && segment != "." && segment != "..");
    assert_eq!(percent_decode_str(&segment).decode_utf8().expect("UTF-8"), room.as_str());
});

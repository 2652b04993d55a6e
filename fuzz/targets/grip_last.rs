//! `Grip-Last`. The position of a stream is found among any other lines, and the position of another channel is never
//! returned instead.
#![no_main]

use gripchat::{chat::RoomId, feed, grip};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (name, lines) = input;
    let room = RoomId::parse(name).unwrap_or_else(|_| RoomId::parse("a").expect("a room"));
    let channel = feed::messages_channel(&room);
    let lines: Vec<HeaderValue> =
        lines.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).take(20).collect();
    let mut headers: HeaderMap =
        lines.iter().map(|line| (http::HeaderName::from_static("grip-last"), line.clone())).collect();
    if grip::last_id(&headers, &channel).is_some() {
        let named = |line: &HeaderValue| line.to_str().is_ok_and(|line| line.contains(channel.as_str()));
        assert!(lines.iter().any(named));
    }
    let own = format!("{channel}; last-id=e-57");
    headers.clear();
    headers.append("grip-last", HeaderValue::try_from(own).expect("ASCII"));
    for line in lines {
        headers.append("grip-last", line);
    }
    assert_eq!(grip::last_id(&headers, &channel).as_deref(), Some("e-57"));
});

//! The encoder of event streams. For any data, an independent parser returns the events that were encoded.
#![no_main]

use std::fmt::Display;

use gripchat::sse::push_event;
use gripchat_fuzz::sse::{Event, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|events: Vec<(u8, Option<u32>, &str)>| {
    const NAMES: [&str; 4] = ["message", "stream-open", "stream-reset", "keep-alive"];
    let (mut body, mut expected, mut last_event_id) = (String::new(), Vec::new(), String::new());
    for (name, id, data) in events {
        let name = NAMES[usize::from(name) % NAMES.len()];
        let id = id.map(|seq| format!("e-{seq}"));
        push_event(&mut body, name, id.as_ref().map(|id| id as &dyn Display), data);
        last_event_id = id.unwrap_or(last_event_id);
        let data = data.replace("\r\n", "\n").replace('\r', "\n");
        expected.push(Event { name: name.to_owned(), last_event_id: last_event_id.clone(), data });
    }
    assert_eq!(parse(&body), expected);
});

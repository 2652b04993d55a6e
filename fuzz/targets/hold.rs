//! The headers of a hold. A proxy parses what a backend has written.
#![no_main]

use std::time::Duration;

use gripchat::grip::{Channel, Hold, HoldChannel, HoldMode, Instructions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<&str>, &str, u16, u16)| {
    let (names, keep_alive, after, recheck) = input;
    let channels: Vec<HoldChannel> = names
        .iter()
        .enumerate()
        .map(|(index, name)| HoldChannel {
            channel: Channel::new("messages", name),
            prev_id: (index % 2 == 0).then(|| format!("e-{index}")),
        })
        .collect();
    let hold = Hold {
        channels: channels.clone(),
        keep_alive: keep_alive.to_owned(),
        keep_alive_after: Duration::from_secs(after.into()),
        next: "/rooms/a/recover/".to_owned(),
        recheck: Duration::from_secs(recheck.into()),
    };
    let read = Instructions::parse(&hold.headers());
    if keep_alive.is_empty() {
        assert!(read.is_err(), "a keep-alive is never empty");
        return;
    }
    let read = read.expect("valid headers");
    assert_eq!(read.hold, Some(HoldMode::Stream));
    let subscriptions = read.channels.iter().map(|read| (read.channel.as_str(), read.prev_id.as_deref()));
    assert!(subscriptions.eq(channels.iter().map(|channel| (channel.channel.as_str(), channel.prev_id.as_deref()))));
    let keep_alive_read = read.keep_alive.expect("a keep-alive");
    let expected = (keep_alive.as_bytes(), Duration::from_secs(after.max(1).into()));
    assert_eq!((&keep_alive_read.data[..], keep_alive_read.after), expected);
    let next = read.next.expect("a link");
    assert_eq!((next.uri.as_str(), next.recheck), ("/rooms/a/recover/", Duration::from_secs(recheck.max(1).into())));
});

//! The headers of a hold, read back by the other side: what a backend says is what a proxy does.
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
        assert!(read.is_err(), "a keep-alive says something");
        return;
    }
    let read = read.expect("it is understood");
    assert_eq!(read.hold, Some(HoldMode::Stream));
    let told = read.channels.iter().map(|told| (told.channel.as_str(), told.prev_id.as_deref()));
    assert!(told.eq(channels.iter().map(|channel| (channel.channel.as_str(), channel.prev_id.as_deref()))));
    let told = read.keep_alive.expect("a keep-alive");
    assert_eq!((&told.data[..], told.after), (keep_alive.as_bytes(), Duration::from_secs(after.max(1).into())));
    let next = read.next.expect("a link");
    assert_eq!((next.uri.as_str(), next.recheck), ("/rooms/a/recover/", Duration::from_secs(recheck.max(1).into())));
});

//! Entry points for the fuzz targets in `fuzz/`: what the edge reads, and the rules that hold for any input. Built only
//! with `--cfg fuzzing`, as `cargo fuzz` does, and in tests.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    channels::{Hub, MAX_WAIT, Sequencer},
    commands::ShardHandle,
    control::{self, Control, Health},
    front::{to_backend, to_client, upgrade_protocol},
    held::{
        LinkBase, NextStep,
        model::{self, Event},
    },
    items::{Action, Frame, Item, PublishedBody, PublishedResponse, parse},
};
use crate::grip::{Instructions, Verifier};

/// Reads a body that is published to the control port.
///
/// # Panics
/// If an item has content that its JSON does not.
pub fn publish(body: &[u8]) {
    let Ok(items) = parse(body) else { return };
    let json: Value = serde_json::from_slice(body).expect("only JSON is published");
    let expected = json["items"].as_array().expect("a list");
    assert_eq!(items.len(), expected.len(), "all or none");
    for (Item { channel, id, prev_id, stream, response, .. }, expected) in items.into_iter().zip(expected) {
        assert_eq!(Some(&*channel), expected["channel"].as_str());
        assert_eq!((id.as_deref(), prev_id.as_deref()), (expected["id"].as_str(), expected["prev-id"].as_str()));
        if let Some(Action::Send(Some(frame))) = &stream {
            assert_eq!(unchunked(frame), frame.content(), "a frame is one chunk");
            assert!(!frame.content().is_empty() && frame.content().len() <= body.len());
        }
        if let Some(Action::Send(PublishedResponse { body: content, .. })) = response {
            assert!(content.replace(Bytes::from_static(HELD)).len() <= max_patched(HELD.len()).max(body.len()));
        }
    }
}

/// The body of a held response, with all kinds of values that a patch may change.
const HELD: &[u8] = br#"{"a":{"b":[1,2,{"c":null}]},"d":"e","":[[]]}"#;
/// The longest body that a patch may produce: a million characters more, each of which JSON may escape with six. And a
/// number of a few digits may be written with many.
fn max_patched(held: usize) -> usize {
    8 * (held + 1_000_000)
}

/// Applies a JSON Patch to a held body.
///
/// # Panics
/// If the result is too long, or is not JSON any more.
pub fn patch(held: &[u8], patch: &[u8]) {
    let Ok(patch) = serde_json::from_slice(patch) else { return };
    let was_json = serde_json::from_slice::<Value>(held).is_ok();
    let patched = PublishedBody::Patch(patch).replace(Bytes::copy_from_slice(held));
    assert!(patched.len() <= max_patched(held.len()), "{} bytes became {}", held.len(), patched.len());
    if was_json {
        serde_json::from_slice::<Value>(&patched).expect("patched JSON can be read again");
    } else {
        assert_eq!(&patched[..], held);
    }
}

fn unchunked(frame: &Frame) -> Bytes {
    let chunk = frame.chunk();
    let line_end = chunk.windows(2).position(|two| two == b"\r\n").expect("a size");
    let size = str::from_utf8(&chunk[..line_end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
    let size = size.expect("in hexadecimal");
    assert_eq!(&chunk[line_end + 2 + size..], b"\r\n");
    chunk.slice(line_end + 2..line_end + 2 + size)
}

/// Returns the router of the control port, which requires tokens signed with this key.
///
/// # Panics
/// If the key is invalid.
pub fn control_port(key: Option<&str>) -> Router {
    let (shard, inbox) = ShardHandle::new();
    drop(inbox);
    let publishers = key.map(|key| Arc::new(Verifier::parse(None, key).expect("a key")));
    let backend = "http://127.0.0.1:1".parse().expect("an address");
    let health = Arc::new(Health::new(backend, CancellationToken::new()));
    control::router(Control { hub: Arc::new(Hub::new(Arc::new([shard]))), publishers, health })
}

/// Reads the instructions of a backend's response.
///
/// # Panics
/// If the result exceeds a limit, or contains a link to another host.
pub fn instructions(headers: &HeaderMap, host: &[u8], uri: &str) {
    let Ok(instructions) = Instructions::parse(headers) else { return };
    for subscription in &instructions.channels {
        let name = &subscription.channel;
        assert!(!name.is_empty() && name.trim() == name && !name.contains(';'), "{name:?}");
        // As in Pushpin, a comma ends an item unless it is quoted.
        assert!(!name.contains(',') || name.contains('"'), "{name:?}");
        assert_ne!(subscription.prev_id.as_deref(), Some(""));
    }
    if let Some(keep_alive) = &instructions.keep_alive {
        assert!(!keep_alive.data.is_empty() && keep_alive.after >= Duration::from_secs(1));
    }
    assert!(instructions.response_timeout() >= Duration::from_secs(5));
    let lower_case = |name: &String| *name == name.to_ascii_lowercase();
    assert!(instructions.expose.iter().all(lower_case));

    let (Ok(host), Ok(uri)) = (HeaderValue::from_bytes(host), uri.parse::<http::uri::PathAndQuery>()) else { return };
    let base = LinkBase { host: &host, uri: uri.as_str(), backend: "127.0.0.1:3000" };
    let link = match NextStep::new(instructions, &base) {
        Ok(NextStep::Hold(instructions)) => {
            let settings = instructions.settings();
            let subscriptions = &settings.subscriber.subscriptions;
            let channels: BTreeSet<_> = subscriptions.iter().map(|subscription| &subscription.channel).collect();
            assert!(channels.len() == subscriptions.len() && channels.len() <= 20);
            settings.link
        }
        Ok(NextStep::Page(link)) => Some(link),
        Ok(NextStep::End) | Err(_) => None,
    };
    if let Some(link) = link {
        assert!(link.uri.starts_with('/'), "{}", link.uri);
        link.uri.parse::<http::uri::PathAndQuery>().expect("a link is a path");
    }
}

/// Forwards headers, as those of a client and as those of a backend.
///
/// # Panics
/// If a header of a single connection is forwarded, or one that only the edge may send.
pub fn forwarded(headers: &HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let own = |name: &HeaderName| ["x-forwarded-for", "x-forwarded-proto"].contains(&name.as_str());
    let check = |headers: &HeaderMap| {
        for name in headers.keys() {
            assert!(!name.as_str().starts_with("grip-"), "{name}");
            assert!(!["connection", "transfer-encoding", "te", "upgrade"].contains(&name.as_str()), "{name}");
            assert!(own(name) || !named.contains(name), "{name}");
        }
    };
    let mut request = headers.clone();
    to_backend(&mut request, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)));
    check(&request);
    assert!(!request.contains_key(header::EXPECT));
    let chain = request.get_all("x-forwarded-for").iter().next_back().expect("the client's address");
    let last = chain.as_bytes().rsplit(|byte| *byte == b',').next().expect("a last one");
    assert_eq!(last.trim_ascii(), b"10.0.0.9");
    let mut response = headers.clone();
    to_client(&mut response);
    check(&response);
    assert!(response.len() <= headers.len());
    let _ = upgrade_protocol(headers);
}

/// Returns what a held stream has sent after events in any order, and what it should have sent.
pub fn session(events: &[u8]) -> (String, String) {
    model::run(events.iter().map(|byte| match byte % 16 {
        0..=5 => Event::Publish,
        6 | 7 => Event::Lose,
        8 => Event::Repeat(u32::from(byte / 16)),
        9 => Event::Recheck,
        10 | 11 => Event::Answer { late: false },
        12 => Event::Answer { late: true },
        13 => Event::Fail,
        _ => Event::Drain,
    }))
}

/// Publishes the items of a channel in any order: each byte swaps an item with a later one.
///
/// # Panics
/// If they are delivered in another order than their own, or if one is lost or duplicated.
pub fn sequence(swaps: &[u8]) {
    let mut order: Vec<usize> = (1..=swaps.len()).collect();
    for (at, swap) in swaps.iter().enumerate() {
        // The first one sets the order, and no more may be early than a channel keeps.
        let with = at + usize::from(swap % 64);
        if at > 0 && with < order.len() {
            order.swap(at, with);
        }
    }
    let (mut sequencer, mut due) = (Sequencer::default(), Vec::new());
    let now = Instant::now();
    let mut waiting = 0_usize;
    for n in order {
        let item = Item {
            channel: "a".into(),
            id: Some(n.to_string().into()),
            prev_id: Some((n - 1).to_string().into()),
            no_seq: false,
            meta: Default::default(),
            stream: None,
            response: None,
        };
        waiting += usize::from(sequencer.offer(Arc::new(item), now, &mut due));
    }
    let ids: Vec<_> = due.iter().map(|item| item.id.as_deref().expect("it has one").to_owned()).collect();
    if waiting == 0 || ids.len() == swaps.len() {
        let all: Vec<_> = (1..=swaps.len()).map(|n| n.to_string()).collect();
        assert_eq!(ids, all);
    } else {
        // More were early than may wait. Some were dropped, and the rest is delivered when it has waited long enough.
        sequencer.release_overdue(now + MAX_WAIT, &mut due);
        let distinct: BTreeSet<_> = due.iter().map(|item| item.id.clone()).collect();
        assert_eq!(distinct.len(), due.len(), "no duplicates");
    }
}

//! The doors through which the fuzz targets in `fuzz/` reach what the edge reads, and the rules it must keep whatever
//! that is. Built only with `--cfg fuzzing`, as `cargo fuzz` does.

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
    channels::{Hub, Sequencer, WAIT},
    control::{self, Control, Health},
    front::forward,
    held::{
        Base, ShardHandle, Then,
        model::{Event, judge},
    },
    items::{Action, Content, Frame, HeldResponse, Item, parse},
};
use crate::grip::{Instructions, Verifier};

/// What a body published to the control port may become.
///
/// # Panics
/// When an item is more than its JSON said.
pub fn publish(body: &[u8]) {
    let Ok(items) = parse(body) else { return };
    let json: Value = serde_json::from_slice(body).expect("only JSON is published");
    let said = json["items"].as_array().expect("a list");
    assert_eq!(items.len(), said.len(), "all or none");
    for (Item { channel, id, prev_id, stream, response, .. }, said) in items.into_iter().zip(said) {
        assert_eq!(Some(&*channel), said["channel"].as_str());
        assert_eq!((id.as_deref(), prev_id.as_deref()), (said["id"].as_str(), said["prev-id"].as_str()));
        if let Some(Action::Send(Some(frame))) = &stream {
            assert_eq!(unchunked(frame), frame.content(), "a frame is one chunk");
            assert!(!frame.content().is_empty() && frame.content().len() <= body.len());
        }
        if let Some(Action::Send(HeldResponse { body: content, .. })) = response {
            assert!(content.instead_of(Bytes::from_static(HELD)).len() <= most(HELD.len()).max(body.len()));
        }
    }
}

/// A body that a response hold may have, with all kinds of places for a patch to change.
const HELD: &[u8] = br#"{"a":{"b":[1,2,{"c":null}]},"d":"e","":[[]]}"#;
/// What a patch may make of a body: a million characters more, which JSON may write with six each, as a number of a few
/// digits may become one of many.
fn most(held: usize) -> usize {
    8 * (held + 1_000_000)
}

/// What a JSON Patch makes of a body that is held.
///
/// # Panics
/// When it is too much, or no JSON any more.
pub fn patch(held: &[u8], patch: &[u8]) {
    let Ok(patch) = serde_json::from_slice(patch) else { return };
    let was_json = serde_json::from_slice::<Value>(held).is_ok();
    let patched = Content::Patch(patch).instead_of(Bytes::copy_from_slice(held));
    assert!(patched.len() <= most(held.len()), "{} bytes became {}", held.len(), patched.len());
    if was_json {
        serde_json::from_slice::<Value>(&patched).expect("JSON stays JSON that can be read again");
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

/// The control port as it is served, behind this key.
///
/// # Panics
/// When the key is none.
pub fn control_port(key: Option<&str>) -> Router {
    let (shard, inbox) = ShardHandle::new();
    drop(inbox);
    let publishers = key.map(|key| Arc::new(Verifier::parse(None, key).expect("a key")));
    let backend = "http://127.0.0.1:1".parse().expect("an address");
    let health = Arc::new(Health::new(backend, CancellationToken::new()));
    control::router(Control { hub: Arc::new(Hub::new(Arc::new([shard]))), publishers, health })
}

/// What a backend's response makes of a request that the edge holds.
///
/// # Panics
/// When it breaks a bound, or leads the edge elsewhere.
pub fn instructions(headers: &HeaderMap, host: &[u8], uri: &str) {
    let Ok(instruct) = Instructions::parse(headers) else { return };
    for subscription in &instruct.channels {
        let name = &subscription.channel;
        assert!(!name.is_empty() && name.trim() == name && !name.contains(';'), "{name:?}");
        // As Pushpin has it: only inside of quotes a comma ends no item.
        assert!(!name.contains(',') || name.contains('"'), "{name:?}");
        assert_ne!(subscription.prev_id.as_deref(), Some(""));
    }
    if let Some(keep_alive) = &instruct.keep_alive {
        assert!(!keep_alive.data.is_empty() && keep_alive.after >= Duration::from_secs(1));
    }
    assert!(instruct.response_timeout() >= Duration::from_secs(5));
    let lower_case = |name: &String| *name == name.to_ascii_lowercase();
    assert!(instruct.expose.iter().all(lower_case));

    let (Ok(host), Ok(uri)) = (HeaderValue::from_bytes(host), uri.parse::<http::uri::PathAndQuery>()) else { return };
    let base = Base { host: &host, uri: uri.as_str(), backend: "127.0.0.1:3000" };
    let link = match Then::new(instruct, &base) {
        Ok(Then::Hold(conditions)) => {
            let terms = conditions.terms();
            let channels: BTreeSet<_> = terms.listener.subs.iter().map(|sub| &sub.channel).collect();
            assert!(channels.len() == terms.listener.subs.len() && channels.len() <= 20);
            terms.link
        }
        Ok(Then::Page(link)) => Some(link),
        Ok(Then::End) | Err(_) => None,
    };
    if let Some(link) = link {
        assert!(link.uri.starts_with('/'), "{}", link.uri);
        link.uri.parse::<http::uri::PathAndQuery>().expect("what is asked is a path");
    }
}

/// What passes the edge of a client's headers, and of a backend's.
///
/// # Panics
/// When something of one connection passes, or what only the edge may say.
pub fn forwarded(headers: &HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let own = |name: &HeaderName| ["x-forwarded-for", "x-forwarded-proto"].contains(&name.as_str());
    let passes = |headers: &HeaderMap| {
        for name in headers.keys() {
            assert!(!name.as_str().starts_with("grip-"), "{name}");
            assert!(!["connection", "transfer-encoding", "te", "upgrade"].contains(&name.as_str()), "{name}");
            assert!(own(name) || !named.contains(name), "{name}");
        }
    };
    let mut request = headers.clone();
    forward::to_backend(&mut request, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)));
    passes(&request);
    assert!(!request.contains_key(header::EXPECT));
    let chain = request.get_all("x-forwarded-for").iter().next_back().expect("the client's address");
    let last = chain.as_bytes().rsplit(|byte| *byte == b',').next().expect("a last one");
    assert_eq!(last.trim_ascii(), b"10.0.0.9");
    let mut response = headers.clone();
    forward::to_client(&mut response);
    passes(&response);
    assert!(response.len() <= headers.len());
    let _ = forward::upgrade(headers);
}

/// What a held stream has said in the end, and what it should have, after events in any order.
pub fn session(events: &[u8]) -> (String, String) {
    judge(events.iter().map(|byte| match byte % 16 {
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

/// What becomes of a channel's items that come in any order: each byte swaps an item with one that follows it.
///
/// # Panics
/// When they leave in another order than their own, or one is lost or doubled.
pub fn sequence(swaps: &[u8]) {
    let mut order: Vec<usize> = (1..=swaps.len()).collect();
    for (at, swap) in swaps.iter().enumerate() {
        // The first sets the order; and no more may wait than a channel keeps.
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
        // More were early than may wait: what was dropped is missing, and the rest leaves when its time is over.
        sequencer.overdue(now + WAIT, &mut due);
        let distinct: BTreeSet<_> = due.iter().map(|item| item.id.clone()).collect();
        assert_eq!(distinct.len(), due.len(), "none twice");
    }
}

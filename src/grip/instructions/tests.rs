//! Valid and invalid headers.

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::grip::{Channel, Hold, HoldChannel, NextPage};

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let lines = lines.iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?)));
    lines.map(|(name, value)| (HeaderName::from_static(name), value)).collect()
}

fn parse(lines: &[(&'static str, &str)]) -> Result<Instructions, InstructionsError> {
    Instructions::parse(&headers(lines))
}

fn keep_alive_of(value: &str) -> Option<(Vec<u8>, u64, bool)> {
    let keep_alive = parse(&[("grip-keep-alive", value)]).ok()?.keep_alive?;
    Some((keep_alive.data.to_vec(), keep_alive.after.as_secs(), keep_alive.interval))
}

#[test]
fn a_hold_is_stream_or_response_in_lower_case() {
    assert_eq!(parse(&[("grip-hold", "stream")]).unwrap().hold, Some(HoldMode::Stream));
    assert_eq!(parse(&[("grip-hold", "response")]).unwrap().hold, Some(HoldMode::Response));
    for wrong in ["Stream", "streams", ""] {
        assert!(parse(&[("grip-hold", wrong)]).is_err(), "{wrong:?}");
    }
}

#[test]
fn channels_are_separated_by_lines_and_commas() {
    let lines = [("grip-channel", "a; prev-id=1, b"), ("grip-channel", r#"c d; Prev-Id="q x"; filter=f; filter=g"#)];
    let channels = parse(&lines).unwrap().channels;
    let names: Vec<_> = channels.iter().map(|c| (c.channel.as_str(), c.prev_id.as_deref())).collect();
    assert_eq!(names, [("a", Some("1")), ("b", None), ("c d", Some("q x"))]);
    assert_eq!(channels[2].filters, ["f", "g"]);
}

#[test]
fn a_keep_alive_has_one_of_three_formats() {
    assert_eq!(keep_alive_of("a, b"), Some((b"a, b".to_vec(), 55, false)));
    assert_eq!(keep_alive_of(r"a\n; format=cstring; timeout=20"), Some((b"a\n".to_vec(), 20, false)));
    assert_eq!(keep_alive_of("Cg==; format=base64; mode=interval; timeout=0"), Some((b"\n".to_vec(), 1, true)));
    for wrong in ["", "; timeout=3", "a; timeout=-1", "a; timeout=x", "a; format=xml", "a; mode=never", r#"a; x="o"#] {
        assert_eq!(keep_alive_of(wrong), None, "{wrong:?}");
    }
}

#[test]
fn links_have_a_relation_and_a_timeout() {
    let lines = [("grip-link", "</a>; rel=next; timeout=3, </g>; rel=gone"), ("grip-link", "</x>; rel=other")];
    let instruct = parse(&lines).unwrap();
    assert_eq!(instruct.next, Some(NextLink { uri: "/a".into(), recheck: Duration::from_secs(3) }));
    assert_eq!(instruct.gone.as_deref(), Some("/g"));
    let default = parse(&[("grip-link", "</a>; rel=next")]).unwrap().next.unwrap();
    assert_eq!(default.recheck, RECHECK_INTERVAL);
    for wrong in ["/a; rel=next", "</a,b>; rel=next", "</a>; rel=next; timeout=-1"] {
        assert!(parse(&[("grip-link", wrong)]).is_err(), "{wrong:?}");
    }
}

#[test]
fn timeout_status_meta_and_exposed_headers_are_parsed() {
    let instruct = parse(&[
        ("grip-timeout", "1"),
        ("grip-status", "201 Made"),
        ("grip-set-meta", r#"user="a \" b", level=3"#),
        ("grip-expose-headers", "X-One, x-two"),
    ])
    .unwrap();
    assert_eq!(instruct.response_timeout(), MIN_RESPONSE_TIMEOUT);
    assert_eq!(instruct.status, Some(Status { code: StatusCode::CREATED, reason: Some("Made".into()) }));
    assert_eq!(instruct.meta, [("user".into(), "a \" b".into()), ("level".into(), "3".into())]);
    assert_eq!(instruct.expose, ["x-one", "x-two"]);
    assert!(parse(&[("grip-status", "OK")]).is_err());
    assert!(parse(&[("grip-timeout", "soon")]).is_err());
}

proptest! {
    #[test]
    fn the_headers_of_a_hold_and_of_a_page_are_parsed(name in any::<String>(), keep_alive in ".+", seconds in 1u64..3600) {
        let (channel, recheck) = (Channel::new("messages", &name), Duration::from_secs(seconds));
        let hold = Hold {
            channels: vec![HoldChannel { channel: channel.clone(), prev_id: Some("e-57".into()) }],
            keep_alive: keep_alive.clone(),
            keep_alive_after: recheck,
            next: "/rooms/a/recover/".into(),
            recheck,
        };
        let subscription =
            Subscription { channel: channel.to_string(), prev_id: Some("e-57".into()), filters: Vec::new() };
        let expected = Instructions {
            hold: Some(HoldMode::Stream),
            channels: vec![subscription],
            keep_alive: Some(KeepAlive { data: keep_alive.clone().into(), after: recheck, interval: false }),
            next: Some(NextLink { uri: "/rooms/a/recover/".into(), recheck }),
            ..Instructions::default()
        };
        prop_assert_eq!(Instructions::parse(&hold.headers()), Ok(expected));
        let page = Instructions::parse(&NextPage { next: "/p/".into() }.headers()).unwrap();
        prop_assert_eq!(page.next.map(|next| next.uri), Some("/p/".to_owned()));
    }

    #[test]
    fn parsing_never_panics(value in any::<String>()) {
        for name in ["grip-hold", "grip-channel", "grip-keep-alive", "grip-link", "grip-timeout", "grip-status",
                     "grip-set-meta", "grip-expose-headers"] {
            let _ = parse(&[(name, &value)]);
        }
    }
}

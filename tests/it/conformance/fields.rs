//! Header fields: which ones pass, which are hop-by-hop, which the proxy adds, and which a client cannot forge.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::Value;

use super::{Rule, Setup, differences, hold, rules, stream_item};
use crate::support::{eventually::eventually, proxy::Kind, scripted::Reply, stack::SOON, wire::Request};

/// `body`, compressed with gzip.
const GZIPPED_BODY: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\xca\x4f\xa9\x04\x00\xb2\x0b\xa8\xdb\x04\x00\x00\x00";

pub(super) fn rules() -> Vec<(&'static str, Rule)> {
    rules![
        the_backend_receives_every_line_of_the_clients_fields,
        the_client_receives_every_line_of_the_backends_fields,
        hop_by_hop_fields_do_not_reach_the_backend,
        hop_by_hop_fields_do_not_reach_the_client,
        a_client_cannot_send_grip_fields,
        every_request_is_signed,
        every_request_announces_the_features_of_the_proxy,
        grip_fields_never_reach_the_client,
        forwarding_fields_of_a_proxy_in_front_are_passed_on,
        a_hold_that_answers_head,
        accept_encoding_is_passed_on,
        a_hold_that_is_compressed,
    ]
}

async fn the_backend_receives_every_line_of_the_clients_fields(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("", Reply::ok(""));
    let fields = [
        ("Host", "chat.example:8080"),
        ("Cookie", "a=1; b=\"2\""),
        ("Authorization", "Bearer x.y"),
        ("Accept", "text/event-stream, */*;q=0.1"),
        ("Last-Event-ID", "e-57"),
        ("Origin", "https://chat.example"),
        ("User-Agent", "wire/1"),
        ("X-Empty-Ish", "-"),
        ("X-Odd", "a,b; c=\"d,e\""),
    ];
    let request =
        fields.iter().fold(Request::get(&setup.path("")), |request, (name, value)| request.header(name, value));
    setup.send(request.header("X-Twice", "1").header("X-Twice", "2")).await?;
    let received = &setup.requests("")[0];
    for (name, value) in fields {
        assert_eq!(received.headers.all(name), [value], "{name}");
    }
    assert_eq!(received.headers.all("x-twice"), ["1", "2"]);
    Ok(())
}

async fn the_client_receives_every_line_of_the_backends_fields(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let reply = Reply::ok("").header("Set-Cookie", "a=1; Path=/").header("Set-Cookie", "b=2, 3");
    setup.answer("", reply.header("Cache-Control", "no-store").header("X-Odd", "a,b; c=\"d,e\""));
    let answer = setup.get("").await?;
    assert_eq!(answer.headers.all("set-cookie"), ["a=1; Path=/", "b=2, 3"]);
    assert_eq!(answer.headers.all("cache-control"), ["no-store"]);
    assert_eq!(answer.headers.all("x-odd"), ["a,b; c=\"d,e\""]);
    Ok(())
}

async fn hop_by_hop_fields_do_not_reach_the_backend(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("", Reply::ok(""));
    let request = Request::get(&setup.path(""))
        .header("Connection", "keep-alive, X-Hop")
        .header("X-Hop", "1")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("TE", "trailers")
        .header("X-End", "1");
    setup.send(request).await?;
    let received = &setup.requests("")[0];
    assert_eq!(received.headers.get("x-end"), Some("1"));
    let seen: Vec<_> = ["x-hop", "keep-alive", "proxy-connection", "te"]
        .into_iter()
        .filter(|name| received.headers.get(name).is_some())
        .collect();
    differences::HOP_BY_HOP_REQUEST_FIELDS.check(kind, &seen.join(", "));
    Ok(())
}

async fn hop_by_hop_fields_do_not_reach_the_client(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let reply = Reply::ok("").header("Connection", "keep-alive, X-Hop").header("X-Hop", "1");
    setup.answer("", reply.header("Keep-Alive", "timeout=77").header("X-End", "1"));
    let answer = setup.get("").await?;
    assert_eq!(answer.headers.get("x-end"), Some("1"));
    let seen: Vec<_> = ["x-hop", "keep-alive"].into_iter().filter(|name| answer.headers.get(name).is_some()).collect();
    differences::HOP_BY_HOP_RESPONSE_FIELDS.check(kind, &seen.join(", "));
    Ok(())
}

/// A backend trusts the channels and ids of a signed request.
async fn a_client_cannot_send_grip_fields(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("", Reply::ok(""));
    let request = Request::get(&setup.path(""))
        .header("Grip-Sig", "forged")
        .header("grip-last", "room; last-id=1")
        .header("GRIP-FEATURE", "forged")
        .header("Grip-Hold", "stream")
        .header("Grip-Whatever", "1")
        .header("X-End", "1");
    setup.send(request).await?;
    let received = &setup.requests("")[0];
    assert_eq!(received.headers.get("x-end"), Some("1"));
    let mut names = received.headers.names_from("grip-");
    names.sort();
    assert_eq!(names, ["grip-feature", "grip-sig"]);
    assert_ne!(received.headers.get("grip-sig"), Some("forged"));
    assert_ne!(received.headers.get("grip-feature"), Some("forged"));
    Ok(())
}

async fn every_request_is_signed(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("", Reply::ok(""));
    setup.get("").await?;
    let received = &setup.requests("")[0];
    let token = received.headers.get("grip-sig").context("no Grip-Sig")?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&["pushpin"]);
    let claims = decode::<Value>(token, &DecodingKey::from_secret(b"changeme")?, &validation)?.claims;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let left = claims["exp"].as_u64().context("exp is not a number")?.saturating_sub(now);
    assert!((3500..=3600).contains(&left), "{left} s");
    Ok(())
}

async fn every_request_announces_the_features_of_the_proxy(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("", Reply::ok(""));
    setup.get("").await?;
    let received = &setup.requests("")[0];
    let features = received.headers.all("grip-feature").join(",");
    let features: Vec<_> = features.split(',').map(str::trim).collect();
    for feature in ["status", "link:next", "filter:skip-self", "filter:skip-users", "filter:require-sub"] {
        assert!(features.contains(&feature), "{feature} of {features:?}");
    }
    Ok(())
}

async fn grip_fields_never_reach_the_client(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let with_grip = |reply: Reply| {
        let reply = reply.header("Grip-Channel", &setup.channel("a")).header("grip-set-meta", "user=ada");
        reply.header("GRIP-KEEP-ALIVE", "x").header("Grip-Unknown", "1").header("X-Own", "1")
    };
    for reply in [Reply::ok("body"), hold("body"), Reply::ok("body").header("Grip-Unknown", "1")] {
        setup.answer("", with_grip(reply));
        let mut answer = setup.get("").await?;
        answer.reads("body").await?;
        assert_eq!(answer.headers.names_from("grip-"), Vec::<String>::new());
        assert_eq!(answer.headers.all("x-own"), ["1"]);
    }
    Ok(())
}

async fn forwarding_fields_of_a_proxy_in_front_are_passed_on(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("", Reply::ok(""));
    setup.send(Request::get(&setup.path("")).header("X-Forwarded-For", "192.0.2.7")).await?;
    let received = &setup.requests("")[0];
    differences::FORWARDED_FOR.check(kind, &received.headers.all("x-forwarded-for").join(", "));
    differences::FORWARDED_PROTO.check(kind, &received.headers.all("x-forwarded-proto").join(", "));
    let request = Request::get(&setup.path("")).header("X-Forwarded-Proto", "https");
    setup.send(request.header("X-Forwarded-Host", "chat.example")).await?;
    let received = &setup.requests("")[1];
    assert_eq!(received.headers.all("x-forwarded-proto"), ["https"]);
    assert_eq!(received.headers.all("x-forwarded-host"), ["chat.example"]);
    Ok(())
}

async fn a_hold_that_answers_head(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let channel = setup.channel("a");
    setup.answer("", hold("").header("Grip-Channel", &channel));
    let answer = setup.send(Request::new("HEAD", &setup.path("")).header("Connection", "close")).await?;
    assert_eq!(answer.status, 200);
    setup.publish(&[stream_item(&channel, "item")]).await?;
    let held = || answer.text().contains("item");
    eventually(SOON, "the item or the end", || held() || !answer.is_open()).await;
    let seen = if held() { "held" } else { "answered" };
    assert!(held() || answer.text().is_empty(), "{:?}", answer.text());
    differences::HEAD_HOLD.check(kind, seen);
    Ok(())
}

async fn accept_encoding_is_passed_on(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    setup.answer("", Reply::ok(""));
    setup.send(Request::get(&setup.path("")).header("Accept-Encoding", "x-own")).await?;
    let received = &setup.requests("")[0];
    let seen = match received.headers.get("accept-encoding") {
        Some("x-own") => "the client's",
        _ => "the proxy's own, or none",
    };
    differences::ACCEPT_ENCODING.check(kind, seen);
    Ok(())
}

async fn a_hold_that_is_compressed(kind: Kind) -> anyhow::Result<()> {
    let setup = Setup::new(kind).await?;
    let a = setup.channel("a");
    setup.answer(
        "",
        Reply::ok(GZIPPED_BODY)
            .header("Content-Encoding", "gzip")
            .header("Grip-Hold", "stream")
            .header("Grip-Channel", &a),
    );
    let mut answer = setup.get("").await?;
    let seen = match answer.status {
        200 => {
            answer.reads("body").await?;
            assert_eq!(answer.headers.get("content-encoding"), None);
            setup.becomes_live(&mut answer, &a).await?;
            "decompressed and held".to_owned()
        }
        status => status.to_string(),
    };
    differences::COMPRESSED_HOLD.check(kind, &seen);
    Ok(())
}

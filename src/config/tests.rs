//! Tests: values that are accepted, and the problems reported for those that are not.

use std::time::{Duration, SystemTime};

use axum::http::HeaderValue;
use clap::Args;
use proptest::prelude::*;

use super::*;
use crate::{
    edge,
    grip::{GripUrl, Signer, Verifier},
    telemetry,
    web::CorsOrigins,
};

/// Parses the flags of a command; the variables of the machine have no effect.
fn flags<T: Args>(flags: &[&str]) -> Unchecked<T> {
    parse_flags(flags.iter().map(|&flag| flag.to_owned())).unwrap()
}

fn serve_and_log(args: &[&str]) -> Result<(Serve, telemetry::Log), Problems> {
    flags::<Serve>(args).finish_now(|serve, problems| {
        let log = serve.log.config(problems)?;
        Some((serve, log))
    })
}

fn serve(args: &[&str]) -> Result<Serve, Problems> {
    serve_and_log(args).map(|(serve, _)| serve)
}

fn edge(args: &[&str]) -> Result<(Edge, edge::Config), Problems> {
    flags::<Edge>(args).finish_now(|edge, problems| {
        let config = edge.config(problems)?;
        Some((edge, config))
    })
}

fn run(args: &[&str]) -> Result<(Run, Keys), Problems> {
    flags::<Run>(args).finish_now(|run, problems| {
        let keys = run.keys(problems)?;
        Some((run, keys))
    })
}

/// Asserts that there is one problem with each of these variables, and no other.
fn names_all<T>(outcome: Result<T, Problems>, variables: &[&str]) {
    let problems = outcome.err().expect("the values are bad").to_string();
    for variable in variables {
        assert!(problems.contains(&format!("\n  {variable}: ")), "{variable} is not in {problems}");
    }
    assert_eq!(problems.lines().count(), 1 + variables.len(), "{problems}");
}

#[test]
fn every_bad_value_is_reported_at_once_with_a_remedy() {
    let flags = [
        "--listen=localhost",
        "--grip-url=localhost:5561",
        "--store=memory",
        "--data=",
        "--dynamodb-table=a b",
        "--message-retention=5m",
        "--recheck-interval=0s",
        "--cors-origins=https://a.example/path",
        "--room-list=no",
        "--post-rate=-1",
        "--post-burst=0",
        "--trusted-proxies=localhost",
        "--max-connections=0",
        "--shutdown-delay=5",
        "--log-format=xml",
        "--log-filter=gripchat=loud",
    ];
    let variables = [
        "LISTEN",
        "GRIP_URL",
        "STORE",
        "DATA_DIR",
        "DYNAMODB_TABLE",
        "MESSAGE_RETENTION",
        "RECHECK_INTERVAL",
        "CORS_ORIGINS",
        "ROOM_LIST",
        "POST_RATE",
        "POST_BURST",
        "TRUSTED_PROXIES",
        "MAX_CONNECTIONS",
        "SHUTDOWN_DELAY",
        "LOG_FORMAT",
        "RUST_LOG",
    ];
    names_all(serve(&flags), &variables);
}

#[test]
fn every_bad_value_of_the_edge_is_reported_with_and_without_a_backend() {
    let proxy = [
        "--control-listen=5561",
        "--sig-key=base64:%",
        "--control-key=",
        "--max-connections=0",
        "--max-body=10MB",
        "--backend-timeout=0s",
        "--max-streams-per-address=all",
        "--trusted-proxies=10.0.0.0/40",
        "--drain-window=1d",
        "--shutdown-delay=soon",
    ];
    let variables = [
        "CONTROL_LISTEN",
        "SIG_KEY",
        "CONTROL_KEY",
        "MAX_CONNECTIONS",
        "MAX_BODY",
        "BACKEND_TIMEOUT",
        "MAX_STREAMS_PER_ADDRESS",
        "TRUSTED_PROXIES",
        "DRAIN_WINDOW",
        "SHUTDOWN_DELAY",
    ]
    .as_slice();
    let alone = [&proxy[..], &["--listen=7999", "--backend=https://a.example/"]].concat();
    names_all(edge(&alone), &[variables, &["LISTEN", "BACKEND"]].concat());
    let together = [&proxy[..], &["--listen=3000", "--edge-listen=7999", "--data="]].concat();
    names_all(run(&together), &[variables, &["LISTEN", "EDGE_LISTEN", "DATA_DIR"]].concat());
}

#[test]
fn the_defaults_are_good() {
    let (serve, log) = serve_and_log(&[]).unwrap();
    assert_eq!(serve.backend.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(serve.backend.cors_origins, CorsOrigins::SameOrigin);
    assert!(serve.backend.room_list && !log.json);
    assert_eq!((serve.store.kind, &*serve.store.table.name), (StoreKind::DynamoDb, "gripchat"));
    let (edge, config) = edge(&[]).unwrap();
    assert_eq!((edge.listen.port(), edge.common.control_listen.port(), edge.signs_with_default()), (7999, 5561, true));
    assert_eq!((config.max_body, config.max_connections), (10 * 1024 * 1024, 50_000));
    assert!(config.publishers.is_none());
    // A backend usually has probes, and they need time to notice.
    assert_eq!((serve.shutdown_delay, edge.shutdown_delay), (Duration::from_secs(5), Duration::ZERO));
    let trusted = &serve.backend.trusted.trusted_proxies;
    assert!(trusted.contains([127, 0, 0, 1].into()) && !trusted.contains([10, 0, 0, 1].into()));
    assert!(serve.backend.post_limit().is_some());
    let (run, _) = run(&[]).unwrap();
    assert_eq!((run.edge_listen.port(), run.edge.control_listen.port()), (7999, 5561));
    assert!(run.backend.room_list);
}

/// The value of a flag that has a problem is its default, so it must have one, which must not be a problem itself.
#[test]
fn every_flag_that_is_checked_has_a_good_default() {
    fn check<T: Args>() {
        assert_eq!(flags::<T>(&[]).finish_now(|_, _| Some(())), Ok(()));
        for flag in T::augment_args(clap::Command::new("flags")).get_arguments() {
            let bad = format!("--{}=%", flag.get_long().expect("all arguments are flags"));
            assert!(parse_flags::<T>([bad.clone()]).is_ok(), "{bad} hides the other problems");
        }
    }
    check::<Run>();
    check::<Serve>();
    check::<Edge>();
    check::<Table>();
}

#[test]
fn flags_replace_the_defaults() {
    let flags =
        ["--room-list=off", "--post-rate=0", "--store=embedded", "--data=/var/lib/gripchat", "--log-format=json"];
    let (serve, log) = serve_and_log(&flags).unwrap();
    assert!(!serve.backend.room_list && serve.backend.post_limit().is_none() && log.json);
    assert_eq!((serve.store.kind, serve.store.folder.data), (StoreKind::Embedded, "/var/lib/gripchat".into()));
}

/// Without a key the control port checks no token, so an issuer alone would protect nothing.
#[test]
fn an_issuer_without_a_key_is_a_problem() {
    names_all(edge(&["--control-iss=me"]), &["CONTROL_ISS"]);
    assert!(edge(&["--control-iss=me", "--control-key=secret"]).unwrap().1.publishers.is_some());
}

#[test]
fn the_backend_trusts_the_signature_of_its_own_edge_only() {
    let token = |(run, keys): &(Run, Keys)| {
        let signer = run.edge_config(keys, ([127, 0, 0, 1], 3000).into()).unwrap().signer;
        signer.token(SystemTime::now(), Duration::from_secs(60)).unwrap()
    };
    let trusts = |(_, keys): &(Run, Keys), token: String| {
        let urls = keys.grip_urls(([0, 0, 0, 0], 5561).into()).unwrap();
        assert_eq!(urls[0].to_string(), "http://127.0.0.1:5561/publish/");
        let headers = [(http::HeaderName::from_static("grip-sig"), HeaderValue::try_from(token).unwrap())];
        GripUrl::trust(&urls).check(&headers.into_iter().collect()).is_ok()
    };
    let (one, another) = (run(&[]).unwrap(), run(&[]).unwrap());
    assert!(trusts(&one, token(&one)));
    assert!(!trusts(&one, token(&another)), "each start generates its own key");
    let given = ["--sig-key=a, b&c=d+e", "--sig-iss=it's me", "--control-key=s e,c"];
    let (one, another) = (run(&given).unwrap(), run(&given).unwrap());
    assert!(trusts(&one, token(&another)));
}

#[test]
fn every_generated_key_is_valid() {
    for _ in 0..10_000 {
        let key = super::run::random_key();
        assert!(Signer::parse("pushpin", &key).is_ok() && Verifier::parse(Some("pushpin"), &key).is_ok(), "{key}");
    }
}

/// A private key signs, but verifying needs the public key, which is not given.
#[test]
fn a_key_pair_cannot_both_sign_and_verify() {
    let key = r#"--sig-key={"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#;
    names_all(run(&[key]), &["SIG_KEY"]);
}

#[test]
fn a_socket_bound_to_all_addresses_is_reached_on_loopback() {
    for (bound, at) in [
        ("0.0.0.0:80", "127.0.0.1:80"),
        ("[::]:80", "[::1]:80"),
        ("10.1.2.3:80", "10.1.2.3:80"),
        ("[::1]:80", "[::1]:80"),
    ] {
        assert_eq!(reachable(bound.parse().unwrap()).to_string(), at);
    }
}

#[test]
fn a_size_is_in_bytes_or_has_a_binary_unit() {
    for (text, bytes) in [("0", 0), ("1500", 1500), ("7B", 7), ("64KiB", 65_536), ("10 MiB", 10_485_760)] {
        assert_eq!(values::size(text), Ok(bytes), "{text}");
    }
    for text in ["", "MiB", "10MB", "10mib", "1.5GiB", "-1", "18446744073709551615KiB", "10MiB "] {
        assert!(values::size(text).is_err(), "{text:?}");
    }
}

#[test]
fn origins_are_written_as_browsers_send_them() {
    let cors = |text: &str| serve(&[&format!("--cors-origins={text}")]).map(|config| config.backend.cors_origins);
    assert_eq!(cors("*").unwrap(), CorsOrigins::Any);
    let expected = ["https://a.example", "http://localhost:8080"].map(HeaderValue::from_static).to_vec();
    assert_eq!(cors("https://a.example, http://localhost:8080").unwrap(), CorsOrigins::Listed(expected));
    for bad in ["https://a.example/", "a.example", "https://A.example", "null", "*,https://a.example"] {
        assert!(cors(bad).is_err(), "{bad}");
    }
}

#[test]
fn no_problem_shows_a_key() {
    for problems in [
        serve(&["--grip-url=http://a/?iss=x&key=base64:S3CR%25"]).err(),
        edge(&["--sig-key=base64:S3CR%", "--control-key=base64:S3CR%"]).err(),
        run(&["--sig-key=base64:S3CR%", "--control-key={S3CR"]).err(),
    ] {
        let problems = problems.expect("the key is bad").to_string();
        assert!(problems.contains("base64") && !problems.contains("S3CR"), "{problems}");
    }
}

#[test]
fn a_message_states_the_range_of_its_value() {
    for (flag, range) in [
        ("--recheck-interval=2h", "from 1s to 1h"),
        ("--post-burst=0", "from 1 to 1000000"),
        ("--max-connections=-1", "from 1 to 1000000"),
        ("--shutdown-delay=1d", "from 0s to 10m"),
    ] {
        let problems = serve(&[flag]).err().expect("the value is bad").to_string();
        assert!(problems.contains(range), "{problems}");
    }
}

proptest! {
    /// Not even an error of clap, which would hide the other problems.
    #[test]
    fn a_bad_value_stops_nothing(value in any::<String>()) {
        let of = |names: &[&str]| names.iter().map(|name| format!("--{name}={value}")).collect::<Vec<_>>();
        let backend = of(&["listen", "message-retention", "recheck-interval", "cors-origins", "room-list", "post-rate"]);
        let serve = of(&["grip-url", "store", "data", "dynamodb-table", "log-format", "log-filter", "shutdown-delay"]);
        let edge = of(&["backend", "sig-key", "control-listen", "control-key", "control-iss", "max-body", "drain-window"]);
        let serve = parse_flags::<Serve>(backend.into_iter().chain(serve)).unwrap();
        let _ = serve.finish_now(|serve, problems| serve.log.config(problems));
        let edge = parse_flags::<Edge>(edge).unwrap();
        let _ = edge.finish_now(|edge, problems| edge.config(problems));
    }
}

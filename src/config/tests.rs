//! Values that are good, and what is said of those that are not.

use axum::http::HeaderValue;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use proptest::prelude::*;

use super::*;
use crate::{
    grip::{GripUrl, Signer, Verifier},
    web::CorsOrigins,
};

#[derive(Parser)]
#[command(no_binary_name = true)]
enum Cli {
    Serve(ServeArgs),
    Edge(EdgeArgs),
    Run(RunArgs),
}

/// The defaults, with some flags; variables of the machine the tests run on play no part.
fn cli(command: &str, flags: &[&str]) -> Cli {
    let without_variables = |command: clap::Command| command.mut_args(|arg| arg.env(None));
    let program = Cli::command().mut_subcommands(without_variables);
    let arguments = [command].into_iter().chain(flags.iter().copied());
    Cli::from_arg_matches(&program.get_matches_from(arguments)).unwrap()
}

fn checked<T>(parse: impl FnOnce(&mut Problems) -> Option<T>) -> Result<T, Problems> {
    let mut problems = Problems::default();
    match (parse(&mut problems), problems.is_empty()) {
        (Some(config), true) => Ok(config),
        (None, true) => panic!("nothing is wrong, and nothing came of it"),
        (_, false) => Err(problems),
    }
}

fn serve(flags: &[&str]) -> Result<Serve, Problems> {
    let Cli::Serve(args) = cli("serve", flags) else { unreachable!("that was the command") };
    checked(|problems| {
        let log = args.log.parse(problems);
        args.parse(problems).filter(|_| log.is_some())
    })
}

fn edge(flags: &[&str]) -> Result<Edge, Problems> {
    let Cli::Edge(args) = cli("edge", flags) else { unreachable!("that was the command") };
    checked(|problems| args.parse(problems))
}

fn run(flags: &[&str]) -> Result<Run, Problems> {
    let Cli::Run(args) = cli("run", flags) else { unreachable!("that was the command") };
    checked(|problems| args.parse(problems))
}

fn names_all<T>(outcome: Result<T, Problems>, variables: &[&str]) {
    let problems = outcome.err().expect("they are bad").to_string();
    for variable in variables {
        assert!(problems.contains(&format!("\n  {variable}: ")), "{variable} is not in {problems}");
    }
    assert_eq!(problems.lines().count(), 1 + variables.len(), "{problems}");
}

#[test]
fn every_bad_value_is_named_at_once_with_a_remedy() {
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
fn every_bad_value_of_the_edge_is_named_alone_and_beside_the_backend() {
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
    let beside = [&proxy[..], &["--listen=3000", "--edge-listen=7999", "--data="]].concat();
    names_all(run(&beside), &[variables, &["LISTEN", "EDGE_LISTEN", "DATA_DIR"]].concat());
}

#[test]
fn the_defaults_are_good() {
    let config = serve(&[]).unwrap();
    assert_eq!(config.backend.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.backend.cors, CorsOrigins::SameOrigin);
    assert!(config.backend.room_list && !serve(&["--room-list=off"]).unwrap().backend.room_list);
    assert_eq!(config.store, Store::DynamoDb("gripchat".to_owned()));
    let edge = edge(&[]).unwrap();
    assert_eq!((edge.listen.port(), edge.control_listen.port(), edge.signs_with_default), (7999, 5561, true));
    assert_eq!((edge.config.max_body, edge.config.max_connections), (10 * 1024 * 1024, 50_000));
    assert!(edge.config.publishers.is_none());
    // So that a probe finds out in time, where there commonly are probes.
    assert_eq!((config.shutdown_delay, edge.shutdown_delay), (Duration::from_secs(5), Duration::ZERO));
    assert!(config.backend.posts.is_some() && config.backend.trusted.contains([127, 0, 0, 1].into()));
    assert!(!config.backend.trusted.contains([10, 0, 0, 1].into()));
    assert!(serve(&["--post-rate=0"]).unwrap().backend.posts.is_none());
    let run = run(&[]).unwrap();
    assert_eq!((run.edge_listen.port(), run.control_listen().port()), (7999, 5561));
    assert!(run.backend.room_list);
}

#[test]
fn an_issuer_without_a_key_would_protect_nothing() {
    names_all(edge(&["--control-iss=me"]), &["CONTROL_ISS"]);
    assert!(edge(&["--control-iss=me", "--control-key=secret"]).unwrap().config.publishers.is_some());
}

#[test]
fn the_store_is_the_one_that_is_named() {
    let config = serve(&["--store=embedded", "--data=/var/lib/gripchat"]).unwrap();
    assert_eq!(config.store, Store::Embedded("/var/lib/gripchat".into()));
}

/// Either has what the other needs: the backend believes the edge's signature, and nobody else's.
#[test]
fn the_backend_believes_the_edge_beside_it() {
    let sign = |run: &Run| run.edge(([127, 0, 0, 1], 3000).into()).unwrap().signer;
    let token = |run: &Run| sign(run).token(std::time::SystemTime::now(), Duration::from_secs(60)).unwrap();
    let believes = |run: &Run, token: String| {
        let urls = run.grip(([0, 0, 0, 0], 5561).into()).unwrap();
        assert_eq!(urls[0].to_string(), "http://127.0.0.1:5561/publish/");
        let headers = [(http::HeaderName::from_static("grip-sig"), HeaderValue::try_from(token).unwrap())];
        GripUrl::trust(&urls).check(&headers.into_iter().collect()).is_ok()
    };
    let (one, another) = (run(&[]).unwrap(), run(&[]).unwrap());
    assert!(believes(&one, token(&one)));
    assert!(!believes(&one, token(&another)), "each start draws a key of its own");
    let given = ["--sig-key=a, b&c=d+e", "--sig-iss=it's me", "--control-key=s e,c"];
    let (one, another) = (run(&given).unwrap(), run(&given).unwrap());
    assert!(believes(&one, token(&another)));
}

#[test]
fn every_key_that_is_drawn_is_one() {
    for _ in 0..10_000 {
        let key = super::run::random_key();
        assert!(Signer::parse("pushpin", &key).is_ok() && Verifier::parse(Some("pushpin"), &key).is_ok(), "{key}");
    }
}

/// A private key signs, but whoever checks with it would have to be told the public one.
#[test]
fn a_key_pair_is_no_key_for_both_ways() {
    let key = r#"--sig-key={"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#;
    names_all(run(&[key]), &["SIG_KEY"]);
}

#[test]
fn what_is_bound_to_all_addresses_is_reached_on_loopback() {
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
fn sizes_are_bytes_or_have_a_binary_unit() {
    for (text, bytes) in [("0", 0), ("1500", 1500), ("7B", 7), ("64KiB", 65_536), ("10 MiB", 10_485_760)] {
        assert_eq!(super::edge::size(text), Some(bytes), "{text}");
    }
    for text in ["", "MiB", "10MB", "10mib", "1.5GiB", "-1", "18446744073709551615KiB", "10MiB "] {
        assert_eq!(super::edge::size(text), None, "{text:?}");
    }
}

#[test]
fn origins_are_written_as_browsers_send_them() {
    let cors = |text: &str| serve(&[&format!("--cors-origins={text}")]).map(|config| config.backend.cors);
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

proptest! {
    #[test]
    fn no_value_panics(value in any::<String>()) {
        let _ = backend::cors(&value);
        let _ = super::edge::size(&value);
        let _ = TableArgs { dynamodb_table: value }.parse(&mut Problems::default());
    }
}

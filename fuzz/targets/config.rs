//! The configuration. The input has one value per line. Accepted values are within their ranges, and error messages
//! contain no key.
#![no_main]

use std::time::Duration;

use gripchat::{
    config::{Backend, Edge, Store, parse_flags},
    store::Retention,
};
use libfuzzer_sys::fuzz_target;

/// The flags in the order of the lines. New ones are added at the end, so that existing inputs keep their meaning.
static FLAGS: [(Group, &str); 24] = [
    (Group::Backend, "listen"),
    (Group::Backend, "message-retention"),
    (Group::Backend, "recheck-interval"),
    (Group::Backend, "cors-origins"),
    (Group::Edge, "listen"),
    (Group::Edge, "backend"),
    (Group::Edge, "sig-key"),
    (Group::Edge, "control-listen"),
    (Group::Edge, "sig-iss"),
    (Group::Edge, "control-key"),
    (Group::Edge, "control-iss"),
    (Group::Edge, "max-connections"),
    (Group::Edge, "max-body"),
    (Group::Edge, "backend-timeout"),
    (Group::Store, "store"),
    (Group::Store, "data"),
    (Group::Store, "dynamodb-table"),
    (Group::Backend, "post-rate"),
    (Group::Backend, "post-burst"),
    (Group::Backend, "trusted-proxies"),
    (Group::Edge, "max-streams-per-address"),
    (Group::Edge, "drain-window"),
    (Group::Edge, "shutdown-delay"),
    (Group::Backend, "room-list"),
];

#[derive(Clone, Copy, PartialEq)]
enum Group {
    Backend,
    Edge,
    Store,
}

fuzz_target!(|text: &str| {
    let values = || FLAGS.iter().zip(text.split('\n'));
    let flags =
        |group| values().filter(move |((of, _), _)| *of == group).map(|((_, flag), value)| format!("--{flag}={value}"));

    // Problems leave the defaults, which are in the ranges as well.
    let backend = parse_flags::<Backend>(flags(Group::Backend)).expect("problems are not an error");
    let _ = backend.finish_now(|backend, problems| {
        assert!((Duration::from_secs(1)..=Duration::from_secs(3_600)).contains(&backend.recheck_interval));
        let retention = backend.message_retention;
        assert!(retention == Retention::FOREVER || retention.to_string().parse() == Ok(retention), "{retention}");
        let _ = problems.to_string();
        Some(())
    });

    let edge = parse_flags::<Edge>(flags(Group::Edge)).expect("problems are not an error");
    let checked = edge.finish_now(|edge, problems| {
        let config = edge.config(problems)?;
        assert!((1..=1_000_000).contains(&config.max_connections));
        assert!((Duration::from_millis(100)..=Duration::from_secs(3_600)).contains(&config.backend_timeout));
        let backend = config.backend.to_string();
        assert!(backend.parse() == Ok(config.backend), "{backend}");
        Some(())
    });
    let shown = checked.err().map(|problems| problems.to_string()).unwrap_or_default();
    let keys = values().filter(|((_, flag), _)| ["sig-key", "control-key"].contains(flag));
    for (_, key) in keys.filter(|(_, key)| key.len() > 40) {
        assert!(!shown.contains(key), "{shown}");
    }

    let store = parse_flags::<Store>(flags(Group::Store)).expect("problems are not an error");
    let _ = store.finish_now(|_, _| Some(())).map_err(|problems| problems.to_string());
});

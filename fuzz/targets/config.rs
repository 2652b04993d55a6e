//! The configuration, one value a line: what is accepted is within its bounds, and no key is shown.
#![no_main]

use std::time::Duration;

use gripchat::{
    config::{
        BackendArgs, DataArgs, EdgeArgs, LogArgs, PostArgs, Problems, ProxyArgs, StoreArgs, TableArgs, TrustedArgs,
    },
    store::Retention,
};
use libfuzzer_sys::fuzz_target;

/// Where the values stand that came later, behind those that inputs had before.
const LATER: usize = 17;
/// And behind those.
const ROOM_LIST: usize = LATER + 6;

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n').map(str::to_owned);
    let mut later = lines.clone().skip(LATER);
    let room_list = lines.clone().nth(ROOM_LIST).unwrap_or_default();
    let mut value = || lines.next().unwrap_or_default();
    let mut later = || later.next().unwrap_or_default();
    let mut problems = Problems::default();

    let backend = BackendArgs {
        listen: value(),
        message_retention: value(),
        recheck_interval: value(),
        cors_origins: value(),
        room_list,
        posts: PostArgs { post_rate: later(), post_burst: later() },
    };
    let proxies = TrustedArgs { trusted_proxies: later() }.parse(&mut problems);
    if let Some(backend) = backend.parse(proxies, &mut problems) {
        assert!((Duration::from_secs(1)..=Duration::from_secs(3_600)).contains(&backend.recheck));
        let retention = backend.retention.to_string();
        assert!(backend.retention == Retention::FOREVER || retention.parse() == Ok(backend.retention), "{retention}");
    }
    let edge = EdgeArgs {
        listen: value(),
        backend: value(),
        sig_key: value(),
        proxy: ProxyArgs {
            control_listen: value(),
            sig_iss: value(),
            control_key: Some(value()),
            control_iss: Some(value()),
            max_connections: value(),
            max_streams_per_address: later(),
            max_body: value(),
            backend_timeout: value(),
            drain_window: later(),
        },
        trusted: TrustedArgs { trusted_proxies: String::new() },
        shutdown_delay: later(),
        log: LogArgs { log_filter: String::new(), log_format: String::new() },
    };
    let keys = [Some(edge.sig_key.clone()), edge.proxy.control_key.clone()];
    let mut of_edge = Problems::default();
    if let Some(edge) = edge.parse(&mut of_edge) {
        assert!((1..=1_000_000).contains(&edge.config.max_connections));
        assert!((Duration::from_millis(100)..=Duration::from_secs(3_600)).contains(&edge.config.backend_timeout));
        let backend = edge.config.backend.to_string();
        assert!(backend.parse() == Ok(edge.config.backend), "{backend}");
    }
    let shown = of_edge.to_string();
    for key in keys.into_iter().flatten().filter(|key| key.len() > 40) {
        assert!(!shown.contains(&key), "{shown}");
    }
    let store =
        StoreArgs { store: value(), data: DataArgs { data: value() }, table: TableArgs { dynamodb_table: value() } };
    let _ = store.parse(&mut problems);
    let _ = problems.to_string();
});

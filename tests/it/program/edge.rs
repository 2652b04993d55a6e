//! `gripchat edge`: what it prints and logs, and with which settings it does not start.

use std::net::{SocketAddr, TcpListener};

use libtest_mimic::Trial;

use super::{SECRET, STOP_TIMEOUT, outcome, run};
use crate::support::{edge::Edge, trials::trials};

const DEFAULT_KEY: &str = "SIG_KEY is the default";

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => an_edge_with_the_default_key_logs_a_warning,
        [] => a_port_in_use_is_reported_in_one_line,
        [] => every_bad_value_is_reported_at_once,
    ]
}

fn nowhere() -> SocketAddr {
    // tcpmux, which no machine serves today.
    SocketAddr::from(([127, 0, 0, 1], 1))
}

async fn an_edge_with_the_default_key_logs_a_warning() -> anyhow::Result<()> {
    for (variables, warns) in [(&[][..], true), (&[("SIG_KEY", SECRET)], false)] {
        let mut edge = Edge::start_with(nowhere(), variables).await?;
        let signalled = std::time::Instant::now();
        edge.stop().await?;
        assert!(signalled.elapsed() < STOP_TIMEOUT, "{:?}", signalled.elapsed());
        assert_eq!(edge.log().contains(DEFAULT_KEY), warns, "{}", edge.log());
        assert!(!edge.log().contains(SECRET), "{}", edge.log());
    }
    Ok(())
}

async fn a_port_in_use_is_reported_in_one_line() -> anyhow::Result<()> {
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let (address, free) = (taken.local_addr()?.to_string(), "127.0.0.1:0".to_owned());
    for (listen, control, flag) in [(&address, &free, "--listen"), (&free, &address, "--control-listen")] {
        let arguments = ["edge", "--listen", listen, "--control-listen", control, "--max-connections", "100"];
        let (code, stdout, stderr) = outcome(&run(&arguments, &[]).await?);
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (Some(1), "", 1), "{stderr}");
        assert!(stderr.contains(&address) && stderr.contains(flag), "{stderr}");
    }
    Ok(())
}

async fn every_bad_value_is_reported_at_once() -> anyhow::Result<()> {
    let bad = [
        ("LISTEN", "7999"),
        ("BACKEND", "localhost:3000"),
        ("CONTROL_LISTEN", "5561"),
        ("SIG_KEY", ""),
        ("CONTROL_ISS", "nobody"),
        ("MAX_CONNECTIONS", "0"),
        ("MAX_BODY", "much"),
        ("BACKEND_TIMEOUT", "1d"),
    ];
    let env: Vec<_> = bad.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (code, stdout, stderr) = outcome(&run(&["edge"], &env).await?);
    assert_eq!((code, stdout.as_str()), (Some(64), ""), "{stderr}");
    for (variable, _) in bad {
        assert!(stderr.contains(&format!("\n  {variable}: ")), "{variable} is not in {stderr}");
    }
    assert_eq!(stderr.lines().count(), 1 + bad.len(), "{stderr}");
    Ok(())
}

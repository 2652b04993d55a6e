//! `gripchat edge`: what it says, and what it refuses to start with.

use std::net::{SocketAddr, TcpListener};

use libtest_mimic::Trial;

use super::{ENDS_WITHIN, SECRET, run, said};
use crate::support::{edge::Edge, trials::trials};

const DEFAULT_KEY: &str = "SIG_KEY is the default";

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => an_edge_with_the_default_key_says_so,
        [] => an_edge_with_a_taken_port_is_one_clear_line,
        [] => every_bad_value_of_an_edge_is_named_at_once,
    ]
}

fn nowhere() -> SocketAddr {
    // Of the ports that IANA keeps reserved.
    SocketAddr::from(([127, 0, 0, 1], 1))
}

async fn an_edge_with_the_default_key_says_so() -> anyhow::Result<()> {
    for (variables, says_so) in [(&[][..], true), (&[("SIG_KEY", SECRET)], false)] {
        let mut edge = Edge::start_with(nowhere(), variables).await?;
        let told = std::time::Instant::now();
        edge.stop().await?;
        assert!(told.elapsed() < ENDS_WITHIN, "{:?}", told.elapsed());
        assert_eq!(edge.log().contains(DEFAULT_KEY), says_so, "{}", edge.log());
        assert!(!edge.log().contains(SECRET), "{}", edge.log());
    }
    Ok(())
}

async fn an_edge_with_a_taken_port_is_one_clear_line() -> anyhow::Result<()> {
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let (address, free) = (taken.local_addr()?.to_string(), "127.0.0.1:0".to_owned());
    for (listen, control, flag) in [(&address, &free, "--listen"), (&free, &address, "--control-listen")] {
        let arguments = ["edge", "--listen", listen, "--control-listen", control, "--max-connections", "100"];
        let (code, stdout, stderr) = said(&run(&arguments, &[]).await?);
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (Some(1), "", 1), "{stderr}");
        assert!(stderr.contains(&address) && stderr.contains(flag), "{stderr}");
    }
    Ok(())
}

async fn every_bad_value_of_an_edge_is_named_at_once() -> anyhow::Result<()> {
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
    let (code, stdout, stderr) = said(&run(&["edge"], &env).await?);
    assert_eq!((code, stdout.as_str()), (Some(64), ""), "{stderr}");
    for (variable, _) in bad {
        assert!(stderr.contains(&format!("\n  {variable}: ")), "{variable} is not named in {stderr}");
    }
    assert_eq!(stderr.lines().count(), 1 + bad.len(), "{stderr}");
    Ok(())
}

//! Pushpin, as the tests start it.

use std::net::SocketAddr;

use super::{Running, Server};
use crate::{
    crowd::Door,
    publisher::{Dialect, Target},
    support::pushpin::Pushpin,
};

/// At the usual 2 it writes a line for every request and every publish, which no other server here does.
const LOG_LEVEL: (&str, &str) = ("log_level", "1");

/// Deliveries that may wait. Pushpin drops what is beyond it, and the configured 25,000 are 25 messages to a thousand.
const MESSAGE_HWM: (&str, &str) = ("message_hwm", "100000000");

/// One subscriber after the other: of a thousand that Pushpin 1.36 opens several at a time, it ends about one in the
/// middle of the first messages, without a word in any log.
const AT_ONCE: usize = 1;

pub(super) async fn start(backend: SocketAddr) -> anyhow::Result<Server> {
    let mut pushpin = Pushpin::start_with(backend, &[LOG_LEVEL, MESSAGE_HWM]).await?;
    Ok(Server {
        door: Door { addr: pushpin.http_addr(), path: "/".to_owned(), at_once: AT_ONCE },
        target: Target { addr: pushpin.control_addr(), path: "/publish/".to_owned(), dialect: Dialect::Grip },
        processes: pushpin.running(),
        _running: Running::Pushpin(pushpin),
    })
}

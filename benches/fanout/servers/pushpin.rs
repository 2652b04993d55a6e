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

/// What may wait for one client. Of the usual 8192, a burst of 80 messages on a channel without prev-id fills all, and
/// the rest is dropped for that client. Left as it is where memory is measured.
const BUFFER: (&str, &str) = ("client_buffer_size", "131072");

/// One subscriber after the other: of a thousand that Pushpin 1.36 opens several at a time, it ends about one in the
/// middle of the first messages, without a word in any log.
const AT_ONCE: usize = 1;

pub(super) async fn start(backend: SocketAddr, bursts: bool) -> anyhow::Result<Server> {
    let settings = [LOG_LEVEL, MESSAGE_HWM, BUFFER];
    let settings = if bursts { &settings[..] } else { &settings[..2] };
    let pushpin = Pushpin::start_with(backend, settings).await?;
    Ok(Server {
        door: Door { addr: pushpin.http_addr(), path: "/".to_owned(), at_once: AT_ONCE },
        target: Target { addr: pushpin.control_addr(), path: "/publish/".to_owned(), dialect: Dialect::Grip },
        _running: Running::Pushpin(pushpin),
    })
}

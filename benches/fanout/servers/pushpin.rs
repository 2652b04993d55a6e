//! Pushpin, started like in the tests.

use std::net::SocketAddr;

use super::{Running, Server};
use crate::{
    publisher::{Dialect, Target},
    subscribers::Endpoint,
    support::pushpin::Pushpin,
};

/// At the default 2, Pushpin logs every request and every publish, and the other servers do not.
const LOG_LEVEL: (&str, &str) = ("log_level", "1");

/// Deliveries that may be queued. Pushpin drops deliveries beyond it, and the default 25,000 are 25 messages to a thousand
/// subscribers.
const MESSAGE_HWM: (&str, &str) = ("message_hwm", "100000000");

/// Bytes that may be queued for one client. A burst of 80 messages on a channel without prev-id fills the default 8192
/// bytes, and the rest is dropped for that client. The default is kept if memory is measured.
const BUFFER: (&str, &str) = ("client_buffer_size", "131072");

/// Subscribers connect one after the other. If several connect at a time, Pushpin 1.36 ends about one of a thousand in the
/// middle of the first messages, and logs nothing.
const AT_ONCE: usize = 1;

pub(super) async fn start(backend: SocketAddr, bursts: bool) -> anyhow::Result<Server> {
    let settings = [LOG_LEVEL, MESSAGE_HWM, BUFFER];
    let settings = if bursts { &settings[..] } else { &settings[..2] };
    let pushpin = Pushpin::start_with(backend, settings).await?;
    Ok(Server {
        endpoint: Endpoint { addr: pushpin.http_addr(), path: "/".to_owned(), at_once: AT_ONCE },
        target: Target { addr: pushpin.control_addr(), path: "/publish/".to_owned(), dialect: Dialect::Grip },
        _running: Running::Pushpin(pushpin),
    })
}

//! Pushpin, as the tests start it.

use std::net::SocketAddr;

use super::{Running, Server};
use crate::{
    publisher::{Dialect, Target},
    support::pushpin::Pushpin,
};

/// Deliveries that may wait. Pushpin drops what is beyond it, and the configured 25,000 are 25 messages to a thousand.
const MESSAGE_HWM: (&str, &str) = ("message_hwm", "100000000");

pub(super) async fn start(backend: SocketAddr) -> anyhow::Result<Server> {
    let mut pushpin = Pushpin::start_with(backend, &[MESSAGE_HWM]).await?;
    Ok(Server {
        clients: pushpin.http_addr(),
        path: "/".to_owned(),
        target: Target { addr: pushpin.control_addr(), path: "/publish/".to_owned(), dialect: Dialect::Grip },
        processes: pushpin.running(),
        _running: Running::Pushpin(pushpin),
    })
}

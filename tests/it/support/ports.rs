//! Port numbers for programs that cannot be told to pick one themselves.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, TcpListener},
    sync::{Mutex, PoisonError},
};

/// A port of 127.0.0.1 that nobody listens on, and that this process has not been given before.
///
/// Between this call and the bind of the program that gets the number, anybody may take it: callers try again with
/// another one.
pub(crate) fn free_port() -> io::Result<u16> {
    // The kernel may name a port again as soon as it was let go, while the program it was meant for is still starting.
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

    loop {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
}

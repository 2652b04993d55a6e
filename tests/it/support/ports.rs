//! Port numbers for programs that cannot be told to pick one themselves.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
    sync::{Mutex, PoisonError},
};

/// Below what the kernel gives to outgoing connections and to whoever binds port 0 (32768 and above on Linux): hundreds
/// of those come and go while a program that was given a port is still starting.
const PORTS: RangeInclusive<u16> = 15_000..=30_000;

/// A port of 127.0.0.1 that nobody listens on, and that this process has not been given before.
///
/// Between this call and the bind of the program that gets the number, anybody may take it: callers try again with
/// another one.
pub(crate) fn free_port() -> io::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

    loop {
        let port = rand::random_range(PORTS);
        if !GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            continue;
        }
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
}

//! Port numbers for programs that cannot be told to pick one themselves, or that have to start again on the same one.

use std::{
    env,
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, bail};
use rustix::process::getuid;

/// Below the ports that the kernel gives to outgoing connections and to programs that bind port 0 (32768 and above on
/// Linux): hundreds of those come and go while a program that was given a port is still starting.
const FIRST_PORT: u16 = 15_000;

/// The ports of one process. A whole run takes about two thousand, and takes a port a second time only after all others.
const BLOCK: u16 = 1_500;

/// Processes that can run these tests at the same time. The last block ends at 29,999.
const BLOCKS: u16 = 10;

/// The ports that belong to this process.
struct Ports {
    first: u16,
    next: u16,
    /// Locked while this process runs, so that no other test process uses the same ports.
    _lock: File,
}

impl Ports {
    fn reserve() -> anyhow::Result<Self> {
        let folder = env::temp_dir().join(format!("gripchat-test-ports-{}", getuid().as_raw()));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        for block in 0..BLOCKS {
            let path = folder.join(block.to_string());
            let lock = File::create(&path).with_context(|| path.display().to_string())?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { first: FIRST_PORT + block * BLOCK, next: 0, _lock: lock }),
                Err(fs::TryLockError::WouldBlock) => {}
                Err(fs::TryLockError::Error(error)) => return Err(error).context(path.display().to_string()),
            }
        }
        bail!("{BLOCKS} other processes run these tests, and there are ports for no more")
    }

    fn next(&mut self) -> io::Result<u16> {
        for _ in 0..BLOCK {
            let port = self.first + self.next;
            self.next = (self.next + 1) % BLOCK;
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(_) => return Ok(port),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("all ports of this process are in use"))
    }
}

/// Returns a port of 127.0.0.1 on which nothing listens, and which no other test gets while there are unused ones.
///
/// A program other than these tests may still bind it first. Programs that fail because of that are started again with
/// another port where the error can be told from others.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    static PORTS: Mutex<Option<Ports>> = Mutex::new(None);

    let mut ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    if ports.is_none() {
        *ports = Some(Ports::reserve()?);
    }
    let ports = ports.as_mut().context("reserved above")?;
    Ok(ports.next()?)
}

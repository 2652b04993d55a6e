//! Thousands of subscribers on one thread, because they share two cores with the server that is measured.
//!
//! There is one epoll instance and one buffer, and nothing is allocated once all are connected. A read only searches for
//! stamps. Chunks and events are not parsed, because neither ever splits a stamp.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
    fd::OwnedFd,
    net::{AddressFamily, SocketFlags, SocketType},
};

use crate::{
    clock,
    stamp::{self, Scanner, Stamp},
};

/// The time limit for any subscriber to receive something while they connect.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of source addresses, from 127.0.0.2, which are used in turn. A closed connection keeps its port for a
/// minute, and one address has only 28,000 ports.
const SOURCES: u32 = 16;

const BUFFER: usize = 64 * 1024;
const EVENTS: usize = 1024;
/// The maximum length of an incomplete stamp: at least one byte is missing.
const CARRY: usize = stamp::LENGTH - 1;

/// Where subscribers connect.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) addr: SocketAddr,
    pub(crate) path: String,
    /// The maximum number of subscribers that wait for the head of their response at once. Connections beyond the queue
    /// of the listener are refused, and retried only after a second.
    pub(crate) at_once: usize,
}

/// Subscribers of one channel.
pub(crate) struct Subscribers {
    epoll: OwnedFd,
    members: Vec<Member>,
    events: Vec<Event>,
    /// The bytes that a member carries over come directly before the bytes that are read for it.
    buffer: Box<[u8]>,
    scanner: Scanner,
    listening: usize,
}

struct Member {
    stream: TcpStream,
    listening: bool,
    carry: [u8; CARRY],
    carried: usize,
}

impl Subscribers {
    /// Connects `count` subscribers, at most `at_once` at a time, and returns when all have received a response head.
    pub(crate) fn open(endpoint: &Endpoint, count: usize) -> anyhow::Result<Self> {
        let Endpoint { addr, path, at_once } = endpoint;
        let mut subscribers = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            members: Vec::with_capacity(count),
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; CARRY + BUFFER].into_boxed_slice(),
            scanner: Scanner::new(),
            listening: 0,
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
        let mut last_event = Instant::now();
        while subscribers.listening < count {
            while subscribers.members.len() < count && subscribers.members.len() - subscribers.listening < *at_once {
                subscribers
                    .join(*addr, &request)
                    .with_context(|| format!("subscriber {}", subscribers.members.len()))?;
            }
            if subscribers.read(Duration::from_millis(100), |_, _, _| {})? > 0 {
                last_event = Instant::now();
            }
            ensure!(
                last_event.elapsed() < RECEIVE_TIMEOUT,
                "only {} of {count} subscribers received a response",
                subscribers.listening
            );
        }
        Ok(subscribers)
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns when all have received a message. A stream that has started may not be subscribed yet, so `publish` is
    /// called repeatedly and sends a message with the number [`stamp::WARM_UP`].
    pub(crate) fn warm_up(&mut self, mut publish: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
        const ROUND: Duration = Duration::from_millis(500);

        let started = Instant::now();
        let mut received = vec![false; self.len()];
        let mut missing = self.len();
        while missing > 0 {
            ensure!(started.elapsed() < RECEIVE_TIMEOUT, "{missing} subscribers receive nothing");
            publish()?;
            let published = Instant::now();
            while missing > 0 && published.elapsed() < ROUND {
                self.read(ROUND, |member, _, _| {
                    missing -= usize::from(!std::mem::replace(&mut received[member], true))
                })?;
            }
        }
        Ok(())
    }

    /// Reads once from each subscriber that has data, and returns their number. Waits for data until the timeout. Calls
    /// back with the index of the subscriber, the stamp, and the time of the read.
    pub(crate) fn read(
        &mut self,
        timeout: Duration,
        mut delivered: impl FnMut(usize, Stamp, u64),
    ) -> anyhow::Result<usize> {
        let timeout = Timespec::try_from(timeout)?;
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &self.events {
            let index = usize::try_from(event.data.u64())?;
            let member = &mut self.members[index];
            let length = match member.stream.read(&mut self.buffer[CARRY..]) {
                Ok(0) => {
                    let last = String::from_utf8_lossy(&member.carry[..member.carried]).into_owned();
                    bail!("the server ended the stream of subscriber {index} after {last:?}")
                }
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error).with_context(|| format!("the stream of subscriber {index}")),
            };
            let now = clock::now();
            if !member.listening {
                let head = &self.buffer[CARRY..CARRY + length];
                ensure!(head.starts_with(b"HTTP/1.1 200"), "unexpected response: {}", String::from_utf8_lossy(head));
                member.listening = true;
                self.listening += 1;
            }
            let start = CARRY - member.carried;
            self.buffer[start..CARRY].copy_from_slice(&member.carry[..member.carried]);
            let bytes = &self.buffer[start..CARRY + length];
            let scanned = self.scanner.scan(bytes, |stamp| delivered(index, stamp, now));
            let rest = &bytes[scanned.max(bytes.len().saturating_sub(CARRY))..];
            member.carry[..rest.len()].copy_from_slice(rest);
            member.carried = rest.len();
        }
        Ok(self.events.len())
    }

    fn join(&mut self, addr: SocketAddr, request: &str) -> anyhow::Result<()> {
        let mut stream = connect(addr)?;
        stream.write_all(request.as_bytes())?;
        stream.set_nonblocking(true)?;
        epoll::add(&self.epoll, &stream, EventData::new_u64(self.members.len() as u64), EventFlags::IN)?;
        self.members.push(Member { stream, listening: false, carry: [0; CARRY], carried: 0 });
        Ok(())
    }
}

/// Connects from the next source address.
fn connect(addr: SocketAddr) -> anyhow::Result<TcpStream> {
    static NEXT: AtomicU32 = AtomicU32::new(0);

    let offset = 1 + NEXT.fetch_add(1, Ordering::Relaxed) % SOURCES;
    let source = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + offset);
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::net::bind(&socket, &SocketAddrV4::new(source, 0))?;
    rustix::net::connect(&socket, &addr)?;
    Ok(TcpStream::from(socket))
}

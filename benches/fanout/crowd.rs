//! Subscribers by the thousand, on one thread: it shares two cores with the server it measures.
//!
//! One epoll, one buffer, and nothing allocated once all are connected. A read costs a search for stamps and no more:
//! neither chunks nor events are parsed, since a stamp lies within one of each.

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

/// For all of them together, counted from the last sign of life of any.
const PATIENCE: Duration = Duration::from_secs(10);

/// 127.0.0.2 and the following, in turn: a closed connection keeps its port for a minute, and one address has only
/// 28,000 of them.
const SOURCES: u32 = 16;

const BUFFER: usize = 64 * 1024;
const EVENTS: usize = 1024;
/// A stamp that is cut off has at least one byte to come.
const CARRY: usize = stamp::LENGTH - 1;

/// Where subscribers connect.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) addr: SocketAddr,
    pub(crate) path: String,
    /// The most that wait for the head of their answer at once. More than the queue of a listener holds would be turned
    /// away, and try again only after a second.
    pub(crate) at_once: usize,
}

/// Subscribers of one channel.
pub(crate) struct Crowd {
    epoll: OwnedFd,
    members: Vec<Member>,
    events: Vec<Event>,
    /// What a member carries over lies right before what is read for it.
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

impl Crowd {
    /// Connects that many, `at_once` of them at a time, and returns when each has the head of its answer.
    pub(crate) fn open(door: &Door, count: usize) -> anyhow::Result<Self> {
        let Door { addr, path, at_once } = door;
        let mut crowd = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            members: Vec::with_capacity(count),
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; CARRY + BUFFER].into_boxed_slice(),
            scanner: Scanner::new(),
            listening: 0,
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
        let mut alive = Instant::now();
        while crowd.listening < count {
            while crowd.members.len() < count && crowd.members.len() - crowd.listening < *at_once {
                crowd.join(*addr, &request).with_context(|| format!("subscriber {}", crowd.members.len()))?;
            }
            if crowd.read(Duration::from_millis(100), |_, _, _| {})? > 0 {
                alive = Instant::now();
            }
            ensure!(alive.elapsed() < PATIENCE, "only {} of {count} subscribers got an answer", crowd.listening);
        }
        Ok(crowd)
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns when all have got a message. A stream that has begun may not be subscribed yet, so `publish` sends one
    /// of number [`stamp::WARM_UP`], again and again.
    pub(crate) fn warm_up(&mut self, mut publish: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
        const ROUND: Duration = Duration::from_millis(500);

        let began = Instant::now();
        let mut heard = vec![false; self.len()];
        let mut missing = self.len();
        while missing > 0 {
            ensure!(began.elapsed() < PATIENCE, "{missing} subscribers hear nothing");
            publish()?;
            let published = Instant::now();
            while missing > 0 && published.elapsed() < ROUND {
                self.read(ROUND, |member, _, _| missing -= usize::from(!std::mem::replace(&mut heard[member], true)))?;
            }
        }
        Ok(())
    }

    /// Reads once from each that has something; how many had. Waits for the first of them until the timeout. Calls
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
                ensure!(head.starts_with(b"HTTP/1.1 200"), "answered {}", String::from_utf8_lossy(head));
                member.listening = true;
                self.listening += 1;
            }
            let begin = CARRY - member.carried;
            self.buffer[begin..CARRY].copy_from_slice(&member.carry[..member.carried]);
            let bytes = &self.buffer[begin..CARRY + length];
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

/// From the next of the source addresses.
fn connect(addr: SocketAddr) -> anyhow::Result<TcpStream> {
    static NEXT: AtomicU32 = AtomicU32::new(0);

    let offset = 1 + NEXT.fetch_add(1, Ordering::Relaxed) % SOURCES;
    let source = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + offset);
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::net::bind(&socket, &SocketAddrV4::new(source, 0))?;
    rustix::net::connect(&socket, &addr)?;
    Ok(TcpStream::from(socket))
}

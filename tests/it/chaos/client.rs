//! An EventSource that records what it receives. It reconnects with its cursor until the run ends.
//!
//! Like the page's own stream, it reconnects after any error and closes a stream that was silent for too long. It can be
//! told to read slowly, to stop reading, or to disconnect for a while.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, ensure};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::support::sse::{Event, Parser};

/// A stream that received nothing for this long is closed. The page uses the same time: a little more than two
/// keep-alives.
const SILENCE: Duration = Duration::from_secs(45);
/// For connecting and for the head of the response.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The pause between attempts in milliseconds, random within this range.
const BACKOFF: (u64, u64) = (50, 500);
/// The size of the socket's receive buffer in bytes. Linux doubles the value, and accepts no less than twice this.
const RECEIVE_BUFFER: u32 = 4 << 10;
/// How often a client that does not read checks its instructions.
const TICK: Duration = Duration::from_millis(100);

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// Reads everything at once.
    Reads,
    /// Reads a few hundred bytes at a time.
    ReadsSlowly,
    /// Keeps its connection open and reads nothing.
    Stopped,
    /// Has no connection, like a machine that sleeps.
    Away,
    /// Disconnects and returns its record.
    Done,
}

/// The instructions for a client. It reconnects at once whenever `storms`, the number of storms so far, changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) behavior: Behavior,
    pub(crate) storms: u64,
}

/// How a client requests its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Like an EventSource: no cursor at first, then the header.
    Plain,
    /// The same without provisional messages.
    Persisted,
    /// All messages, from cursor 0 on.
    FromStart,
    /// Like a page, which got a cursor with its history: the cursor is in the query.
    Query,
}

/// Something that a client received or did.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// It requested a stream with this cursor.
    Requested(Option<String>),
    /// It got no stream, for this reason.
    Refused(String),
    /// The stream was opened.
    Opened,
    Event(Event),
    /// The stream ended for this reason, and the client did not end it.
    Dropped(String),
    /// The client ended the stream.
    Left,
}

/// Everything that a client received and did, in order.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) room: usize,
    pub(crate) style: Style,
    pub(crate) entries: Vec<(Instant, Entry)>,
}

/// A client that runs until its behavior is [`Behavior::Done`].
pub(crate) struct Client {
    pub(crate) record: Record,
    pub(crate) addr: SocketAddr,
    /// The path of its room's messages, with a slash at the end.
    pub(crate) path: String,
    pub(crate) orders: watch::Receiver<Order>,
    /// The cursor after the last event, for the test to observe.
    pub(crate) position: watch::Sender<String>,
    pub(crate) rng: StdRng,
}

/// Why a stream is not read any further.
enum End {
    Dropped(String),
    Left,
}

impl Client {
    pub(crate) fn rng(seed: u64) -> StdRng {
        StdRng::seed_from_u64(seed)
    }

    pub(crate) async fn run(mut self) -> Record {
        if self.record.style == Style::FromStart || self.record.style == Style::Query {
            self.position.send_replace("0".to_owned());
        }
        loop {
            let order = *self.orders.borrow_and_update();
            match order.behavior {
                Behavior::Done => return self.record,
                Behavior::Away => sleep(TICK).await,
                _ => self.connect(order.storms).await,
            }
        }
    }

    fn record(&mut self, entry: Entry) {
        self.record.entries.push((Instant::now(), entry));
    }

    /// Requests a stream and reads it to its end.
    async fn connect(&mut self, storms: u64) {
        let cursor = Some(self.position.borrow().clone()).filter(|cursor| !cursor.is_empty());
        self.record(Entry::Requested(cursor.clone()));
        match timeout(HEAD_TIMEOUT, self.request(cursor.as_deref()))
            .await
            .context("no head within the timeout")
            .flatten()
        {
            Ok((connection, rest)) => {
                self.record(Entry::Opened);
                match self.read(connection, rest, storms).await {
                    End::Dropped(how) => self.record(Entry::Dropped(how)),
                    End::Left => return self.record(Entry::Left),
                }
            }
            Err(error) => self.record(Entry::Refused(format!("{error:#}"))),
        }
        sleep(Duration::from_millis(self.rng.random_range(BACKOFF.0..BACKOFF.1))).await;
    }

    /// Returns the connection, and the part of the body that arrived with the head.
    async fn request(&self, cursor: Option<&str>) -> anyhow::Result<(TcpStream, Vec<u8>)> {
        let (query, header) = match (self.record.style, cursor) {
            (Style::Persisted, None) => ("?provisional=false".to_owned(), String::new()),
            (Style::Persisted, Some(id)) => ("?provisional=false".to_owned(), format!("Last-Event-ID: {id}\r\n")),
            (Style::Query, Some(id)) => (format!("?lastEventId={id}"), String::new()),
            (_, Some(id)) => (String::new(), format!("Last-Event-ID: {id}\r\n")),
            (_, None) => (String::new(), String::new()),
        };
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        let mut connection = socket.connect(self.addr).await?;
        let path = &self.path;
        let request =
            format!("GET {path}{query} HTTP/1.1\r\nHost: chaos.test\r\nAccept: text/event-stream\r\n{header}\r\n");
        connection.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = bytes.split_off(end + 4);
                let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
                let status = head.lines().next().unwrap_or_default();
                ensure!(status.starts_with("http/1.1 200"), "{status}");
                ensure!(head.contains("\r\ntransfer-encoding: chunked"), "not in chunks: {head}");
                return Ok((connection, rest));
            }
            ensure!(connection.read_buf(&mut bytes).await? > 0, "the connection ended before the end of the head");
        }
    }

    async fn read(&mut self, mut connection: TcpStream, rest: Vec<u8>, storms: u64) -> End {
        let mut chunks = Chunks::default();
        let mut parser = Parser::default();
        let mut buffer = vec![0; 16 << 10];
        let mut last_read = Instant::now();
        let mut piece = rest;
        loop {
            match chunks.feed(&piece) {
                Ok(body) => self.handle(parser.feed(&body)),
                Err(error) => return End::Dropped(error),
            }
            if chunks.ended {
                return End::Dropped("the server ended the stream".to_owned());
            }
            piece.clear();
            let order = *self.orders.borrow_and_update();
            let max_bytes = match order.behavior {
                _ if order.storms != storms => return End::Left,
                Behavior::Done | Behavior::Away => return End::Left,
                Behavior::Stopped => {
                    sleep(TICK).await;
                    last_read = Instant::now();
                    continue;
                }
                Behavior::ReadsSlowly => {
                    sleep(TICK / 5).await;
                    300
                }
                Behavior::Reads => buffer.len(),
            };
            tokio::select! {
                read = connection.read(&mut buffer[..max_bytes]) => match read {
                    Ok(0) => return End::Dropped("the connection ended".to_owned()),
                    Ok(read) => {
                        last_read = Instant::now();
                        piece.extend_from_slice(&buffer[..read]);
                    }
                    Err(error) => return End::Dropped(error.to_string()),
                },
                _ = self.orders.changed() => {}
                () = sleep(SILENCE) => {}
            }
            if last_read.elapsed() >= SILENCE {
                return End::Dropped(format!("silent for {SILENCE:?}"));
            }
        }
    }

    fn handle(&mut self, events: Vec<Event>) {
        for event in events {
            if let Some(id) = &event.id {
                self.position.send_replace(id.clone());
            }
            self.record(Entry::Event(event));
        }
    }
}

/// Decodes a chunked body that arrives in pieces.
#[derive(Default)]
struct Chunks {
    /// The bytes left of the current chunk, including the line end after it.
    left: usize,
    line: Vec<u8>,
    ended: bool,
}

impl Chunks {
    fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut body = Vec::with_capacity(bytes.len());
        while !bytes.is_empty() {
            if self.left > 0 {
                let (piece, rest) = bytes.split_at(self.left.min(bytes.len()));
                // The last two bytes are the line end.
                let data = self.left.saturating_sub(2).min(piece.len());
                body.extend_from_slice(&piece[..data]);
                self.left -= piece.len();
                bytes = rest;
                continue;
            }
            self.line.push(bytes[0]);
            bytes = &bytes[1..];
            if self.line.ends_with(b"\r\n") {
                let line = String::from_utf8_lossy(&self.line).trim().to_owned();
                self.line.clear();
                let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
                match size {
                    Ok(0) => self.ended = true,
                    Ok(size) => self.left = size + 2,
                    // The line after the last chunk.
                    Err(_) if self.ended => {}
                    Err(_) => return Err(format!("not a chunk: {line:?}")),
                }
            }
        }
        Ok(body)
    }
}

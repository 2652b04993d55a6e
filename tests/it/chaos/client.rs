//! A recording EventSource: it reconnects with its cursor for as long as the run lasts, and writes down what it sees.
//!
//! As the page's own stream does, it comes back after any refusal, and calls a stream dead that was silent for too long.
//! It can be told to read slowly, or not at all, or to go away for a while.

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

/// As the page has it: two keep-alives and a bit. A stream on which nothing came for so long is given up.
const SILENCE: Duration = Duration::from_secs(45);
/// For a connection and the head of an answer.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// Between attempts, drawn from the whole range.
const BACKOFF: (u64, u64) = (50, 500);
/// What the system keeps of what is not read. Twice that is the least it takes, and it keeps twice of what it is told.
const RECEIVE_BUFFER: u32 = 4 << 10;
/// The end of a run is noticed within this time.
const TICK: Duration = Duration::from_millis(100);

/// What a client does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// Reads all that comes.
    Reads,
    /// Reads some hundred bytes at a time.
    ReadsSlowly,
    /// Keeps its connection, and reads nothing.
    Stopped,
    /// Has no connection: its machine sleeps.
    Away,
    /// Stops for good, when all is over.
    Done,
}

/// What a client is told. The number of storms so far counts how often it was to reconnect at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) conduct: Conduct,
    pub(crate) storms: u64,
}

/// How a client asks for its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// An EventSource: no cursor at first, then the header.
    Plain,
    /// The same without provisional messages.
    Persisted,
    /// It wants all there ever was: from cursor 0 on.
    FromStart,
    /// As a page that was given a cursor with its history: in the query.
    Query,
}

/// Something that a client saw or did.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// It asked for a stream, with this cursor.
    Asked(Option<String>),
    /// It got none.
    Refused(String),
    /// The stream began.
    Opened,
    Event(Event),
    /// The stream ended, and it was not the client's doing.
    Dropped(String),
    /// The client ended the stream.
    Left,
}

/// All that a client saw, in order.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) room: usize,
    pub(crate) style: Style,
    pub(crate) entries: Vec<(Instant, Entry)>,
}

/// A client, which runs until it is told that all is over.
pub(crate) struct Client {
    pub(crate) record: Record,
    pub(crate) addr: SocketAddr,
    /// Of its room's messages, with a slash at the end.
    pub(crate) path: String,
    pub(crate) orders: watch::Receiver<Order>,
    /// The place behind the last event, for the outside to see.
    pub(crate) position: watch::Sender<String>,
    pub(crate) rng: StdRng,
}

/// Why a stream is not read on.
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
            match order.conduct {
                Conduct::Done => return self.record,
                Conduct::Away => sleep(TICK).await,
                _ => self.connect(order.storms).await,
            }
        }
    }

    fn note(&mut self, entry: Entry) {
        self.record.entries.push((Instant::now(), entry));
    }

    /// One stream, from asking for it to its end.
    async fn connect(&mut self, storms: u64) {
        let cursor = Some(self.position.borrow().clone()).filter(|cursor| !cursor.is_empty());
        self.note(Entry::Asked(cursor.clone()));
        match timeout(HEAD_WITHIN, self.ask(cursor.as_deref())).await.context("no head in time").flatten() {
            Ok((connection, rest)) => {
                self.note(Entry::Opened);
                match self.read(connection, rest, storms).await {
                    End::Dropped(how) => self.note(Entry::Dropped(how)),
                    End::Left => return self.note(Entry::Left),
                }
            }
            Err(error) => self.note(Entry::Refused(format!("{error:#}"))),
        }
        sleep(Duration::from_millis(self.rng.random_range(BACKOFF.0..BACKOFF.1))).await;
    }

    /// The connection, and what came of the body with the head.
    async fn ask(&self, cursor: Option<&str>) -> anyhow::Result<(TcpStream, Vec<u8>)> {
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
            ensure!(connection.read_buf(&mut bytes).await? > 0, "the connection ended within the head");
        }
    }

    async fn read(&mut self, mut connection: TcpStream, rest: Vec<u8>, storms: u64) -> End {
        let mut chunks = Chunks::default();
        let mut parser = Parser::default();
        let mut buffer = vec![0; 16 << 10];
        let mut heard = Instant::now();
        let mut piece = rest;
        loop {
            match chunks.feed(&piece) {
                Ok(body) => self.take(parser.feed(&body)),
                Err(error) => return End::Dropped(error),
            }
            if chunks.ended {
                return End::Dropped("the server ended it".to_owned());
            }
            piece.clear();
            let order = *self.orders.borrow_and_update();
            let most = match order.conduct {
                _ if order.storms != storms => return End::Left,
                Conduct::Done | Conduct::Away => return End::Left,
                Conduct::Stopped => {
                    sleep(TICK).await;
                    heard = Instant::now();
                    continue;
                }
                Conduct::ReadsSlowly => {
                    sleep(TICK / 5).await;
                    300
                }
                Conduct::Reads => buffer.len(),
            };
            tokio::select! {
                read = connection.read(&mut buffer[..most]) => match read {
                    Ok(0) => return End::Dropped("the connection ended".to_owned()),
                    Ok(read) => {
                        heard = Instant::now();
                        piece.extend_from_slice(&buffer[..read]);
                    }
                    Err(error) => return End::Dropped(error.to_string()),
                },
                _ = self.orders.changed() => {}
                () = sleep(SILENCE) => {}
            }
            if heard.elapsed() >= SILENCE {
                return End::Dropped(format!("silent for {SILENCE:?}"));
            }
        }
    }

    fn take(&mut self, events: Vec<Event>) {
        for event in events {
            if let Some(id) = &event.id {
                self.position.send_replace(id.clone());
            }
            self.note(Entry::Event(event));
        }
    }
}

/// Takes a chunked body in pieces, which may end anywhere.
#[derive(Default)]
struct Chunks {
    /// What is left of the current chunk, the line end behind it included.
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
                // The last two are the line end.
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
                    // The line behind the last chunk.
                    Err(_) if self.ended => {}
                    Err(_) => return Err(format!("no chunk: {line:?}")),
                }
            }
        }
        Ok(body)
    }
}

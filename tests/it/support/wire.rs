//! An HTTP/1.1 client that shows a response as it arrives: each line of the head, each piece of the body and its time.
//!
//! It adds no headers, follows no redirects, decompresses nothing and repeats nothing.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{
    http1::{Framing, Headers, read_body, read_head},
    stack::SOON,
};

/// A request. Only `Host` and the length of the body are added if the headers do not contain them.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    /// Sends it on a new connection, and waits for the head of the answer.
    pub(crate) async fn send(&self, to: SocketAddr) -> anyhow::Result<Answer> {
        let mut connection = Connection::open(to).await?;
        connection.write(&self.bytes()).await?;
        let answer = if self.method == "HEAD" { connection.answer_to_head().await } else { connection.answer().await };
        answer.with_context(|| format!("{} {}", self.method, self.target))
    }

    /// Returns the bytes that are sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let has = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let mut lines = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !has("host") {
            lines.push_str("Host: wire.test\r\n");
        }
        for (name, value) in &self.headers {
            lines.push_str(&format!("{name}: {value}\r\n"));
        }
        if !has("content-length") && !has("transfer-encoding") && (!self.body.is_empty() || self.method == "POST") {
            lines.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        let mut bytes = format!("{lines}\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A connection on which no answer is pending.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await.with_context(|| format!("connecting to {to}"))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Opens one with a small receive buffer, so that its peer soon notices a slow reader.
    pub(crate) async fn narrow(to: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(128 << 10)?;
        Ok(Self(BufReader::new(socket.connect(to).await.with_context(|| format!("connecting to {to}"))?)))
    }

    /// Waits until the peer has closed the connection, and returns the bytes before that.
    pub(crate) async fn closed_within(&mut self, within: Duration) -> anyhow::Result<String> {
        let mut rest = Vec::new();
        // A reset also counts as closed.
        let _ = timeout(within, self.0.read_to_end(&mut rest)).await.context("the connection stays open")?;
        Ok(String::from_utf8_lossy(&rest).into_owned())
    }

    /// Reads exactly this many bytes.
    pub(crate) async fn bytes(&mut self, count: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        timeout(SOON, self.0.read_exact(&mut bytes)).await.context("nothing arrives")??;
        Ok(bytes)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        timeout(SOON, self.0.write_all(bytes)).await.context("the peer does not read")??;
        Ok(())
    }

    /// Reads the next line, if it comes before an answer.
    pub(crate) async fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        timeout(SOON, self.0.read_line(&mut line)).await.context("nothing arrives")??;
        Ok(line)
    }

    /// Waits for the head of the answer.
    pub(crate) async fn answer(self) -> anyhow::Result<Answer> {
        self.read_answer(None).await
    }

    /// Waits for the head of an answer that has no body, whatever its headers say. Any bytes after it are its body.
    pub(crate) async fn answer_to_head(self) -> anyhow::Result<Answer> {
        self.read_answer(Some(Framing::Open)).await
    }

    async fn read_answer(mut self, framing: Option<Framing>) -> anyhow::Result<Answer> {
        let (status, reason, headers) = loop {
            let head = timeout(SOON, read_head(&mut self.0)).await.context("no answer")??;
            let head = head.context("the connection ended instead of an answer")?;
            let mut words = head.start.splitn(3, ' ').skip(1);
            let status: u16 = words.next().unwrap_or_default().parse().with_context(|| head.start.clone())?;
            // `100 Continue` is not the answer, which follows it.
            if status >= 200 {
                break (status, words.next().unwrap_or_default().to_owned(), head.headers);
            }
        };
        let framing = match status {
            204 | 304 => Framing::Length(0),
            _ => framing.or_else(|| Framing::of(&headers)).unwrap_or(Framing::Open),
        };
        let (send, body) = watch::channel(Body::default());
        let reading = tokio::spawn(async move {
            let read = read_body(&mut self.0, framing, |piece| {
                send.send_modify(|body| {
                    body.bytes.extend_from_slice(piece);
                    body.arrivals.push((Instant::now(), body.bytes.len()));
                });
            });
            let end = read.await.map_err(|error| error.to_string());
            send.send_modify(|body| body.end = Some(end));
            self
        });
        Ok(Answer { status, reason, headers, framing, body, reading })
    }
}

/// An answer whose body may still be arriving. Its connection ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Headers,
    pub(crate) framing: Framing,
    body: watch::Receiver<Body>,
    reading: JoinHandle<Connection>,
}

#[derive(Debug, Default)]
struct Body {
    bytes: Vec<u8>,
    /// The times of the pieces, and the length of the body after each.
    arrivals: Vec<(Instant, usize)>,
    end: Option<Result<(), String>>,
}

impl Answer {
    /// Returns the body so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body.borrow().bytes).into_owned()
    }

    /// Waits until the body is `expected`, and fails as soon as it cannot become that any more.
    pub(crate) async fn reads(&mut self, expected: &str) -> anyhow::Result<()> {
        self.reads_within(SOON, expected).await
    }

    pub(crate) async fn reads_within(&mut self, within: Duration, expected: &str) -> anyhow::Result<()> {
        let expected = expected.as_bytes();
        let settled = |body: &Body| body.bytes == expected || body.end.is_some() || !expected.starts_with(&body.bytes);
        let waited = timeout(within, self.body.wait_for(settled)).await.map(drop);
        let body = self.body.borrow();
        ensure!(
            body.bytes == expected,
            "the body is {:?}, not {:?}; its end: {:?}{}",
            String::from_utf8_lossy(&body.bytes),
            String::from_utf8_lossy(expected),
            body.end,
            if waited.is_err() { format!("; within {within:?}") } else { String::new() }
        );
        Ok(())
    }

    /// Waits for the complete body.
    pub(crate) async fn whole(&mut self) -> anyhow::Result<Vec<u8>> {
        self.ends_within(SOON).await?;
        Ok(self.body.borrow().bytes.clone())
    }

    /// Waits for the complete body, which must be `expected`.
    pub(crate) async fn ends_as(&mut self, expected: &str) -> anyhow::Result<()> {
        self.reads(expected).await?;
        self.ends_within(SOON).await?;
        ensure!(self.text() == expected, "after {expected:?}: {:?}", self.text());
        Ok(())
    }

    /// Waits for the orderly end of the body.
    pub(crate) async fn ends_within(&mut self, within: Duration) -> anyhow::Result<()> {
        let waited = timeout(within, self.body.wait_for(|body| body.end.is_some())).await.map(drop);
        let body = self.body.borrow();
        match &body.end {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => bail!("the body broke: {error}"),
            None => bail!("no end within {within:?} ({waited:?}), but {:?}", String::from_utf8_lossy(&body.bytes)),
        }
    }

    /// Fails if more of the body, or its end, arrives during this time.
    pub(crate) async fn stays(&mut self, during: Duration) -> anyhow::Result<()> {
        let before = self.text();
        let changes = |body: &Body| body.bytes != before.as_bytes() || body.end.is_some();
        if timeout(during, self.body.wait_for(changes)).await.is_ok() {
            let body = self.body.borrow();
            bail!("after {before:?} came {:?}; its end: {:?}", String::from_utf8_lossy(&body.bytes), body.end);
        }
        Ok(())
    }

    /// Whether more of the body, or its end, arrives during this time. After the end it returns false.
    pub(crate) async fn changes(&mut self, within: Duration) -> bool {
        // Borrowed once: a second borrow would wait for a writer that waits for the first borrow to end.
        let (length, ended) = {
            let body = self.body.borrow();
            (body.bytes.len(), body.end.is_some())
        };
        let changes = |body: &Body| body.bytes.len() != length || body.end.is_some() != ended;
        // After the end nothing changes any more.
        matches!(timeout(within, self.body.wait_for(changes)).await, Ok(Ok(_)))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.body.borrow().end.is_none()
    }

    /// Returns the time when the body had this many bytes.
    pub(crate) fn arrival_of(&self, length: usize) -> Option<Instant> {
        self.body.borrow().arrivals.iter().find(|(_, read)| *read >= length).map(|(at, _)| *at)
    }

    /// Returns the connection after the end of the body.
    pub(crate) async fn connection(mut self) -> anyhow::Result<Connection> {
        self.ends_within(SOON).await?;
        Ok((&mut self.reading).await?)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

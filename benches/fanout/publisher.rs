//! Publishes one message after the other, over one connection if the server keeps it open.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    str,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use crate::{clock, stamp::Stamp};

/// The time limit for one response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The form of a publish request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialect {
    /// The body is the data of an event. nchan gives it an id.
    Nchan,
    /// An item with a complete event.
    Grip,
    /// A message to a chat room.
    Chat,
}

impl Dialect {
    /// Returns the body for a message. In every dialect its event has about 100 bytes.
    fn body(self, stamp: Stamp) -> String {
        let data = format!(r#"{{"from":"Ada","text":"{} with further text"}}"#, stamp.text());
        match self {
            Self::Nchan | Self::Chat => data,
            Self::Grip => {
                let content = format!("id: {:010}:0\ndata: {data}\n\n", stamp.number);
                let formats = serde_json::json!({"http-stream": {"content": content}});
                serde_json::json!({"items": [{"channel": crate::CHANNEL, "formats": formats}]}).to_string()
            }
        }
    }
}

/// Where to publish, and how.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    pub(crate) path: String,
    pub(crate) dialect: Dialect,
}

/// One publisher.
pub(crate) struct Publisher<'a> {
    target: &'a Target,
    connection: Option<TcpStream>,
    answer: Vec<u8>,
}

impl<'a> Publisher<'a> {
    pub(crate) fn new(target: &'a Target) -> Self {
        Self { target, connection: None, answer: Vec::new() }
    }

    /// Publishes a message, waits for the response, and returns the time at which the request was sent, without the time
    /// to connect.
    pub(crate) fn publish(&mut self, number: u32) -> anyhow::Result<u64> {
        let Target { addr, path, dialect } = self.target;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = TcpStream::connect(addr).context("no connection to publish")?;
                connection.set_nodelay(true)?;
                connection.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
                connection
            }
        };
        let sent = clock::now();
        let body = dialect.body(Stamp { number, sent });
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes())?;
        if self.read_response(&mut connection)? {
            self.connection = Some(connection);
        }
        Ok(sent)
    }

    /// Reads the response, which must be a success, and returns whether the connection stays open.
    fn read_response(&mut self, connection: &mut TcpStream) -> anyhow::Result<bool> {
        self.answer.clear();
        let mut buffer = [0; 4096];
        loop {
            let length = connection.read(&mut buffer)?;
            self.answer.extend_from_slice(&buffer[..length]);
            match response_end(&self.answer, length == 0)? {
                Some(keep_alive) => break Ok(keep_alive),
                None => ensure!(length > 0, "the response is incomplete: {}", String::from_utf8_lossy(&self.answer)),
            }
        }
    }
}

/// If the response is complete, returns whether another request may follow it.
fn response_end(answer: &[u8], closed: bool) -> anyhow::Result<Option<bool>> {
    let answer = str::from_utf8(answer)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Ok(None) };
    if !head.starts_with("HTTP/1.1 2") && !head.starts_with("HTTP/1.0 2") {
        bail!("a publish failed: {answer}");
    }
    let head = head.to_ascii_lowercase();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let whole = match (header("content-length:"), header("transfer-encoding:")) {
        (Some(length), _) => body.len() >= length.parse()?,
        (None, Some(_)) => body.ends_with("0\r\n\r\n"),
        (None, None) => closed,
    };
    let keep_alive = !closed && header("connection:") != Some("close");
    Ok(whole.then_some(keep_alive))
}

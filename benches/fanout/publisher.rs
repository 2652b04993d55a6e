//! Publishes one message after the other, over one connection where the server leaves it open.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    str,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use crate::{clock, stamp::Stamp};

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a server is told what to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialect {
    /// nchan makes an event of the body, and gives it an id itself.
    Nchan,
    /// A stream item, as it goes to the subscribers.
    Grip,
    /// A message to a chat room.
    Chat,
}

impl Dialect {
    /// The body for a message whose event has about 100 bytes, in every dialect.
    fn body(self, stamp: Stamp) -> String {
        let data = format!(r#"{{"from":"Ada","text":"{} and as it goes on"}}"#, stamp.text());
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

    /// Publishes one, and returns when the server has answered: when it was sent, which is once there is a connection.
    pub(crate) fn publish(&mut self, number: u32) -> anyhow::Result<u64> {
        let Target { addr, path, dialect } = self.target;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = TcpStream::connect(addr).context("no connection to publish")?;
                connection.set_nodelay(true)?;
                connection.set_read_timeout(Some(PATIENCE))?;
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
        if self.hear(&mut connection)? {
            self.connection = Some(connection);
        }
        Ok(sent)
    }

    /// Reads the answer, which must be one of success; whether the connection stays open.
    fn hear(&mut self, connection: &mut TcpStream) -> anyhow::Result<bool> {
        self.answer.clear();
        let mut buffer = [0; 4096];
        loop {
            let length = connection.read(&mut buffer)?;
            self.answer.extend_from_slice(&buffer[..length]);
            match end(&self.answer, length == 0)? {
                Some(stays) => break Ok(stays),
                None => ensure!(length > 0, "the answer was cut off: {}", String::from_utf8_lossy(&self.answer)),
            }
        }
    }
}

/// Whether the answer is whole, and then whether another request may follow it.
fn end(answer: &[u8], closed: bool) -> anyhow::Result<Option<bool>> {
    let answer = str::from_utf8(answer)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Ok(None) };
    if !head.starts_with("HTTP/1.1 2") && !head.starts_with("HTTP/1.0 2") {
        bail!("a publish was answered {answer}");
    }
    let head = head.to_ascii_lowercase();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let whole = match (header("content-length:"), header("transfer-encoding:")) {
        (Some(length), _) => body.len() >= length.parse()?,
        (None, Some(_)) => body.ends_with("0\r\n\r\n"),
        (None, None) => closed,
    };
    let stays = !closed && header("connection:") != Some("close");
    Ok(whole.then_some(stays))
}

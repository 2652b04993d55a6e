//! HTTP/1.1 as it is on the wire: heads line by line, bodies piece by piece. For clients and backends that receive or send
//! what a library would normalize: repeated header lines, unusual values, the pieces of a body.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// The longest line in bytes. A longer one is an error.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Header lines in order. Their values have no blanks around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

impl Headers {
    /// Returns the value of the first line with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// Returns the values of all lines with this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &**value).collect()
    }

    /// Returns the names with this prefix, in lower case.
    pub(crate) fn names_from(&self, prefix: &str) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.to_ascii_lowercase()).filter(|name| name.starts_with(prefix)).collect()
    }
}

/// The head of a request or an answer.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The first line.
    pub(crate) start: String,
    pub(crate) headers: Headers,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    /// At the end of the connection.
    Open,
}

impl Framing {
    /// Reads it from the headers. A request whose headers do not contain it has no body.
    pub(crate) fn of(headers: &Headers) -> Option<Self> {
        if headers.all("transfer-encoding").iter().any(|value| value.eq_ignore_ascii_case("chunked")) {
            return Some(Self::Chunked);
        }
        headers.get("content-length").and_then(|value| value.parse().ok()).map(Self::Length)
    }
}

/// Reads a head. Returns `None` if the connection ended before it.
pub(crate) async fn read_head(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Head>> {
    // RFC 9112, section 2.2: empty lines before a request are ignored. So is the rest of a `100 Continue`.
    let start = loop {
        match read_line(from).await? {
            Some(line) if line.is_empty() => {}
            Some(line) => break line,
            None => return Ok(None),
        }
    };
    let mut headers = Headers::default();
    loop {
        let line = read_line(from).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(Some(Head { start, headers }));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| io::Error::other(format!("not a header: {line}")))?;
        headers.0.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// Passes a body on piece by piece.
pub(crate) async fn read_body(
    from: &mut (impl AsyncBufRead + Unpin),
    framing: Framing,
    mut piece: impl FnMut(&[u8]),
) -> io::Result<()> {
    match framing {
        Framing::Length(length) => read_exactly(from, length, &mut piece).await,
        Framing::Open => loop {
            let bytes = from.fill_buf().await?;
            if bytes.is_empty() {
                return Ok(());
            }
            let read = bytes.len();
            piece(bytes);
            from.consume(read);
        },
        Framing::Chunked => loop {
            let line = read_line(from).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| io::Error::other(format!("not a chunk: {line}")))?;
            if size == 0 {
                // Trailers, up to an empty line.
                while !read_line(from).await?.ok_or(io::ErrorKind::UnexpectedEof)?.is_empty() {}
                return Ok(());
            }
            read_exactly(from, size, &mut piece).await?;
            if read_line(from).await?.is_none_or(|line| !line.is_empty()) {
                return Err(io::Error::other("a chunk that does not end after its length"));
            }
        },
    }
}

async fn read_exactly(
    from: &mut (impl AsyncBufRead + Unpin),
    mut left: u64,
    piece: &mut impl FnMut(&[u8]),
) -> io::Result<()> {
    while left > 0 {
        let bytes = from.fill_buf().await?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let read = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        piece(&bytes[..read]);
        from.consume(read);
        left -= read as u64;
    }
    Ok(())
}

/// Reads a line without its end. Returns `None` at the end of the connection.
async fn read_line(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let bytes = from.fill_buf().await?;
        if bytes.is_empty() {
            return if line.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let read = end.map_or(bytes.len(), |at| at + 1);
        line.extend_from_slice(&bytes[..read]);
        from.consume(read);
        if line.len() > MAX_LINE_BYTES {
            return Err(io::Error::other("a line that is too long"));
        }
        if end.is_some() {
            let line = String::from_utf8_lossy(&line);
            return Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()));
        }
    }
}

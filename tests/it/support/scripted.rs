//! A backend that responds by a script and records every line of the requests. It can respond in every way, including
//! wrong ones.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use super::http1::{Framing, Headers, read_body, read_head};

/// A request as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The path with the query.
    pub(crate) target: String,
    pub(crate) headers: Headers,
    /// The bytes of the body that have arrived.
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
    /// Whether the script has chosen the response.
    pub(crate) answered: bool,
}

impl Asked {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The response to a request.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    head: Head,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Head {
    /// The status with its reason, and header lines.
    Of(String, Vec<(String, String)>),
    /// No response, and no end of the connection.
    Silence,
    /// The end of the connection.
    Close,
    /// These bytes and the end of the connection, HTTP or not.
    Raw(Vec<u8>),
}

#[derive(Clone, Debug)]
enum Part {
    Bytes(Vec<u8>),
    /// A pause of the body until the test adds a permit.
    Until(Arc<Semaphore>),
    /// The end of the connection, too early.
    BreakOff,
}

impl Reply {
    /// 200 with this body.
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status("200 OK").part(body)
    }

    /// A status with its reason, and no body.
    pub(crate) fn status(status: &str) -> Self {
        Self { head: Head::Of(status.to_owned(), Vec::new()), parts: Vec::new() }
    }

    /// Takes the request, and never answers.
    pub(crate) fn silence() -> Self {
        Self { head: Head::Silence, parts: Vec::new() }
    }

    /// Takes the request, and closes the connection.
    pub(crate) fn close() -> Self {
        Self { head: Head::Close, parts: Vec::new() }
    }

    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { head: Head::Raw(bytes.into()), parts: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let Head::Of(_, headers) = &mut self.head {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// More of the body. One part has a length; several are sent as chunks.
    pub(crate) fn part(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.parts.push(Part::Bytes(bytes.into()));
        self
    }

    /// Sends what follows only when the gate has a permit, which stays there.
    pub(crate) fn until(mut self, gate: &Arc<Semaphore>) -> Self {
        self.parts.push(Part::Until(gate.clone()));
        self
    }

    /// Ends the connection within the body.
    pub(crate) fn break_off(mut self) -> Self {
        self.parts.push(Part::BreakOff);
        self
    }
}

type Script = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// Ends, with all its connections, when dropped.
pub(crate) struct ScriptedBackend {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    scripts: Mutex<BTreeMap<String, Script>>,
    asked: Mutex<Vec<Asked>>,
}

impl ScriptedBackend {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (addr, shared) = (listener.local_addr()?, Arc::<Shared>::default());
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { addr, shared, accepting })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on requests to this path are answered so, whatever their method and query. Those to any other get 404.
    pub(crate) fn on(&self, path: &str, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        lock(&self.shared.scripts).insert(path.to_owned(), Arc::new(script));
    }

    /// What this path was asked so far, in order of arrival. A body may still be coming.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        lock(&self.shared.asked).iter().filter(|asked| asked.path() == path).cloned().collect()
    }
}

impl Drop for ScriptedBackend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, which ends all connections.
    let mut connections = JoinSet::new();
    loop {
        // What fails here is a connection that was gone before it was accepted.
        let Ok((connection, _)) = listener.accept().await else { continue };
        let shared = shared.clone();
        // An error is a proxy that went away, which a test may be about.
        connections.spawn(async move { drop(serve(connection, &shared).await) });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(connection: TcpStream, shared: &Shared) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut connection = BufReader::new(connection);
    while let Some((index, asked)) = read_request(&mut connection, shared).await? {
        let script = lock(&shared.scripts).get(asked.path()).cloned();
        let reply = script.map_or_else(|| Reply::status("404 Not Found"), |script| script(&asked));
        lock(&shared.asked)[index].answered = true;
        match reply.head {
            Head::Of(status, headers) => {
                let without_body = asked.method == "HEAD" || status.starts_with("204") || status.starts_with("304");
                write_reply(&mut connection, &status, &headers, reply.parts, without_body).await?;
            }
            Head::Silence => {
                // Until the proxy gives up, or the test ends.
                read_body(&mut connection, Framing::Open, |_| {}).await?;
            }
            Head::Close => break,
            Head::Raw(bytes) => {
                connection.write_all(&bytes).await?;
                break;
            }
        }
    }
    Ok(())
}

async fn read_request(connection: &mut BufReader<TcpStream>, shared: &Shared) -> io::Result<Option<(usize, Asked)>> {
    let Some(head) = read_head(connection).await? else { return Ok(None) };
    let mut words = head.start.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let framing = Framing::of(&head.headers);
    if head.headers.get("expect").is_some() {
        connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let asked = Asked { method, target, headers: head.headers, body: Vec::new(), at: Instant::now(), answered: false };
    let index = {
        let mut all = lock(&shared.asked);
        all.push(asked);
        all.len() - 1
    };
    if let Some(framing) = framing {
        read_body(connection, framing, |piece| lock(&shared.asked)[index].body.extend_from_slice(piece)).await?;
    }
    let asked = lock(&shared.asked)[index].clone();
    Ok(Some((index, asked)))
}

async fn write_reply(
    connection: &mut BufReader<TcpStream>,
    status: &str,
    headers: &[(String, String)],
    parts: Vec<Part>,
    without_body: bool,
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = match &*parts {
        [] => Some(0),
        [Part::Bytes(bytes)] => Some(bytes.len()),
        _ => None,
    };
    match length {
        _ if status.starts_with("204") || status.starts_with("304") => {}
        Some(length) => head.push_str(&format!("Content-Length: {length}\r\n")),
        None => head.push_str("Transfer-Encoding: chunked\r\n"),
    }
    connection.write_all(format!("{head}\r\n").as_bytes()).await?;
    if without_body {
        return Ok(());
    }
    for part in parts {
        match part {
            Part::Bytes(bytes) if length.is_some() => connection.write_all(&bytes).await?,
            Part::Bytes(bytes) => {
                let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat();
                connection.write_all(&chunk).await?;
            }
            // Never closed, so that it cannot fail.
            Part::Until(gate) => drop(gate.acquire().await),
            Part::BreakOff => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
    if length.is_none() {
        connection.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}

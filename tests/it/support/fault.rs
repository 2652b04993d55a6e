//! A TCP proxy that fails on demand, for connections to the store, to a control port, or from clients.
//!
//! It does not parse HTTP: "request" means the bytes from a client, "answer" the bytes from the upstream.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use memchr::memmem;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};

pub(crate) mod tests;

/// A request counts as complete when no more bytes arrive for this time.
const QUIET: Duration = Duration::from_millis(10);

/// What the proxy does with connections, including the open ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Every piece of a request is delayed. A change of the delay applies to delayed pieces too, and `Pass` releases them.
    Delay(Duration),
    /// Connections are accepted and requests are read, but nothing is forwarded in either direction.
    Hang,
    /// Open connections are reset, and new ones are reset when they are accepted.
    Refuse,
    /// Requests are forwarded. Answers are dropped, and so is the end of the connection that may follow them.
    LoseAnswers,
    /// Requests are forwarded at once. Every piece of an answer is delayed.
    DelayAnswers(Duration),
    /// Open connections are reset. New ones are reset after a request was read.
    Reset,
    /// Open connections are reset. On new ones, a request is answered with these bytes and the end of the connection.
    /// Nothing is forwarded.
    Answer(&'static str),
}

/// A running proxy. All its connections end when it is dropped.
#[derive(Debug)]
pub(crate) struct FaultProxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    state: watch::Sender<State>,
    connections: AtomicU64,
    bytes_up: AtomicU64,
    bytes_lost: AtomicU64,
    word: OnceLock<&'static str>,
    words: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct State {
    mode: Mode,
    /// How often all open connections were cut. Each connection compares this with the number at its start, so that it
    /// also ends if a mode was too short for its task to notice.
    cuts: u64,
}

impl FaultProxy {
    /// Starts one that forwards everything to `upstream`, which need not listen yet.
    pub(crate) async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            state: watch::Sender::new(State { mode: Mode::Pass, cuts: 0 }),
            connections: AtomicU64::new(0),
            bytes_up: AtomicU64::new(0),
            bytes_lost: AtomicU64::new(0),
            word: OnceLock::new(),
            words: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { addr, shared, accepting })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Applies to everything that arrives after this call.
    ///
    /// The end of `Hang` and `LoseAnswers` closes every connection that is open: the bytes that were read are lost, as
    /// with a machine that failed, and later bytes would make no sense without them.
    pub(crate) fn set(&self, mode: Mode) {
        self.shared.state.send_modify(|state| {
            let lossy = matches!(state.mode, Mode::Hang | Mode::LoseAnswers);
            let cuts = matches!(mode, Mode::Refuse | Mode::Reset | Mode::Answer(_));
            if cuts || (lossy && mode != state.mode) {
                state.cuts += 1;
            }
            state.mode = mode;
        });
    }

    /// Returns the number of connections accepted so far, including the ones that were reset.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Relaxed)
    }

    /// Returns the number of bytes received from clients so far, forwarded or not.
    pub(crate) fn bytes_up(&self) -> u64 {
        self.shared.bytes_up.load(Relaxed)
    }

    /// Returns the number of bytes of answers dropped so far. When it grows, the upstream has handled a request.
    pub(crate) fn bytes_lost(&self) -> u64 {
        self.shared.bytes_lost.load(Relaxed)
    }

    /// Returns how often clients sent this word since the first call. Only one word can be counted.
    pub(crate) fn times(&self, word: &'static str) -> u64 {
        assert_eq!(*self.shared.word.get_or_init(|| word), word, "only one word can be counted");
        self.shared.words.load(Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, which ends all connections.
    let mut connections = JoinSet::new();
    loop {
        // An error is a connection that ended before it was accepted.
        let Ok((client, _)) = listener.accept().await else { continue };
        shared.connections.fetch_add(1, Relaxed);
        let state = *shared.state.borrow();
        connections.spawn(serve(client, state.cuts, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut client: TcpStream, cuts: u64, shared: Arc<Shared>) {
    let mut state = shared.state.subscribe();
    let mode = state.borrow().mode;
    if mode != Mode::Refuse {
        let served = async {
            match mode {
                Mode::Reset => read_request(&mut client, &shared).await.and(Err(io::ErrorKind::ConnectionReset.into())),
                Mode::Answer(answer) => answer_with(&mut client, answer, &shared).await,
                _ => relay(&mut client, cuts, &shared).await,
            }
        };
        tokio::select! {
            // First, so that a connection that is cut forwards nothing more.
            biased;
            _ = state.wait_for(|state| state.cuts != cuts) => {}
            ended = served => if ended.is_ok() { return },
        }
    }
    // A reset instead of an orderly end. If that fails, an orderly end is good enough.
    let _ = client.set_zero_linger();
}

/// Reads until no more bytes arrive for a moment.
async fn read_request(client: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut read = client.read(&mut buffer).await?;
    while read > 0 {
        shared.bytes_up.fetch_add(read as u64, Relaxed);
        match timeout(QUIET, client.read(&mut buffer)).await {
            Ok(more) => read = more?,
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

async fn answer_with(client: &mut TcpStream, answer: &str, shared: &Shared) -> io::Result<()> {
    read_request(client, shared).await?;
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await?;
    // Unread bytes would turn the end into a reset, which would discard the answer.
    while client.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

async fn relay(client: &mut TcpStream, cuts: u64, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    #[expect(clippy::disallowed_methods, reason = "a bound would stop the reading, and so change what is counted")]
    let (held, holding) = mpsc::unbounded_channel();
    if shared.state.borrow().mode == Mode::Hang {
        // The upstream must not see anything, and need not even listen.
        read_requests(from_client, held, shared).await?;
        return hang().await;
    }

    let mut upstream = TcpStream::connect(shared.upstream).await?;
    upstream.set_nodelay(true)?;
    let (from_upstream, to_upstream) = upstream.split();
    tokio::try_join!(
        read_requests(from_client, held, shared),
        forward_requests(holding, to_upstream, cuts, shared),
        forward_answers(from_upstream, to_client, cuts, shared),
    )?;
    Ok(())
}

type Piece = (Instant, Vec<u8>);

async fn read_requests(
    mut client: ReadHalf<'_>,
    held: mpsc::UnboundedSender<Piece>,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    // The end of the bytes so far, which may be the start of a word.
    let mut end = Vec::new();
    loop {
        // A client that was killed ends with a reset; the bytes that it had sent are still forwarded.
        let read = client.read(&mut buffer).await.unwrap_or(0);
        // Sending fails only after forwarding has ended with an error, which ends this as well.
        if read == 0 || held.send((Instant::now(), buffer[..read].to_vec())).is_err() {
            return Ok(());
        }
        shared.bytes_up.fetch_add(read as u64, Relaxed);
        if let Some(word) = shared.word.get() {
            end.extend_from_slice(&buffer[..read]);
            shared.words.fetch_add(memmem::find_iter(&end, word).count() as u64, Relaxed);
            end.drain(..end.len().saturating_sub(word.len() - 1));
        }
    }
}

async fn forward_requests(
    mut held: mpsc::UnboundedReceiver<Piece>,
    mut upstream: WriteHalf<'_>,
    cuts: u64,
    shared: &Shared,
) -> io::Result<()> {
    let mut state = shared.state.subscribe();
    while let Some((arrived, piece)) = held.recv().await {
        loop {
            let now = *state.borrow_and_update();
            let due = match now.mode {
                _ if now.cuts != cuts => return hang().await,
                Mode::Pass | Mode::LoseAnswers | Mode::DelayAnswers(_) => break,
                Mode::Delay(delay) => arrived + delay,
                Mode::Hang | Mode::Refuse | Mode::Reset | Mode::Answer(_) => return hang().await,
            };
            if due <= Instant::now() {
                break;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                _ = state.changed() => {}
            }
        }
        upstream.write_all(&piece).await?;
    }
    let mode = state.borrow().mode;
    match mode {
        Mode::Pass | Mode::Delay(_) | Mode::LoseAnswers | Mode::DelayAnswers(_) => upstream.shutdown().await,
        Mode::Hang | Mode::Refuse | Mode::Reset | Mode::Answer(_) => hang().await,
    }
}

async fn forward_answers(
    mut upstream: ReadHalf<'_>,
    mut client: WriteHalf<'_>,
    cuts: u64,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut state = shared.state.subscribe();
    loop {
        let read = upstream.read(&mut buffer).await?;
        let arrived = Instant::now();
        loop {
            let Mode::DelayAnswers(delay) = state.borrow_and_update().mode else { break };
            if arrived + delay <= Instant::now() {
                break;
            }
            tokio::select! {
                () = sleep_until(arrived + delay) => {}
                _ = state.changed() => {}
            }
        }
        let now = *shared.state.borrow();
        match now.mode {
            _ if now.cuts != cuts => return hang().await,
            Mode::Pass | Mode::Delay(_) | Mode::DelayAnswers(_) if read == 0 => return client.shutdown().await,
            Mode::Pass | Mode::Delay(_) | Mode::DelayAnswers(_) => client.write_all(&buffer[..read]).await?,
            Mode::Hang | Mode::LoseAnswers if read == 0 => return hang().await,
            Mode::Hang | Mode::LoseAnswers => _ = shared.bytes_lost.fetch_add(read as u64, Relaxed),
            Mode::Refuse | Mode::Reset | Mode::Answer(_) => return hang().await,
        }
    }
}

/// Never returns: a connection whose bytes were lost does nothing more until it is cut.
async fn hang() -> io::Result<()> {
    std::future::pending().await
}

//! Thousands of clients. Each is only a socket, a parser and the number of its last message.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::support::{
    http1::{Framing, read_body, read_head},
    sse::{Event, Parser},
    wire::Request,
};

/// The upper end of the first random pause before a client reconnects. It doubles each time, as in `client/waiting.js`.
const BACKOFF: Duration = Duration::from_millis(500);
/// For all clients, on a machine that is busy with other tests.
const DEADLINE: Duration = Duration::from_secs(90);

/// All clients. They disconnect when this is dropped.
pub(super) struct Clients {
    clients: Vec<Arc<Client>>,
    awake: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

/// One client.
pub(super) struct Client {
    /// The number of the message after which it sleeps: it disconnects, and reconnects when it is woken.
    pub(super) asleep_at: Option<u64>,
    /// It has all messages up to this number, each once and in order.
    has: AtomicU64,
    /// Whether its stream is open.
    open: AtomicBool,
    /// The last event id that the server sent.
    last_event_id: Mutex<String>,
    /// How often a request was refused.
    refused: AtomicU64,
    /// The first event that was not expected.
    wrong: Mutex<Option<String>>,
    sleeps: Notify,
}

impl Clients {
    /// Connects so many clients at once, with this cursor.
    pub(super) fn new(
        to: SocketAddr,
        count: usize,
        cursor: &str,
        asleep_at: impl Fn(usize) -> Option<u64>,
    ) -> anyhow::Result<Self> {
        let (awake, _) = watch::channel(false);
        let (mut tasks, mut clients) = (JoinSet::new(), Vec::new());
        for n in 0..count {
            let client = Arc::new(Client::new(cursor, asleep_at(n))?);
            tasks.spawn(Arc::clone(&client).live(to, awake.subscribe()));
            clients.push(client);
        }
        Ok(Self { clients, awake, _tasks: tasks })
    }

    /// Returns when the streams of all clients are open.
    pub(super) async fn are_all_open(&self) -> anyhow::Result<()> {
        self.until("are not open", |client| client.open.load(Relaxed)).await
    }

    /// Returns when each client has all messages up to this number, and received no unexpected event.
    pub(super) async fn all_have(&self, enough: impl Fn(&Client) -> u64) -> anyhow::Result<()> {
        self.until("miss messages", |client| client.has.load(Relaxed) >= enough(client)).await
    }

    async fn until(&self, otherwise: &str, holds: impl Fn(&Client) -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            if let Some(wrong) = self.clients.iter().find_map(|client| client.wrong()) {
                bail!("{wrong}");
            }
            let left = self.clients.iter().filter(|client| !holds(client)).count();
            if left == 0 {
                return Ok(());
            }
            ensure!(began.elapsed() < DEADLINE, "{left} {otherwise}, {} were refused", self.refused());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many requests were refused.
    pub(super) fn refused(&self) -> u64 {
        self.clients.iter().map(|client| client.refused.load(Relaxed)).sum()
    }

    /// Wakes all clients that sleep.
    pub(super) fn wake(&self) {
        self.awake.send_replace(true);
    }
}

impl Client {
    fn new(cursor: &str, asleep_at: Option<u64>) -> anyhow::Result<Self> {
        Ok(Self {
            asleep_at,
            has: AtomicU64::new(seq_of(cursor).context("a cursor after a message")?),
            open: AtomicBool::new(false),
            last_event_id: Mutex::new(cursor.to_owned()),
            refused: AtomicU64::new(0),
            wrong: Mutex::default(),
            sleeps: Notify::new(),
        })
    }

    async fn live(self: Arc<Self>, to: SocketAddr, mut awake: watch::Receiver<bool>) {
        let mut failures = 0;
        loop {
            let asleep = tokio::select! {
                // Any error is expected here: the proxy ends, or refuses.
                _ = self.listen(to) => false,
                () = self.sleeps.notified() => true,
            };
            failures = if self.open.swap(false, Relaxed) { 0 } else { failures + 1 };
            if asleep && awake.wait_for(|awake| *awake).await.is_err() {
                return;
            }
            sleep((BACKOFF * 2_u32.pow(failures.min(6))).mul_f64(rand::random())).await;
        }
    }

    async fn listen(&self, to: SocketAddr) -> anyhow::Result<()> {
        let last_event_id = self.last_event_id.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let request = Request::get("/rooms/lobby/messages/")
            .header("Accept", "text/event-stream")
            .header("Last-Event-ID", &last_event_id);
        let mut socket = BufReader::new(TcpStream::connect(to).await?);
        socket.write_all(&request.bytes()).await?;
        let head = read_head(&mut socket).await?.context("no answer")?;
        if !head.start.starts_with("HTTP/1.1 200") {
            self.refused.fetch_add(1, Relaxed);
            bail!("{}", head.start);
        }
        self.open.store(true, Relaxed);
        let mut parser = Parser::default();
        let framing = Framing::of(&head.headers).unwrap_or(Framing::Open);
        let take = |piece: &[u8]| parser.feed(piece).iter().for_each(|event| self.take(event));
        Ok(read_body(&mut socket, framing, take).await?)
    }

    fn take(&self, event: &Event) {
        if let Some(id) = &event.id {
            id.clone_into(&mut self.last_event_id.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let has = self.has.load(Relaxed);
        match (event.event.as_str(), event.id.as_deref().map(seq_of)) {
            ("message", Some(Some(seq))) if seq == has + 1 => {
                self.has.store(seq, Relaxed);
                if Some(seq) == self.asleep_at {
                    self.sleeps.notify_one();
                }
            }
            // A message without an id is provisional.
            ("message", None) | ("stream-open" | "keep-alive", _) => {}
            (name, _) => {
                let wrong = format!("after {has} came {name} {:?}: {}", event.id, event.data);
                self.wrong.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(wrong);
            }
        }
    }

    fn wrong(&self) -> Option<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn seq_of(id: &str) -> Option<u64> {
    id.split_once('-')?.1.parse().ok()
}

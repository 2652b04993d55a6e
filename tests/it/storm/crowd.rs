//! Clients by the thousand: each a socket, a parser and a number, and nothing else.

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

/// The first pause before a client tries again is drawn from this, the next from twice as much, as `client/waiting.js`
/// has it.
const BACKOFF: Duration = Duration::from_millis(500);
/// For the whole crowd, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// All clients. They go when it is dropped.
pub(super) struct Crowd {
    clients: Vec<Arc<Client>>,
    awake: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

/// What one of them has.
pub(super) struct Client {
    /// The number behind which it falls asleep: its connection ends, and it comes back when it is woken.
    pub(super) asleep_at: Option<u64>,
    /// It has all messages up to this number, each once and in order.
    has: AtomicU64,
    /// Whether its stream is open.
    open: AtomicBool,
    /// Where the server thinks it stands.
    last_event_id: Mutex<String>,
    /// How often an answer was none.
    refused: AtomicU64,
    wrong: Mutex<Option<String>>,
    falls_asleep: Notify,
}

impl Crowd {
    /// So many clients that have what this cursor names. They come at once.
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

    /// Returns when the streams of all are open.
    pub(super) async fn is_seated(&self) -> anyhow::Result<()> {
        self.until("are not seated", |client| client.open.load(Relaxed)).await
    }

    /// Returns when each of them has so much, and nothing else.
    pub(super) async fn has(&self, enough: impl Fn(&Client) -> u64) -> anyhow::Result<()> {
        self.until("miss something", |client| client.has.load(Relaxed) >= enough(client)).await
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
            ensure!(began.elapsed() < PATIENCE, "{left} {otherwise}, {} were refused", self.refused());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many answers were none.
    pub(super) fn refused(&self) -> u64 {
        self.clients.iter().map(|client| client.refused.load(Relaxed)).sum()
    }

    /// Wakes those who fell asleep.
    pub(super) fn wake(&self) {
        self.awake.send_replace(true);
    }
}

impl Client {
    fn new(cursor: &str, asleep_at: Option<u64>) -> anyhow::Result<Self> {
        Ok(Self {
            asleep_at,
            has: AtomicU64::new(seq_of(cursor).context("a cursor behind a message")?),
            open: AtomicBool::new(false),
            last_event_id: Mutex::new(cursor.to_owned()),
            refused: AtomicU64::new(0),
            wrong: Mutex::default(),
            falls_asleep: Notify::new(),
        })
    }

    async fn live(self: Arc<Self>, to: SocketAddr, mut awake: watch::Receiver<bool>) {
        let mut failures = 0;
        loop {
            let asleep = tokio::select! {
                // How it ends is nothing to this: the proxy goes, or refuses.
                _ = self.listen(to) => false,
                () = self.falls_asleep.notified() => true,
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
                    self.falls_asleep.notify_one();
                }
            }
            // What has no id is provisional.
            ("message", None) | ("stream-open" | "keep-alive", _) => {}
            (name, _) => {
                let wrong = format!("behind {has} came {name} {:?}: {}", event.id, event.data);
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

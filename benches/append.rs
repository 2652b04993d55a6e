//! Measures how many messages per second the embedded store accepts from 64 tasks that post to one room, compared with
//! the same store with one sync per message. The two alternate within one run.
//!
//! Run it with `cargo bench --bench append`. It needs only Rust and a disk. The files are created below `target`, because
//! a temporary folder is often in memory, where a sync costs nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use gripchat::{
    chat::{Author, Draft, RoomId, Text, Timestamp},
    store::{Append, Embedded, EmbeddedOptions, Retention, Store as _},
};

const POSTERS: usize = 64;
const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(3);

/// The speedup that the documentation promises.
const MIN_FACTOR: f64 = 20.0;

/// The measurements of all rounds.
#[derive(Default)]
struct Measurements {
    /// The latency of each append.
    latencies: Vec<Duration>,
    elapsed: Duration,
    commits: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (mut grouped, mut single) = (Measurements::default(), Measurements::default());
    for _ in 0..ROUNDS {
        grouped.add(round(EmbeddedOptions::default()).await?);
        single.add(round(EmbeddedOptions { max_batch: 1, ..EmbeddedOptions::default() }).await?);
    }
    println!("{POSTERS} tasks post to one room, {ROUNDS} rounds of {MEASURED:?} each, alternating");
    grouped.print("all waiting messages in one commit");
    single.print("one commit per message");
    let factor = grouped.per_second() / single.per_second();
    println!("  {factor:.1} times as many messages per second");
    anyhow::ensure!(factor >= MIN_FACTOR, "less than {MIN_FACTOR} times");
    Ok(())
}

/// Measures a new store.
async fn round(options: EmbeddedOptions) -> anyhow::Result<Measurements> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let store = Arc::new(Embedded::open_with(folder.path(), Retention::FOREVER, options)?);
    post_all(&store, WARM_UP).await?;
    let commits = store.commits();
    let started = Instant::now();
    let latencies = post_all(&store, MEASURED).await?;
    Ok(Measurements { latencies, elapsed: started.elapsed(), commits: store.commits() - commits })
}

async fn post_all(store: &Arc<Embedded>, time: Duration) -> anyhow::Result<Vec<Duration>> {
    let posters = (0..POSTERS).map(|_| {
        let store = Arc::clone(store);
        async move { tokio::spawn(async move { post(&store, time).await }).await? }
    });
    Ok(try_join_all(posters).await?.concat())
}

/// Posts one message after the other, and returns the latencies.
async fn post(store: &Embedded, time: Duration) -> anyhow::Result<Vec<Duration>> {
    let room = RoomId::parse("bench")?;
    let until = Instant::now() + time;
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let draft = Draft {
            provisional_id: uuid::Uuid::new_v4(),
            from: Author::parse("Ada")?,
            text: Text::parse("a chat message of about the usual length here.")?,
            date: Timestamp::now(),
        };
        let started = Instant::now();
        store.append(&room, Append::new(draft)).await?;
        latencies.push(started.elapsed());
    }
    Ok(latencies)
}

impl Measurements {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.elapsed += other.elapsed;
        self.commits += other.commits;
    }

    fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    fn print(&mut self, name: &str) {
        self.latencies.sort_unstable();
        let quantile = |share: f64| self.latencies[((self.latencies.len() - 1) as f64 * share) as usize].as_secs_f64();
        println!("  {name}:");
        println!("    {:9.0} messages/s", self.per_second());
        println!("    {:9.1} messages per commit", self.latencies.len() as f64 / self.commits as f64);
        println!("    {:9.2} ms per commit", self.elapsed.as_secs_f64() * 1e3 / self.commits as f64);
        println!("    {:9.2} ms p50, {:.2} ms p99", quantile(0.5) * 1e3, quantile(0.99) * 1e3);
    }
}

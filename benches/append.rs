//! How many messages a second the embedded store takes from 64 posters in one room, against the same store where each
//! message is synced alone, in turn, in one run.
//!
//! `cargo bench --bench append`; needs nothing but Rust, and a disk: the files are made below `target`, since a
//! temporary folder is often in memory, where a sync is free.

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
const COUNTED: Duration = Duration::from_secs(3);

/// What the product promises.
const FACTOR: f64 = 20.0;

/// What the posters of all rounds saw.
#[derive(Default)]
struct Seen {
    /// Of each append.
    latencies: Vec<Duration>,
    taken: Duration,
    commits: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (mut grouped, mut alone) = (Seen::default(), Seen::default());
    for _ in 0..ROUNDS {
        grouped.add(round(EmbeddedOptions::default()).await?);
        alone.add(round(EmbeddedOptions { max_batch: 1, ..EmbeddedOptions::default() }).await?);
    }
    println!("{POSTERS} posters in one room, {ROUNDS} rounds of {COUNTED:?} each, in turn");
    grouped.print("all that waits in one commit");
    alone.print("each message in its own");
    let factor = grouped.per_second() / alone.per_second();
    println!("  {factor:.1} times as many messages a second");
    anyhow::ensure!(factor >= FACTOR, "less than {FACTOR} times");
    Ok(())
}

/// Posts to a new store.
async fn round(options: EmbeddedOptions) -> anyhow::Result<Seen> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let store = Arc::new(Embedded::open_with(folder.path(), Retention::FOREVER, options)?);
    post_all(&store, WARM_UP).await?;
    let commits = store.commits();
    let started = Instant::now();
    let latencies = post_all(&store, COUNTED).await?;
    Ok(Seen { latencies, taken: started.elapsed(), commits: store.commits() - commits })
}

async fn post_all(store: &Arc<Embedded>, time: Duration) -> anyhow::Result<Vec<Duration>> {
    let posters = (0..POSTERS).map(|_| {
        let store = Arc::clone(store);
        async move { tokio::spawn(async move { post(&store, time).await }).await? }
    });
    Ok(try_join_all(posters).await?.concat())
}

/// One message after the other.
async fn post(store: &Embedded, time: Duration) -> anyhow::Result<Vec<Duration>> {
    let room = RoomId::parse("bench")?;
    let until = Instant::now() + time;
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let draft = Draft {
            provisional_id: uuid::Uuid::new_v4(),
            from: Author::parse("Ada")?,
            text: Text::parse("a message of a chat, about as long as they are")?,
            date: Timestamp::now(),
        };
        let started = Instant::now();
        store.append(&room, Append::new(draft)).await?;
        latencies.push(started.elapsed());
    }
    Ok(latencies)
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.taken += other.taken;
        self.commits += other.commits;
    }

    fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.taken.as_secs_f64()
    }

    fn print(&mut self, name: &str) {
        self.latencies.sort_unstable();
        let quantile = |part: f64| self.latencies[((self.latencies.len() - 1) as f64 * part) as usize].as_secs_f64();
        println!("  {name}:");
        println!("    {:9.0} messages/s", self.per_second());
        println!("    {:9.1} messages a commit", self.latencies.len() as f64 / self.commits as f64);
        println!("    {:9.2} ms a commit", self.taken.as_secs_f64() * 1e3 / self.commits as f64);
        println!("    {:9.2} ms p50, {:.2} ms p99", quantile(0.5) * 1e3, quantile(0.99) * 1e3);
    }
}

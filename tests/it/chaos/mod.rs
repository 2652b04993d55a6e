//! The fault suite: 200 streams in 20 rooms and 16 posters, while a seeded plan injects faults; then a judge checks what
//! all of them recorded.
//!
//! A test is named after its stack, its mix of faults and its seed: `chaos::edge_embedded::backend::seed_7`. The plan
//! depends only on the seed, so that the same seed injects the same faults. What the processes make of them differs.
//!
//! | variable | meaning |
//! |---|---|
//! | `SOAK_SEEDS` | the seeds, as `7` or `1-200`; default 1 |
//! | `SOAK_SPELL` | for how many seconds each test injects faults; default 8 |
//! | `SOAK_REPORT` | a file that gets a line of measurements for each test |
//!
//! `scripts/soak` runs many seeds.

mod client;
mod judge;
mod mix;
mod poster;
mod steps;
mod system;

use std::{env, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use rand::RngExt as _;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};
use uuid::Uuid;

use self::{
    client::{Behavior, Client, Record, Style},
    judge::{Excuses, Run, Verdict, judge},
    mix::{Mix, Track, plan},
    poster::{Post, Target},
    system::System,
};
use crate::support::{schedule::Load, stack::Kind, trials::trial};

/// The load while faults are injected.
const STREAMS: usize = 200;
const ROOMS: usize = 20;
const POSTERS: usize = 16;

/// For all streams to open before the first fault.
const OPEN_DEADLINE: Duration = Duration::from_secs(60);
/// For all streams to be complete after the last fault: a proxy may wait up to 16 s before it requests a link again that
/// has failed several times.
const COMPLETE_DEADLINE: Duration = Duration::from_secs(60);

/// The two stacks that are deployed.
const KINDS: [Kind; 2] = [Kind::PushpinDynamoDb, Kind::EdgeEmbedded];

pub(crate) fn trials() -> Vec<Trial> {
    let seeds = seeds().expect("SOAK_SEEDS must be a number, or two with a hyphen between them");
    let mut trials = judge::tests::trials();
    trials.extend(steps::trials());
    for seed in seeds {
        for kind in KINDS {
            for mix in Mix::ALL {
                let needs = [kind.needs(), &mix.needs(kind)].concat();
                let name = format!("{}::{}::{mix}::seed_{seed}", module_path!(), kind.name());
                trials.push(trial(&name, Load::Heavy, &needs, async move || chaos(kind, mix, seed).await));
            }
        }
    }
    trials
}

fn seeds() -> Option<std::ops::RangeInclusive<u64>> {
    let seeds = env::var("SOAK_SEEDS").unwrap_or_else(|_| "1".to_owned());
    let (first, last) = seeds.split_once('-').unwrap_or((&seeds, &seeds));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

fn faults_last() -> Duration {
    Duration::from_secs(env::var("SOAK_SPELL").ok().and_then(|secs| secs.parse().ok()).unwrap_or(8))
}

async fn chaos(kind: Kind, mix: Mix, seed: u64) -> anyhow::Result<()> {
    let system = Arc::new(System::start(kind, mix, ROOMS).await?);
    let (run, plans) = run(&system, kind, mix, seed).await?;
    let verdict = judge(&run);
    if let Ok(file) = env::var("SOAK_REPORT") {
        system::report(Path::new(&file), &line(kind, mix, seed, &verdict))?;
    }
    ensure!(
        verdict.violations.is_empty(),
        "{} rules broken with SOAK_SEEDS={seed}:\n{}\nthe faults:\n{plans}\nthe backends:\n{}",
        verdict.violations.len(),
        verdict.violations.iter().take(8).cloned().collect::<Vec<_>>().join("\n"),
        system.logs().await,
    );
    // A run in which little happened proves nothing.
    let measurements = &verdict.measurements;
    ensure!(
        measurements.openings >= STREAMS && measurements.stored > ROOMS && measurements.deliveries > STREAMS,
        "{measurements:?}"
    );
    Ok(())
}

/// Runs clients and posters while faults are injected. Returns everything to judge, and the plan as text.
async fn run(system: &Arc<System>, kind: Kind, mix: Mix, seed: u64) -> anyhow::Result<(Run, String)> {
    let began = Instant::now();
    let rooms: Vec<String> = (0..ROOMS).map(|room| format!("room-{room}")).collect();
    let mut rng = Client::rng(seed);

    let mut clients = JoinSet::new();
    let mut positions = Vec::new();
    for n in 0..STREAMS {
        let room = n % ROOMS;
        let style = [Style::Plain, Style::Plain, Style::FromStart, Style::Query, Style::Persisted][n / ROOMS % 5];
        let position = watch::Sender::new(String::new());
        positions.push((room, position.subscribe()));
        let client = Client {
            record: Record { name: format!("client {n} of room {room}, {style:?}"), room, style, entries: Vec::new() },
            addr: system.proxy_addr,
            path: format!("/rooms/{}/messages/", rooms[room]),
            orders: system.orders[room].subscribe(),
            position,
            rng: Client::rng(rng.random()),
        };
        clients.spawn(client.run());
    }
    wait_for_positions(&positions, OPEN_DEADLINE, |_, position| !position.is_empty())
        .await
        .context("the streams did not open")?;

    let base = |addr| format!("http://{addr}");
    let bases = std::iter::once(system.proxy_addr).chain(system.backend_addrs.iter().copied()).map(base).collect();
    let http = crate::support::stack::http()?;
    let target = Arc::new(Target { http: http.clone(), bases, rooms: rooms.clone() });
    let cursors = Arc::new(positions[..ROOMS].iter().map(|(_, position)| position.clone()).collect::<Vec<_>>());
    let over = watch::Sender::new(false);
    let mut posters = JoinSet::new();
    for n in 0..POSTERS {
        let rng = Client::rng(rng.random());
        posters.spawn(poster::run(n, target.clone(), cursors.clone(), over.subscribe(), rng));
    }

    let supervisor = tokio::spawn({
        let system = system.clone();
        async move { system.supervise().await }
    });
    let mut plans = String::new();
    let mut tracks = JoinSet::new();
    for &track in mix.tracks() {
        let steps = plan(seed, track, kind, mix.backends(kind), faults_last());
        plans.push_str(&format!("{track:?}: {steps:#?}\n"));
        let system = system.clone();
        tracks.spawn(async move { system.inject_all(&steps).await });
    }
    while let Some(track) = tracks.join_next().await {
        track??;
    }

    over.send_replace(true);
    let mut posts: Vec<Post> = posters.join_all().await.into_iter().flatten().collect();
    posts.extend(post_last_messages(&target).await?);
    let mut logs = Vec::new();
    for room in &rooms {
        logs.push(system.log(&http, room).await?);
    }
    let ends: Vec<_> = logs.iter().map(|log| log.last().and_then(|message| message["id"].as_str())).collect();
    // The judge finds the streams that do not get there.
    let _ = wait_for_positions(&positions, COMPLETE_DEADLINE, |room, position| ends[room] == Some(position)).await;
    for orders in &system.orders {
        orders.send_modify(|order| order.behavior = Behavior::Done);
    }
    let records = clients.join_all().await;
    ensure!(!supervisor.is_finished(), "the supervisor failed: {:?}", supervisor.await?);
    supervisor.abort();

    let excuses = excuses(mix, kind, *system.lost.borrow());
    Ok((Run { began, excuses, logs, posts, records }, plans))
}

/// Posts a last message in every room, again until it is acknowledged. It shows each stream what it may have missed.
async fn post_last_messages(target: &Arc<Target>) -> anyhow::Result<Vec<Post>> {
    let mut posting = JoinSet::new();
    for room in 0..ROOMS {
        let target = target.clone();
        posting.spawn(async move {
            let (from, text) = ("the last poster".to_owned(), "the last message".to_owned());
            let mut post = Post { room, key: Uuid::new_v4(), from, text, attempts: vec![] };
            let began = Instant::now();
            while !poster::attempt(&target, 0, &mut post, None).await {
                ensure!(began.elapsed() < COMPLETE_DEADLINE, "posts still fail: {:?}", post.attempts);
                sleep(Duration::from_millis(200)).await;
            }
            Ok(post)
        });
    }
    posting.join_all().await.into_iter().collect()
}

/// Waits until all clients are at a position that `wanted` accepts.
async fn wait_for_positions(
    positions: &[(usize, watch::Receiver<String>)],
    within: Duration,
    wanted: impl Fn(usize, &str) -> bool,
) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let missing = positions.iter().filter(|(room, position)| !wanted(*room, &position.borrow())).count();
        if missing == 0 {
            return Ok(());
        }
        ensure!(began.elapsed() < within, "{missing} of {} are not there after {within:?}", positions.len());
        sleep(Duration::from_millis(50)).await;
    }
}

/// What the faults of a mix may do to streams. None of them may lose, repeat or reorder messages.
fn excuses(mix: Mix, kind: Kind, lost_before: Option<Instant>) -> Excuses {
    let has = |track| mix.tracks().contains(&track);
    Excuses {
        drops: has(Track::Proxy),
        resets: has(Track::History),
        // The backend that would retract a message is killed or cannot reach the proxy, or the proxy cannot reach the client.
        dangling: has(Track::Backend)
            || has(Track::Control)
            || has(Track::Clients)
            || has(Track::History)
            || mix.has_disk(kind),
        // A Pushpin that is being restarted may leave a post without a response.
        unanswered: kind == Kind::PushpinDynamoDb && has(Track::Proxy),
        // If a next link failed, Pushpin may request it twice at the same time: see docs/reliability.md.
        repeats: kind == Kind::PushpinDynamoDb && has(Track::Backend),
        lost_before,
    }
}

/// Returns a line of the report, separated by tabs. scripts/soak reads these columns.
fn line(kind: Kind, mix: Mix, seed: u64, verdict: &Verdict) -> String {
    let measurements = &verdict.measurements;
    let millis = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
    let median = measurements.delays.get(measurements.delays.len() / 2);
    let slow = measurements.delays.get(measurements.delays.len() / 100);
    [
        kind.name().to_owned(),
        mix.to_string(),
        seed.to_string(),
        verdict.violations.len().to_string(),
        measurements.posts.to_string(),
        measurements.attempts.to_string(),
        measurements.acknowledged.to_string(),
        measurements.stored.to_string(),
        measurements.deliveries.to_string(),
        measurements.openings.to_string(),
        measurements.drops.to_string(),
        measurements.resets.to_string(),
        measurements.slowest_post.as_millis().to_string(),
        millis(median).to_string(),
        millis(slow).to_string(),
        millis(measurements.delays.first()).to_string(),
        measurements.unanswered.to_string(),
        measurements.repeats.to_string(),
    ]
    .join("\t")
}

//! The fault suite: 200 streams in 20 rooms and 16 posters, while things go wrong by a seeded plan; then a judge.
//!
//! A trial is named after its stack, its mix of faults and its seed: `chaos::edge_embedded::backend::seed_7`. Its plan is
//! drawn from the seed alone, so that a seed replays; what the processes make of it is their own.
//!
//! | variable | is |
//! |---|---|
//! | `SOAK_SEEDS` | the seeds, as `7` or `1-200`; 1 if it is not there |
//! | `SOAK_SPELL` | for how many seconds things go wrong in each trial; 8 if it is not there |
//! | `SOAK_REPORT` | a file that gets a line of figures for each trial |
//!
//! `scripts/soak` runs it for long.

mod client;
mod judge;
mod mix;
mod poster;
mod steps;
mod world;

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
    client::{Client, Conduct, Record, Style},
    judge::{Excuses, Run, Verdict, judge},
    mix::{Mix, Track, plan},
    poster::{Post, Target},
    world::World,
};
use crate::support::{stack::Kind, trials::trial};

/// How much goes on while things go wrong.
const STREAMS: usize = 200;
const ROOMS: usize = 20;
const POSTERS: usize = 16;

/// For all streams to open before anything goes wrong.
const OPEN_WITHIN: Duration = Duration::from_secs(40);
/// For everything to be whole again behind the last fault: a proxy may be waiting up to 16 s before it asks a backend
/// again that has failed it several times.
const WHOLE_WITHIN: Duration = Duration::from_secs(40);

/// The two stacks that people run.
const KINDS: [Kind; 2] = [Kind::PushpinDynamoDb, Kind::EdgeEmbedded];

pub(crate) fn trials() -> Vec<Trial> {
    let seeds = seeds().expect("SOAK_SEEDS is a number, or two with a hyphen between them");
    let mut trials = judge::tests::trials();
    trials.extend(steps::trials());
    for seed in seeds {
        for kind in KINDS {
            for mix in Mix::ALL {
                let needs = [kind.needs(), &mix.needs(kind)].concat();
                let name = format!("{}::{}::{mix}::seed_{seed}", module_path!(), kind.name());
                trials.push(trial(&name, &needs, async move || chaos(kind, mix, seed).await));
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

fn spell() -> Duration {
    Duration::from_secs(env::var("SOAK_SPELL").ok().and_then(|secs| secs.parse().ok()).unwrap_or(8))
}

async fn chaos(kind: Kind, mix: Mix, seed: u64) -> anyhow::Result<()> {
    let world = Arc::new(World::start(kind, mix, ROOMS).await?);
    let (run, plans) = live(&world, kind, mix, seed).await?;
    let verdict = judge(&run);
    if let Ok(file) = env::var("SOAK_REPORT") {
        world::report(Path::new(&file), &line(kind, mix, seed, &verdict))?;
    }
    ensure!(
        verdict.violations.is_empty(),
        "{} rules broken with SOAK_SEEDS={seed}:\n{}\nthe faults:\n{plans}\nthe backends:\n{}",
        verdict.violations.len(),
        verdict.violations.iter().take(8).cloned().collect::<Vec<_>>().join("\n"),
        world.logs().await,
    );
    // What is judged must have happened.
    let figures = &verdict.figures;
    ensure!(figures.openings >= STREAMS && figures.stored > ROOMS && figures.deliveries > STREAMS, "{figures:?}");
    Ok(())
}

/// Lets clients and posters live through the faults; all that there is to judge, and the plan in words.
async fn live(world: &Arc<World>, kind: Kind, mix: Mix, seed: u64) -> anyhow::Result<(Run, String)> {
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
            addr: world.proxy_addr,
            path: format!("/rooms/{}/messages/", rooms[room]),
            orders: world.orders[room].subscribe(),
            position,
            rng: Client::rng(rng.random()),
        };
        clients.spawn(client.run());
    }
    whole(&positions, OPEN_WITHIN, |_, position| !position.is_empty()).await.context("the streams do not open")?;

    let base = |addr| format!("http://{addr}");
    let bases = std::iter::once(world.proxy_addr).chain(world.backend_addrs.iter().copied()).map(base).collect();
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
        let world = world.clone();
        async move { world.supervise().await }
    });
    let mut plans = String::new();
    let mut tracks = JoinSet::new();
    for &track in mix.tracks() {
        let steps = plan(seed, track, kind, mix.backends(kind), spell());
        plans.push_str(&format!("{track:?}: {steps:#?}\n"));
        let world = world.clone();
        tracks.spawn(async move { world.suffer(&steps).await });
    }
    while let Some(track) = tracks.join_next().await {
        track??;
    }

    over.send_replace(true);
    let mut posts: Vec<Post> = posters.join_all().await.into_iter().flatten().collect();
    posts.extend(last_words(&target).await?);
    let mut logs = Vec::new();
    for room in &rooms {
        logs.push(world.log(&http, room).await?);
    }
    let ends: Vec<_> = logs.iter().map(|log| log.last().and_then(|message| message["id"].as_str())).collect();
    // Who does not get there is found by the judge.
    let _ = whole(&positions, WHOLE_WITHIN, |room, position| ends[room] == Some(position)).await;
    for orders in &world.orders {
        orders.send_modify(|order| order.conduct = Conduct::Done);
    }
    let records = clients.join_all().await;
    ensure!(!supervisor.is_finished(), "the supervisor failed: {:?}", supervisor.await?);
    supervisor.abort();

    let excuses = excuses(mix, kind, *world.lost.borrow());
    Ok((Run { began, excuses, logs, posts, records }, plans))
}

/// A message in every room, posted until it is answered: with it every stream gets what it may have missed.
async fn last_words(target: &Arc<Target>) -> anyhow::Result<Vec<Post>> {
    let mut posting = JoinSet::new();
    for room in 0..ROOMS {
        let target = target.clone();
        posting.spawn(async move {
            let (from, text) = ("the last".to_owned(), "word".to_owned());
            let mut post = Post { room, key: Uuid::new_v4(), from, text, attempts: vec![] };
            let began = Instant::now();
            while !poster::attempt(&target, 0, &mut post, None).await {
                ensure!(began.elapsed() < WHOLE_WITHIN, "nothing can be posted any more: {:?}", post.attempts);
                sleep(Duration::from_millis(200)).await;
            }
            Ok(post)
        });
    }
    posting.join_all().await.into_iter().collect()
}

/// Waits until all positions are as wanted.
async fn whole(
    positions: &[(usize, watch::Receiver<String>)],
    within: Duration,
    wanted: impl Fn(usize, &str) -> bool,
) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let behind = positions.iter().filter(|(room, position)| !wanted(*room, &position.borrow())).count();
        if behind == 0 {
            return Ok(());
        }
        ensure!(began.elapsed() < within, "{behind} of {} after {within:?}", positions.len());
        sleep(Duration::from_millis(50)).await;
    }
}

/// What the faults of a mix may do to streams. That they lose, repeat or disorder nothing holds in all of them.
fn excuses(mix: Mix, kind: Kind, lost_before: Option<Instant>) -> Excuses {
    let has = |track| mix.tracks().contains(&track);
    Excuses {
        drops: has(Track::Proxy),
        resets: has(Track::History),
        // Who would take back what was shown is killed, cannot reach the proxy, or the client cannot be reached.
        dangling: has(Track::Backend)
            || has(Track::Control)
            || has(Track::Clients)
            || has(Track::History)
            || mix.has_disk(kind),
        // A Pushpin that is being restarted may leave a post without an answer.
        unanswered: kind == Kind::PushpinDynamoDb && has(Track::Proxy),
        // One whose next link failed may ask twice at once: see docs/reliability.md.
        repeats: kind == Kind::PushpinDynamoDb && has(Track::Backend),
        lost_before,
    }
}

/// A line of the report, with tabs: scripts/soak knows its columns.
fn line(kind: Kind, mix: Mix, seed: u64, verdict: &Verdict) -> String {
    let figures = &verdict.figures;
    let millis = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
    let median = figures.delays.get(figures.delays.len() / 2);
    let slow = figures.delays.get(figures.delays.len() / 100);
    [
        kind.name().to_owned(),
        mix.to_string(),
        seed.to_string(),
        verdict.violations.len().to_string(),
        figures.posts.to_string(),
        figures.attempts.to_string(),
        figures.acknowledged.to_string(),
        figures.stored.to_string(),
        figures.deliveries.to_string(),
        figures.openings.to_string(),
        figures.drops.to_string(),
        figures.resets.to_string(),
        figures.slowest_post.as_millis().to_string(),
        millis(median).to_string(),
        millis(slow).to_string(),
        millis(figures.delays.first()).to_string(),
        figures.unanswered.to_string(),
        figures.repeats.to_string(),
    ]
    .join("\t")
}

//! Fan-out side by side: nchan, Pushpin and the edge deliver the same messages to the same subscribers, in one run.
//!
//! ```text
//! cargo bench --bench fanout                                  everything, all servers, three rounds
//! cargo bench --bench fanout -- latency throughput            only these; there are also memory, churn and chat
//! cargo bench --bench fanout -- --server nchan,pushpin        only these servers
//! cargo bench --bench fanout -- --subscribers 100 --rate 10   other numbers; --help lists them
//! ```
//!
//! Needs the servers that are compared: nchan (`nginx-light`, `libnginx-mod-nchan`) and Pushpin. A missing server is
//! skipped, and the report names it. All servers get events of about 100 bytes on one channel over loopback, from the same
//! publishers and the same client. Both are threads of this process, and the table shows their processor time.
//!
//! - [`runs`]: the measurements
//! - [`servers`]: the servers that are compared
//! - [`load`], [`publisher`]: publishing
//! - [`subscribers`]: thousands of subscribers
//! - [`stamp`], [`tally`], [`clock`]: recognizing, timing and checking deliveries
//! - [`usage`], [`report`]: processor time and memory, and the table of results

use std::fs;

use anyhow::Context as _;
use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::{
    report::Report,
    runs::Run,
    servers::{Kind, Launcher},
};

mod clock;
mod load;
mod publisher;
mod report;
mod runs;
mod servers;
mod stamp;
mod subscribers;
mod tally;
mod usage;

#[path = "../../tests/it/support/mod.rs"]
#[expect(dead_code, unused_imports, unused_macros, reason = "the tests use the rest")]
mod support;

/// The channel of all subscribers, and the name of the chat room.
const CHANNEL: &str = "bench";

/// Compares how nchan, Pushpin and the edge deliver messages
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench fanout --")]
struct Plan {
    /// What to measure; by default everything
    #[arg(value_enum)]
    runs: Vec<Run>,
    /// The servers to compare
    #[arg(long, value_enum, value_delimiter = ',', default_value = "nchan,pushpin,edge")]
    server: Vec<Kind>,
    /// How often each measurement is repeated; the servers alternate
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Subscribers of `latency`, `throughput` and `chat`
    #[arg(long, default_value_t = 1000)]
    subscribers: usize,
    /// Messages that each of these three publishes
    #[arg(long, default_value_t = 500)]
    messages: u32,
    /// Messages per second of `latency`
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Posts per second of `chat`
    #[arg(long, default_value_t = 20.0)]
    chat_rate: f64,
    /// Concurrent publishers of `throughput` and `chat`, each of which waits for its response
    #[arg(long, default_value_t = 2, value_parser = publishers())]
    publishers: usize,
    /// Subscribers of `memory`
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Connections of `churn`
    #[arg(long, default_value_t = 50_000)]
    cycles: usize,
    /// A flag that cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn publishers() -> impl clap::builder::TypedValueParser<Value = usize> {
    use clap::builder::{RangedU64ValueParser, TypedValueParser as _};
    RangedU64ValueParser::<u64>::new().range(1..=tally::MAX_LANES as u64).map(|number| number as usize)
}

fn main() -> anyhow::Result<()> {
    let plan = Plan::parse();
    raise_descriptors()?;
    print!("load average {}", fs::read_to_string("/proc/loadavg")?);
    let mut report = Report::default();
    let outcome = compare(&plan, &mut report);
    // Print also if a later measurement failed.
    report.print();
    outcome
}

fn compare(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let everything = [Run::Latency, Run::Throughput, Run::Memory, Run::Churn, Run::Chat];
    let runs = if plan.runs.is_empty() { &everything[..] } else { &plan.runs };
    let mut wanted = plan.server.clone();
    wanted.retain(|kind| match Launcher::available(*kind) {
        Ok(()) => true,
        Err(reason) => {
            report.note(format!("{kind} is skipped: {reason}"));
            false
        }
    });

    let launcher = Launcher::new()?;
    for round in 1..=plan.rounds {
        for run in runs {
            for kind in run.kinds(&wanted) {
                println!("round {round} of {}: {run:?}, {kind}", plan.rounds);
                let server = launcher.start(*kind, run.bursts())?;
                run.measure(plan, *kind, &server, report).with_context(|| format!("{run:?} of {kind}"))?;
            }
        }
    }
    Ok(())
}

/// Raises the limit of open files to the hard limit, for this process and for the servers, which inherit it.
fn raise_descriptors() -> anyhow::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("the limit of open files")
}

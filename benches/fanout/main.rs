//! Fan-out side by side: nchan, Pushpin and the edge deliver the same messages to the same subscribers, in one run.
//!
//! ```text
//! cargo bench --all-features --bench fanout                                  everything, all servers, three rounds
//! cargo bench --all-features --bench fanout -- latency throughput            only these; there are also memory, churn and chat
//! cargo bench --all-features --bench fanout -- --server nchan,pushpin        only these servers
//! cargo bench --all-features --bench fanout -- --subscribers 100 --rate 10   other numbers; --help lists them
//! ```
//!
//! Needs the servers that are compared: nchan (`nginx-light`, `libnginx-mod-nchan`) and Pushpin. A missing server is
//! skipped, and the report names it. All servers get events of about 100 bytes on one channel over loopback, from the same
//! publishers and the same client. Both are threads of this process, and the table shows their processor time.
//!
//! - [`plan`]: the command line
//! - [`runs`]: the measurements
//! - [`servers`]: the servers that are compared
//! - [`load`], [`publisher`]: publishing
//! - [`subscribers`]: thousands of subscribers
//! - [`stamp`], [`tally`], [`clock`]: recognizing, timing and checking deliveries
//! - [`usage`], [`report`]: processor time and memory, and the table of results

use std::fs;

use anyhow::Context as _;
use clap::Parser as _;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::{
    plan::{Plan, Run},
    report::Report,
    servers::Launcher,
};

mod clock;
mod load;
mod plan;
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

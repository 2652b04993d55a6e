//! The measurements. Each gets a server that has just been started.

use std::{thread, time::Duration};

use clap::ValueEnum;

use crate::{
    Plan,
    crowd::Crowd,
    load::{Load, Outcome},
    publisher::Publisher,
    report::Report,
    servers::{Kind, Server},
    stamp, usage,
};

/// Open at once while connections come and go.
const CHURN_AT_ONCE: usize = 200;
/// Before the first look, so that what a server keeps for later is there.
const CHURN_WARM_UP: usize = 50 * CHURN_AT_ONCE;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Run {
    /// Processor time per delivery and latency, at a given rate
    Latency,
    /// The most deliveries per second
    Throughput,
    /// Memory per idle subscriber
    Memory,
    /// Memory and descriptors after many connections have come and gone
    Churn,
    /// From a POST to a room to its two events, with `gripchat run`
    Chat,
}

impl Run {
    /// The servers that it compares.
    pub(crate) fn kinds(self, wanted: &[Kind]) -> &[Kind] {
        if self == Self::Chat { &[Kind::Run] } else { wanted }
    }

    /// Whether subscribers get more at once than a server may keep for each of them.
    pub(crate) fn bursts(self) -> bool {
        match self {
            Self::Latency | Self::Throughput | Self::Chat => true,
            Self::Memory | Self::Churn => false,
        }
    }

    pub(crate) fn measure(self, plan: &Plan, kind: Kind, server: &Server, report: &mut Report) -> anyhow::Result<()> {
        match self {
            Self::Latency => latency(plan, kind, server, report),
            Self::Throughput => throughput(plan, kind, server, report),
            Self::Memory => memory(plan, kind, server, report),
            Self::Churn => churn(plan, kind, server, report),
            Self::Chat => chat(plan, kind, server, report),
        }
    }
}

fn latency(plan: &Plan, kind: Kind, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let mut crowd = listening(server, plan.subscribers)?;
    let load = Load { messages: plan.messages, rate: Some(plan.rate), publishers: 1, copies: 1 };
    let (mut outcome, busy) = measured(load, &mut crowd, server)?;
    let delivered = outcome.tally.delivered() as f64;
    let latency = outcome.tally.latencies(0);
    let at = format!("at {}/s:", plan.rate);
    busy.add(&at, kind, delivered, report);
    report.add(format!("{at} latency p50, ms"), kind, latency.p50);
    report.add(format!("{at} latency p99, ms"), kind, latency.p99);
    faults(&at, kind, &outcome, report);
    Ok(())
}

fn throughput(plan: &Plan, kind: Kind, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let mut crowd = listening(server, plan.subscribers)?;
    let load = Load { messages: plan.messages, rate: None, publishers: plan.publishers, copies: 1 };
    let (outcome, busy) = measured(load, &mut crowd, server)?;
    if faults("at most:", kind, &outcome, report) {
        let delivered = outcome.tally.delivered() as f64;
        report.add("at most: deliveries/s", kind, delivered / outcome.taken.as_secs_f64());
        busy.add("at most:", kind, delivered, report);
    }
    Ok(())
}

fn memory(plan: &Plan, kind: Kind, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let processes = Server::processes();
    let look = || usage::memory(&processes);
    let before = usage::settled(look)?;
    let mut crowd = Crowd::open(&server.door, plan.idle)?;
    let after = usage::settled(look)?;
    // They are not only connected: each of them hears.
    warm_up(&mut crowd, server)?;
    let each = after.saturating_sub(before) as f64 / plan.idle as f64;
    report.add(format!("memory for each of {}, KB", plan.idle), kind, each / 1024.0);
    Ok(())
}

fn churn(plan: &Plan, kind: Kind, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let come_and_go = |count: usize| {
        (0..count.div_ceil(CHURN_AT_ONCE)).try_for_each(|_| Crowd::open(&server.door, CHURN_AT_ONCE).map(drop))
    };
    let processes = Server::processes();
    let look = || anyhow::Ok((usage::memory(&processes)? / 1024, usage::descriptors(&processes)?));
    come_and_go(CHURN_WARM_UP)?;
    let before = usage::settled(look)?;
    come_and_go(plan.cycles / 2)?;
    // What grows as much in the second half as in the first is a leak.
    let halfway = usage::settled(look)?;
    come_and_go(plan.cycles - plan.cycles / 2)?;
    let after = usage::settled(look)?;
    for (when, (memory, descriptors)) in [("before", before), ("halfway", halfway), ("after", after)] {
        report.add(format!("{} came and went: KB {when}", plan.cycles), kind, memory as f64);
        report.add(format!("{} came and went: fds {when}", plan.cycles), kind, descriptors as f64);
    }
    Ok(())
}

fn chat(plan: &Plan, kind: Kind, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let mut crowd = listening(server, plan.subscribers)?;
    let load = Load { messages: plan.messages, rate: Some(plan.chat_rate), publishers: 1, copies: 2 };
    let mut outcome = load.run(&mut crowd, &server.target)?;
    let at = format!("chat at {}/s:", plan.chat_rate);
    let figures = [
        ("answer to the post", outcome.answers),
        ("provisional", outcome.tally.latencies(0)),
        ("final", outcome.tally.latencies(1)),
    ];
    for (what, figures) in figures {
        report.add(format!("{at} {what} p50, ms"), kind, figures.p50);
        report.add(format!("{at} {what} p99, ms"), kind, figures.p99);
    }
    faults(&at, kind, &outcome, report);

    let load = Load { rate: None, publishers: plan.publishers, ..load };
    let outcome = load.run(&mut crowd, &server.target)?;
    if faults("chat at most:", kind, &outcome, report) {
        report.add("chat at most: posts/s", kind, f64::from(load.messages) / outcome.posting.as_secs_f64());
        report.add("chat at most: deliveries/s", kind, outcome.tally.delivered() as f64 / outcome.taken.as_secs_f64());
    }
    Ok(())
}

/// A crowd in which everybody hears.
fn listening(server: &Server, count: usize) -> anyhow::Result<Crowd> {
    let mut crowd = Crowd::open(&server.door, count)?;
    warm_up(&mut crowd, server)?;
    Ok(crowd)
}

fn warm_up(crowd: &mut Crowd, server: &Server) -> anyhow::Result<()> {
    let mut publisher = Publisher::new(&server.target);
    crowd.warm_up(|| publisher.publish(stamp::WARM_UP).map(drop))
}

/// Processor time.
struct Busy {
    server: Duration,
    client: Duration,
}

impl Busy {
    fn add(&self, what: &str, kind: Kind, deliveries: f64, report: &mut Report) {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / deliveries;
        report.add(format!("{what} processor time per delivery, µs"), kind, each(self.server));
        report.add(format!("{what} the client's own, µs"), kind, each(self.client));
    }
}

/// Runs the load; what server and client took for it.
fn measured(load: Load, crowd: &mut Crowd, server: &Server) -> anyhow::Result<(Outcome, Busy)> {
    let (processes, this) = (Server::processes(), [std::process::id()]);
    // What the start left to do is done.
    thread::sleep(Duration::from_millis(500));
    let (server_before, client_before) = (usage::processor(&processes)?, usage::processor(&this)?);
    let outcome = load.run(crowd, &server.target)?;
    let busy = Busy {
        server: usage::processor(&processes)? - server_before,
        client: usage::processor(&this)? - client_before,
    };
    Ok((outcome, busy))
}

/// Whether each subscriber got all messages once and in order; says so if not.
fn faults(what: &str, kind: Kind, outcome: &Outcome, report: &mut Report) -> bool {
    let (lost, misplaced) = (outcome.tally.lost(), outcome.tally.misplaced());
    report.add(format!("{what} lost or misplaced"), kind, (lost + misplaced) as f64);
    if lost + misplaced > 0 {
        report.note(format!("{kind}, {what} {lost} deliveries lost, {misplaced} twice or too late"));
    }
    lost + misplaced == 0
}

//! The measurements. Each one has a newly started server.

use std::{thread, time::Duration};

use crate::{
    load::{Load, Outcome},
    plan::{Kind, Plan, Run},
    publisher::Publisher,
    report::Report,
    servers::Server,
    stamp,
    subscribers::Subscribers,
    usage,
};

/// Connections that are open at the same time.
const CHURN_AT_ONCE: usize = 200;
/// Connections before the first measurement, so that the server has allocated what it keeps.
const CHURN_WARM_UP: usize = 50 * CHURN_AT_ONCE;

impl Run {
    /// Returns the servers that it compares.
    pub(crate) fn kinds(self, wanted: &[Kind]) -> &[Kind] {
        if self == Self::Chat { &[Kind::Run] } else { wanted }
    }

    /// Returns whether subscribers receive bursts that need larger buffers in some servers.
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
    let mut subscribers = subscribe(server, plan.subscribers)?;
    let load = Load { messages: plan.messages, rate: Some(plan.rate), publishers: 1, copies: 1 };
    let (mut outcome, busy) = run_measured(load, &mut subscribers, server)?;
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
    let mut subscribers = subscribe(server, plan.subscribers)?;
    let load = Load { messages: plan.messages, rate: None, publishers: plan.publishers, copies: 1 };
    let (outcome, busy) = run_measured(load, &mut subscribers, server)?;
    if faults("maximum:", kind, &outcome, report) {
        let delivered = outcome.tally.delivered() as f64;
        report.add("maximum: deliveries/s", kind, delivered / outcome.duration.as_secs_f64());
        busy.add("maximum:", kind, delivered, report);
    }
    Ok(())
}

fn memory(plan: &Plan, kind: Kind, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let processes = Server::processes();
    let read = || usage::memory(&processes);
    let before = usage::settled(read)?;
    let mut subscribers = Subscribers::open(&server.endpoint, plan.idle)?;
    let after = usage::settled(read)?;
    // Check that each of them is subscribed and not only connected.
    warm_up(&mut subscribers, server)?;
    let each = after.saturating_sub(before) as f64 / plan.idle as f64;
    report.add(format!("memory per subscriber, {} idle, KB", plan.idle), kind, each / 1024.0);
    Ok(())
}

fn churn(plan: &Plan, kind: Kind, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let connect_and_close = |count: usize| {
        (0..count.div_ceil(CHURN_AT_ONCE))
            .try_for_each(|_| Subscribers::open(&server.endpoint, CHURN_AT_ONCE).map(drop))
    };
    let processes = Server::processes();
    let read = || anyhow::Ok((usage::memory(&processes)? / 1024, usage::descriptors(&processes)?));
    connect_and_close(CHURN_WARM_UP)?;
    let before = usage::settled(read)?;
    connect_and_close(plan.cycles / 2)?;
    // Memory that grows as much in the second half as in the first is leaking.
    let halfway = usage::settled(read)?;
    connect_and_close(plan.cycles - plan.cycles / 2)?;
    let after = usage::settled(read)?;
    for (when, (memory, descriptors)) in [("before", before), ("halfway", halfway), ("after", after)] {
        report.add(format!("{} connections: KB {when}", plan.cycles), kind, memory as f64);
        report.add(format!("{} connections: fds {when}", plan.cycles), kind, descriptors as f64);
    }
    Ok(())
}

fn chat(plan: &Plan, kind: Kind, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let mut subscribers = subscribe(server, plan.subscribers)?;
    let load = Load { messages: plan.messages, rate: Some(plan.chat_rate), publishers: 1, copies: 2 };
    let mut outcome = load.run(&mut subscribers, &server.target)?;
    let at = format!("chat at {}/s:", plan.chat_rate);
    let percentiles = [
        ("response to the post", outcome.answers),
        ("provisional", outcome.tally.latencies(0)),
        ("final", outcome.tally.latencies(1)),
    ];
    for (what, percentiles) in percentiles {
        report.add(format!("{at} {what} p50, ms"), kind, percentiles.p50);
        report.add(format!("{at} {what} p99, ms"), kind, percentiles.p99);
    }
    faults(&at, kind, &outcome, report);

    let load = Load { rate: None, publishers: plan.publishers, ..load };
    let outcome = load.run(&mut subscribers, &server.target)?;
    if faults("chat maximum:", kind, &outcome, report) {
        report.add("chat maximum: posts/s", kind, f64::from(load.messages) / outcome.posting.as_secs_f64());
        report.add(
            "chat maximum: deliveries/s",
            kind,
            outcome.tally.delivered() as f64 / outcome.duration.as_secs_f64(),
        );
    }
    Ok(())
}

/// Connects subscribers, and waits until all of them are subscribed.
fn subscribe(server: &Server, count: usize) -> anyhow::Result<Subscribers> {
    let mut subscribers = Subscribers::open(&server.endpoint, count)?;
    warm_up(&mut subscribers, server)?;
    Ok(subscribers)
}

fn warm_up(subscribers: &mut Subscribers, server: &Server) -> anyhow::Result<()> {
    let mut publisher = Publisher::new(&server.target);
    subscribers.warm_up(|| publisher.publish(stamp::WARM_UP).map(drop))
}

/// The processor time of a measurement.
struct Busy {
    server: Duration,
    client: Duration,
}

impl Busy {
    fn add(&self, what: &str, kind: Kind, deliveries: f64, report: &mut Report) {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / deliveries;
        report.add(format!("{what} processor time per delivery, µs"), kind, each(self.server));
        report.add(format!("{what} client's processor time, µs"), kind, each(self.client));
    }
}

/// Runs the load, and returns its outcome and the processor time of server and client.
fn run_measured(load: Load, subscribers: &mut Subscribers, server: &Server) -> anyhow::Result<(Outcome, Busy)> {
    let (processes, this) = (Server::processes(), [std::process::id()]);
    // Let the server finish the work of its start.
    thread::sleep(Duration::from_millis(500));
    let (server_before, client_before) = (usage::processor(&processes)?, usage::processor(&this)?);
    let outcome = load.run(subscribers, &server.target)?;
    let busy = Busy {
        server: usage::processor(&processes)? - server_before,
        client: usage::processor(&this)? - client_before,
    };
    Ok((outcome, busy))
}

/// Returns whether each subscriber received all messages once and in order. Otherwise adds a note to the report.
fn faults(what: &str, kind: Kind, outcome: &Outcome, report: &mut Report) -> bool {
    let (lost, misplaced) = (outcome.tally.lost(), outcome.tally.misplaced());
    report.add(format!("{what} lost or misplaced"), kind, (lost + misplaced) as f64);
    if lost + misplaced > 0 {
        report.note(format!("{kind}, {what} {lost} deliveries lost, {misplaced} duplicate or out of order"));
    }
    lost + misplaced == 0
}

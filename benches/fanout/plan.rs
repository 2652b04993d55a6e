//! The command line: what is measured, and how. A test of the documents parses the commands that they contain with it.

use clap::{Parser, ValueEnum};

/// The maximum number of concurrent publishers.
pub(crate) const MAX_PUBLISHERS: usize = 8;

/// Compares how nchan, Pushpin and the edge deliver messages
#[derive(Debug, Parser)]
#[command(name = "cargo bench --all-features --bench fanout --")]
pub(crate) struct Plan {
    /// What to measure; by default everything
    #[arg(value_enum)]
    pub(crate) runs: Vec<Run>,
    /// The servers to compare
    #[arg(long, value_enum, value_delimiter = ',', default_value = "nchan,pushpin,edge")]
    pub(crate) server: Vec<Kind>,
    /// How often each measurement is repeated; the servers alternate
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Subscribers of `latency`, `throughput` and `chat`
    #[arg(long, default_value_t = 1000)]
    pub(crate) subscribers: usize,
    /// Messages that each of these three publishes
    #[arg(long, default_value_t = 500)]
    pub(crate) messages: u32,
    /// Messages per second of `latency`
    #[arg(long, default_value_t = 50.0)]
    pub(crate) rate: f64,
    /// Posts per second of `chat`
    #[arg(long, default_value_t = 20.0)]
    pub(crate) chat_rate: f64,
    /// Concurrent publishers of `throughput` and `chat`, each of which waits for its response
    #[arg(long, default_value_t = 2, value_parser = publishers())]
    pub(crate) publishers: usize,
    /// Subscribers of `memory`
    #[arg(long, default_value_t = 10_000)]
    pub(crate) idle: usize,
    /// Connections of `churn`
    #[arg(long, default_value_t = 50_000)]
    pub(crate) cycles: usize,
    /// A flag that cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn publishers() -> impl clap::builder::TypedValueParser<Value = usize> {
    use clap::builder::{RangedU64ValueParser, TypedValueParser as _};
    RangedU64ValueParser::<u64>::new().range(1..=MAX_PUBLISHERS as u64).map(|number| number as usize)
}

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Run {
    /// Processor time per delivery and latency, at a fixed rate
    Latency,
    /// Maximum number of deliveries per second
    Throughput,
    /// Memory per idle subscriber
    Memory,
    /// Memory and descriptors after many connections were opened and closed
    Churn,
    /// Time from a POST to a room until its two events arrive, with `gripchat run`
    Chat,
}

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// nginx with its fan-out module, two workers
    Nchan,
    /// Pushpin, with message_rate and message_hwm lifted, and larger buffers where memory is not measured
    Pushpin,
    /// `gripchat edge`
    Edge,
    /// `gripchat run`: backend, edge and the embedded store in one process
    #[value(skip)]
    Run,
}

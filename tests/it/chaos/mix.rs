//! Faults, the tracks that they are injected on, and mixes of tracks. A seed determines all of it in advance.

use std::{fmt, time::Duration};

use gripchat::failpoint;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::ROOMS;
use crate::support::{fault::Mode, stack::Kind, trials::Need};

/// DynamoDB's response to a client that makes too many requests.
const THROTTLED: &str = concat!(
    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 133\r\n",
    "Connection: close\r\n\r\n",
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","#,
    r#""message":"The level of throughput is too high."}"#,
);
/// The response of a broken control port.
const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\nConnection: close\r\n\r\nbroken";

/// A combination of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    Backend,
    Proxy,
    Store,
    Clients,
    Clock,
    History,
    All,
}

/// Faults that are injected one after another, at the same time as those of other tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Track {
    Backend,
    Proxy,
    Control,
    Store,
    Clients,
    Clock,
    History,
}

/// Something that fails for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A backend is ended with SIGKILL, and stopped for that time.
    Kill(usize),
    /// A backend is ended with SIGTERM, and stopped for that time.
    Terminate(usize),
    /// A backend dies at a fail point, once in so many times, and is restarted each time.
    Dies(usize, &'static str, u32),
    /// The proxy is ended with SIGTERM, and stopped for that time.
    ProxyStops,
    /// The proxy is ended with SIGKILL, and stopped for that time.
    ProxyDies,
    /// The connections to the control port fail.
    Control(Mode),
    /// The connections to the table fail.
    Table(Mode),
    /// The disk under the embedded store is full.
    DiskFull,
    /// The backend is killed, and finds its folder read-only when it starts again.
    ReadOnly,
    /// All clients of a room read slowly.
    Slow(usize),
    /// All clients of a room stop reading.
    Stopped(usize),
    /// All clients of a room are disconnected.
    Away(usize),
    /// All clients of a room reconnect at once.
    Storm(usize),
    /// The clocks of the backends are wrong by this many seconds.
    Clock(i64),
    /// The clocks jump beyond the retention, while the clients of a room are disconnected.
    Expired(usize),
    /// The table is deleted and created again; a file is deleted while the backend is stopped.
    Wiped,
}

/// A fault with its timing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// From the end of the previous fault to the start of this one.
    pub(crate) pause: Duration,
    pub(crate) fault: Fault,
    pub(crate) lasts: Duration,
}

impl Mix {
    pub(crate) const ALL: [Self; 7] =
        [Self::Backend, Self::Proxy, Self::Store, Self::Clients, Self::Clock, Self::History, Self::All];

    pub(crate) fn tracks(self) -> &'static [Track] {
        match self {
            Self::Backend => &[Track::Backend],
            Self::Proxy => &[Track::Proxy, Track::Control],
            Self::Store => &[Track::Store],
            Self::Clients => &[Track::Clients],
            Self::Clock => &[Track::Clock],
            Self::History => &[Track::History],
            Self::All => &[Track::Backend, Track::Proxy, Track::Control, Track::Store, Track::Clients, Track::Clock],
        }
    }

    /// Returns the number of backends. An embedded store has one. A table that is deleted has one as well, because
    /// other processes would not know that it was: see docs/reliability.md.
    pub(crate) fn backends(self, kind: Kind) -> usize {
        match (kind, self) {
            (Kind::EdgeEmbedded, _) | (_, Self::History) => 1,
            (_, Self::Store) => 8,
            _ => 2,
        }
    }

    /// Whether the backends' clocks can be changed.
    pub(crate) fn has_clock(self) -> bool {
        self.tracks().iter().any(|track| matches!(track, Track::Clock | Track::History))
    }

    /// Whether the store is on a disk of its own, which can be filled.
    pub(crate) fn has_disk(self, kind: Kind) -> bool {
        kind == Kind::EdgeEmbedded && self.tracks().contains(&Track::Store)
    }

    pub(crate) fn needs(self, kind: Kind) -> Vec<Need> {
        let mut needs = Vec::new();
        if self.has_clock() {
            needs.push(Need::Faketime);
        }
        if self.has_disk(kind) {
            needs.push(Need::Tmpfs);
        }
        needs
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// Returns the faults of a track, for about the time of `spell`.
pub(crate) fn plan(seed: u64, track: Track, kind: Kind, backends: usize, spell: Duration) -> Vec<Step> {
    let mut rng = StdRng::seed_from_u64(seed ^ (track as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut steps = Vec::new();
    let mut total = Duration::ZERO;
    while total < spell {
        let pause = Duration::from_millis(rng.random_range(100..1_500));
        let (fault, max_millis) = random_fault(&mut rng, track, kind, backends);
        let lasts = Duration::from_millis(rng.random_range(100..max_millis));
        total += pause + lasts;
        steps.push(Step { pause, fault, lasts });
    }
    steps
}

/// Returns a random fault, and how many milliseconds it may last.
fn random_fault(rng: &mut StdRng, track: Track, kind: Kind, backends: usize) -> (Fault, u64) {
    let backend = rng.random_range(0..backends);
    let room = rng.random_range(0..ROOMS);
    let one_in = rng.random_range(3..40);
    let dies = |points: &[&'static str], rng: &mut StdRng| {
        (Fault::Dies(backend, points.choose(rng).expect("the list is not empty"), one_in), 2_500)
    };
    match track {
        Track::Backend => match rng.random_range(0..5) {
            0 => (Fault::Kill(backend), 1_500),
            1 => (Fault::Terminate(backend), 500),
            _ => dies(&failpoint::ALL, rng),
        },
        Track::Proxy if rng.random_bool(0.5) => (Fault::ProxyDies, 1_500),
        Track::Proxy => (Fault::ProxyStops, 1_500),
        Track::Control => {
            let modes = [Mode::Refuse, Mode::Hang, Mode::Reset, Mode::Answer(BROKEN), Mode::LoseAnswers];
            (Fault::Control(*modes.choose(rng).expect("the list is not empty")), 3_000)
        }
        Track::Store if kind == Kind::EdgeEmbedded => match rng.random_range(0..4) {
            0 => (Fault::DiskFull, 2_500),
            1 => (Fault::ReadOnly, 1_000),
            _ => dies(&[failpoint::COMMIT_BEGUN, failpoint::COMMIT_DONE], rng),
        },
        Track::Store => {
            // Some last longer than the program waits for a response, and longer than a whole post may take.
            let modes = [
                (Mode::Refuse, 4_000),
                (Mode::Hang, 12_000),
                (Mode::Delay(Duration::from_secs(2)), 4_000),
                (Mode::Answer(THROTTLED), 4_000),
                (Mode::DelayAnswers(Duration::from_secs(4)), 8_000),
                (Mode::DelayAnswers(Duration::from_secs(9)), 12_000),
                (Mode::LoseAnswers, 4_000),
            ];
            let (mode, max_millis) = *modes.choose(rng).expect("the list is not empty");
            (Fault::Table(mode), max_millis)
        }
        Track::Clients => match rng.random_range(0..4) {
            0 => (Fault::Slow(room), 4_000),
            1 => (Fault::Stopped(room), 4_000),
            2 => (Fault::Away(room), 4_000),
            _ => (Fault::Storm(room), 200),
        },
        Track::Clock => (Fault::Clock(if rng.random_bool(0.5) { 3_600 } else { -3_600 }), 4_000),
        Track::History => match rng.random_range(0..2) {
            0 => (Fault::Expired(room), 3_000),
            _ => (Fault::Wiped, 1_000),
        },
    }
}

//! The judge: compares what every stream received, and the responses that every poster got, with the stored messages.
//!
//! | rule | broken by |
//! |---|---|
//! | a stream continues at the cursor of its client, or starts with a reset | a stream that starts elsewhere, without a reset |
//! | message n+1 follows message n | a gap, a duplicate, a wrong order |
//! | a streamed message is stored, with the same content | a message that is not stored, or differs |
//! | an acknowledged message is stored once, as acknowledged | a lost or duplicated message |
//! | a stored message was posted | a message that nobody posted |
//! | every stream reaches the end of its room | a stream that stays silent |
//! | a provisional message that is not stored is retracted | a provisional message that is neither stored nor retracted |
//! | a post is acknowledged or refused in time | a post that hangs |
//! | a stream ends only if the faults affect connections | a dropped stream |

mod reader;
pub(crate) mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::Value;
use tokio::time::Instant;

use self::reader::Reader;
use super::{
    client::{Entry, Record},
    poster::{Attempt, Post},
};

/// The longest time that a post may take to be answered or refused, whatever hangs: ten seconds, as in
/// docs/reliability.md, which `scripts/soak` requires. A program without optimizations, beside other tests, has more;
/// that its deadlines add up to less than ten seconds is proven with a paused clock, in src/app/post.rs.
pub(crate) const POST_DEADLINE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 18 } else { 10 });
/// How many entries of a client are printed, up to the one that broke a rule.
const SHOWN: usize = 12;

/// The rules that a run's faults may break.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Excuses {
    /// Streams may be dropped, because the proxy fails.
    pub(crate) drops: bool,
    /// Streams may be reset, because history is lost or expires.
    pub(crate) resets: bool,
    /// Provisional messages may be left over, because the backend that would retract them was killed or cut off.
    pub(crate) dangling: bool,
    /// A post may be left without a response: Pushpin loses requests that arrive while its processes end or connect to
    /// each other. Such posts are counted.
    pub(crate) unanswered: bool,
    /// A stream may receive messages twice: Pushpin 1.36 repeats them after a next link has failed. They are counted.
    pub(crate) repeats: bool,
    /// History was lost last at this time. A message that was posted before may be missing, or stored twice.
    pub(crate) lost_before: Option<Instant>,
}

/// Everything that the judge looks at.
pub(crate) struct Run {
    pub(crate) began: Instant,
    pub(crate) excuses: Excuses,
    /// The messages of each room that are stored at the end, oldest first.
    pub(crate) logs: Vec<Vec<Value>>,
    pub(crate) posts: Vec<Post>,
    pub(crate) records: Vec<Record>,
}

/// The result of a run.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Every violation of a rule, as text.
    pub(crate) violations: Vec<String>,
    pub(crate) measurements: Measurements,
}

/// Counts and durations of a run.
#[derive(Debug, Default)]
pub(crate) struct Measurements {
    pub(crate) posts: usize,
    pub(crate) attempts: usize,
    pub(crate) acknowledged: usize,
    /// Attempts without a response that were excused.
    pub(crate) unanswered: usize,
    /// Messages that a stream received twice, and that were excused.
    pub(crate) repeats: usize,
    pub(crate) stored: usize,
    pub(crate) deliveries: usize,
    pub(crate) openings: usize,
    pub(crate) drops: usize,
    pub(crate) resets: usize,
    pub(crate) slowest_post: Duration,
    /// From the acknowledgement of a message to its arrival on each stream that was open during that time; longest first.
    pub(crate) delays: Vec<Duration>,
}

/// Judges a run.
pub(crate) fn judge(run: &Run) -> Verdict {
    let mut verdict = Verdict::default();
    let known = Known::of(run);
    verdict.posts(run, &known);
    for record in &run.records {
        verdict.record(run, &known, record);
    }
    verdict.measurements.delays.sort_unstable_by(|a, b| b.cmp(a));
    verdict
}

/// What the store and the posters know about the messages.
struct Known<'a> {
    /// By room and id: the message as it is stored or, where history was lost, as it was acknowledged.
    messages: HashMap<(usize, &'a str), &'a Value>,
    /// By idempotency key.
    posts: HashMap<String, &'a Post>,
    /// When each message was acknowledged first.
    acknowledged: HashMap<(usize, &'a str), Instant>,
}

impl<'a> Known<'a> {
    fn of(run: &'a Run) -> Self {
        let mut messages = HashMap::new();
        let mut acknowledged: HashMap<_, Instant> = HashMap::new();
        for post in &run.posts {
            for (attempt, message) in post.acknowledged() {
                let at = attempt.at + attempt.took;
                let first = acknowledged.entry((post.room, id(message))).or_insert(at);
                *first = (*first).min(at);
                if run.excuses.lost_before.is_some() {
                    messages.insert((post.room, id(message)), message);
                }
            }
        }
        for (room, log) in run.logs.iter().enumerate() {
            messages.extend(log.iter().map(|message| ((room, id(message)), message)));
        }
        let posts = run.posts.iter().map(|post| (post.key.to_string(), post)).collect();
        Self { messages, posts, acknowledged }
    }
}

impl Verdict {
    fn violation(&mut self, what: String) {
        self.violations.push(what);
    }

    fn posts(&mut self, run: &Run, known: &Known<'_>) {
        self.measurements.posts = run.posts.len();
        self.measurements.stored = run.logs.iter().map(Vec::len).sum();
        let mut by_key: HashMap<(usize, &str), Vec<&Value>> = HashMap::new();
        for (room, log) in run.logs.iter().enumerate() {
            for message in log {
                let key = message["provisionalId"].as_str().unwrap_or_default();
                by_key.entry((room, key)).or_default().push(message);
                let post = known.posts.get(key);
                if post.is_none_or(|post| post.room != room || !has_content_of(message, post)) {
                    self.violation(format!("room {room}: nobody posted {message}"));
                }
            }
            for pair in log.windows(2) {
                if !follows(id(&pair[0]), id(&pair[1])) && !run.excuses.resets {
                    self.violation(format!("room {room}: {} is stored after {}", id(&pair[1]), id(&pair[0])));
                }
            }
        }
        for post in &run.posts {
            let key = post.key.to_string();
            let stored = by_key.get(&(post.room, key.as_str())).map_or(&[][..], Vec::as_slice);
            // Such a post looked for its key while the history was gone.
            let lost = |attempt: &Attempt| run.excuses.lost_before.is_some_and(|before| attempt.at < before);
            if stored.len() > 1 && !post.attempts.iter().any(lost) {
                self.violation(format!("room {}: a post is stored {} times: {stored:?}", post.room, stored.len()));
            }
            for (attempt, message) in post.acknowledged() {
                self.measurements.acknowledged += 1;
                if !lost(attempt) && !stored.contains(&message) {
                    self.violation(format!("room {}: acknowledged, but not stored: {message}", post.room));
                }
            }
            for attempt in &post.attempts {
                self.measurements.attempts += 1;
                if run.excuses.unanswered && attempt.outcome.is_err() && attempt.took > POST_DEADLINE {
                    self.measurements.unanswered += 1;
                    continue;
                }
                self.measurements.slowest_post = self.measurements.slowest_post.max(attempt.took);
                if attempt.took > POST_DEADLINE {
                    self.violation(format!(
                        "a post at {:.2} s took {:?} to get {:?}",
                        (attempt.at - run.began).as_secs_f64(),
                        attempt.took,
                        attempt.outcome
                    ));
                }
            }
        }
    }

    fn record(&mut self, run: &Run, known: &Known<'_>, record: &Record) {
        let mut reader =
            Reader { known, record, excuses: run.excuses, position: None, opening: None, open_since: None };
        let mut provisional: BTreeMap<String, usize> = BTreeMap::new();
        for (index, (at, entry)) in record.entries.iter().enumerate() {
            let problem = match entry {
                Entry::Event(event) if event.event == "message" && event.id.is_none() => {
                    reader.provisional(&event.data, index, &mut provisional)
                }
                _ => reader.see(*at, entry, &mut self.measurements, &mut provisional),
            };
            if let Err(problem) = problem {
                self.violation(format!("{}: {problem}\n{}", record.name, trace(run.began, record, index)));
                // Later violations of this client would have the same cause.
                return;
            }
        }
        let end = run.logs[record.room].last().map_or("0", id);
        if reader.position.as_deref() != Some(end) {
            let last = record.entries.len().saturating_sub(1);
            let position = &reader.position;
            self.violation(format!(
                "{}: ended at {position:?}, but its room at {end}\n{}",
                record.name,
                trace(run.began, record, last)
            ));
        }
        if let Some((key, index)) = provisional.first_key_value()
            && !run.excuses.dangling
        {
            self.violation(format!(
                "{}: {key} was neither stored nor retracted\n{}",
                record.name,
                trace(run.began, record, *index)
            ));
        }
    }
}

/// Whether the message with this id is the next one after that cursor.
fn follows(position: &str, message_id: &str) -> bool {
    let Some((epoch, seq)) = parts(message_id) else { return false };
    match parts(position) {
        Some((before, n)) => before == epoch && n + 1 == seq,
        // The cursor of an empty room, whose first message may have any number.
        None => position == "0",
    }
}

fn parts(id: &str) -> Option<(&str, u64)> {
    let (epoch, seq) = id.rsplit_once('-')?;
    Some((epoch, seq.parse().ok()?))
}

fn has_content_of(message: &Value, post: &Post) -> bool {
    message["from"] == post.from.as_str() && message["text"] == post.text.as_str()
}

fn id(message: &Value) -> &str {
    message["id"].as_str().unwrap_or_default()
}

/// Returns the last entries, up to the one with this index, as text.
fn trace(began: Instant, record: &Record, index: usize) -> String {
    let from = (index + 1).saturating_sub(SHOWN);
    let line = |(at, entry): &(Instant, Entry)| {
        let at = at.saturating_duration_since(began).as_secs_f64();
        let what = match entry {
            Entry::Event(event) => {
                let data: String = event.data.chars().take(120).collect();
                format!("{} {:?} {data}", event.event, event.id.as_deref().unwrap_or_default())
            }
            Entry::Refused(why) => format!("refused: {why}"),
            other => format!("{other:?}"),
        };
        format!("    {at:7.3} s  {what}\n")
    };
    record.entries.get(from..=index).unwrap_or_default().iter().map(line).collect()
}

//! The judge: compares what every stream received, and what every poster was told, with the rooms' logs.
//!
//! | rule | broken by |
//! |---|---|
//! | a stream goes on where its client stood, or says that it does not | an opening elsewhere than at the cursor, without a reset |
//! | message n+1 follows message n | a gap, a double, disorder |
//! | what is streamed is what is stored | a message that is in no log, or is another there |
//! | what is acknowledged is stored, once, as acknowledged | a lost or a doubled message |
//! | what is stored was posted | a message from nowhere |
//! | every stream gets to the end of its room | silence |
//! | what was shown and is not stored is withdrawn | a provisional message without an end |
//! | a post is answered or refused in time | a post that hangs |
//! | who did not have to go stays | a dropped stream, where the faults do not touch connections |

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

/// A post is answered or refused within this time, whatever hangs.
pub(crate) const POST_WITHIN: Duration = Duration::from_secs(10);
/// Entries of a client that are shown before and with the one that broke a rule.
const SHOWN: usize = 12;

/// What a run's faults excuse.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Excuses {
    /// Streams may be dropped: the faults are the proxy's or the clients'.
    pub(crate) drops: bool,
    /// Streams may be reset: history is lost, or expires.
    pub(crate) resets: bool,
    /// Provisional messages may be left without an end: who would withdraw them was killed or cut off.
    pub(crate) dangling: bool,
    /// A post may be left without any answer for long: Pushpin loses what reaches it while its processes end or find each
    /// other. It is counted.
    pub(crate) unanswered: bool,
    /// A stream may get messages again that it had: Pushpin 1.36 does so where a next link has failed. It is counted.
    pub(crate) repeats: bool,
    /// What was asked for before this moment need not be there, and may be there twice: history was lost then for the last
    /// time.
    pub(crate) lost_before: Option<Instant>,
}

/// All that there is to judge.
pub(crate) struct Run {
    pub(crate) began: Instant,
    pub(crate) excuses: Excuses,
    /// The messages of each room, oldest first, as the store has them in the end.
    pub(crate) logs: Vec<Vec<Value>>,
    pub(crate) posts: Vec<Post>,
    pub(crate) records: Vec<Record>,
}

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Every rule that was broken, and by what.
    pub(crate) violations: Vec<String>,
    pub(crate) figures: Figures,
}

/// What a run was.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) posts: usize,
    pub(crate) attempts: usize,
    pub(crate) acknowledged: usize,
    /// Attempts that were excused from it.
    pub(crate) unanswered: usize,
    /// Messages that a stream got again, and that were excused.
    pub(crate) repeats: usize,
    pub(crate) stored: usize,
    pub(crate) deliveries: usize,
    pub(crate) openings: usize,
    pub(crate) drops: usize,
    pub(crate) resets: usize,
    pub(crate) slowest_post: Duration,
    /// From a message's acknowledgement to its arrival on streams that were open all that time; the longest first.
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
    verdict.figures.delays.sort_unstable_by(|a, b| b.cmp(a));
    verdict
}

/// What is known of the rooms' messages.
struct Known<'a> {
    /// By room and id: as the store has it, or, where history was lost, as it was acknowledged.
    messages: HashMap<(usize, &'a str), &'a Value>,
    /// By key.
    posts: HashMap<String, &'a Post>,
    /// When each was first acknowledged.
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
    fn broken(&mut self, what: String) {
        self.violations.push(what);
    }

    fn posts(&mut self, run: &Run, known: &Known<'_>) {
        self.figures.posts = run.posts.len();
        self.figures.stored = run.logs.iter().map(Vec::len).sum();
        let mut by_key: HashMap<(usize, &str), Vec<&Value>> = HashMap::new();
        for (room, log) in run.logs.iter().enumerate() {
            for message in log {
                let key = message["provisionalId"].as_str().unwrap_or_default();
                by_key.entry((room, key)).or_default().push(message);
                let post = known.posts.get(key);
                if post.is_none_or(|post| post.room != room || !says_the_same(message, post)) {
                    self.broken(format!("room {room}: nobody posted {message}"));
                }
            }
            for pair in log.windows(2) {
                if !follows(id(&pair[0]), id(&pair[1])) && !run.excuses.resets {
                    self.broken(format!("room {room}: {} is stored behind {}", id(&pair[1]), id(&pair[0])));
                }
            }
        }
        for post in &run.posts {
            let key = post.key.to_string();
            let stored = by_key.get(&(post.room, key.as_str())).map_or(&[][..], Vec::as_slice);
            // Looked for while the history was not there.
            let lost = |attempt: &Attempt| run.excuses.lost_before.is_some_and(|before| attempt.at < before);
            if stored.len() > 1 && !post.attempts.iter().any(lost) {
                self.broken(format!("room {}: a post is stored {} times: {stored:?}", post.room, stored.len()));
            }
            for (attempt, message) in post.acknowledged() {
                self.figures.acknowledged += 1;
                if !lost(attempt) && !stored.contains(&message) {
                    self.broken(format!("room {}: acknowledged and not stored: {message}", post.room));
                }
            }
            for attempt in &post.attempts {
                self.figures.attempts += 1;
                if run.excuses.unanswered && attempt.outcome.is_err() && attempt.took > POST_WITHIN {
                    self.figures.unanswered += 1;
                    continue;
                }
                self.figures.slowest_post = self.figures.slowest_post.max(attempt.took);
                if attempt.took > POST_WITHIN {
                    self.broken(format!(
                        "a post at {:.2} s took {:?} to come to {:?}",
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
                _ => reader.see(*at, entry, &mut self.figures, &mut provisional),
            };
            if let Err(problem) = problem {
                self.broken(format!("{}: {problem}\n{}", record.name, trace(run.began, record, index)));
                // What follows would be blamed for the same.
                return;
            }
        }
        let end = run.logs[record.room].last().map_or("0", id);
        if reader.position.as_deref() != Some(end) {
            let last = record.entries.len().saturating_sub(1);
            let position = &reader.position;
            self.broken(format!(
                "{}: ended at {position:?}, and its room at {end}\n{}",
                record.name,
                trace(run.began, record, last)
            ));
        }
        if let Some((key, index)) = provisional.first_key_value()
            && !run.excuses.dangling
        {
            self.broken(format!(
                "{}: {key} was shown and has no end\n{}",
                record.name,
                trace(run.began, record, *index)
            ));
        }
    }
}

/// Whether the message with this id is the next behind that cursor.
fn follows(position: &str, message_id: &str) -> bool {
    let Some((epoch, seq)) = parts(message_id) else { return false };
    match parts(position) {
        Some((before, n)) => before == epoch && n + 1 == seq,
        // An empty room's cursor: whatever its numbers begin with.
        None => position == "0",
    }
}

fn parts(id: &str) -> Option<(&str, u64)> {
    let (epoch, seq) = id.rsplit_once('-')?;
    Some((epoch, seq.parse().ok()?))
}

fn says_the_same(message: &Value, post: &Post) -> bool {
    message["from"] == post.from.as_str() && message["text"] == post.text.as_str()
}

fn id(message: &Value) -> &str {
    message["id"].as_str().unwrap_or_default()
}

/// The entries up to the one with this index.
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

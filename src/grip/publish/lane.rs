//! A lane to a proxy: a queue whose items are published in order, one request at a time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument as _, Span, warn};

use super::{Item, control::Control};
use crate::telemetry::metrics::publish::{self as metrics, Dropped};

/// The maximum number of items in the channel into a lane, and in the lane itself: 17 MB for both, if all have the
/// longest messages. A full lane means that the proxy has been down for long. Items that do not fit are dropped; the
/// proxies repair the streams as they do for items that were never published.
const QUEUE: usize = 512;
/// The maximum size of a batch, well below the 1,000,000 bytes that a control port accepts as a request body.
const BATCH_BYTES: usize = 256 * 1024;
/// The first and the longest pause between attempts.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long an item with an id is retried. After that, a recheck by the proxies delivers its message.
const RETRY_LIMIT: Duration = Duration::from_secs(60);

/// The sending half of a lane. After it is dropped, the lane publishes what it holds and stops.
pub(super) struct Lane {
    jobs: mpsc::Sender<Job>,
    control: Control,
}

struct Job {
    item: Item,
    since: Instant,
    /// Receives the outcome of the first attempt, if a caller waits for it.
    first_attempt: Option<oneshot::Sender<bool>>,
    /// The span of the request that published the item.
    span: Span,
    _waiting: (TaskTrackerToken, metrics::Waiting),
}

/// The receiving half of a lane, which publishes.
struct LaneTask {
    control: Control,
    jobs: mpsc::Receiver<Job>,
    waiting: VecDeque<Job>,
    /// How many of the waiting jobs, counted from the first, are published one by one, because their batch was refused.
    one_by_one: usize,
}

impl Lane {
    /// Starts a lane on the tokio runtime.
    pub(super) fn start(control: Control) -> Self {
        let (sender, jobs) = mpsc::channel(QUEUE);
        let task = LaneTask { control: control.clone(), jobs, waiting: VecDeque::new(), one_by_one: 0 };
        tokio::spawn(task.run());
        Self { jobs: sender, control }
    }

    /// Appends an item. Returns a receiver for the outcome of the first attempt, or `None` if there is nothing to wait for,
    /// because the lane is full or the proxy is known to be down.
    pub(super) fn push(&self, item: Item, waiting: TaskTrackerToken) -> Option<oneshot::Receiver<bool>> {
        let (first_attempt, outcome) = oneshot::channel();
        let wait = self.control.is_healthy();
        let job = Job {
            item,
            since: Instant::now(),
            first_attempt: wait.then_some(first_attempt),
            span: Span::current(),
            _waiting: (waiting, metrics::Waiting::new()),
        };
        if self.jobs.try_send(job).is_err() {
            metrics::dropped(Dropped::QueueFull, 1);
            warn!(grip.url = %self.control.url(), "the publishing queue is full; an item was dropped");
            return None;
        }
        wait.then_some(outcome)
    }
}

impl LaneTask {
    async fn run(mut self) {
        let mut pause = RETRY_PAUSE.0;
        while self.fill().await {
            let batch = self.batch();
            let items: Vec<&Item> = self.waiting.iter().take(batch).map(|job| &job.item).collect();
            // A batch has the span of its first item.
            let span = self.waiting.front().map_or_else(Span::none, |job| job.span.clone());
            match self.control.publish(&items).instrument(span).await {
                Ok(()) => {
                    self.take(batch).for_each(|mut job| job.settle(true));
                    pause = RETRY_PAUSE.0;
                }
                Err(error) if error.depends_on_batch() && batch > 1 => {
                    metrics::retried(batch);
                    self.one_by_one = batch;
                }
                Err(error) => {
                    self.waiting.iter_mut().for_each(|job| job.settle(false));
                    if error.is_final() {
                        metrics::dropped(Dropped::Refused, batch);
                        self.take(batch).for_each(drop);
                    } else {
                        metrics::retried(self.waiting.iter().take(batch).filter(|job| job.is_retried()).count());
                    }
                    self.drop_unretried();
                    self.one_by_one = self.one_by_one.min(self.waiting.len());
                    tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                    pause = (pause * 2).min(RETRY_PAUSE.1);
                }
            }
        }
    }

    /// Receives the queued jobs; if none is waiting, waits for one. Returns false after the sending half was dropped.
    async fn fill(&mut self) -> bool {
        if self.waiting.is_empty() {
            match self.jobs.recv().await {
                Some(job) => self.waiting.push_back(job),
                None => return false,
            }
        }
        while self.waiting.len() < QUEUE
            && let Ok(job) = self.jobs.try_recv()
        {
            self.waiting.push_back(job);
        }
        true
    }

    /// Returns how many of the waiting jobs the next request contains, at least one.
    fn batch(&self) -> usize {
        if self.one_by_one > 0 {
            return 1;
        }
        let mut bytes = 0;
        let fits = |job: &&Job| {
            bytes += job.item.len();
            bytes <= BATCH_BYTES
        };
        self.waiting.iter().take_while(fits).count().max(1)
    }

    /// Drops the items that are not retried.
    fn drop_unretried(&mut self) {
        self.waiting.retain(|job| {
            let is_retried = job.is_retried();
            if !is_retried {
                metrics::dropped(if job.item.is_sequenced() { Dropped::Expired } else { Dropped::Ephemeral }, 1);
            }
            is_retried
        });
    }

    fn take(&mut self, batch: usize) -> impl Iterator<Item = Job> {
        self.one_by_one = self.one_by_one.saturating_sub(batch);
        self.waiting.drain(..batch)
    }
}

impl Job {
    fn settle(&mut self, published: bool) {
        if let Some(first_attempt) = self.first_attempt.take() {
            // The receiver is gone if the publisher has stopped waiting.
            let _ = first_attempt.send(published);
        }
    }

    /// Whether the item is retried after a failure: an item without an id is not, since its moment has passed.
    fn is_retried(&self) -> bool {
        self.item.is_sequenced() && self.since.elapsed() < RETRY_LIMIT
    }
}

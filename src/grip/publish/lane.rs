//! A lane to a proxy: what goes in comes out in order, one request at a time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument as _, Span, warn};

use super::{Item, control::Control};
use crate::telemetry::metrics::publish::{self as metrics, Dropped};

/// Items that may wait at either end of a lane: with the longest messages, 17 MB for both. More means that the
/// proxy has been away for long; what does not fit is dropped, and repaired like what is never published.
const QUEUE: usize = 512;
/// A batch stays well below the 1,000,000 bytes of a control port's request body.
const BATCH_BYTES: usize = 256 * 1024;
/// First and longest pause between tries.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// An item with an id is retried for so long. What is older, the proxies' rechecks bring.
const RETRY_FOR: Duration = Duration::from_secs(60);

/// The end of a lane that items are put into. The lane ends when it is empty and this is dropped.
pub(super) struct Lane {
    jobs: mpsc::Sender<Job>,
    control: Control,
}

struct Job {
    item: Item,
    since: Instant,
    /// Told what became of the first try, if anybody waits for that.
    tried: Option<oneshot::Sender<bool>>,
    /// The request that it is about.
    span: Span,
    _waiting: (TaskTrackerToken, metrics::Waiting),
}

/// The end that is published from.
struct Outlet {
    control: Control,
    jobs: mpsc::Receiver<Job>,
    waiting: VecDeque<Job>,
    /// How many of the waiting jobs, from the first on, go out one by one.
    singly: usize,
}

impl Lane {
    /// Starts a lane on the tokio runtime.
    pub(super) fn start(control: Control) -> Self {
        let (sender, jobs) = mpsc::channel(QUEUE);
        let outlet = Outlet { control: control.clone(), jobs, waiting: VecDeque::new(), singly: 0 };
        tokio::spawn(outlet.run());
        Self { jobs: sender, control }
    }

    /// Puts an item at the end. `None` when there is nothing to wait for: no place, or a proxy known to be away.
    pub(super) fn push(&self, item: Item, waiting: TaskTrackerToken) -> Option<oneshot::Receiver<bool>> {
        let (tried, outcome) = oneshot::channel();
        let wait = self.control.is_healthy();
        let job = Job {
            item,
            since: Instant::now(),
            tried: wait.then_some(tried),
            span: Span::current(),
            _waiting: (waiting, metrics::Waiting::new()),
        };
        if self.jobs.try_send(job).is_err() {
            metrics::dropped(Dropped::QueueFull, 1);
            warn!(grip.url = %self.control.url(), "too much waits to be published; an item was dropped");
            return None;
        }
        wait.then_some(outcome)
    }
}

impl Outlet {
    async fn run(mut self) {
        let mut pause = RETRY_PAUSE.0;
        while self.fill().await {
            let batch = self.batch();
            let items: Vec<&Item> = self.waiting.iter().take(batch).map(|job| &job.item).collect();
            // Of those that go together the first is named.
            let span = self.waiting.front().map_or_else(Span::none, |job| job.span.clone());
            match self.control.publish(&items).instrument(span).await {
                Ok(()) => {
                    self.take(batch).for_each(|mut job| job.settle(true));
                    pause = RETRY_PAUSE.0;
                }
                Err(error) if error.is_of_the_batch() && batch > 1 => {
                    metrics::retried(batch);
                    self.singly = batch;
                }
                Err(error) => {
                    self.waiting.iter_mut().for_each(|job| job.settle(false));
                    if error.is_final() {
                        metrics::dropped(Dropped::Refused, batch);
                        self.take(batch).for_each(drop);
                    } else {
                        metrics::retried(self.waiting.iter().take(batch).filter(|job| job.lasts()).count());
                    }
                    self.give_up();
                    self.singly = self.singly.min(self.waiting.len());
                    tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                    pause = (pause * 2).min(RETRY_PAUSE.1);
                }
            }
        }
    }

    /// Takes in what has come; waits for it if nothing waits. False when nothing ever will.
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

    /// How many of the waiting jobs go into the next request: at least one.
    fn batch(&self) -> usize {
        if self.singly > 0 {
            return 1;
        }
        let mut bytes = 0;
        let fits = |job: &&Job| {
            bytes += job.item.len();
            bytes <= BATCH_BYTES
        };
        self.waiting.iter().take_while(fits).count().max(1)
    }

    /// Drops what is not worth another try.
    fn give_up(&mut self) {
        self.waiting.retain(|job| {
            let lasts = job.lasts();
            if !lasts {
                metrics::dropped(if job.item.is_sequenced() { Dropped::Expired } else { Dropped::Ephemeral }, 1);
            }
            lasts
        });
    }

    fn take(&mut self, batch: usize) -> impl Iterator<Item = Job> {
        self.singly = self.singly.saturating_sub(batch);
        self.waiting.drain(..batch)
    }
}

impl Job {
    fn settle(&mut self, published: bool) {
        if let Some(tried) = self.tried.take() {
            // Whoever published it may have stopped waiting.
            let _ = tried.send(published);
        }
    }

    /// Whether it is worth another try.
    fn lasts(&self) -> bool {
        self.item.is_sequenced() && self.since.elapsed() < RETRY_FOR
    }
}

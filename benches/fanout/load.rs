//! Publishes to a crowd and listens for what it gets.

use std::{
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use anyhow::ensure;

use crate::{
    clock,
    crowd::Crowd,
    publisher::{Publisher, Target},
    stamp,
    tally::{Percentiles, Tally},
};

/// Nothing has come for this long after the last publish: what is missing then, is lost.
const SILENCE: Duration = Duration::from_secs(5);

/// Between two looks at what has come. A thread that waited for each event would be woken by nearly every write of the
/// server, on the server's account, as no subscriber of the world outside is. It makes every latency longer by half of
/// it, and the half of the nap's own 50 µs of slack.
const NAP: Duration = Duration::from_micros(200);

/// With so many at once there is more where they came from.
const BUSY: usize = 64;

/// Progress is looked at this often by publishers that must not get too far ahead.
const LOOK_EVERY: Duration = Duration::from_micros(100);

/// What to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) messages: u32,
    /// Per second, all publishers together; without one, each message follows the answer to the one before.
    pub(crate) rate: Option<f64>,
    pub(crate) publishers: usize,
    /// The most messages that they may be ahead of what the average subscriber got.
    pub(crate) ahead: Option<u32>,
    /// How often each message comes to each subscriber.
    pub(crate) copies: usize,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// From the request to the answer.
    pub(crate) answers: Percentiles,
    /// From the first publish to the last delivery.
    pub(crate) taken: Duration,
    /// From the first publish to the last answer.
    pub(crate) posting: Duration,
}

impl Load {
    /// Publishes on threads, listens on this one.
    pub(crate) fn run(self, crowd: &mut Crowd, target: &Target) -> anyhow::Result<Outcome> {
        let mut tally = Tally::new(crowd.len(), self.messages, self.publishers, self.copies);
        let progress = Progress { publishing: AtomicUsize::new(self.publishers), delivered: AtomicU32::new(0) };
        let began = clock::now();
        let mut answers = thread::scope(|scope| {
            let lanes: Vec<_> = (0..self.publishers)
                .map(|lane| {
                    let progress = &progress;
                    scope.spawn(move || {
                        let answers = self.publish(target, lane, began, progress);
                        progress.publishing.fetch_sub(1, Ordering::Release);
                        answers
                    })
                })
                .collect();
            let heard = self.listen(crowd, &mut tally, &progress);
            let mut answers = Vec::new();
            for lane in lanes {
                answers.extend(lane.join().expect("a publisher does not panic")?);
            }
            // After what the publishers have to say: it may be the reason.
            heard.map(|()| answers)
        })?;
        let posted = answers.iter().map(|answer: &Answer| answer.at).max().unwrap_or(began);
        let mut durations: Vec<u32> = answers.drain(..).map(|answer| answer.micros).collect();
        Ok(Outcome {
            answers: Percentiles::of(&mut durations),
            taken: clock::between(began, tally.last()),
            posting: clock::between(began, posted),
            tally,
        })
    }

    fn publish(self, target: &Target, lane: usize, began: u64, progress: &Progress) -> anyhow::Result<Vec<Answer>> {
        let mut publisher = Publisher::new(target);
        let mut answers = Vec::new();
        for number in (0..self.messages).skip(lane).step_by(self.publishers) {
            if let Some(rate) = self.rate {
                let due = Duration::from_secs_f64(f64::from(number) / rate);
                thread::sleep(due.saturating_sub(clock::between(began, clock::now())));
            }
            if let Some(ahead) = self.ahead {
                progress.reach(number.saturating_sub(ahead));
            }
            let sent = publisher.publish(number)?;
            let at = clock::now();
            let micros = u32::try_from(clock::between(sent, at).as_micros())?;
            answers.push(Answer { at, micros });
        }
        Ok(answers)
    }

    fn listen(self, crowd: &mut Crowd, tally: &mut Tally, progress: &Progress) -> anyhow::Result<()> {
        let mut heard = clock::now();
        while !tally.is_complete() {
            let active = crowd.read(Duration::ZERO, |subscriber, stamp, now| {
                if stamp.number != stamp::WARM_UP {
                    tally.count(subscriber, stamp, now);
                }
            })?;
            let average = tally.delivered() / self.copies / crowd.len();
            progress.delivered.store(u32::try_from(average)?, Ordering::Release);
            if active < BUSY {
                thread::sleep(NAP);
            }
            if active > 0 || progress.publishing.load(Ordering::Acquire) > 0 {
                heard = clock::now();
            } else if clock::between(heard, clock::now()) > SILENCE {
                break;
            }
        }
        ensure!(tally.delivered() > 0, "nothing was delivered");
        Ok(())
    }
}

/// What the threads know of each other.
struct Progress {
    /// Publishers that are not done.
    publishing: AtomicUsize,
    /// Messages that the average subscriber got.
    delivered: AtomicU32,
}

impl Progress {
    /// Returns when so many messages are delivered. If some are lost they never are, and it gives up.
    fn reach(&self, messages: u32) {
        let began = clock::now();
        while self.delivered.load(Ordering::Acquire) < messages && clock::between(began, clock::now()) < SILENCE {
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// To one publish.
struct Answer {
    at: u64,
    micros: u32,
}

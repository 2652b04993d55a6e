//! Publishes to subscribers, and counts what they receive.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use anyhow::ensure;

use crate::{
    clock,
    publisher::{Publisher, Target},
    stamp,
    subscribers::Subscribers,
    tally::{Percentiles, Tally},
};

/// If nothing has arrived for this long after the last publish, the missing messages count as lost.
const SILENCE: Duration = Duration::from_secs(5);

/// What to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) messages: u32,
    /// Messages per second of all publishers together. `None`: each publisher sends its next message after the response.
    pub(crate) rate: Option<f64>,
    pub(crate) publishers: usize,
    /// How often each subscriber receives each message.
    pub(crate) copies: usize,
}

/// The measurements of a load.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// The times from a publish request to its response.
    pub(crate) answers: Percentiles,
    /// The time from the first publish to the last delivery.
    pub(crate) duration: Duration,
    /// The time from the first publish to the last response.
    pub(crate) posting: Duration,
}

impl Load {
    /// Publishes on new threads, and receives on this one.
    pub(crate) fn run(self, subscribers: &mut Subscribers, target: &Target) -> anyhow::Result<Outcome> {
        let mut tally = Tally::new(subscribers.len(), self.messages, self.publishers, self.copies);
        let publishing = AtomicUsize::new(self.publishers);
        let started = clock::now();
        let mut answers = thread::scope(|scope| {
            let lanes: Vec<_> = (0..self.publishers)
                .map(|lane| {
                    let publishing = &publishing;
                    scope.spawn(move || {
                        let answers = self.publish(target, lane, started);
                        publishing.fetch_sub(1, Ordering::Release);
                        answers
                    })
                })
                .collect();
            let received = self.listen(subscribers, &mut tally, &publishing);
            let mut answers = Vec::new();
            for lane in lanes {
                answers.extend(lane.join().expect("a publisher does not panic")?);
            }
            // The error of a publisher comes first, because it may be the cause of the other.
            received.map(|()| answers)
        })?;
        let posted = answers.iter().map(|answer: &Answer| answer.at).max().unwrap_or(started);
        let mut durations: Vec<u32> = answers.drain(..).map(|answer| answer.micros).collect();
        Ok(Outcome {
            answers: Percentiles::of(&mut durations),
            duration: clock::between(started, tally.last()),
            posting: clock::between(started, posted),
            tally,
        })
    }

    fn publish(self, target: &Target, lane: usize, started: u64) -> anyhow::Result<Vec<Answer>> {
        let mut publisher = Publisher::new(target);
        let mut answers = Vec::new();
        for number in (0..self.messages).skip(lane).step_by(self.publishers) {
            if let Some(rate) = self.rate {
                let due = Duration::from_secs_f64(f64::from(number) / rate);
                thread::sleep(due.saturating_sub(clock::between(started, clock::now())));
            }
            let sent = publisher.publish(number)?;
            let at = clock::now();
            let micros = u32::try_from(clock::between(sent, at).as_micros())?;
            answers.push(Answer { at, micros });
        }
        Ok(answers)
    }

    fn listen(self, subscribers: &mut Subscribers, tally: &mut Tally, publishing: &AtomicUsize) -> anyhow::Result<()> {
        let mut last_received = clock::now();
        while !tally.is_complete() {
            let active = subscribers.read(Duration::from_millis(100), |subscriber, stamp, now| {
                if stamp.number != stamp::WARM_UP {
                    tally.count(subscriber, stamp, now);
                }
            })?;
            if active > 0 || publishing.load(Ordering::Acquire) > 0 {
                last_received = clock::now();
            } else if clock::between(last_received, clock::now()) > SILENCE {
                break;
            }
        }
        ensure!(tally.delivered() > 0, "nothing was delivered");
        Ok(())
    }
}

/// The response to a publish.
struct Answer {
    at: u64,
    micros: u32,
}

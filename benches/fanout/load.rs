//! Publishes to a crowd and listens for what it gets.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
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

/// What to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) messages: u32,
    /// Per second, all publishers together; without one, each message follows the answer to the one before.
    pub(crate) rate: Option<f64>,
    pub(crate) publishers: usize,
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
        let publishing = AtomicUsize::new(self.publishers);
        let began = clock::now();
        let mut answers = thread::scope(|scope| {
            let lanes: Vec<_> = (0..self.publishers)
                .map(|lane| {
                    let publishing = &publishing;
                    scope.spawn(move || {
                        let answers = self.publish(target, lane, began);
                        publishing.fetch_sub(1, Ordering::Release);
                        answers
                    })
                })
                .collect();
            let heard = self.listen(crowd, &mut tally, &publishing);
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

    fn publish(self, target: &Target, lane: usize, began: u64) -> anyhow::Result<Vec<Answer>> {
        let mut publisher = Publisher::new(target);
        let mut answers = Vec::new();
        for number in (0..self.messages).skip(lane).step_by(self.publishers) {
            if let Some(rate) = self.rate {
                let due = Duration::from_secs_f64(f64::from(number) / rate);
                thread::sleep(due.saturating_sub(clock::between(began, clock::now())));
            }
            let sent = publisher.publish(number)?;
            let at = clock::now();
            let micros = u32::try_from(clock::between(sent, at).as_micros())?;
            answers.push(Answer { at, micros });
        }
        Ok(answers)
    }

    fn listen(self, crowd: &mut Crowd, tally: &mut Tally, publishing: &AtomicUsize) -> anyhow::Result<()> {
        let mut heard = clock::now();
        while !tally.is_complete() {
            let active = crowd.read(Duration::from_millis(100), |subscriber, stamp, now| {
                if stamp.number != stamp::WARM_UP {
                    tally.count(subscriber, stamp, now);
                }
            })?;
            if active > 0 || publishing.load(Ordering::Acquire) > 0 {
                heard = clock::now();
            } else if clock::between(heard, clock::now()) > SILENCE {
                break;
            }
        }
        ensure!(tally.delivered() > 0, "nothing was delivered");
        Ok(())
    }
}

/// To one publish.
struct Answer {
    at: u64,
    micros: u32,
}

//! Fail points: places in the code where tests can make the process kill itself.
//!
//! They exist only in a build with the feature `failpoints`, which the tests use and releases do not. In such a build
//! they are active only if the variable `FAILPOINTS` is set. It names them in the syntax of the crate [`fail`]:
//! `post.stored=2%return` kills the process at every fiftieth message that is stored and not published yet. The process
//! ends as in a crash: nothing is flushed and no client is notified. In every other build [`pass`] does nothing, and the
//! variable is not read.
//!
//! [`fail`]: https://docs.rs/fail

/// Before a post has had any effect.
pub const POST_BEGUN: &str = "post.begun";
/// The provisional message is published, and nothing is stored.
pub const POST_SHOWN: &str = "post.shown";
/// The message is stored, and not announced yet.
pub const POST_STORED: &str = "post.stored";
/// The stored message is queued to be published.
pub const POST_ANNOUNCED: &str = "post.announced";
/// The message is published, and its poster has no answer yet.
pub const POST_PUBLISHED: &str = "post.published";
/// The store refused the message, and the provisional one is still shown.
pub const POST_REFUSED: &str = "post.refused";
/// The embedded store is about to commit.
pub const COMMIT_BEGUN: &str = "commit.begun";
/// The embedded store has committed, and no append has returned yet.
pub const COMMIT_DONE: &str = "commit.done";
/// What a stream missed has been read, and is not sent yet.
pub const REPLAY_READ: &str = "replay.read";

/// All fail points.
pub const ALL: [&str; 9] = [
    POST_BEGUN,
    POST_SHOWN,
    POST_STORED,
    POST_ANNOUNCED,
    POST_PUBLISHED,
    POST_REFUSED,
    COMMIT_BEGUN,
    COMMIT_DONE,
    REPLAY_READ,
];

/// Activates the fail points that `FAILPOINTS` names, and logs a warning that they are active.
///
/// Called once, at the start, after logging has been set up. Does nothing in a build without the feature `failpoints`.
pub fn start() {
    #[cfg(feature = "failpoints")]
    active::start();
}

/// Kills the process here if `FAILPOINTS` says so.
#[cfg_attr(not(feature = "failpoints"), expect(unused_variables, reason = "there are no fail points in this build"))]
#[inline]
pub fn pass(name: &'static str) {
    #[cfg(feature = "failpoints")]
    active::pass(name);
}

#[cfg(feature = "failpoints")]
mod active {
    use std::{
        env,
        sync::atomic::{AtomicBool, Ordering},
    };

    use rustix::process::{Signal, getpid, kill_process};
    use tracing::warn;

    /// The variable that the crate `fail` reads.
    const VARIABLE: &str = "FAILPOINTS";

    /// Whether the variable was set. Relaxed: it is written once, before any request is handled, and guards no data.
    static ACTIVE: AtomicBool = AtomicBool::new(false);

    pub(super) fn start() {
        let Some(points) = env::var_os(VARIABLE).filter(|points| !points.is_empty()) else { return };
        warn!(?points, "fail points are active; this process kills itself at them");
        // Never dropped, because dropping it would switch the fail points off.
        std::mem::forget(fail::FailScenario::setup());
        ACTIVE.store(true, Ordering::Relaxed);
    }

    pub(super) fn pass(name: &'static str) {
        if ACTIVE.load(Ordering::Relaxed) {
            fail::fail_point!(name, |_| die());
        }
    }

    /// Ends the process as `kill -9` does.
    fn die() {
        if kill_process(getpid(), Signal::KILL).is_err() {
            std::process::abort();
        }
        // The signal is delivered asynchronously.
        loop {
            std::thread::park();
        }
    }
}

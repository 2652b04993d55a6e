//! Fail points: places at which a test build dies when its tests want it to.
//!
//! The variable `FAILPOINTS` names them, in the syntax of the crate [`fail`]: `post.stored=2%return` kills the process at
//! every fiftieth message that is stored and not published yet. It is a crash, not an end: nothing is flushed, nobody is
//! told. Only the tests build that crate with its feature `failpoints`. In every other build a fail point is nothing at
//! all, and the variable is not read.

use rustix::process::{Signal, getpid, kill_process};

/// Before a post has had any effect.
pub const POST_BEGUN: &str = "post.begun";
/// The provisional message is published, and nothing stored.
pub const POST_SHOWN: &str = "post.shown";
/// The message is stored, and nobody told.
pub const POST_STORED: &str = "post.stored";
/// The stored message waits to be published.
pub const POST_ANNOUNCED: &str = "post.announced";
/// Everybody has the message, and its poster no answer.
pub const POST_PUBLISHED: &str = "post.published";
/// The store refused the message, and the provisional one is still shown.
pub const POST_REFUSED: &str = "post.refused";
/// The embedded store is about to commit.
pub const COMMIT_BEGUN: &str = "commit.begun";
/// The embedded store has committed, and told nobody.
pub const COMMIT_DONE: &str = "commit.done";
/// What a stream missed is read, and not answered.
pub const REPLAY_READ: &str = "replay.read";

/// All of them.
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

/// Reads the variable. Called once, at the start.
pub fn start() {
    // For as long as the process runs: dropped, it would switch them off.
    std::mem::forget(fail::FailScenario::setup());
}

/// Dies here, where the variable says so.
pub fn pass(name: &'static str) {
    fail::fail_point!(name, |_| die());
    // Without the feature the line above is nothing.
    let _ = (name, die as fn());
}

/// As another process's `kill -9` would have it.
fn die() {
    if kill_process(getpid(), Signal::KILL).is_err() {
        std::process::abort();
    }
    // The signal is on its way.
    loop {
        std::thread::park();
    }
}

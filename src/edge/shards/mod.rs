//! Shards: tasks that each own a part of the held requests, deliver items to them and write to their clients.
//!
//! Items, clients that come and go, and answers of next links arrive as commands. A round receives the commands that
//! are waiting, lets each session they concern queue its bytes, and then writes once to each of these sessions: one
//! item per write at a low rate, several under load.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `timers` | when a session is due | nothing |
//! | `readiness` | waits until a socket is closed or writable | nothing |
//! | `members` | the members of each channel | nothing |
//! | `drain_queue` | the streams that are still to be ended, and when | nothing |
//! | `shard` | a shard's state and loop; calls the modules below for each command | `drain_queue`, `members`, `timers` |
//! | `sessions` | how a request comes to be held, gets its connection and is removed | `readiness`, `shard`, `timers` |
//! | `deliver` | items and keep-alives, and writing them | `members`, `readiness`, `shard`, `timers` |
//! | `recover` | requests for next links and their answers | `shard`, `timers` |
//! | `drain` | the end of all held requests, spread over time | `drain_queue`, `shard` |

mod deliver;
mod drain;
mod drain_queue;
mod members;
mod readiness;
mod recover;
mod sessions;
mod shard;
#[cfg(test)]
mod tests;
mod timers;

pub(crate) use self::shard::Shard;

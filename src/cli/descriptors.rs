//! The limit of open files, which is a limit of connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// What is open beside the connections of clients: those to the backend, the store, the log.
const RESERVE: u64 = 256;

/// Raises the limit as far as that is allowed: the usual 1,024 is meant for programs that use
/// select(2). Warns where as many connections do not fit all the same.
pub(super) fn raise(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // macOS refuses its own maximum, and then the warning below says what is left.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(RESERVE);
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|allowed| *allowed < needed) {
        warn!(
            allowed,
            needed, "MAX_CONNECTIONS is more than the limit of open files allows; raise that (ulimit -n) or lower it"
        );
    }
}

//! The limit of open files, which is a limit of connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::info;

/// What is open beside the connections of clients: those to the backend, the store, the log.
const RESERVE: u64 = 256;

/// Raises the limit as far as that is allowed: the usual 1,024 is meant for programs that use
/// select(2). Gives how many of these connections fit.
pub(super) fn raise(connections: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // macOS refuses its own maximum, and then what is left is said below.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    let Some(allowed) = getrlimit(Resource::Nofile).current else { return connections };
    let fit = usize::try_from(allowed.saturating_sub(RESERVE)).unwrap_or(usize::MAX).max(1);
    if fit < connections {
        info!(connections = fit, "the limit of open files (ulimit -n) allows fewer connections than MAX_CONNECTIONS");
    }
    connections.min(fit)
}

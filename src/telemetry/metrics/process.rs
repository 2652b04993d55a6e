//! Metrics of the process, under the names that Prometheus' own client libraries use.
//!
//! They are read from the system here, because the existing crates for this read everything about a process, and
//! compile a C parser on macOS.

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::{
    param::page_size,
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

use super::catalogue::Catalogue;

static STARTED: OnceLock<f64> = OnceLock::new();

/// Records the start time.
pub(super) fn start() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    STARTED.get_or_init(|| now);
}

pub(super) fn register(catalogue: &mut Catalogue) {
    let build =
        catalogue.gauges("gripchat_build_info", &["version"], "Always 1; the label holds the version of the program");
    build.get([env!("CARGO_PKG_VERSION")]).set(1);
    catalogue.on_demand("process_start_time_seconds", "Start time of the process, in seconds since 1970", || {
        STARTED.get().copied()
    });
    catalogue.on_demand("process_cpu_seconds_total", "CPU time that the process has used", || {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        Some(used.tv_sec as f64 + used.tv_nsec as f64 / 1e9)
    });
    catalogue.on_demand("process_open_fds", "Open file descriptors: connections and files", || {
        // The first exists on Linux, the second on macOS. Subtract one for the folder itself, which is open while it is
        // read.
        let folder = std::fs::read_dir("/proc/self/fd").or_else(|_| std::fs::read_dir("/dev/fd")).ok()?;
        Some(folder.count().saturating_sub(1) as f64)
    });
    catalogue.on_demand("process_max_fds", "Maximum number of open file descriptors", || {
        getrlimit(Resource::Nofile).current.map(|max| max as f64)
    });
    catalogue.on_demand("process_resident_memory_bytes", "Resident memory of the process", || {
        // The second number is the count of resident pages (proc(5)).
        let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
        let resident: u64 = pages.split(' ').nth(1)?.parse().ok()?;
        Some(resident as f64 * page_size() as f64)
    });
}

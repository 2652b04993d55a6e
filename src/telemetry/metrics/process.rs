//! The process, by the names that Prometheus's own clients use.
//!
//! Read from the system here: what there is for that reads everything of a process, and brings a C parser on macOS.

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

/// Notes the time.
pub(super) fn start() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    STARTED.get_or_init(|| now);
}

pub(super) fn describe(catalogue: &mut Catalogue) {
    let build = catalogue.gauges("gripchat_build_info", &["version"], "1, with the version of the program");
    build.get([env!("CARGO_PKG_VERSION")]).set(1);
    catalogue.on_demand("process_start_time_seconds", "When the process started, in seconds since 1970", || {
        STARTED.get().copied()
    });
    catalogue.on_demand("process_cpu_seconds_total", "Processor time that the process has used", || {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        Some(used.tv_sec as f64 + used.tv_nsec as f64 / 1e9)
    });
    catalogue.on_demand("process_open_fds", "Descriptors that are open: connections, files", || {
        // Linux has the first, macOS the second. The folder that is read is open itself meanwhile.
        let folder = std::fs::read_dir("/proc/self/fd").or_else(|_| std::fs::read_dir("/dev/fd")).ok()?;
        Some(folder.count().saturating_sub(1) as f64)
    });
    catalogue.on_demand("process_max_fds", "Descriptors that may be open", || {
        getrlimit(Resource::Nofile).current.map(|most| most as f64)
    });
    catalogue.on_demand("process_resident_memory_bytes", "Memory that the process has in use", || {
        // In pages; the second number is that of the resident ones (proc(5)).
        let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
        let resident: u64 = pages.split(' ').nth(1)?.parse().ok()?;
        Some(resident as f64 * page_size() as f64)
    });
}

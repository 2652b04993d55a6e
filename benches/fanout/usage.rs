//! Processor time, memory and descriptors of processes, from /proc; see proc(5).

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

/// Returns the processor time, user and system, of all threads.
pub(crate) fn processor(ids: &[u32]) -> anyhow::Result<Duration> {
    let mut ticks = 0;
    for id in ids {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).context("a process of the server has ended")?;
        // The second field may contain spaces. User and system time are fields 14 and 15: the 12th and 13th after it.
        let (_, fields) = stat.rsplit_once(')').context("/proc/ID/stat has an unknown format")?;
        for field in fields.split_ascii_whitespace().skip(11).take(2) {
            ticks += field.parse::<u64>()?;
        }
    }
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Returns the memory in bytes: the proportional set size, in which a page that several processes share counts once.
pub(crate) fn memory(ids: &[u32]) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for id in ids {
        let rollup =
            fs::read_to_string(format!("/proc/{id}/smaps_rollup")).context("a process of the server has ended")?;
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss in smaps_rollup")?;
        bytes += pss.trim().trim_end_matches(" kB").parse::<u64>()? * 1024;
    }
    Ok(bytes)
}

/// Returns the number of open descriptors.
pub(crate) fn descriptors(ids: &[u32]) -> anyhow::Result<usize> {
    let count = |id| fs::read_dir(format!("/proc/{id}/fd")).map(Iterator::count);
    ids.iter().map(|id| count(id).context("a process of the server has ended")).sum()
}

/// Reads a value until two readings in a row are equal, for at most five seconds, and returns the last one.
pub(crate) fn settled<T: PartialEq>(read: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    const INTERVAL: Duration = Duration::from_millis(300);
    const DEADLINE: Duration = Duration::from_secs(5);

    let started = Instant::now();
    let mut seen = read()?;
    loop {
        thread::sleep(INTERVAL);
        let now = read()?;
        if now == seen || started.elapsed() > DEADLINE {
            return Ok(now);
        }
        seen = now;
    }
}

//! Child processes that end with the test that started them, together with their own children.
//!
//! Signals are sent only to children of this process and their descendants, by id, never by name. If a test process is
//! killed with SIGKILL, its children keep running, because nothing is left to end them.

use std::{
    collections::BTreeMap,
    fs, io,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How long a process has to end after SIGTERM. Pushpin's runner takes about 20 ms, DynamoDB Local 350 ms, Chromium less
/// than a second.
const GRACE: Duration = Duration::from_secs(3);

/// How long the kernel has to end a process after SIGKILL.
const KILLED_WITHIN: Duration = Duration::from_secs(15);

/// How often the table of processes is read while one is ending, which no event announces.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A child and its descendants, ended together: on [`Tree::end`], or when dropped.
#[derive(Debug)]
pub(crate) struct Tree {
    root: Child,
    /// Found by earlier calls of `look`: a process that loses its parent can no longer be found through it.
    descendants: Vec<Process>,
}

impl Tree {
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        Ok(Self { root: command.spawn()?, descendants: Vec::new() })
    }

    pub(crate) fn root(&mut self) -> &mut Child {
        &mut self.root
    }

    /// Returns the status of the child if it has ended.
    pub(crate) fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.root.try_wait()
    }

    /// Records the current descendants. To be called while they run and have their parents.
    pub(crate) fn look(&mut self) {
        for process in descendants(self.root.id()) {
            if !self.descendants.contains(&process) {
                self.descendants.push(process);
            }
        }
    }

    /// Returns the ids of the child and of the recorded descendants that still run.
    pub(crate) fn running(&mut self) -> Vec<u32> {
        let root = matches!(self.exited(), Ok(None)).then(|| self.root.id());
        let descendants = self.descendants.iter().filter(|process| process.is_running());
        root.into_iter().chain(descendants.map(|process| process.id)).collect()
    }

    /// Sends SIGTERM to the child, kills what is left after three seconds, and returns when all have ended. Blocks.
    pub(crate) fn end(&mut self) -> anyhow::Result<()> {
        self.look();
        if self.exited()?.is_none() {
            signal(self.root.id(), Signal::TERM);
        }
        // A child ends its own children first. Those that are left over are killed.
        let asked = Instant::now();
        while self.exited()?.is_none() && asked.elapsed() < GRACE {
            thread::sleep(LOOK_EVERY);
        }
        self.kill()
    }

    /// Kills all of them, and returns when they have ended. Blocks.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.look();
        let killed = Instant::now();
        while !self.running().is_empty() {
            for id in self.running() {
                signal(id, Signal::KILL);
            }
            anyhow::ensure!(killed.elapsed() < KILLED_WITHIN, "still running after SIGKILL: {:?}", self.running());
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("cannot end a process of the tests: {error:#}");
        }
    }
}

/// A process that this one did not start itself. Its start time distinguishes it from a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: u32,
    started: u64,
}

impl Process {
    fn is_running(&self) -> bool {
        Stat::read(self.id).is_some_and(|stat| stat.started == self.started && !stat.ended)
    }
}

/// The fields of /proc/ID/stat in use here; proc_pid_stat(5).
struct Stat {
    /// Also for a zombie: it has ended, and waits for its parent to read its status, which process 1 in a container may
    /// never do.
    ended: bool,
    parent: u32,
    started: u64,
}

impl Stat {
    fn read(id: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    fn parse(line: &str) -> Option<Self> {
        // The second field is the name of the program in parentheses, and may itself contain blanks and parentheses.
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        Some(Self {
            ended: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }
}

/// Returns the children of a process, their children, and so on.
pub(crate) fn descendants(root: u32) -> Vec<Process> {
    let mut children: BTreeMap<u32, Vec<Process>> = BTreeMap::new();
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
    for id in ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if let Some(stat) = Stat::read(id) {
            children.entry(stat.parent).or_default().push(Process { id, started: stat.started });
        }
    }

    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let below = children.remove(&parent).unwrap_or_default();
        parents.extend(below.iter().map(|process| process.id));
        found.extend(below);
    }
    found
}

fn signal(id: u32, signal: Signal) {
    // The only expected error is that the process has just ended.
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        let _ = kill_process(id, signal);
    }
}

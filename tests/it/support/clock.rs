//! A wall clock that can be changed while a program runs, by libfaketime. The monotonic clock stays correct.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::NamedTempFile;

/// The path in Debian's package `faketime`, below a folder named after the architecture.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// Programs read their offset once a second.
pub(crate) const SEEN_WITHIN: Duration = Duration::from_secs(2);

/// The clock of a program.
#[derive(Debug)]
pub(crate) struct Clock {
    library: PathBuf,
    offset: NamedTempFile,
}

impl Clock {
    /// Checks whether libfaketime is installed. The error is what is missing.
    pub(crate) fn available() -> Result<(), String> {
        library().map(drop).ok_or_else(|| format!("no {LIBRARY} below /usr/lib (apt-get install faketime)"))
    }

    /// Creates one that shows the right time.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let library = library().ok_or_else(|| anyhow::anyhow!("no {LIBRARY}"))?;
        let clock = Self { library, offset: NamedTempFile::new()? };
        clock.set(0)?;
        Ok(clock)
    }

    /// Makes it wrong by this many seconds. The program notices that within [`SEEN_WITHIN`].
    pub(crate) fn set(&self, seconds: i64) -> anyhow::Result<()> {
        // Replaced as a whole, because a program may read it at any time.
        let next = self.offset.path().with_extension("next");
        fs::write(&next, format!("{seconds:+}\n"))?;
        Ok(fs::rename(next, self.offset.path())?)
    }

    /// Returns the variables that make a program use this clock.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        [
            ("LD_PRELOAD", text(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", text(self.offset.path())),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.collect::<io::Result<Vec<_>>>().ok()?;
    folders.into_iter().map(|folder| folder.path().join(LIBRARY)).find(|path| path.is_file())
}

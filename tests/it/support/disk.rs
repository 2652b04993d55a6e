//! A small disk in memory that can be filled and made read-only.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context as _;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use tempfile::{NamedTempFile, TempDir};

/// Enough for the messages of a test.
const SIZE: &str = "size=48m,mode=0700";

/// A mounted tmpfs. Unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Disk(TempDir);

impl Disk {
    /// Checks whether one can be mounted. The error is why not.
    pub(crate) fn available() -> Result<(), String> {
        Self::mount().map(drop).map_err(|error| format!("a tmpfs cannot be mounted ({error:#}); run as root"))
    }

    pub(crate) fn mount() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let size = std::ffi::CString::new(SIZE)?;
        mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), Some(size.as_c_str())).context("mount")?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills the disk until the result is dropped.
    pub(crate) fn fill(&self) -> anyhow::Result<NamedTempFile> {
        let mut ballast = NamedTempFile::new_in(self.path())?;
        for block in [vec![0; 1 << 20], vec![0; 1]] {
            loop {
                match File::write(ballast.as_file_mut(), &block) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(ballast)
    }

    /// Makes the disk read-only or writable. It fails while a file on it is open for writing.
    pub(crate) fn set_read_only(&self, read_only: bool) -> anyhow::Result<()> {
        let flags = if read_only { MountFlags::RDONLY } else { MountFlags::empty() };
        mount_remount(self.path(), flags, "").context("remount")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Detached, so that the folder can be removed even if a file on the disk is still open.
        let _ = unmount(self.path(), UnmountFlags::DETACH);
    }
}

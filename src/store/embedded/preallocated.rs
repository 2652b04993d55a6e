//! A file that is filled with zeros ahead of the data.
//!
//! Syncing overwritten data is one write to the disk. Syncing newly allocated data takes several times as long, because
//! the file system must also record where it put the data. A store that grows with every commit would pay for that with
//! every commit. With zeros written ahead, it pays once per megabyte.

use std::{
    io,
    ops::Bound,
    sync::{Mutex, PoisonError},
};

use redb::{BackendError, StorageBackend, backends::FileBackend};

use super::file_locks::delegate_locks_to_file;

/// How far ahead zeros are written: enough for some ten to a hundred commits.
const PREALLOCATED_BYTES: usize = 1 << 20;

/// A file, and how far it is filled.
#[derive(Debug)]
pub(super) struct Preallocated {
    file: FileBackend,
    /// Nothing was ever written from here to the length that redb set.
    filled: Mutex<u64>,
}

impl Preallocated {
    pub(super) fn new(file: FileBackend) -> io::Result<Self> {
        let filled = Mutex::new(file.len()?);
        Ok(Self { file, filled })
    }
}

impl StorageBackend for Preallocated {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        *filled = len.min(*filled);
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        if end > *filled {
            let until = self.file.len()?.min(end + PREALLOCATED_BYTES as u64);
            // Pages may be written out of order, so the gap before this one is filled too, piece by piece. A failure is
            // ignored: if there is no space for zeros, there may still be enough for the message.
            while *filled < until {
                let piece = (until - *filled).min(PREALLOCATED_BYTES as u64);
                let zeros = vec![0; piece as usize];
                let outcome = self.file.write(*filled, &zeros);
                // After a failure it is unknown what the piece contains, and zeros must never overwrite data.
                *filled += piece;
                if outcome.is_err() {
                    *filled = until;
                }
            }
            *filled = end.max(*filled);
        }
        drop(filled);
        self.file.write(offset, data)
    }

    delegate_locks_to_file!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn written_data_stays_and_the_rest_is_zeros(
            steps in prop::collection::vec((0..4_000_000_u64, prop::collection::vec(1_u8.., 1..5_000), any::<bool>()), 1..12),
        ) {
            let file = tempfile::NamedTempFile::new().unwrap();
            let file_ahead = Preallocated::new(FileBackend::new(file.reopen().unwrap()).unwrap()).unwrap();
            let mut model = Vec::new();
            for (offset, data, resize) in steps {
                if resize {
                    file_ahead.set_len(offset).unwrap();
                    model.resize(offset as usize, 0);
                }
                // redb never writes after the end.
                let end = offset as usize + data.len();
                if end <= model.len() {
                    file_ahead.write(offset, &data).unwrap();
                    model[offset as usize..end].copy_from_slice(&data);
                }
            }
            prop_assert!(std::fs::read(file.path()).unwrap() == model);
        }
    }
}

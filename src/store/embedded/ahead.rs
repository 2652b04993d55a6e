//! A file that is filled with zeros some way ahead of what is written.
//!
//! To sync what was written over something is one write to the disk. To sync what was written where nothing was, the file
//! system must also note where it has put it, which takes several times as long. A store that grows with every commit
//! would pay that with every commit; with zeros ahead it pays it once a megabyte.

use std::{
    io,
    ops::Bound,
    sync::{Mutex, PoisonError},
};

use redb::{BackendError, StorageBackend, backends::FileBackend};

use super::overlay::locks_of_the_file;

/// How far ahead: some ten to a hundred commits.
const AHEAD: usize = 1 << 20;

/// A file, and how far it is filled.
#[derive(Debug)]
pub(super) struct Ahead {
    file: FileBackend,
    /// Behind this nothing was ever written, up to the length that redb gave the file.
    filled: Mutex<u64>,
}

impl Ahead {
    pub(super) fn new(file: FileBackend) -> io::Result<Self> {
        let filled = Mutex::new(file.len()?);
        Ok(Self { file, filled })
    }
}

impl StorageBackend for Ahead {
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
            let until = self.file.len()?.min(end + AHEAD as u64);
            // Pages may be written out of order: the gap before this one is filled too, piece by piece. Where there
            // is no room for zeros there may yet be some for the message.
            while *filled < until {
                let piece = (until - *filled).min(AHEAD as u64);
                let zeros = vec![0; piece as usize];
                let done = self.file.write(*filled, &zeros);
                // After a failure too it is unknown what is there, but no zeros will be written over it.
                *filled += piece;
                if done.is_err() {
                    *filled = until;
                }
            }
            *filled = end.max(*filled);
        }
        drop(filled);
        self.file.write(offset, data)
    }

    locks_of_the_file!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_stays_and_the_rest_is_zeros(
            steps in prop::collection::vec((0..4_000_000_u64, prop::collection::vec(1_u8.., 1..5_000), any::<bool>()), 1..12),
        ) {
            let file = tempfile::NamedTempFile::new().unwrap();
            let ahead = Ahead::new(FileBackend::new(file.reopen().unwrap()).unwrap()).unwrap();
            let mut model = Vec::new();
            for (offset, data, resize) in steps {
                if resize {
                    ahead.set_len(offset).unwrap();
                    model.resize(offset as usize, 0);
                }
                // As redb does: never behind the end.
                let end = offset as usize + data.len();
                if end <= model.len() {
                    ahead.write(offset, &data).unwrap();
                    model[offset as usize..end].copy_from_slice(&data);
                }
            }
            prop_assert!(std::fs::read(file.path()).unwrap() == model);
        }
    }
}

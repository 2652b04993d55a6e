//! A file that is read and never written: what is written to it is kept in memory, and forgotten.
//!
//! redb repairs a file while it opens it, and gives up in the middle where it cannot. On this it can do so, and the
//! file stays as it was.

use std::{
    collections::BTreeMap,
    io,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{BackendError, StorageBackend, backends::FileBackend};

/// The part of a [`StorageBackend`] that is the same wherever there is a file below: its locks are that file's own.
macro_rules! locks_of_the_file {
    () => {
        fn close(&self) -> io::Result<()> {
            self.file.close()
        }

        locks_of_the_file! { try_lock_range: bool, try_lock_shared_range: bool, lock_range: (),
        lock_shared_range: (), unlock_range: (), query_lock_range: bool }
    };
    ($($lock:ident: $outcome:ty),*) => {
        $(fn $lock(&self, start: Bound<u64>, end: Bound<u64>) -> Result<$outcome, BackendError> {
            self.file.$lock(start, end)
        })*
    };
}
pub(super) use locks_of_the_file;

/// The size of redb's pages, though any would do.
const PAGE: u64 = 4096;

/// A file below, pages in memory above it.
#[derive(Debug)]
pub(super) struct Overlay {
    file: FileBackend,
    written: Mutex<Written>,
}

/// What the file would be.
#[derive(Debug)]
struct Written {
    len: u64,
    /// From here on nothing of the file below is left, should it be longer.
    below: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    pub(super) fn new(file: FileBackend) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self { file, written: Mutex::new(Written { len, below: len, pages: BTreeMap::new() }) })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page with this number: of the file, with zeros behind its end.
    fn page_below(&self, number: u64, below: u64) -> io::Result<Vec<u8>> {
        let mut page = vec![0; PAGE as usize];
        let start = number * PAGE;
        let there = below.saturating_sub(start).min(PAGE) as usize;
        if there > 0 {
            self.file.read(start, &mut page[..there])?;
        }
        Ok(page)
    }
}

/// The parts of a stretch by pages: a page's number, where in it the part begins, and where in the stretch it is.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % PAGE) as usize;
        let part = done..len.min(done + PAGE as usize - within);
        done = part.end;
        (!part.is_empty()).then_some((at / PAGE, within, part))
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > written.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, within, part) in parts(offset, out.len()) {
            let length = part.len();
            match written.pages.get(&number) {
                Some(page) => out[part].copy_from_slice(&page[within..within + length]),
                None => {
                    let page = self.page_below(number, written.below)?;
                    out[part].copy_from_slice(&page[within..within + length]);
                }
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.written();
        written.below = written.below.min(len);
        written.pages.split_off(&len.div_ceil(PAGE));
        if let Some(last) = written.pages.get_mut(&(len / PAGE)) {
            last[(len % PAGE) as usize..].fill(0);
        }
        written.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        for (number, within, part) in parts(offset, data.len()) {
            if !written.pages.contains_key(&number) {
                let page = self.page_below(number, written.below)?;
                written.pages.insert(number, page);
            }
            if let Some(page) = written.pages.get_mut(&number) {
                page[within..within + part.len()].copy_from_slice(&data[part]);
            }
        }
        written.len = written.len.max(offset + data.len() as u64);
        Ok(())
    }

    locks_of_the_file!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One thing that is done to a file.
    #[derive(Clone, Debug)]
    enum Step {
        Write(u64, Vec<u8>),
        SetLen(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let write = (0..20_000_u64, prop::collection::vec(any::<u8>(), 0..9_000));
        prop_oneof![write.prop_map(|(offset, data)| Step::Write(offset, data)), (0..20_000_u64).prop_map(Step::SetLen)]
    }

    proptest! {
        #[test]
        fn it_reads_as_a_file_would_and_leaves_the_one_below_alone(
            content in prop::collection::vec(any::<u8>(), 0..15_000),
            steps in prop::collection::vec(step(), 0..8),
        ) {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            io::Write::write_all(&mut file, &content).unwrap();
            let overlay = Overlay::new(FileBackend::new(file.reopen().unwrap()).unwrap()).unwrap();
            let mut model = content.clone();
            for step in steps {
                match step {
                    Step::SetLen(len) => {
                        overlay.set_len(len).unwrap();
                        model.resize(len as usize, 0);
                    }
                    Step::Write(offset, data) => {
                        // As redb does: never behind the end.
                        let end = offset as usize + data.len();
                        if end <= model.len() {
                            overlay.write(offset, &data).unwrap();
                            model[offset as usize..end].copy_from_slice(&data);
                        }
                    }
                }
                let mut read = vec![0; overlay.len().unwrap() as usize];
                overlay.read(0, &mut read).unwrap();
                prop_assert!(read == model);
            }
            prop_assert!(overlay.read(model.len() as u64, &mut [0]).is_err());
            prop_assert!(std::fs::read(file.path()).unwrap() == content);
        }
    }
}

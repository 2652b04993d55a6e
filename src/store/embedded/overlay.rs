//! A copy-on-write view of a file: writes go to memory and are discarded.
//!
//! redb repairs a file while it opens it, and may fail halfway. On an overlay the file itself stays unchanged.

use std::{
    collections::BTreeMap,
    io,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{BackendError, StorageBackend, backends::FileBackend};

use super::file_locks::delegate_locks_to_file;

/// The size of a page in memory. It is redb's page size, but any size works.
const PAGE_BYTES: u64 = 4096;

/// A file, and the pages in memory that replace pages of it.
#[derive(Debug)]
pub(super) struct Overlay {
    file: FileBackend,
    written: Mutex<Written>,
}

/// The written part of the view.
#[derive(Debug)]
struct Written {
    len: u64,
    /// The part of the file that is still visible ends here, even if the file is longer.
    file_len: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    pub(super) fn new(file: FileBackend) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self { file, written: Mutex::new(Written { len, file_len: len, pages: BTreeMap::new() }) })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a page of the file, with zeros after its end.
    fn file_page(&self, number: u64, file_len: u64) -> io::Result<Vec<u8>> {
        let mut page = vec![0; PAGE_BYTES as usize];
        let start = number * PAGE_BYTES;
        let available = file_len.saturating_sub(start).min(PAGE_BYTES) as usize;
        if available > 0 {
            self.file.read(start, &mut page[..available])?;
        }
        Ok(page)
    }
}

/// Splits a range into parts by pages. Returns for each part the number of the page, the offset within the page, and the
/// part's position in the range.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % PAGE_BYTES) as usize;
        let part = done..len.min(done + PAGE_BYTES as usize - within);
        done = part.end;
        (!part.is_empty()).then_some((at / PAGE_BYTES, within, part))
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
                    let page = self.file_page(number, written.file_len)?;
                    out[part].copy_from_slice(&page[within..within + length]);
                }
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.written();
        written.file_len = written.file_len.min(len);
        written.pages.split_off(&len.div_ceil(PAGE_BYTES));
        if let Some(last) = written.pages.get_mut(&(len / PAGE_BYTES)) {
            last[(len % PAGE_BYTES) as usize..].fill(0);
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
                let page = self.file_page(number, written.file_len)?;
                written.pages.insert(number, page);
            }
            if let Some(page) = written.pages.get_mut(&number) {
                page[within..within + part.len()].copy_from_slice(&data[part]);
            }
        }
        written.len = written.len.max(offset + data.len() as u64);
        Ok(())
    }

    delegate_locks_to_file!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One operation on a file.
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
        fn an_overlay_reads_like_a_written_file_and_leaves_the_file_unchanged(
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
                        // redb never writes after the end.
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

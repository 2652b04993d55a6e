//! Delegates the locks of a storage backend to its file.

/// Implements `close` and the locks of a [`StorageBackend`](redb::StorageBackend) that has a field `file`, by calling the
/// file's own.
macro_rules! delegate_locks_to_file {
    () => {
        fn close(&self) -> io::Result<()> {
            self.file.close()
        }

        delegate_locks_to_file! { try_lock_range: bool, try_lock_shared_range: bool, lock_range: (),
        lock_shared_range: (), unlock_range: (), query_lock_range: bool }
    };
    ($($lock:ident: $outcome:ty),*) => {
        $(fn $lock(&self, start: Bound<u64>, end: Bound<u64>) -> Result<$outcome, BackendError> {
            self.file.$lock(start, end)
        })*
    };
}
pub(super) use delegate_locks_to_file;

//! Creates, checks and opens the file. A file that is damaged or of another program is refused and left unchanged.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableError, backends::FileBackend};
use uuid::Uuid;

use super::{
    overlay::Overlay,
    preallocated::Preallocated,
    record::{FORMAT, FORMAT_KEY, MESSAGES, META},
};

/// The name of the file.
const FILE_NAME: &str = "messages.redb";

/// The size of redb's cache: enough for the pages of active rooms, on a machine that has other work to do. redb's default is
/// a gigabyte.
const CACHE_BYTES: usize = 64 << 20;

/// Why the store cannot be opened. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be created, or no file can be created in it.
    #[error("cannot store messages in the folder {}; make it writable or choose another --data", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// The file cannot be read or written.
    #[error("cannot use the file {}; make it readable and writable or choose another --data", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// The file is already open, in another process or this one.
    #[error("{} is in use by another process; stop that process or choose another --data", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of gripchat wrote the file.
    #[error(
        "{} was written by a newer gripchat (format {format}, this one reads up to {FORMAT}); run that version or \
         choose another --data", .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u64,
    },
    /// The file is damaged, or not a file of gripchat.
    #[error(
        "{} is damaged or not a file of gripchat ({what}), and was left unchanged; restore a backup or choose another \
         --data", .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// Opens the file in a folder. Creates the folder and the file if they do not exist.
pub(super) fn in_folder(folder: &Path) -> Result<(PathBuf, Database), OpenError> {
    let unusable = |cause| OpenError::Folder { path: folder.to_owned(), cause };
    if folder.exists() && !folder.is_dir() {
        return Err(unusable(io::ErrorKind::NotADirectory.into()));
    }
    fs::create_dir_all(folder).map_err(unusable)?;
    let path = folder.join(FILE_NAME);
    if !path.try_exists().map_err(unusable)? {
        create(folder, &path)?;
    }
    let database = existing(&path)?;
    Ok((path, database))
}

/// Opens an existing file.
///
/// First the whole file is read without writing: the checksum of each page, and the format. So a file that this program
/// must not write stays unchanged, and damage is noticed now and not in the middle of a conversation. This takes as long as
/// reading the file.
pub(super) fn existing(path: &Path) -> Result<Database, OpenError> {
    let damaged = |what: &str| OpenError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let file = File::options()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|cause| OpenError::File { path: path.to_owned(), cause })?;
    // redb treats an empty file as a new one. But `create` never leaves an empty file.
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Err(damaged("it is empty"));
    }
    // redb documents that it reports all damage as an error when it checks the whole file. If it panics, the file is damaged
    // too.
    match catch_unwind(AssertUnwindSafe(|| read_format(file))) {
        Ok(Ok(format)) if (1..=FORMAT).contains(&format) => {}
        Ok(Ok(format)) if format > FORMAT => return Err(OpenError::Newer { path: path.to_owned(), format }),
        Ok(Ok(_)) => return Err(damaged("its format is missing")),
        Ok(Err(error)) => return Err(open_error(path, error)),
        Err(_) => return Err(damaged("its content is inconsistent")),
    }
    let file = File::options().read(true).write(true).open(path);
    let opened = file.map_err(DatabaseError::from).and_then(|file| {
        let preallocated = Preallocated::new(FileBackend::new(file)?)?;
        Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(preallocated)
    });
    opened.map_err(|error| open_error(path, error))
}

/// Opens the file after the disk has failed.
///
/// After a failed sync, the operating system may still return cached data that it could not write. So its cache is dropped
/// first, and the checks read what is on disk.
pub(super) fn after_disk_failure(path: &Path) -> Result<Database, OpenError> {
    let unusable = |cause| OpenError::File { path: path.to_owned(), cause };
    let file = File::options().read(true).write(true).open(path).map_err(unusable)?;
    // Only written pages can be dropped from the cache.
    file.sync_all().map_err(unusable)?;
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).map_err(|error| unusable(error.into()))?;
    drop(file);
    existing(path)
}

/// Reads and checks the whole file, as it would be after a repair, and returns its format; 0 if it has none.
fn read_format(file: File) -> Result<u64, DatabaseError> {
    let overlay = Overlay::new(FileBackend::new(file)?)?;
    let database =
        Builder::new().set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create_with_backend(overlay)?;
    let meta = match database.begin_read().map_err(to_database_error)?.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Ok(0),
    };
    Ok(meta.get(FORMAT_KEY)?.map_or(0, |format| format.value()))
}

fn open_error(path: &Path, error: DatabaseError) -> OpenError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => OpenError::InUse { path },
        DatabaseError::Storage(StorageError::Io(cause)) => match cause.kind() {
            io::ErrorKind::UnexpectedEof => OpenError::Damaged { path, what: "part of it is missing".to_owned() },
            // redb reports a file of another kind like this.
            io::ErrorKind::InvalidData => OpenError::Damaged { path, what: cause.to_string() },
            _ => OpenError::File { path, cause },
        },
        error => OpenError::Damaged { path, what: error.to_string() },
    }
}

/// Creates the file atomically: if the process is killed meanwhile, no file is left, and of two processes at once only one
/// creates it.
fn create(folder: &Path, path: &Path) -> Result<(), OpenError> {
    let new = folder.join(format!("{FILE_NAME}.new-{}", Uuid::new_v4()));
    let created = write_new(&new).map_err(io::Error::other).and_then(|()| move_into_place(folder, &new, path));
    // The file has its final name by now, or is not needed. If it cannot be removed, it does no harm.
    let _ = fs::remove_file(&new);
    created.map_err(|cause| OpenError::Folder { path: folder.to_owned(), cause })
}

fn write_new(new: &Path) -> Result<(), redb::Error> {
    let database = Database::create(new)?;
    let write = database.begin_write()?;
    write.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
    write.open_table(MESSAGES)?;
    write.commit()?;
    Ok(database.close()?)
}

fn move_into_place(folder: &Path, new: &Path, path: &Path) -> io::Result<()> {
    // Unlike a rename, a link never replaces an existing file. Not every file system supports links.
    match fs::hard_link(new, path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(_) => fs::rename(new, path)?,
    }
    // The name must be on disk too before any message is acknowledged. Only Unix can sync a folder.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn to_database_error(error: redb::TransactionError) -> DatabaseError {
    match error {
        redb::TransactionError::Storage(error) => error.into(),
        other => StorageError::Corrupted(other.to_string()).into(),
    }
}

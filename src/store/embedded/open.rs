//! Opening the file: made if it is missing, refused and left alone if it is not what it should be.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableError, backends::FileBackend};
use uuid::Uuid;

use super::{
    ahead::Ahead,
    overlay::Overlay,
    record::{FORMAT, FORMAT_KEY, MESSAGES, META},
};

/// The file in the folder.
const FILE: &str = "messages.redb";

/// What redb keeps in memory: enough for the pages of the rooms that are read and written, on a machine that has other
/// things to do. Its own default is a gigabyte.
const CACHE: usize = 64 << 20;

/// Why the store cannot be opened. The display says what to do instead.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder is not there and cannot be made, or nothing can be made in it.
    #[error("cannot keep messages in the folder {}; make it writable or give another --data", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The file cannot be read or written.
    #[error("cannot use the file {}; make it readable and writable or give another --data", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Another process has it open, or this one has.
    #[error("{} is in use by another process; stop that one or give another --data", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A later version of this program wrote it.
    #[error(
        "{} was written by a newer gripchat (format {format}, this one reads up to {FORMAT}); run that one or give \
         another --data", .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u64,
    },
    /// It is damaged, or something else altogether.
    #[error(
        "{} is damaged or no file of gripchat ({what}), and was left as it is; put back a copy of it or give another \
         --data", .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
}

/// The file in a folder, which both need not be there yet.
pub(super) fn in_folder(folder: &Path) -> Result<(PathBuf, Database), OpenError> {
    let unusable = |cause| OpenError::Folder { path: folder.to_owned(), cause };
    if folder.exists() && !folder.is_dir() {
        return Err(unusable(io::ErrorKind::NotADirectory.into()));
    }
    fs::create_dir_all(folder).map_err(unusable)?;
    let path = folder.join(FILE);
    if !path.try_exists().map_err(unusable)? {
        create(folder, &path)?;
    }
    let database = existing(&path)?;
    Ok((path, database))
}

/// Opens a file that is there.
///
/// It is first read from end to end, without a write: the checksum of each page, and the format. So a file that this
/// program must not touch is not touched, and what was damaged is noticed now and not in the middle of a
/// conversation. That takes as long as reading the file does.
pub(super) fn existing(path: &Path) -> Result<Database, OpenError> {
    let damaged = |what: &str| OpenError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let file = File::options()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|cause| OpenError::File { path: path.to_owned(), cause })?;
    // redb takes an empty file for a new one, but a file appears in its place whole.
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Err(damaged("it is empty"));
    }
    // redb says that it reports every damage where it checks all of the file. Where it does not, that is one too.
    match catch_unwind(AssertUnwindSafe(|| examine(file))) {
        Ok(Ok(format)) if (1..=FORMAT).contains(&format) => {}
        Ok(Ok(format)) if format > FORMAT => return Err(OpenError::Newer { path: path.to_owned(), format }),
        Ok(Ok(_)) => return Err(damaged("it does not say its format")),
        Ok(Err(error)) => return Err(refuse(path, error)),
        Err(_) => return Err(damaged("it contradicts itself")),
    }
    let file = File::options().read(true).write(true).open(path);
    let opened = file.map_err(DatabaseError::from).and_then(|file| {
        let ahead = Ahead::new(FileBackend::new(file)?)?;
        Builder::new().set_cache_size(CACHE).create_with_backend(ahead)
    });
    opened.map_err(|error| refuse(path, error))
}

/// Opens a file whose disk has failed.
///
/// After a sync that failed the system may show what it could not write, until it forgets it. So it is told to forget:
/// what the checks then see is what is on disk.
pub(super) fn again(path: &Path) -> Result<Database, OpenError> {
    let unusable = |cause| OpenError::File { path: path.to_owned(), cause };
    let file = File::options().read(true).write(true).open(path).map_err(unusable)?;
    // Only what is written can be forgotten.
    file.sync_all().map_err(unusable)?;
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).map_err(|error| unusable(error.into()))?;
    drop(file);
    existing(path)
}

/// Reads all of a file, as it would be after a repair, and gives its format; 0 where it has none.
fn examine(file: File) -> Result<u64, DatabaseError> {
    let overlay = Overlay::new(FileBackend::new(file)?)?;
    let database =
        Builder::new().set_cache_size(CACHE).set_check_integrity_on_open(true).create_with_backend(overlay)?;
    let meta = match storage(database.begin_read())?.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Ok(0),
    };
    Ok(meta.get(FORMAT_KEY)?.map_or(0, |format| format.value()))
}

fn refuse(path: &Path, error: DatabaseError) -> OpenError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => OpenError::InUse { path },
        DatabaseError::Storage(StorageError::Io(cause)) => match cause.kind() {
            io::ErrorKind::UnexpectedEof => OpenError::Damaged { path, what: "a part of it is missing".to_owned() },
            // redb's own words for a file of another kind.
            io::ErrorKind::InvalidData => OpenError::Damaged { path, what: cause.to_string() },
            _ => OpenError::File { path, cause },
        },
        error => OpenError::Damaged { path, what: error.to_string() },
    }
}

/// Makes a file and puts it in its place whole: a start that is killed meanwhile leaves none, and of two starts at once
/// one makes the file.
fn create(folder: &Path, path: &Path) -> Result<(), OpenError> {
    let new = folder.join(format!("{FILE}.new-{}", Uuid::new_v4()));
    let made = make(&new).map_err(io::Error::other).and_then(|()| put(folder, &new, path));
    // It has another name by now, or is of no use. If it stays, it is in nobody's way.
    let _ = fs::remove_file(&new);
    made.map_err(|cause| OpenError::Folder { path: folder.to_owned(), cause })
}

fn make(new: &Path) -> Result<(), redb::Error> {
    let database = Database::create(new)?;
    let write = database.begin_write()?;
    write.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
    write.open_table(MESSAGES)?;
    write.commit()?;
    Ok(database.close()?)
}

fn put(folder: &Path, new: &Path, path: &Path) -> io::Result<()> {
    // Unlike renaming, linking never takes the place of a file that is there already. Not every file system can do it.
    match fs::hard_link(new, path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(_) => fs::rename(new, path)?,
    }
    // The name must be on disk too before anything is acknowledged. Elsewhere a folder is no file that can be synced.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn storage<T>(result: Result<T, redb::TransactionError>) -> Result<T, DatabaseError> {
    result.map_err(|error| match error {
        redb::TransactionError::Storage(error) => error.into(),
        other => StorageError::Corrupted(other.to_string()).into(),
    })
}

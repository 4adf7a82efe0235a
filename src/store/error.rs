//! What can go wrong with the database: what, where, and what SQLite or the system said.
//!
//! Owns: [`OpenError`] (nothing can be served), [`StoreError`] (one call failed), and the reading of
//! SQLite's result codes. Neighbours: all files of the room return these; `app` logs them once.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::KeyError;

/// Why the database could not be opened. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The state directory, or something above it, is a file.
    NotADirectory { path: PathBuf },
    /// The system does not let this user write there.
    Denied { path: PathBuf },
    /// Nothing can be written there, and there is no database to serve guests from.
    ReadOnly { path: PathBuf },
    /// There is no room for a new database.
    Full { path: PathBuf },
    /// Another process has the database open.
    Busy { path: PathBuf },
    /// A newer Lango wrote the database: its schema is `found`, this program knows up to `known`.
    Newer { path: PathBuf, found: u32, known: u32 },
    /// The device key cannot be had.
    Key(KeyError),
    /// The store is sealed under a key that the cloud keeps, which was not handed in.
    KeyAtCloud { path: PathBuf },
    /// The key that was handed in is another one.
    OtherKey { path: PathBuf },
    /// It is damaged or missing, and nobody is there to repair it who could tell.
    Damaged { path: PathBuf, why: String },
    /// The system refused something else.
    Io { path: PathBuf, doing: &'static str, why: String },
}

impl OpenError {
    pub(super) fn io(path: &Path, doing: &'static str, error: &io::Error) -> Self {
        let (path, kind) = (path.to_owned(), error.kind());
        if matches!(kind, ErrorKind::NotADirectory | ErrorKind::AlreadyExists) {
            Self::NotADirectory { path }
        } else if kind == ErrorKind::PermissionDenied {
            Self::Denied { path }
        } else if kind == ErrorKind::ReadOnlyFilesystem {
            Self::ReadOnly { path }
        } else if matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            Self::Full { path }
        } else {
            Self::Io { path, doing, why: error.to_string() }
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotADirectory { .. } => "set option state_dir to a directory",
            Self::Denied { .. } => "run as the user that owns the directory",
            Self::ReadOnly { .. } => "set option state_dir to a directory that can be written, or remount it",
            Self::Full { .. } => "free some space there",
            Self::Busy { .. } => "the daemon is running: leave out --offline, or stop it first",
            Self::Newer { .. } => {
                "install the newer Lango again, or set option state_dir to another directory"
            }
            // It says so itself.
            Self::Key(_) => "",
            Self::KeyAtCloud { .. } => "start the daemon, which asks the cloud, and leave out --offline",
            Self::OtherKey { .. } => {
                "ask who runs the cloud: it has to hand out the key that it handed out before"
            }
            Self::Damaged { .. } => {
                "start the daemon: it repairs what it can, and tells what is lost; or lango restore a backup"
            }
            Self::Io { .. } => "look at the storage: the system log may say more",
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADirectory { path } => write!(f, "{} is not a directory", path.display()),
            Self::Denied { path } => write!(f, "no permission to write {}", path.display()),
            Self::ReadOnly { path } => {
                write!(f, "{} can only be read, and holds no database", path.display())
            }
            Self::Full { path } => write!(f, "no room for a database in {}", path.display()),
            Self::Busy { path } => write!(f, "another process has {} open", path.display()),
            Self::Newer { path, found, known } => write!(
                f,
                "{} was written by a newer Lango (schema {found}; this one knows up to {known})",
                path.display()
            ),
            Self::Key(error) => error.fmt(f),
            Self::KeyAtCloud { path } => {
                write!(f, "the store in {} is sealed under a key that the cloud keeps", path.display())
            }
            Self::OtherKey { path } => {
                write!(f, "the store in {} is sealed under another key than the cloud's", path.display())
            }
            Self::Damaged { path, why } => {
                write!(f, "{} is not in order, and left as it is: {why}", path.display())
            }
            Self::Io { path, doing, why } => write!(f, "cannot {doing} {}: {why}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// Why a call to the store failed. Of a commit that failed, nothing is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// No room left. What is stored stays readable, and commits work again once there is room.
    Full,
    /// The database was opened on a medium that can only be read.
    ReadOnly,
    /// The database does not read as it was written. It is checked and repaired at the next start.
    Damaged(String),
    /// The records contradict what is stored: a fault of the program.
    Contradiction(String),
    /// The store was closed, or its thread died.
    Gone,
    /// The system refused.
    Io(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("no room left for the database: free some space in option state_dir"),
            Self::ReadOnly => {
                f.write_str("the database can only be read: remount option state_dir and restart")
            }
            Self::Damaged(why) => write!(f, "the database is damaged ({why}): restart to repair it"),
            Self::Contradiction(what) => write!(f, "the database refused a record: {what}"),
            Self::Gone => f.write_str("the store is closed"),
            Self::Io(why) => write!(f, "the database cannot be used: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let why = error.to_string();
        let Some(code) = error.sqlite_error_code() else {
            // Not from SQLite: a value is not of the type or range that was written.
            return Self::Damaged(why);
        };
        let extended = error.sqlite_error().map_or(0, |inner| inner.extended_code);
        if code == ErrorCode::DiskFull {
            Self::Full
        } else if code == ErrorCode::ReadOnly {
            Self::ReadOnly
        } else if matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            || UNREADABLE.contains(&extended)
        {
            Self::Damaged(why)
        } else if code == ErrorCode::ConstraintViolation {
            Self::Contradiction(why)
        } else {
            Self::Io(why)
        }
    }
}

/// What SQLite says of files that do not read as they were written, besides SQLITE_CORRUPT: flash file
/// systems answer EIO for a block whose checksum is wrong, which is SQLITE_IOERR_READ, _SHORT_READ, _DATA
/// and _CORRUPTFS here; a format or a table it does not know is SQLITE_ERROR.
const UNREADABLE: [i32; 5] = [1, 266, 522, 8202, 8458];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_sqlite_read_as_outcomes() {
        let of =
            |code| StoreError::from(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        assert_eq!(of(13), StoreError::Full);
        assert_eq!(of(8), StoreError::ReadOnly);
        for damage in [1, 11, 26, 266, 522, 8202] {
            assert!(matches!(of(damage), StoreError::Damaged(_)), "{damage}");
        }
        assert!(matches!(of(1555), StoreError::Contradiction(_)));
        assert!(matches!(of(778), StoreError::Io(_)), "a failed write is not damage");
    }
}

//! The files of the state directory.
//!
//! Owns: `lango.db` and its journal `lango.db-wal`, the last good copy `lango.db.good`, the damaged ones
//! moved aside `lango.db.corrupt-N`, and that each step survives a power cut: written under another
//! name, synced, renamed, the directory synced.
//! Never: what is in them, nor when to do which; that is `recover.rs`.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use rusqlite::{Connection, OpenFlags};

use super::keys::CloudKey;
use super::{OpenError, StoreError, restore};
use crate::domain::Wall;

/// Damaged databases kept for whoever wants to look at them.
const KEPT_ASIDE: usize = 2;

/// The files of one state directory.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) dir: PathBuf,
    pub(super) db: PathBuf,
    /// Where the secrets are.
    pub(super) secrets: PathBuf,
    pub(super) from_cloud: FromCloud,
}

/// The key that the cloud keeps, if the store is sealed under one.
#[derive(Clone, Copy, Debug)]
pub(super) enum FromCloud {
    NotAsked,
    Key(CloudKey),
    /// What is sealed is not to be read yet.
    Later,
}

impl Place {
    pub(super) fn new(state_dir: &Path) -> Self {
        let (dir, db, secrets) = (state_dir.to_owned(), state_dir.join("lango.db"), state_dir.to_owned());
        Self { dir, db, secrets, from_cloud: FromCloud::NotAsked }
    }

    pub(super) fn wal(&self) -> PathBuf {
        self.dir.join("lango.db-wal")
    }

    pub(super) fn copy(&self) -> PathBuf {
        self.dir.join("lango.db.good")
    }

    fn unfinished(&self) -> PathBuf {
        self.dir.join("lango.db.new")
    }

    pub(super) fn make_dir(&self) -> Result<(), OpenError> {
        let fail = |error| OpenError::io(&self.dir, "make", &error);
        match fs::metadata(&self.dir) {
            Ok(about) if about.is_dir() => return Ok(()),
            Ok(_) => return Err(OpenError::NotADirectory { path: self.dir.clone() }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(fail(error)),
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(fail)?;
        self.dir
            .parent()
            .map_or(Ok(()), |above| if above.as_os_str().is_empty() { Ok(()) } else { sync_dir(above) })
    }

    /// As long as it is held nobody else opens what is there, or puts another state in its place. The database has a lock
    /// of its own once it is open: this one is about the files around it.
    pub(super) fn lock(&self) -> Result<File, OpenError> {
        let dir = File::open(&self.dir).map_err(|error| OpenError::io(&self.dir, "open", &error))?;
        match dir.try_lock() {
            Ok(()) => Ok(dir),
            Err(TryLockError::WouldBlock) => Err(OpenError::Busy { path: self.db.clone() }),
            Err(TryLockError::Error(error)) => Err(OpenError::io(&self.dir, "lock", &error)),
        }
    }

    pub(super) fn is_read_only(&self) -> Result<bool, OpenError> {
        for path in [&self.dir, &self.db] {
            match access(path, AccessFlags::W_OK) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(Errno::EROFS) => return Ok(true),
                Err(errno) => return Err(OpenError::io(path, "write", &errno.into())),
            }
        }
        Ok(false)
    }

    /// An empty file that only its owner can read; SQLite takes it for a new database.
    pub(super) fn make_db(&self) -> Result<bool, OpenError> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.db) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(OpenError::io(&self.db, "make", &error)),
        }
    }

    /// The journal first: another database must never find it beside itself.
    pub(super) fn move_aside(&self) -> Result<PathBuf, OpenError> {
        let mut aside = self.aside()?;
        let number = aside.last().map_or(1, |(number, _)| number + 1);
        let to = self.dir.join(format!("lango.db.corrupt-{number}"));
        let moved = |from: &Path, to: &Path| match fs::rename(from, to) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(OpenError::io(from, "move aside", &error))
            }
            _ => Ok(()),
        };
        moved(&self.wal(), &with_wal(&to))?;
        moved(&self.db, &to)?;
        aside.push((number, to.clone()));
        for (_, old) in aside.iter().rev().skip(KEPT_ASIDE) {
            remove(old)?;
            remove(&with_wal(old))?;
        }
        sync_dir(&self.dir)?;
        Ok(to)
    }

    /// Deletes the databases that were moved aside, and a state that was before a restore.
    pub(super) fn remove_aside(&self) -> Result<(), StoreError> {
        let failed = |error: OpenError| StoreError::Io(error.to_string());
        restore::started(&self.dir).map_err(failed)?;
        for (_, path) in self.aside().map_err(failed)? {
            remove(&path).map_err(failed)?;
            remove(&with_wal(&path)).map_err(failed)?;
        }
        Ok(())
    }

    /// The databases moved aside so far, oldest first.
    fn aside(&self) -> Result<Vec<(u32, PathBuf)>, OpenError> {
        let fail = |error| OpenError::io(&self.dir, "list", &error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.strip_prefix("lango.db.corrupt-"))
                .and_then(|number| number.parse().ok());
            found.extend(number.map(|number| (number, entry.path())));
        }
        found.sort_unstable();
        Ok(found)
    }

    pub(super) fn remove_db(&self) -> Result<(), OpenError> {
        remove(&self.wal())?;
        remove(&self.db)
    }

    /// Puts a duplicate of the last good copy in the place of the database.
    pub(super) fn restore_copy(&self) -> Result<(), OpenError> {
        let unfinished = self.unfinished();
        let put = || -> io::Result<()> {
            fs::copy(self.copy(), &unfinished)?;
            File::open(&unfinished)?.sync_all()?;
            fs::rename(&unfinished, &self.db)
        };
        remove(&self.wal())?;
        put().map_err(|error| OpenError::io(&self.copy(), "restore", &error))?;
        sync_dir(&self.dir)
    }

    pub(super) fn copy_to(&self, other: &Self) -> Result<(), OpenError> {
        let copied = |from: &Path, to: &Path| match fs::copy(from, to) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(OpenError::io(from, "copy", &error)),
            _ => Ok(()),
        };
        copied(&self.db, &other.db)?;
        copied(&self.wal(), &other.wal())
    }

    /// Makes the last good copy anew. It takes the old one's place only when it is whole and on flash. It has no
    /// name towards the cloud, so whoever opens it gives it one, whatever is cut short in between: it would
    /// give numbers to facts that the database gave to others after the copy was made.
    pub(super) fn keep_copy(&self, conn: &Connection, now: Wall) -> Result<(), StoreError> {
        let unfinished = self.unfinished();
        let io = |error: io::Error| StoreError::Io(format!("{}: {error}", unfinished.display()));
        let made = || -> Result<(), StoreError> {
            remove(&unfinished).map_err(|error| StoreError::Io(error.to_string()))?;
            let file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(io)?;
            conn.execute("VACUUM INTO ?1", [unfinished.to_string_lossy()])?;
            unname(&unfinished)?;
            file.sync_all().map_err(io)?;
            fs::rename(&unfinished, self.copy()).map_err(io)
        };
        if let Err(error) = made() {
            drop(remove(&unfinished));
            return Err(error);
        }
        sync_dir(&self.dir).map_err(|error| StoreError::Io(error.to_string()))?;
        conn.execute("UPDATE meta SET copied = ?1", [now.as_secs()])?;
        Ok(())
    }
}

/// Takes the name towards the cloud out of a database.
fn unname(copy: &Path) -> Result<(), StoreError> {
    let conn = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // No file beside it; it is synced as a whole.
    conn.pragma_update(None, "journal_mode", "MEMORY")?;
    // Nor does it say that something was forgotten since it was made.
    conn.execute("UPDATE meta SET device = NULL, copied = NULL", [])?;
    Ok(conn.close().map_err(|(_, error)| error)?)
}

fn with_wal(db: &Path) -> PathBuf {
    let mut name = db.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Whether a file of this name in a state directory is of our making: the database with its kin, the secrets.
pub fn is_of_store(name: &str) -> bool {
    ["lango.db", "lango.restore", "lango.before", "device.key", "enrolment.json"]
        .iter()
        .any(|ours| name.starts_with(ours))
}

pub(super) fn exists(path: &Path) -> Result<bool, OpenError> {
    path.try_exists().map_err(|error| OpenError::io(path, "look for", &error))
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(OpenError::io(path, "remove", &error)),
        _ => Ok(()),
    }
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), OpenError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| OpenError::io(dir, "sync", &error))
}

//! A state from elsewhere in the place of the one there is: the old or the new, whole, wherever the power is cut.
//!
//! Owns: the folders `lango.restore.new` (being filled), `lango.restore` (whole; the old files are to go),
//! `lango.restore.moving` (they are gone, the new ones are to come) and `lango.before` (the state before, until a
//! start has succeeded). Never: where the new state comes from.
//!
//! Renaming the first to the second is the moment: before it the old state is in force, after it the new one is, and
//! whoever opens the store next finishes the moving.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::files::{FromCloud, Place, exists, sync_dir};
use super::{OpenError, Opened, read, recover};
use crate::domain::{End, Wall};

/// All that belongs to a state.
const MOVED: [&str; 5] = ["lango.db-wal", "lango.db.good", "lango.db", "device.key", "enrolment.json"];
const UNFINISHED: &str = "lango.restore.new";
const WHOLE: &str = "lango.restore";
const MOVING: &str = "lango.restore.moving";
const BEFORE: &str = "lango.before";

/// A state that is being put together beside the one in force, which nobody can open meanwhile.
pub struct Staging {
    state_dir: PathBuf,
    /// Where its files are made.
    pub dir: PathBuf,
    /// The latest time that the state in force has reached.
    floor: Wall,
    /// Where its trail ends, which ends with it.
    pub replaced: Option<End>,
    /// Holds its lock.
    held: Option<Connection>,
    /// That of the folder: there may be no database that could be locked, and the one there is moves away.
    _lock: File,
}

impl Staging {
    /// Begins. Fails while a daemon runs, and while the state before the last restore is still there.
    pub fn begin(state_dir: &Path) -> Result<Self, OpenError> {
        let place = Place::new(state_dir);
        place.make_dir()?;
        let lock = place.lock()?;
        finish(&place)?;
        if exists(&state_dir.join(BEFORE))? {
            let why = "a restore is not started yet: start the daemon first, or move lango.before elsewhere"
                .to_owned();
            return Err(OpenError::Io { path: state_dir.join(BEFORE), doing: "replace", why });
        }
        let (held, floor, replaced) = hold(&place)?;
        let dir = state_dir.join(UNFINISHED);
        remove_dir(&dir)?;
        DirBuilder::new().mode(0o700).create(&dir).map_err(|error| OpenError::io(&dir, "make", &error))?;
        Ok(Self { state_dir: state_dir.to_owned(), dir, floor, replaced, held, _lock: lock })
    }

    /// A new file that only its owner can read.
    pub fn file(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.dir.join(name))
    }

    /// Opens the database that was put there, if it is whole. It gets a new name towards the cloud; its meters go on
    /// as after a power cut; and its time is not before that of the state in force.
    pub fn open(&self) -> Result<Opened, OpenError> {
        let mut place = Place::new(&self.dir);
        // Whoever serves asks the cloud for it.
        place.from_cloud = FromCloud::Later;
        self.dated(&place.db).map_err(|error| OpenError::Io {
            path: place.db.clone(),
            doing: "read",
            why: error.to_string(),
        })?;
        super::opened(place.clone(), recover::open_whole(&place)?)
    }

    fn dated(&self, db: &Path) -> rusqlite::Result<()> {
        let conn = Connection::open_with_flags(db, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        conn.pragma_update(None, "journal_mode", "MEMORY")?;
        let version: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
        conn.execute("UPDATE meta SET boot = NULL, floor = max(floor, ?1)", [self.floor.as_secs()])?;
        // Older ones have no name.
        if version >= 3 {
            conn.execute("UPDATE meta SET device = NULL", [])?;
        }
        conn.close().map_err(|(_, error)| error)
    }

    /// Puts it in force. The database in it is closed.
    pub fn commit(mut self) -> Result<(), OpenError> {
        sync_dir(&self.dir)?;
        fs::rename(&self.dir, self.state_dir.join(WHOLE))
            .map_err(|error| OpenError::io(&self.dir, "rename", &error))?;
        sync_dir(&self.state_dir)?;
        finish(&Place::new(&self.state_dir))?;
        self.held = None;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // The next one removes it, too.
        drop(remove_dir(&self.dir));
    }
}

/// The daemon runs with what was restored: the state before is no longer needed.
pub fn started(state_dir: &Path) -> Result<(), OpenError> {
    remove_dir(&state_dir.join(UNFINISHED))?;
    remove_dir(&state_dir.join(BEFORE))
}

/// Moves a whole state into its place, as far as that was not done.
pub(super) fn finish(place: &Place) -> Result<(), OpenError> {
    let [whole, moving, before] = [WHOLE, MOVING, BEFORE].map(|name| place.dir.join(name));
    if exists(&whole)? {
        match DirBuilder::new().mode(0o700).create(&before) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(OpenError::io(&before, "make", &error));
            }
            _ => {}
        }
        move_all(&place.dir, &before)?;
        sync_dir(&before)?;
        moved(&whole, &moving)?;
        sync_dir(&place.dir)?;
    }
    if exists(&moving)? {
        move_all(&moving, &place.dir)?;
        sync_dir(&place.dir)?;
        remove_dir(&moving)?;
        sync_dir(&place.dir)?;
    }
    Ok(())
}

fn move_all(from: &Path, to: &Path) -> Result<(), OpenError> {
    MOVED.iter().try_for_each(|name| moved(&from.join(name), &to.join(name)))
}

fn moved(from: &Path, to: &Path) -> Result<(), OpenError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(OpenError::io(from, "move", &error)),
        _ => Ok(()),
    }
}

fn remove_dir(dir: &Path) -> Result<(), OpenError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(OpenError::io(dir, "remove", &error)),
        _ => Ok(()),
    }
}

/// Takes the lock of the database in force, whatever else is wrong with it, and reads how late it is there, and where
/// its trail ends.
fn hold(place: &Place) -> Result<(Option<Connection>, Wall, Option<End>), OpenError> {
    let tried = || -> rusqlite::Result<(Connection, i64, Option<End>)> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&place.db, flags)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        conn.busy_timeout(Duration::ZERO)?;
        conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let floor = conn.query_row("SELECT floor FROM meta", [], |row| row.get(0))?;
        // Older ones have no trail.
        let end = read::audit::end(&conn).ok();
        Ok((conn, floor, end))
    };
    let of_code = |error: &rusqlite::Error| error.sqlite_error_code();
    match tried() {
        Ok((conn, floor, end)) => Ok((Some(conn), Wall::from_secs(floor), end)),
        Err(error)
            if matches!(of_code(&error), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) =>
        {
            Err(OpenError::Busy { path: place.db.clone() })
        }
        // There is none, or it is what a backup is for.
        Err(_) => Ok((None, Wall::from_secs(0), None)),
    }
}

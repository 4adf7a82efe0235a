//! Opening the database, whatever state it is in.
//!
//! Owns: what is found at open, what is done about it, and the [`Report`] of both. A damaged database is
//! never deleted nor repaired in place: it is moved aside, the last good copy takes its place, without a
//! copy an empty one does. Never: the handling of files (`files.rs`), the tables (`schema.rs`).
//!
//! Flash file systems check the blocks they return, so the tables are checked only after a run that did
//! not close the database: its journal is then still there. (100,000 vouchers: 30 ms on a PC.)

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use super::files::{FromCloud, Place, exists, sync_dir};
use super::keys::{CloudKey, Secrets};
use super::read::codes::Finder;
use super::vault::Vault;
use super::write::Writer;
use super::{OpenError, StoreError, keys, read, restore, schema};
use crate::clock;
use crate::domain::Restored;

/// Smaller pages mean fewer bytes on flash for each row that changes.
const PAGE: u32 = 512;

/// What was found at open and done about it, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub path: PathBuf,
    pub found: Found,
    /// The schema before, where it had to be brought up to this program's.
    pub migrated_from: Option<u32>,
    /// There was no device key: a new one was made.
    pub key_is_new: bool,
    /// Fields of persons that were to be read and could not be: sealed under another device key, or changed.
    pub unreadable: u64,
    /// Days of which nothing can be read: their keys are wrapped under another device key.
    pub foreign_days: u64,
}

/// In what state the database was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There was none: a first start.
    Nothing,
    /// Closed by the last run.
    Clean,
    /// Not closed by the last run (power cut, kill); its journal was replayed and the tables are in order.
    Unclosed,
    /// Moved aside; what serves now is said by `instead`.
    Damaged { why: String, aside: PathBuf, instead: Instead },
    /// Missing, but its last good copy was there and serves now.
    Missing,
    /// On a medium that can only be read: guests are served from memory, nothing new is stored.
    ReadOnly,
}

/// What took the place of a damaged database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// The last good copy: what was redeemed after it was made is unused again.
    Copy,
    /// An empty one: all codes have to be imported again.
    Empty,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.found {
            Found::Nothing => write!(f, "{path}: made, this is a first start")?,
            Found::Clean => write!(f, "{path}: in order")?,
            Found::Unclosed => write!(f, "{path}: in order, though the last run did not close it")?,
            Found::Damaged { why, aside, instead } => {
                write!(f, "{path}: damaged ({why}), moved to {}; ", aside.display())?;
                f.write_str(match instead {
                    Instead::Copy => "the last good copy serves: check what was redeemed since it was made",
                    Instead::Empty => "there is no good copy, an empty one serves: import the vouchers again",
                })?;
            }
            Found::Missing => write!(f, "{path}: missing; the last good copy serves")?,
            Found::ReadOnly => write!(
                f,
                "{path}: can only be read; guests who paid are served, nothing is stored: remount option state_dir, restart"
            )?,
        }
        match self.migrated_from {
            Some(from) => write!(f, "; brought from schema {from} to {}", schema::KNOWN),
            None => Ok(()),
        }
    }
}

/// Whether the medium takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    Writable,
    ReadOnly,
}

/// A database that serves.
pub(super) struct Ready {
    pub(super) conn: Connection,
    pub(super) vault: Vault,
    pub(super) restored: Restored,
    pub(super) device: String,
    pub(super) report: Report,
    pub(super) medium: Medium,
}

/// What becomes of a damaged database, and of one that is missing though its copy is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDamage {
    Repair,
    Refuse,
}

/// Opens what is in `state_dir`, makes what is missing, moves aside what is damaged.
pub(super) fn open(place: &Place, on_damage: OnDamage) -> Result<Ready, OpenError> {
    place.make_dir()?;
    if place.is_read_only()? {
        return open_read_only(place);
    }
    let _lock = place.lock()?;
    restore::finish(place)?;
    if keys::has_device_key(&place.secrets) {
        // Nothing is repaired by who cannot open it.
        cloud_key(place, &keys::secrets(&place.secrets).map_err(OpenError::Key)?)?;
    }
    let (found, check) = match (exists(&place.db)?, exists(&place.copy())?) {
        (true, _) if exists(&place.wal())? => (Found::Unclosed, Check::Tables),
        (true, _) => (Found::Clean, Check::Opening),
        (false, true) if on_damage == OnDamage::Refuse => {
            return Err(damaged(place, "it is missing, and its last good copy is there".to_owned()));
        }
        (false, true) => {
            place.restore_copy()?;
            (Found::Missing, Check::Tables)
        }
        (false, false) => (Found::Nothing, Check::Opening),
    };
    match place.start(found, check) {
        Ok(ready) => Ok(ready),
        Err(Failure::Open(error)) => Err(error),
        Err(Failure::Damaged(why)) if on_damage == OnDamage::Refuse => Err(damaged(place, why)),
        Err(Failure::Damaged(why)) => replace(place, why),
    }
}

fn damaged(place: &Place, why: String) -> OpenError {
    OpenError::Damaged { path: place.db.clone(), why }
}

/// Opens a database that is to be whole: nothing is repaired, and none is made.
pub(super) fn open_whole(place: &Place) -> Result<Ready, OpenError> {
    place.start(Found::Clean, Check::Tables).map_err(|failure| match failure {
        Failure::Open(error) => error,
        Failure::Damaged(why) => OpenError::Io { path: place.db.clone(), doing: "use", why },
    })
}

/// Moves a damaged database aside and opens the last good copy, or else an empty one.
fn replace(place: &Place, why: String) -> Result<Ready, OpenError> {
    let aside = place.move_aside()?;
    let found = |instead| Found::Damaged { why: why.clone(), aside: aside.clone(), instead };
    if exists(&place.copy())? {
        place.restore_copy()?;
        match place.start(found(Instead::Copy), Check::Tables) {
            Ok(ready) => return Ok(ready),
            Err(Failure::Open(error)) => return Err(error),
            Err(Failure::Damaged(_)) => place.remove_db()?,
        }
    }
    place.start(found(Instead::Empty), Check::Opening).map_err(|failure| match failure {
        Failure::Open(error) => error,
        Failure::Damaged(why) => OpenError::Io { path: place.db.clone(), doing: "read back", why },
    })
}

/// Serves from a copy in memory: SQLite's journal needs a lock and an index that such a medium refuses.
fn open_read_only(place: &Place) -> Result<Ready, OpenError> {
    if !exists(&place.db)? {
        return Err(OpenError::ReadOnly { path: place.dir.clone() });
    }
    let mut scratch =
        Place::new(&std::env::temp_dir().join(format!("lango-{:016x}", u64::from_le_bytes(clock::random()))));
    scratch.secrets.clone_from(&place.dir);
    scratch.from_cloud = place.from_cloud;
    scratch.make_dir()?;
    let started = place.copy_to(&scratch).and_then(|()| {
        scratch.start(Found::ReadOnly, Check::Tables).map_err(|failure| match failure {
            Failure::Open(error) => error,
            Failure::Damaged(why) => OpenError::Io { path: place.db.clone(), doing: "read", why },
        })
    });
    // The open database lives on without a name; it holds personal data and must not outlive us.
    fs::remove_dir_all(&scratch.dir).map_err(|error| OpenError::io(&scratch.dir, "remove", &error))?;
    let mut ready = started?;
    ready.report.path.clone_from(&place.db);
    ready.medium = Medium::ReadOnly;
    Ok(ready)
}

/// How closely to look before trusting a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    /// What opening and loading reads anyway.
    Opening,
    /// Every page of every table.
    Tables,
}

/// Why a file does not serve.
enum Failure {
    Open(OpenError),
    Damaged(String),
}

impl Place {
    /// Opens, checks, migrates and loads.
    fn start(&self, found: Found, check: Check) -> Result<Ready, Failure> {
        let made = self.make_db().map_err(Failure::Open)?;
        let connected = connect(self, check);
        if made && connected.is_err() {
            // A file without tables would look like a database to whoever comes next.
            drop(self.remove_db());
        }
        let Connected { conn, vault, migrated_from, key_is_new, waits } = connected?;
        Writer::prepare(&conn)
            .and_then(|_| Finder::prepare(&conn))
            .map_err(|error| Failure::Damaged(format!("its tables are not as they were made: {error}")))?;
        let restored = read::restored(&conn).map_err(|error| self.failure(error))?;
        let (unreadable, foreign_days) = if waits { (0, 0) } else { (vault.unreadable(), vault.foreign()) };
        if unreadable > 0 {
            conn.execute(END_OF_NOBODY, []).map_err(|error| self.failure(error.into()))?;
        }
        let device = named(&conn).map_err(|error| self.failure(error.into()))?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
            .map_err(|error| self.failure(error.into()))?;
        sync_dir(&self.dir).map_err(Failure::Open)?;
        let report =
            Report { path: self.db.clone(), found, migrated_from, key_is_new, unreadable, foreign_days };
        Ok(Ready { conn, vault, restored, device, report, medium: Medium::Writable })
    }

    fn failure(&self, error: StoreError) -> Failure {
        let path = self.db.clone();
        match error {
            StoreError::Damaged(why) => Failure::Damaged(why),
            StoreError::Full => Failure::Open(OpenError::Full { path: self.dir.clone() }),
            StoreError::ReadOnly => Failure::Open(OpenError::ReadOnly { path }),
            StoreError::Contradiction(why) | StoreError::Io(why) => {
                Failure::Open(OpenError::Io { path, doing: "open", why })
            }
            StoreError::Gone => Failure::Open(OpenError::Busy { path }),
        }
    }
}

/// Of whom nobody can tell any more is not online.
const END_OF_NOBODY: &str = "
    UPDATE session SET closed = (SELECT floor FROM meta), why = 'kicked'
    WHERE closed IS NULL AND unsealed('session.mac', id, mac) IS NULL";

/// A connection that holds the only lock on a database with the tables of this program.
struct Connected {
    conn: Connection,
    vault: Vault,
    migrated_from: Option<u32>,
    key_is_new: bool,
    /// For the key of the cloud: what is sealed is not to be read yet.
    waits: bool,
}

fn connect(place: &Place, check: Check) -> Result<Connected, Failure> {
    let fail = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Failure::Open(OpenError::Busy { path: place.db.clone() })
        }
        _ => place.failure(error.into()),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(&place.db, flags).map_err(fail)?;
    // Until it is known to be in order, closing leaves everything as it was found.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(fail)?;
    conn.busy_timeout(Duration::ZERO).map_err(fail)?;
    // Exclusive before WAL: then its index is plain memory, not a shared map, which JFFS2 has not.
    conn.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(fail)?;
    conn.pragma_update(None, "page_size", PAGE).map_err(fail)?;
    let version = schema::version(&conn).map_err(fail)?;
    if version > schema::KNOWN {
        let (path, found) = (place.db.clone(), version);
        return Err(Failure::Open(OpenError::Newer { path, found, known: schema::KNOWN }));
    }
    let blank = schema::is_blank(&conn).map_err(fail)?;
    if version == 0 && !blank {
        return Err(Failure::Damaged("its tables are of another program".to_owned()));
    }
    let mode = set_up(&conn).map_err(fail)?;
    if mode != "wal" || conn.is_readonly("main").map_err(fail)? {
        return Err(Failure::Damaged(
            "SQLite does not take it for a database that can be written".to_owned(),
        ));
    }
    if check == Check::Tables {
        check_tables(&conn, place)?;
    }
    // The lock on the database keeps two first starts apart.
    let key_is_new = !keys::has_device_key(&place.secrets);
    let secrets = keys::secrets(&place.secrets).map_err(|error| Failure::Open(OpenError::Key(error)))?;
    let vault = Vault::new(&secrets, cloud_key(place, &secrets).map_err(Failure::Open)?);
    if version >= schema::WITH_DAYS {
        vault.load(&conn).map_err(fail)?;
    }
    vault.attach(&conn).map_err(fail)?;
    if version < schema::KNOWN {
        schema::migrate(&mut conn, version, &vault).map_err(fail)?;
    }
    let migrated_from = (version < schema::KNOWN && !blank).then_some(version);
    let waits = secrets.cloud.is_some() && matches!(place.from_cloud, FromCloud::Later);
    Ok(Connected { conn, vault, migrated_from, key_is_new, waits })
}

/// The key of the cloud, if it is the one that the store is sealed under.
fn cloud_key(place: &Place, secrets: &Secrets) -> Result<Option<CloudKey>, OpenError> {
    let path = || place.secrets.clone();
    match (place.from_cloud, secrets.cloud) {
        (FromCloud::Key(key), Some(mark)) if key.mark() != mark => Err(OpenError::OtherKey { path: path() }),
        (FromCloud::Key(key), _) => Ok(Some(key)),
        (FromCloud::NotAsked, Some(_)) => Err(OpenError::KeyAtCloud { path: path() }),
        (FromCloud::NotAsked, None) | (FromCloud::Later, _) => Ok(None),
    }
}

/// The settings of the connection; returns the journal mode that SQLite agreed to.
fn set_up(conn: &Connection) -> rusqlite::Result<String> {
    conn.pragma_update(None, "synchronous", "FULL")?;
    // The thread moves the journal into the tables after it has answered.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "cache_size", -512)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    // What is deleted is overwritten, so that it is not found in the file.
    conn.pragma_update(None, "secure_delete", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
}

/// The name of the database towards the cloud. A new one has none yet, and nor has a copy: see
/// [`Place::keep_copy`].
fn named(conn: &Connection) -> rusqlite::Result<String> {
    let new = format!("gw-{:08x}", u32::from_le_bytes(clock::random()));
    conn.execute("UPDATE meta SET device = ?1 WHERE device IS NULL", [new])?;
    conn.query_row("SELECT device FROM meta", [], |row| row.get(0))
}

fn check_tables(conn: &Connection, place: &Place) -> Result<(), Failure> {
    let said: rusqlite::Result<Option<String>> =
        conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).optional();
    match said {
        Ok(Some(word)) if word == "ok" => Ok(()),
        Ok(said) => Err(Failure::Damaged(said.unwrap_or_default())),
        Err(error) => Err(place.failure(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cannot be seen without cutting the power: each commit is synced, and no map is shared.
    #[test]
    fn the_connection_is_set_up_for_flash() {
        let dir = tempfile::tempdir().unwrap();
        let ready = open(&Place::new(dir.path()), OnDamage::Repair).ok().unwrap();
        let said = |name: &str| {
            let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            ready.conn.query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap()
        };
        let (full, page) = ("2", PAGE.to_string());
        assert_eq!(said("synchronous"), full);
        assert_eq!(said("page_size"), page);
        assert_eq!(said("journal_mode"), "wal");
        assert_eq!(said("locking_mode"), "exclusive");
        assert!(!dir.path().join("lango.db-shm").exists());
    }
}

//! The thread that owns the connection: jobs in order, waiting commits together.
//!
//! Owns: transactions, and when the journal moves into the tables. Never: what a record means.
//! Neighbours: `mod.rs` sends jobs, `write.rs` and `read.rs` do them.
//!
//! A commit appends to the journal (WAL) and syncs it once. The journal moves into the tables when it
//! has grown to [`JOURNAL`], after the callers were answered: a page that 100 logins changed is written once.

use std::io;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::files::Place;
use super::keys::{CloudKey, Secret, Secrets};
use super::read::cloud;
use super::read::codes::Finder;
use super::recover::Medium;
use super::vault::{self, Vault};
use super::write::{COPY_DUE, Since, Sweep, Writer, drop_trials_of_forgotten};
use super::{Kept, KeyPlace, OutboxSize, StoreError, keys, leftovers, read};
use crate::clock;
use crate::domain::{Bound, CodeKey, Overdue, Record, Voucher, Wall};

/// The journal moves into the tables once it holds more than this, in pages.
const JOURNAL: i64 = 1000;
/// Jobs that may wait; then callers do.
const WAITING: usize = 256;
/// A copy younger than this is recent.
const RECENT: Duration = Duration::from_secs(20 * 60 * 60);

pub(super) type Outcome = oneshot::Sender<Result<(), StoreError>>;
/// Answers by itself; says whether it met damage.
pub(super) type Question = Box<dyn FnOnce(&mut Database<'_>) -> bool + Send>;

pub(super) enum Job {
    Commit(Vec<Record>, Outcome),
    Ask(Question),
    Close(Outcome),
}

/// The thread, seen from outside. Dropping it closes the database.
pub(super) struct Thread {
    jobs: Option<mpsc::Sender<Job>>,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    pub(super) fn start(place: Place, conn: Connection, vault: Vault, medium: Medium) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel(WAITING);
        let handle = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(&place, conn, vault, medium, inbox))?;
        Ok(Self { jobs: Some(jobs), handle: Some(handle) })
    }

    pub(super) async fn send(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().ok_or(StoreError::Gone)?;
        jobs.send(job).await.map_err(|_| StoreError::Gone)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(handle) = self.handle.take() {
            // A panic of the thread was reported by the panic hook.
            drop(handle.join());
        }
    }
}

fn run(place: &Place, conn: Connection, vault: Vault, medium: Medium, mut inbox: mpsc::Receiver<Job>) {
    let closing = Database::prepare(place, &conn, vault, medium)
        .expect("the same statements were prepared when the database was opened")
        .serve(&mut inbox);
    // Nobody may hand in more; whoever waits in the inbox reads that the store is gone.
    inbox.close();
    let closed = conn.close().map_err(|(_, error)| error.into());
    if let Some(reply) = closing {
        // Who asked may have gone away.
        drop(reply.send(closed));
    }
}

/// The connection and its statements.
pub(super) struct Database<'c> {
    place: &'c Place,
    conn: &'c Connection,
    vault: Vault,
    medium: Medium,
    writer: Writer<'c>,
    finder: Finder<'c>,
    /// How far the clearing away of what a reset has ended has come, if there is something.
    sweep: Option<Sweep>,
}

impl<'c> Database<'c> {
    fn prepare(
        place: &'c Place,
        conn: &'c Connection,
        vault: Vault,
        medium: Medium,
    ) -> rusqlite::Result<Self> {
        let (writer, finder) = (Writer::prepare(conn)?, Finder::prepare(conn)?);
        Ok(Self { place, conn, vault, medium, writer, finder, sweep: None })
    }

    pub(super) fn conn(&self) -> &'c Connection {
        self.conn
    }

    pub(super) fn find(&mut self, keys: &[CodeKey]) -> Result<Vec<Option<Voucher>>, StoreError> {
        self.finder.find(keys)
    }

    pub(super) fn outbox_size(&mut self) -> Result<OutboxSize, StoreError> {
        let waiting = self.writer.waiting()?;
        let oldest = cloud::oldest(self.conn)?;
        Ok(OutboxSize { facts: waiting.facts, bytes: waiting.bytes, oldest })
    }

    pub(super) fn copy_now(&mut self, now: Wall) -> Result<PathBuf, StoreError> {
        if self.keep_copy(now)? == Kept::Recent {
            self.place.keep_copy(self.conn, now)?;
        }
        Ok(self.place.copy())
    }

    pub(super) fn keep_copy(&mut self, now: Wall) -> Result<Kept, StoreError> {
        if self.medium == Medium::ReadOnly {
            return Err(StoreError::ReadOnly);
        }
        let is_due = self.copied()? == Some(COPY_DUE);
        if is_due {
            let gone = self.vault.drop_unused(self.conn)?;
            self.writer.keys_went(gone.iter().filter_map(|wrapped| vault::mark(wrapped)));
        }
        if drop_trials_of_forgotten(self.conn, now)? || (is_due && self.may_have_leftovers()?) {
            self.forget_pages()?;
        } else if !is_due && self.was_copied_within(RECENT, now)? {
            return Ok(Kept::Recent);
        }
        self.place.keep_copy(self.conn, now)?;
        self.writer.made_anew();
        self.settle_key()?;
        Ok(Kept::Made)
    }

    pub(super) fn unreadable(&self) -> u64 {
        self.vault.unreadable() + self.vault.foreign()
    }

    pub(super) fn key_place(&self) -> Result<KeyPlace, StoreError> {
        let cloud = self.vault.cloud();
        let is_whole = self.vault.is_under(cloud) && self.unsettled()?.is_none();
        Ok(match cloud {
            _ if !is_whole => KeyPlace::Moving,
            Some(_) => KeyPlace::Cloud,
            None => KeyPlace::Flash,
        })
    }

    pub(super) fn rotate_key(&mut self, now: Wall) -> Result<u64, StoreError> {
        self.rewrap(self.vault.cloud(), now)
    }

    /// The same if it is not sealed under that key of the cloud, or none, already.
    pub(super) fn seal_under(&mut self, cloud: Option<CloudKey>, now: Wall) -> Result<u64, StoreError> {
        if !self.vault.is_under(cloud) {
            return self.rewrap(cloud, now);
        }
        // What an earlier one left undone.
        if self.unsettled()?.is_some() {
            self.keep_copy(now)?;
        }
        Ok(0)
    }

    /// Seals the keys of days under a new secret, and has no file need the old one. At every moment what is kept opens
    /// what is sealed, and the copy as well. How many days it were.
    fn rewrap(&mut self, cloud: Option<CloudKey>, now: Wall) -> Result<u64, StoreError> {
        if self.medium == Medium::ReadOnly {
            return Err(StoreError::ReadOnly);
        }
        let next = self.next_secret(now)?;
        let before = self.vault.secrets();
        // A commit that failed may be on flash all the same, under the key that was to be.
        let mark = self.kept_secrets()?.cloud.or(before.cloud).or(cloud.map(|key| key.mark()));
        self.keep_secrets(&Secrets { next: Some(next), cloud: mark, ..before })?;
        let (conn, vault) = (self.conn, self.vault.clone());
        let days = self.transaction(|writer| {
            writer.copy_due()?;
            Ok(vault.rewrap(conn, next, cloud)?)
        })?;
        self.vault.is_rewrapped(next, cloud);
        self.keep_copy(now)?;
        Ok(days)
    }

    /// That of one that was cut short, or a new one.
    fn next_secret(&mut self, now: Wall) -> Result<Secret, StoreError> {
        match self.unsettled()? {
            // A commit that failed may be on flash all the same: what it is sealed under is not given up.
            Some(next) if self.vault.secrets().store != Some(next) => return Ok(next),
            // The copy may need a secret that is about to go.
            Some(_) => drop(self.keep_copy(now)?),
            None => {}
        }
        Ok(clock::random())
    }

    fn unsettled(&self) -> Result<Option<Secret>, StoreError> {
        Ok(self.kept_secrets()?.next)
    }

    fn kept_secrets(&self) -> Result<Secrets, StoreError> {
        keys::secrets(&self.place.secrets).map_err(|error| StoreError::Io(error.to_string()))
    }

    /// No file is sealed under another secret any more.
    fn settle_key(&self) -> Result<(), StoreError> {
        match self.unsettled()? {
            Some(_) => self.keep_secrets(&self.vault.secrets()),
            None => Ok(()),
        }
    }

    fn keep_secrets(&self, secrets: &Secrets) -> Result<(), StoreError> {
        keys::keep_secrets(&self.place.secrets, secrets)
            .map_err(|error| StoreError::Io(format!("device.key: {error}")))
    }

    pub(super) fn overdue(&self, bound: Bound, apart: Duration, now: Wall) -> Result<Overdue, StoreError> {
        if self.medium == Medium::ReadOnly || self.was_copied_within(apart, now)? {
            return Ok(Overdue::default());
        }
        read::overdue::overdue(self.conn, bound, now)
    }

    fn copied(&self) -> Result<Option<i64>, StoreError> {
        Ok(self.conn.query_row("SELECT copied FROM meta", [], |row| row.get(0))?)
    }

    fn was_copied_within(&self, span: Duration, now: Wall) -> Result<bool, StoreError> {
        let copied = self.copied()?.filter(|copied| *copied != COPY_DUE);
        Ok(copied.is_some_and(|copied| now.since(Wall::from_secs(copied)) < span))
    }

    /// Whether something that was deleted since the last copy may still be in the database. What was purged is
    /// overwritten as a rule, so it is looked for.
    fn may_have_leftovers(&self) -> Result<bool, StoreError> {
        match self.writer.since() {
            Since::Purged(marks) => {
                self.place.remove_aside()?;
                self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
                leftovers::any(&self.place.db, marks)
            }
            Since::Nothing | Since::Anything => Ok(true),
        }
    }

    /// Deleted rows live on in pages that are free or half empty, in the journal, and in the files that were moved
    /// aside.
    fn forget_pages(&self) -> Result<(), StoreError> {
        self.place.remove_aside()?;
        self.conn.execute_batch("VACUUM")?;
        Ok(self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    /// Until somebody closes, who is returned, or nobody is left.
    fn serve(&mut self, inbox: &mut mpsc::Receiver<Job>) -> Option<Outcome> {
        let mut put_back = None;
        self.look_for_leftovers();
        while let Some(job) = put_back.take().or_else(|| self.next(inbox)) {
            match job {
                Job::Commit(records, reply) => {
                    let mut group = vec![(records, reply)];
                    put_back = gather(&mut group, inbox);
                    self.commit_and_answer(group);
                }
                Job::Ask(question) => {
                    if question(self) {
                        self.leave_unclosed();
                    }
                }
                Job::Close(reply) => return Some(reply),
            }
        }
        None
    }

    /// The next job. While there is none, what a reset has ended is cleared away, a little at a time: whoever comes
    /// waits for no more than that.
    fn next(&mut self, inbox: &mut mpsc::Receiver<Job>) -> Option<Job> {
        while let Some(sweep) = self.sweep.take() {
            match inbox.try_recv() {
                Ok(job) => {
                    self.sweep = Some(sweep);
                    return Some(job);
                }
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => self.sweep_on(sweep),
            }
        }
        inbox.blocking_recv()
    }

    /// What fails is left to the next reset, or the next start: until then those rows count as gone all the same.
    fn sweep_on(&mut self, sweep: Sweep) {
        let outcome = self.transaction(|writer| writer.sweep_on(sweep));
        if matches!(outcome, Err(StoreError::Damaged(_))) {
            self.leave_unclosed();
        }
        self.sweep = outcome.ok().flatten();
        self.tidy_journal();
    }

    fn look_for_leftovers(&mut self) {
        if self.medium != Medium::ReadOnly {
            self.sweep = self.writer.sweep().ok().flatten();
        }
    }

    fn commit_and_answer(&mut self, group: Vec<(Vec<Record>, Outcome)>) {
        let outcome = self.commit(&group);
        if matches!(outcome, Err(StoreError::Damaged(_))) {
            self.leave_unclosed();
        }
        let resets = |record: &Record| matches!(record, Record::ResetEnded(_));
        if outcome.is_ok() && group.iter().any(|(records, _)| records.iter().any(resets)) {
            self.look_for_leftovers();
        }
        for (_, reply) in group {
            // Who asked may have gone away; what is committed stays so.
            drop(reply.send(outcome.clone()));
        }
        if outcome.is_ok() {
            self.tidy_journal();
        }
    }

    /// One transaction. When there is no room, tries once more after emptying the journal.
    fn commit(&mut self, group: &[(Vec<Record>, Outcome)]) -> Result<(), StoreError> {
        if self.medium == Medium::ReadOnly {
            return Err(StoreError::ReadOnly);
        }
        let outcome = match self.write(group) {
            Err(StoreError::Full) => {
                self.writer.taken_back();
                self.empty_journal();
                self.write(group)
            }
            outcome => outcome,
        };
        if outcome.is_err() {
            self.writer.taken_back();
        }
        outcome
    }

    fn write(&mut self, group: &[(Vec<Record>, Outcome)]) -> Result<(), StoreError> {
        self.transaction(|writer| group.iter().try_for_each(|(records, _)| writer.write_all(records)))
    }

    /// All that `write` does, or nothing.
    fn transaction<T>(
        &mut self,
        write: impl FnOnce(&mut Writer<'c>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self.conn.unchecked_transaction()?;
        let written = self.vault.begin(self.conn).map_err(StoreError::from);
        let written = written.and_then(|()| write(&mut self.writer));
        let written = written.and_then(|written| Ok(transaction.commit().map(|()| written)?));
        match written {
            Ok(_) => self.vault.settled(),
            Err(_) => self.vault.taken_back(),
        }
        written
    }

    /// Moves the journal into the tables if much waits there. Its file keeps its size, and the next commit begins it
    /// anew: what is written where the file system has room for it already needs no journal of the file system.
    ///
    /// What fails here is tried again after the next commit; nothing is lost meanwhile.
    fn tidy_journal(&self) {
        let waiting = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?);
        let waiting = self.conn.query_row("PRAGMA wal_checkpoint(NOOP)", [], waiting);
        if waiting.is_ok_and(|pages| pages > JOURNAL) {
            drop(self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())));
        }
    }

    /// What fails here is tried again after the next commit; nothing is lost meanwhile.
    fn empty_journal(&self) {
        drop(self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    }

    /// Leaves the journal at the end, so that the next start checks the tables.
    fn leave_unclosed(&self) {
        drop(self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
    }
}

/// Adds the commits that wait to the group; returns the first job that is not one.
fn gather(group: &mut Vec<(Vec<Record>, Outcome)>, inbox: &mut mpsc::Receiver<Job>) -> Option<Job> {
    while group.len() < WAITING {
        match inbox.try_recv() {
            Ok(Job::Commit(records, reply)) => group.push((records, reply)),
            Ok(other) => return Some(other),
            Err(_) => return None,
        }
    }
    None
}

//! SQLite, on a thread of its own: what must survive a power cut.
//!
//! Owns: `lango.db` in the state directory and everything beside it. A commit that returned is on flash.
//! Commits that wait at the same time are written in one transaction, with one fsync.
//! Never: decides; it writes the domain's [`Record`]s and loads them back as [`Restored`].
//! Neighbours: `app` calls it; `schema.rs` draws the tables, `recover.rs` opens them in whatever state
//! they are, `files.rs` moves files, `thread.rs` does the jobs, `write.rs` and `read.rs` translate,
//! `keys.rs` keeps the secrets, `vault.rs` seals under them what is a person's, `restore.rs` puts another state in the
//! place of this.

mod error;
mod files;
mod keys;
mod leftovers;
mod read;
mod reading;
mod recover;
mod restore;
mod schema;
mod thread;
mod vault;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use error::{OpenError, StoreError};
pub use files::is_of_store;
pub use keys::{CloudKey, KeyError, derive, device_key, enrolment, has_device_key, keep_enrolment};
pub use recover::{Found, Instead, Report};
pub use restore::{Staging, started};
use tokio::sync::oneshot;

use self::files::{FromCloud, Place};
use self::recover::{OnDamage, Ready};
use self::thread::{Database, Job, Thread};
use crate::domain::{
    BatchId, Bound, Broken, CodeKey, Dossier, End, Entitlement, EntitlementId, Issued, Mac, Noted, Over,
    Overdue, PlanId, Record, Restored, Seq, Traces, Voucher, Wall, Whom,
};

/// Opens the database in `state_dir`; makes both if they are missing. Blocks.
///
/// # Errors
/// Those for which nothing can be served. A damaged database and a medium that can only be read are not
/// among them: see [`Report::found`].
pub fn open(state_dir: &Path) -> Result<Opened, OpenError> {
    open_at(Place::new(state_dir), OnDamage::Repair)
}

/// The same for whoever works on it a while, and could not tell the operator of a repair.
///
/// # Errors
/// As [`open`]; [`OpenError::Damaged`], and nothing was changed.
pub fn open_sound(state_dir: &Path) -> Result<Opened, OpenError> {
    open_at(Place::new(state_dir), OnDamage::Refuse)
}

/// The same where the cloud keeps the key that it is sealed under. One that is not sealed so yet is opened as it is:
/// see [`Store::seal_under`].
///
/// # Errors
/// As [`open`]; [`OpenError::OtherKey`] if it is sealed under another one.
pub fn open_under(state_dir: &Path, key: CloudKey) -> Result<Opened, OpenError> {
    open_at(Place { from_cloud: FromCloud::Key(key), ..Place::new(state_dir) }, OnDamage::Repair)
}

/// The same, where nothing of what is sealed is wanted: the key that the cloud keeps, if it keeps one, is not.
///
/// # Errors
/// As [`open_sound`].
pub fn open_without_key(state_dir: &Path) -> Result<Opened, OpenError> {
    open_at(Place { from_cloud: FromCloud::Later, ..Place::new(state_dir) }, OnDamage::Refuse)
}

fn open_at(place: Place, on_damage: OnDamage) -> Result<Opened, OpenError> {
    let ready = recover::open(&place, on_damage)?;
    opened(place, ready)
}

fn opened(place: Place, ready: Ready) -> Result<Opened, OpenError> {
    let dir = place.dir.clone();
    let thread = Thread::start(place, ready.conn, ready.vault, ready.medium)
        .map_err(|error| OpenError::io(&dir, "start a thread for", &error))?;
    let store = Store { thread: Arc::new(thread) };
    Ok(Opened { store, restored: ready.restored, device: ready.device, report: ready.report })
}

/// A database that serves.
pub struct Opened {
    pub store: Store,
    pub restored: Restored,
    /// What the cloud calls this database, such as `gw-5f1c09ae`. A new one has a new name, and so has a copy that
    /// takes the place of a damaged one: both give numbers to facts that others had.
    pub device: String,
    /// What was found and repaired.
    pub report: Report,
}

/// A handle on the database. When the last one is dropped, the database is closed, after all that was
/// asked before.
#[derive(Clone)]
pub struct Store {
    thread: Arc<Thread>,
}

/// How many vouchers can still be redeemed, are in use, are used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoucherCounts {
    pub unused: u64,
    pub active: u64,
    pub spent: u64,
}

/// The vouchers of a plan in a batch that are to be begun by the same day, by what became of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    pub batch: Option<BatchId>,
    pub plan: PlanId,
    pub activate_by: Option<Wall>,
    pub unused: u64,
    pub active: u64,
    pub spent: u64,
    pub expired: u64,
    pub revoked: u64,
    /// Of all these, how many were begun.
    pub used: u64,
    /// When the first that did not top up another was, and the last.
    pub first: Option<Wall>,
    pub last: Option<Wall>,
}

/// What waits for the cloud to have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxSize {
    pub facts: u64,
    pub bytes: u64,
    /// When the oldest became a fact.
    pub oldest: Option<Wall>,
}

/// Facts that the cloud does not have yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    /// Oldest first, as `wire::events` writes them.
    pub events: Vec<(Seq, String)>,
    /// The highest number that was ever given out.
    pub newest: Seq,
}

/// Where the key is that a store is sealed under, besides the device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    Flash,
    Cloud,
    /// Not all days, or not all files, are under the one key yet.
    Moving,
}

/// What became of a wish for a good copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Made,
    /// The copy there is was made within the last 20 hours; the flash is spared.
    Recent,
}

impl Store {
    /// What can be redeemed by `keys`, in their order: codes, payments, accounts.
    pub async fn find(&self, keys: Vec<CodeKey>) -> Result<Vec<Option<Voucher>>, StoreError> {
        self.ask(move |database| database.find(&keys)).await
    }

    /// Writes `records`, all or none; they are on flash when this returns `Ok`. Vouchers whose key exists
    /// are skipped. When commits that waited together fail, each of them gets the error.
    pub async fn commit(&self, mut records: Vec<Record>) -> Result<(), StoreError> {
        records.retain(Record::is_durable);
        if records.is_empty() {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        self.thread.send(Job::Commit(records, reply)).await?;
        answer.await.unwrap_or(Err(StoreError::Gone))
    }

    /// How many vouchers there are.
    pub async fn counts(&self) -> Result<VoucherCounts, StoreError> {
        self.ask(|database| read::codes::counts(database.conn())).await
    }

    /// The vouchers of a batch, or all.
    pub async fn list(&self, batch: Option<BatchId>) -> Result<Vec<Voucher>, StoreError> {
        self.ask(move |database| read::codes::list(database.conn(), batch.as_ref())).await
    }

    /// What became of the vouchers of a batch, or of all, in the order of batches and plans.
    pub async fn stock(&self, batch: Option<BatchId>) -> Result<Vec<Stock>, StoreError> {
        self.ask(move |database| read::codes::stock(database.conn(), batch.as_ref())).await
    }

    /// Whether vouchers of a batch are rows of the feed.
    pub async fn is_of_feed(&self, batch: BatchId) -> Result<bool, StoreError> {
        self.ask(move |database| read::codes::is_of_feed(database.conn(), &batch)).await
    }

    /// Which of the codes that prove themselves were redeemed, in their order.
    pub async fn used_serials(&self, of: Vec<Issued>) -> Result<Vec<bool>, StoreError> {
        self.ask(move |database| read::cloud::used_serials(database.conn(), &of)).await
    }

    /// Facts that the cloud does not have yet, the oldest first, up to `most` bytes, or one that is longer.
    pub async fn outbox(&self, most: usize) -> Result<Outbox, StoreError> {
        self.ask(move |database| read::cloud::outbox(database.conn(), most)).await
    }

    /// How much waits for the cloud to have it.
    pub async fn outbox_size(&self) -> Result<OutboxSize, StoreError> {
        self.ask(|database| database.outbox_size()).await
    }

    /// Whether the cloud has yet to hear that one of `keys` was redeemed.
    pub async fn is_unreported(&self, keys: Vec<CodeKey>) -> Result<bool, StoreError> {
        self.ask(move |database| read::cloud::is_unreported(database.conn(), &keys)).await
    }

    /// SHA-256 over the names of all rows of the feed; `None` while they are not known whole: before the first page,
    /// and amid a reset.
    pub async fn digest(&self) -> Result<Option<[u8; 32]>, StoreError> {
        self.ask(|database| read::cloud::digest(database.conn())).await
    }

    /// An entitlement, ended or not, and the devices that used it. Of one that has ended, the moment of
    /// the last stamp is not kept: its readings of the clocks are 0.
    pub async fn entitlement(
        &self,
        id: EntitlementId,
    ) -> Result<Option<(Entitlement, Vec<Mac>)>, StoreError> {
        self.ask(move |database| read::entitlement(database.conn(), id)).await
    }

    /// What has ended and could go on; `None`: there is no such thing, it has not ended, it was forgotten, or its code
    /// belongs to something else by now.
    pub async fn over(&self, id: EntitlementId) -> Result<Option<Over>, StoreError> {
        self.ask(move |database| read::over(database.conn(), id)).await
    }

    /// Into which one this one went, if two were made one.
    pub async fn went_into(&self, id: EntitlementId) -> Result<Option<EntitlementId>, StoreError> {
        self.ask(move |database| read::persons::went_into(database.conn(), id)).await
    }

    /// Where somebody left something.
    pub async fn traces(&self, whom: Whom) -> Result<Traces, StoreError> {
        self.ask(move |database| read::persons::traces(database.conn(), &whom)).await
    }

    /// All that is stored of somebody.
    pub async fn dossier(&self, of: Traces) -> Result<Dossier, StoreError> {
        self.ask(move |database| read::persons::dossier(database.conn(), &of)).await
    }

    /// The latest rows of the trail, at most so many, in their order.
    pub async fn trail(&self, most: u64) -> Result<Vec<Noted>, StoreError> {
        self.ask(move |database| read::audit::latest(database.conn(), most)).await
    }

    /// Reads the whole trail: how many rows there are and which is the last, or where it is broken.
    pub async fn verify_trail(&self) -> Result<Result<(u64, End), Broken>, StoreError> {
        self.ask(|database| read::audit::verify(database.conn())).await
    }

    /// The next of what is over by `bound`; nothing for as long as `apart` after the last copy was made, because a
    /// purge has it made anew.
    pub async fn overdue(&self, bound: Bound, apart: Duration, now: Wall) -> Result<Overdue, StoreError> {
        self.ask(move |database| database.overdue(bound, apart, now)).await
    }

    /// Makes the copy that is opened should the database be damaged, unless there is a recent one. Writes
    /// as much as the database is large; commits wait meanwhile. No file holds anything after it of who was forgotten
    /// since the last one, or of what was purged: the damaged ones go and, if something may be left in it, the
    /// database is written anew as well.
    pub async fn keep_copy(&self, now: Wall) -> Result<Kept, StoreError> {
        self.ask(move |database| database.keep_copy(now)).await
    }

    /// How many sealed fields could not be opened since the start, and keys of days.
    pub async fn unreadable(&self) -> Result<u64, StoreError> {
        self.ask(|database| Ok(database.unreadable())).await
    }

    /// Where the key is that it is sealed under.
    pub async fn key_place(&self) -> Result<KeyPlace, StoreError> {
        self.ask(|database| database.key_place()).await
    }

    /// Renews the secret under which the keys of days are wrapped, and makes the copy anew. How many days it were.
    pub async fn rotate_key(&self, now: Wall) -> Result<u64, StoreError> {
        self.ask(move |database| database.rotate_key(now)).await
    }

    /// Has the store sealed under this key of the cloud as well, or under none, if it is not. How many days it were.
    pub async fn seal_under(&self, cloud: Option<CloudKey>, now: Wall) -> Result<u64, StoreError> {
        self.ask(move |database| database.seal_under(cloud, now)).await
    }

    /// Makes that copy now, and says where it is. Who has it open goes on reading it when the next one takes its place.
    pub async fn copy_now(&self, now: Wall) -> Result<PathBuf, StoreError> {
        self.ask(move |database| database.copy_now(now)).await
    }

    /// Closes the database after all that was asked before. Later calls get [`StoreError::Gone`].
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.thread.send(Job::Close(reply)).await?;
        answer.await.unwrap_or(Err(StoreError::Gone))
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Database<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Ask(Box::new(move |database| {
            let outcome = question(database);
            let damaged = matches!(outcome, Err(StoreError::Damaged(_)));
            // Who asked may have gone away.
            drop(reply.send(outcome));
            damaged
        }));
        self.thread.send(job).await?;
        answer.await.unwrap_or(Err(StoreError::Gone))
    }
}

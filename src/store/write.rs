//! Records as SQL.
//!
//! Owns: which statement writes which record, the clocks in `meta`, and how domain values become column
//! values. Never: transactions; `thread.rs` decides what is committed together.
//! Neighbours: `schema.rs` says what the columns mean, `read.rs` is the way back; `codes.rs` writes what guests
//! redeem, `sales.rs` what that opens, `cloud.rs` and `outbox.rs` what comes from the cloud and goes there,
//! `persons.rs` who is forgotten, `purge.rs` what is too old, `audit.rs` the trail, `readings.rs` the meters at a checkpoint.

/// Parameters with what a plan promises among them, in the order of the columns: those before it, the terms,
/// those after it.
macro_rules! params_with_terms {
    ($($before:expr),*; $terms:expr; $($after:expr),* $(,)?) => {
        params![
            $($before,)*
            $terms.metered.map(millis),
            $terms.validity.map(millis),
            $terms.data.total.map(bytes),
            $terms.data.up.map(bytes),
            $terms.data.down.map(bytes),
            $terms.up.map(rate),
            $terms.down.map(rate),
            $terms.devices,
            $terms.bound_devices,
            $terms.idle_timeout.map(millis),
            $terms.count_while_uplink_down,
            $($after,)*
        ]
    };
}

mod audit;
mod cloud;
mod codes;
mod outbox;
mod persons;
mod purge;
mod readings;
mod sales;

use std::time::Duration;

use rusqlite::{Connection, Statement, params};

use self::audit::Audit;
use self::cloud::Cloud;
pub(super) use self::cloud::SERIALS;
use self::codes::Codes;
pub(super) use self::codes::Sweep;
use self::outbox::Outbox;
pub(super) use self::outbox::Waiting;
use self::persons::Persons;
pub(super) use self::persons::{COPY_DUE, FORGOTTEN, drop_trials_of_forgotten};
use self::purge::Purge;
pub(super) use self::purge::Since;
use self::readings::Readings;
use self::sales::Sales;
use super::StoreError;
use super::leftovers::Mark;
use crate::domain::{Boot, BootId, Bps, Bytes, Downtime, Ending, Record, Wall};

/// The statements that write.
pub(super) struct Writer<'c> {
    codes: Codes<'c>,
    sales: Sales<'c>,
    cloud: Cloud<'c>,
    outbox: Outbox<'c>,
    persons: Persons<'c>,
    audit: Audit<'c>,
    purge: Purge<'c>,
    readings: Readings<'c>,
    raise_floor: Statement<'c>,
    reset_floor: Statement<'c>,
    forget_wall: Statement<'c>,
    forget_wall_of_ended: Statement<'c>,
    set_boot: Statement<'c>,
    set_uplink: Statement<'c>,
    set_reached: Statement<'c>,
}

impl<'c> Writer<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            codes: Codes::prepare(conn)?,
            sales: Sales::prepare(conn)?,
            cloud: Cloud::prepare(conn)?,
            outbox: Outbox::prepare(conn)?,
            persons: Persons::prepare(conn)?,
            audit: Audit::prepare(conn)?,
            purge: Purge::prepare(conn)?,
            readings: Readings::prepare(conn)?,
            raise_floor: conn.prepare("UPDATE meta SET floor = ?1 WHERE floor < ?1")?,
            reset_floor: conn.prepare("UPDATE meta SET floor = ?1")?,
            forget_wall: conn.prepare("UPDATE meter SET expires = NULL WHERE expires IS NOT NULL")?,
            // It may go on. What is past was told by no clock that was ahead.
            forget_wall_of_ended: conn.prepare("UPDATE entitlement SET expires = NULL WHERE expires > ?1")?,
            set_boot: conn.prepare(
                "UPDATE meta SET boot = ?1, reached = ?2, uplink = 'unknown', uplink_since = ?2, downtime = 0",
            )?,
            set_uplink: conn.prepare("UPDATE meta SET uplink = ?1, uplink_since = ?2, downtime = ?3")?,
            set_reached: conn.prepare("UPDATE meta SET reached = ?1")?,
        })
    }

    /// Writes records that belong together into the transaction that is open, in their order.
    pub(super) fn write_all(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let is_reading =
            |record: &Record| matches!(record, Record::EntitlementStamped(_) | Record::SessionStamped(_));
        records.chunk_by(|one, next| is_reading(one) && is_reading(next)).try_for_each(|run| match run {
            [one] => self.write(one),
            run => self.readings.taken(run),
        })
    }

    fn write(&mut self, record: &Record) -> Result<(), StoreError> {
        let Self { codes, sales, cloud, outbox, persons, audit, purge, readings, .. } = self;
        match record {
            Record::VouchersMade(vouchers) => codes.made(vouchers),
            Record::VoucherRevoked(key) => codes.revoked(*key),
            Record::EntitlementOpened(entitlement) => sales.opened(entitlement, codes),
            Record::EntitlementStamped(stamp) => {
                readings.stamped(stamp)?;
                sales.stamped(stamp)
            }
            Record::EntitlementGrown { entitlement, terms } => {
                readings.changed(*entitlement)?;
                sales.grown(*entitlement, terms)
            }
            Record::EntitlementResumed { entitlement, .. } => sales.resumed(entitlement),
            Record::EntitlementEnded { stamp, how } => sales.ended(stamp, *how),
            Record::DeviceBound { entitlement, mac } => sales.bound(*entitlement, *mac),
            Record::DevicesBound { entitlement, bound } => sales.only_bound(*entitlement, bound),
            Record::TrialDated { entitlement, opened } => sales.dated(*entitlement, *opened),
            Record::SessionOpened(session) => sales.session_opened(session),
            Record::SessionClosed { session, at, why, used } => {
                sales.session_closed(*session, *at, *why, *used)
            }
            Record::TermsAccepted { session, accepted } => sales.terms_accepted(*session, *accepted),
            Record::SessionStamped(_) => readings.taken(std::slice::from_ref(record)),
            Record::UplinkChanged(downtime) => self.uplink_changed(*downtime),
            Record::BootReached(boot) => self.boot_reached(*boot),
            Record::FloorRaised(floor) => self.floor_raised(*floor),
            Record::FloorReset(floor) => self.floor_reset(*floor),
            Record::BootChanged { boot, at } => self.boot_changed(boot, *at),
            Record::RowsPut { rows, at, generation } => codes.put(rows, *at, *generation),
            Record::RowGone(name) => codes.gone(name),
            Record::PlanPut { plan, generation } => cloud.plan_put(plan, *generation),
            Record::PlanGone(id) => cloud.plan_gone(id),
            Record::FeedRead { stand, generation } => cloud.feed_read(stand, *generation),
            Record::ResetEnded(generation) => cloud.reset_ended(*generation),
            Record::Queued(reported) => outbox.queued(reported),
            Record::Acked(seq) => outbox.acked(*seq),
            Record::ClaimOpened(claim) => cloud.claim_opened(claim),
            Record::ClaimClosed { reference, mac } => cloud.claim_closed(*reference, *mac),
            Record::SerialUsed { issued, day, count } => cloud.serial_used(*issued, *day, *count),
            Record::ToppedUp { entitlement, code, terms, .. } => {
                readings.changed(*entitlement)?;
                codes.top_up(*code, *entitlement)?;
                sales.grown(*entitlement, terms)
            }
            Record::Merged { kept, other, codes: handed_over, terms } => {
                readings.changed(*kept)?;
                codes.hand_over(handed_over, *other, *kept)?;
                sales.grown(*kept, terms)
            }
            Record::CommandDone(id) => cloud.command_done(id),
            Record::DeviceBlocked(mac) => cloud.device_blocked(*mac),
            Record::Forgotten(gone) => {
                purge.forgot();
                persons.forgotten(gone, codes, outbox)
            }
            Record::Purged(overdue) => purge.purged(overdue),
            Record::SessionsDated { from, to } => sales.sessions_dated(*from, *to),
            Record::Noted(row) => audit.noted(row),
            // Kept in memory only.
            Record::TryFailed { .. } | Record::SessionCounted(_) | Record::DeviceSeen { .. } => Ok(()),
        }
    }

    /// What was written since the last commit was taken back.
    pub(super) fn taken_back(&mut self) {
        self.outbox.taken_back();
    }

    /// How much of the outbox there is.
    pub(super) fn waiting(&mut self) -> Result<Waiting, StoreError> {
        self.outbox.waiting()
    }

    /// Where to begin clearing away what resets have ended; `None`: there is nothing.
    pub(super) fn sweep(&mut self) -> Result<Option<Sweep>, StoreError> {
        self.codes.sweep()
    }

    /// Clears a little of it away, in the transaction that is open; where to go on.
    pub(super) fn sweep_on(&mut self, sweep: Sweep) -> Result<Option<Sweep>, StoreError> {
        self.codes.sweep_on(sweep)
    }

    /// What was deleted since the files were last made anew.
    pub(super) fn since(&self) -> &Since {
        self.purge.since()
    }

    /// Copies are to be made anew, and not to hold what was.
    pub(super) fn copy_due(&mut self) -> Result<(), StoreError> {
        self.purge.forgot();
        self.persons.copy_due()
    }

    /// Keys of days went, that were wrapped in what has these marks.
    pub(super) fn keys_went(&mut self, marks: impl Iterator<Item = Mark>) {
        self.purge.keys_went(marks);
    }

    /// The files hold nothing of it any more.
    pub(super) fn made_anew(&mut self) {
        self.purge.made_anew();
    }

    fn floor_raised(&mut self, floor: Wall) -> Result<(), StoreError> {
        self.raise_floor.execute([floor.as_secs()])?;
        Ok(())
    }

    fn floor_reset(&mut self, floor: Wall) -> Result<(), StoreError> {
        self.reset_floor.execute([floor.as_secs()])?;
        self.readings.all_changed()?;
        self.forget_wall.execute([])?;
        self.forget_wall_of_ended.execute([floor.as_secs()])?;
        self.sales.sessions_dated(floor, floor)?;
        Ok(())
    }

    fn boot_reached(&mut self, boot: Boot) -> Result<(), StoreError> {
        self.set_reached.execute([int(boot.as_millis())])?;
        Ok(())
    }

    /// The meters go by what the last boot had reached, so they come first.
    fn boot_changed(&mut self, boot: &BootId, at: Boot) -> Result<(), StoreError> {
        self.readings.all_changed()?;
        self.sales.redate(at)?;
        self.set_boot.execute(params![boot.as_str(), int(at.as_millis())])?;
        Ok(())
    }

    fn uplink_changed(&mut self, downtime: Downtime) -> Result<(), StoreError> {
        let (state, before) = (downtime.state, millis(downtime.before));
        self.set_uplink.execute(params![state.uplink.word(), int(state.since.as_millis()), before])?;
        Ok(())
    }
}

/// The word kept for an ending.
pub(super) fn ending_word(how: Ending) -> &'static str {
    match how {
        Ending::Spent => "spent",
        Ending::Expired => "expired",
        Ending::Revoked => "revoked",
    }
}

/// SQLite's integers are signed; nothing real comes near the bound.
pub(super) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn bytes(amount: Bytes) -> i64 {
    int(amount.0)
}

fn rate(bits: Bps) -> i64 {
    int(bits.0)
}

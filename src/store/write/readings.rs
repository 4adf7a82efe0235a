//! Readings of meters: kept in one, and moved into the rows of their own.
//!
//! Owns: which statement does what to the reading in `meta` and to the rows below it. Never: transactions.
//! Neighbours: `../reading.rs` packs it, `sales.rs` writes those rows otherwise.
//!
//! The rows say the same after a reading was moved there once and twice. A row that is changed by itself, when the clock
//! cannot tell that this came later, has its reading moved there and taken out before.

use rusqlite::{Connection, Statement, params};

use super::{bytes, int, millis};
use crate::domain::{EntitlementId, Record, Stamp, Usage, Wall};
use crate::store::StoreError;
use crate::store::reading::Reading;

pub(super) struct Readings<'c> {
    kept: Statement<'c>,
    keep: Statement<'c>,
    settle_meter: Statement<'c>,
    settle_session: Statement<'c>,
}

impl<'c> Readings<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            kept: conn.prepare("SELECT reading FROM meta")?,
            keep: conn.prepare("UPDATE meta SET reading = ?1")?,
            settle_meter: conn.prepare(
                "UPDATE meter SET at = ?2, used = ?3, validity_left = ?4, expires = ?5, bytes_up = ?6,
                   bytes_down = ?7, downtime = ?8 WHERE entitlement = ?1 AND at <= ?2",
            )?,
            settle_session: conn.prepare(
                "UPDATE session SET bytes_up = ?2, bytes_down = ?3 WHERE id = ?1 AND closed IS NULL",
            )?,
        })
    }

    /// Keeps what `records` read, all in one. What the last one has of others moves into their rows.
    pub(super) fn taken(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let mut new = Reading::default();
        for record in records {
            if let Record::EntitlementStamped(stamp) = record {
                new.stamps.insert(stamp.entitlement, stamp.clone());
            } else if let Record::SessionStamped(count) = record {
                new.counts.insert(count.session, *count);
            }
        }
        let last = self.last()?;
        let stamps = last.stamps.values().filter(|stamp| !new.stamps.contains_key(&stamp.entitlement));
        let counts = last.counts.values().filter(|count| !new.counts.contains_key(&count.session));
        self.move_to_rows(stamps, counts)?;
        self.keep.execute([new.packed()])?;
        Ok(())
    }

    /// Its row is about to be stamped.
    pub(super) fn stamped(&mut self, stamp: &Stamp) -> Result<(), StoreError> {
        let last = self.last()?;
        match last.stamp_since(stamp.at, stamp.entitlement) {
            Some(_) => self.take_out(stamp.entitlement, last),
            None => Ok(()),
        }
    }

    /// Its row is about to be changed by what stands there.
    pub(super) fn changed(&mut self, entitlement: EntitlementId) -> Result<(), StoreError> {
        let last = self.last()?;
        self.take_out(entitlement, last)
    }

    fn take_out(&mut self, entitlement: EntitlementId, mut last: Reading) -> Result<(), StoreError> {
        let Some(stamp) = last.stamps.remove(&entitlement) else { return Ok(()) };
        set_meter(&mut self.settle_meter, &stamp)?;
        self.keep.execute([last.packed()])?;
        Ok(())
    }

    /// Moves the last reading into the rows, which are about to be changed by what stands there.
    pub(super) fn all_changed(&mut self) -> Result<(), StoreError> {
        let last = self.last()?;
        self.move_to_rows(last.stamps.values(), last.counts.values())?;
        self.keep.execute([None::<Vec<u8>>])?;
        Ok(())
    }

    fn last(&mut self) -> rusqlite::Result<Reading> {
        let packed: Option<Vec<u8>> = self.kept.query_row([], |row| row.get(0))?;
        Reading::unpacked_or_none(packed.as_deref())
    }

    fn move_to_rows<'a>(
        &mut self,
        stamps: impl Iterator<Item = &'a Stamp>,
        mut counts: impl Iterator<Item = &'a Usage>,
    ) -> Result<(), StoreError> {
        for stamp in stamps {
            set_meter(&mut self.settle_meter, stamp)?;
        }
        counts.try_for_each(|count| {
            self.settle_session.execute([int(count.session.0), bytes(count.up), bytes(count.down)])?;
            Ok(())
        })
    }
}

/// `statement` makes a row of `meter`, or changes it.
pub(super) fn set_meter(statement: &mut Statement<'_>, stamp: &Stamp) -> Result<(), StoreError> {
    statement.execute(params![
        int(stamp.entitlement.0),
        int(stamp.at.as_millis()),
        millis(stamp.used),
        stamp.validity_left.map(millis),
        stamp.expires.map(Wall::as_secs),
        bytes(stamp.bytes_up),
        bytes(stamp.bytes_down),
        millis(stamp.downtime),
    ])?;
    Ok(())
}

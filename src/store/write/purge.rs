//! What is too old, as SQL: rows that go, and what stays of a code that is used up.
//!
//! Owns: what goes with a session, with a purchase, with a part of the trail; the files that may still hold it: see
//! [`Since`]. Never: what is too old (`read/overdue.rs`).
//!
//! SQLite overwrites what it deletes (`secure_delete`), but for copies of a row in pages that were divided. Hence
//! the sealed addresses that went are looked for in the file, which is made anew if one is found: once in a month or so.

use rusqlite::{Connection, Statement, params};

use super::int;
use super::persons::{COPY_DUE, FORGOTTEN};
use crate::domain::{End, EntitlementId, OldTrail, Overdue, SessionId};
use crate::ordered::OrdSet;
use crate::store::StoreError;
use crate::store::leftovers::Mark;
use crate::store::vault;

/// What was deleted since the files were last made anew.
#[derive(Clone, Debug, Default)]
pub(in crate::store) enum Since {
    #[default]
    Nothing,
    /// Devices, and keys of days, with these marks.
    Purged(OrdSet<Mark>),
    /// A person, or nobody knows what.
    Anything,
}

impl Since {
    fn went(&mut self, mark: Option<Mark>) {
        if let Self::Purged(marks) = self {
            marks.extend(mark);
        }
    }
}

/// The statements that purge.
pub(super) struct Purge<'c> {
    mac_of: Statement<'c>,
    drop_session: Statement<'c>,
    empty_last_session: Statement<'c>,
    drop_devices: Statement<'c>,
    empty_entitlement: Statement<'c>,
    drop_entitlement: Statement<'c>,
    codes_of: Statement<'c>,
    empty_voucher: Statement<'c>,
    drop_proof: Statement<'c>,
    drop_claims: Statement<'c>,
    drop_trail: Statement<'c>,
    set_base: Statement<'c>,
    is_copy_due: Statement<'c>,
    copy_due: Statement<'c>,
    since: Since,
}

impl<'c> Purge<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            mac_of: conn.prepare("SELECT mac FROM session WHERE id = ?1")?,
            drop_session: conn
                .prepare("DELETE FROM session WHERE id = ?1 AND id < (SELECT max(id) FROM session)")?,
            empty_last_session: conn.prepare(
                "UPDATE session SET mac = x'', forgotten = 1, closed = ?2, why = NULL, bytes_up = 0,
                   bytes_down = 0, lasted = 0, at = 0, terms = NULL WHERE id = ?1",
            )?,
            drop_devices: conn.prepare("DELETE FROM device WHERE entitlement = ?1 RETURNING mac")?,
            empty_entitlement: conn.prepare(
                "UPDATE entitlement SET hint = NULL, opened = ?2, used = 0, validity_left = NULL, expires = NULL,
                   bytes_up = 0, bytes_down = 0 WHERE id = ?1 AND ended IS NOT NULL",
            )?,
            drop_entitlement: conn.prepare(
                "DELETE FROM entitlement WHERE id = ?1 AND ended IS NOT NULL AND code IS NULL
                   AND id < (SELECT max(id) FROM entitlement)
                   AND NOT EXISTS (SELECT 1 FROM top_up WHERE entitlement = ?1)",
            )?,
            // An account may have been used again since, or paid for again.
            codes_of: conn.prepare(
                "SELECT v.key FROM voucher v WHERE v.entitlement = ?1
                   AND v.key IN (SELECT code FROM entitlement WHERE id = ?1
                                 UNION SELECT code FROM top_up WHERE entitlement = ?1)
                   AND v.key NOT IN (SELECT key FROM renewed)",
            )?,
            empty_voucher: conn.prepare(
                "UPDATE voucher SET hint = '', kept_hint = NULL
                 WHERE key = ?1 AND (hint <> '' OR kept_hint IS NOT NULL)",
            )?,
            drop_proof: conn.prepare("DELETE FROM proof WHERE key = ?1")?,
            drop_claims: conn.prepare("DELETE FROM claim WHERE reference = ?1 AND NOT opens(mac)")?,
            drop_trail: conn.prepare("DELETE FROM audit WHERE seq <= ?1")?,
            set_base: conn.prepare("UPDATE meta SET audit_base = ?1, audit_base_hash = ?2")?,
            is_copy_due: conn.prepare("SELECT 1 FROM meta WHERE copied = ?1")?,
            copy_due: conn.prepare("UPDATE meta SET copied = ?1")?,
            since: Since::Nothing,
        })
    }

    pub(super) fn purged(&mut self, overdue: &Overdue) -> Result<(), StoreError> {
        if matches!(self.since, Since::Nothing) {
            // What an earlier run left undone is not known.
            let is_due = self.is_copy_due.exists([COPY_DUE])?;
            self.since = if is_due { Since::Anything } else { Since::Purged(OrdSet::new()) };
        }
        for session in &overdue.sessions {
            self.session_gone(*session)?;
        }
        for purchase in &overdue.purchases {
            self.purchase_gone(*purchase)?;
        }
        for claim in &overdue.claims {
            self.drop_claims.execute([claim.0])?;
        }
        if let Some(OldTrail { until: End { seq, hash }, .. }) = &overdue.trail {
            self.drop_trail.execute([int(*seq)])?;
            self.set_base.execute(params![int(*seq), hash])?;
        }
        self.copy_due.execute([COPY_DUE])?;
        Ok(())
    }

    fn session_gone(&mut self, SessionId(id): SessionId) -> Result<(), StoreError> {
        let mac: Vec<u8> = self.mac_of.query_row([int(id)], |row| row.get(0))?;
        if self.drop_session.execute([int(id)])? == 0 {
            self.empty_last_session.execute([int(id), FORGOTTEN])?;
        }
        self.since.went(vault::mark(&mac));
        Ok(())
    }

    fn purchase_gone(&mut self, EntitlementId(id): EntitlementId) -> Result<(), StoreError> {
        for mac in self.drop_devices.query_map([int(id)], |row| row.get::<_, Vec<u8>>(0))? {
            self.since.went(vault::mark(&mac?));
        }
        if self.drop_entitlement.execute([int(id)])? == 1 {
            return Ok(());
        }
        self.empty_entitlement.execute([int(id), FORGOTTEN])?;
        let keys = self.codes_of.query_map([int(id)], |row| row.get::<_, [u8; 16]>(0))?;
        for key in keys.collect::<Result<Vec<_>, _>>()? {
            self.empty_voucher.execute([key])?;
            self.drop_proof.execute([key])?;
        }
        Ok(())
    }

    pub(super) fn keys_went(&mut self, marks: impl Iterator<Item = Mark>) {
        marks.for_each(|mark| self.since.went(Some(mark)));
    }

    /// What was deleted since the last call of [`Purge::made_anew`].
    pub(super) fn since(&self) -> &Since {
        &self.since
    }

    /// A person was forgotten.
    pub(super) fn forgot(&mut self) {
        self.since = Since::Anything;
    }

    /// The files hold nothing of it any more.
    pub(super) fn made_anew(&mut self) {
        self.since = Since::Nothing;
    }
}

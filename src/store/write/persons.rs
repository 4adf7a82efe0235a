//! Persons who are forgotten, as SQL: rows that go, and rows that stay without the person.
//!
//! Owns: what of each table is a person's. Never: who the person is; `read/persons.rs` looks that up. The files are
//! made anew after it: see [`COPY_DUE`].
//!
//! Sessions stay as amounts under an alias, because totals and the cloud's books count them; purchases that were
//! begun stay as the reason why their code opens nothing any more. Neither says when it was.

use rusqlite::{Connection, Row, Statement, params};

use super::codes::Codes;
use super::int;
use super::outbox::Outbox;
use crate::domain::{CodeKey, EntitlementId, Forgetter, Forgotten, Mac, RowName, Wall};
use crate::store::StoreError;
use crate::store::read::NOBODY;

/// In place of the time of what was a person's. No clock of a gateway says so.
pub(in crate::store) const FORGOTTEN: i64 = -1;
/// In place of the time of the last good copy: it, and every other file, may hold what was forgotten since.
pub(in crate::store) const COPY_DUE: i64 = -1;
const A_DAY: i64 = 24 * 60 * 60;

/// The statements that forget persons.
pub(super) struct Persons<'c> {
    sessions: Statement<'c>,
    empty_session: Statement<'c>,
    devices: Statement<'c>,
    rename_device: Statement<'c>,
    drop_devices: Statement<'c>,
    unbind_device: Statement<'c>,
    drop_claims_of: Statement<'c>,
    drop_claims_on: Statement<'c>,
    unblock: Statement<'c>,
    drop_of_nobody: [Statement<'c>; 2],
    empty_entitlement: Statement<'c>,
    redeemed: Statement<'c>,
    empty_voucher: Statement<'c>,
    drop_proof: Statement<'c>,
    drop_renewal: Statement<'c>,
    copy_due: Statement<'c>,
}

/// Drops what is left of guests who had themselves forgotten on the day of their trial, when that day is over by
/// `now`. Whether there was something.
pub(in crate::store) fn drop_trials_of_forgotten(conn: &Connection, now: Wall) -> rusqlite::Result<bool> {
    let over = now.as_secs().saturating_sub(A_DAY);
    let gone = conn.execute(
        "DELETE FROM device WHERE entitlement IN
           (SELECT e.id FROM entitlement e JOIN session s ON s.entitlement = e.id
            WHERE e.origin = 'trial' AND e.opened < ?1 AND s.forgotten = 1)",
        [over],
    )?;
    Ok(gone > 0)
}

impl<'c> Persons<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            sessions: conn.prepare(
                "SELECT id, substr(unsealed('session.mac', id, mac), 1, 6), entitlement FROM session
                 WHERE forgotten = 0",
            )?,
            empty_session: conn.prepare(
                "UPDATE session SET mac = sealed('session.mac', id, with_time(?2, ?3)), forgotten = 1, closed = ?3,
                   lasted = 0, at = 0, terms = NULL WHERE id = ?1",
            )?,
            devices: conn.prepare(
                "SELECT entitlement, mac, unsealed('device.mac', entitlement, mac) FROM device",
            )?,
            // Where a row of it is what it had for free, it stays as long as that is remembered.
            rename_device: conn.prepare(
                "UPDATE device SET mac = sealed('device.mac', entitlement, ?3)
                 WHERE entitlement = ?1 AND mac = ?2 AND NOT (?4 AND entitlement IN
                   (SELECT id FROM entitlement WHERE origin = 'trial'))",
            )?,
            // Beyond the places that there are, as in the Gate.
            unbind_device: conn.prepare(
                "DELETE FROM device WHERE entitlement = ?1 AND mac = ?2
                   AND (SELECT count(*) FROM device WHERE entitlement = ?1)
                     > (SELECT max(devices, bound_devices) FROM entitlement WHERE id = ?1)",
            )?,
            drop_devices: conn.prepare("DELETE FROM device WHERE entitlement = ?1")?,
            drop_claims_of: conn.prepare(
                "DELETE FROM claim WHERE substr(unsealed('claim.mac', reference, mac), 1, 6) = ?1",
            )?,
            drop_claims_on: conn.prepare("DELETE FROM claim WHERE reference = ?1")?,
            unblock: conn
                .prepare("DELETE FROM blocked WHERE unsealed('blocked.mac', NULL, mac) = ?1")?,
            drop_of_nobody: [
                conn.prepare("DELETE FROM claim WHERE unsealed('claim.mac', reference, mac) IS NULL")?,
                conn.prepare("DELETE FROM blocked WHERE unsealed('blocked.mac', NULL, mac) IS NULL")?,
            ],
            empty_entitlement: conn.prepare(
                "UPDATE entitlement SET hint = NULL, opened = ?2, validity_left = NULL, expires = NULL
                 WHERE id = ?1",
            )?,
            redeemed: conn.prepare("SELECT key, entitlement FROM voucher WHERE entitlement IS NOT NULL")?,
            empty_voucher: conn
                .prepare("UPDATE voucher SET hint = '', kept_hint = NULL WHERE key = ?1")?,
            drop_proof: conn.prepare("DELETE FROM proof WHERE key = ?1")?,
            drop_renewal: conn.prepare("DELETE FROM renewed WHERE key = ?1")?,
            copy_due: conn.prepare("UPDATE meta SET copied = ?1")?,
        })
    }

    pub(super) fn forgotten(
        &mut self,
        gone: &Forgotten,
        codes: &mut Codes<'c>,
        outbox: &mut Outbox<'c>,
    ) -> Result<(), StoreError> {
        let traces = &gone.traces;
        self.empty_sessions(gone)?;
        for id in &traces.entitlements {
            self.drop_devices.execute([int(id.0)])?;
            self.empty_entitlement.execute([int(id.0), FORGOTTEN])?;
        }
        self.unbind_or_rename(gone)?;
        for mac in &traces.devices {
            match gone.who {
                Forgetter::Keeper => {
                    self.drop_claims_of.execute([mac.bytes()])?;
                    self.unblock.execute([mac.bytes()])?;
                }
                // Its claims were closed before, by records of their own.
                Forgetter::Guest => {}
            }
        }
        if traces.everybody {
            for statement in &mut self.drop_of_nobody {
                statement.execute([])?;
            }
        }
        for reference in &traces.references {
            self.drop_claims_on.execute([reference.0])?;
        }
        for key in self.codes_of(gone)? {
            self.empty_voucher.execute([key.0])?;
            self.drop_proof.execute([key.0])?;
            self.drop_renewal.execute([key.0])?;
        }
        for key in &traces.rows {
            codes.gone(&RowName::Voucher(*key))?;
        }
        outbox.forget(gone)?;
        self.copy_due()
    }

    pub(super) fn copy_due(&mut self) -> Result<(), StoreError> {
        self.copy_due.execute([COPY_DUE])?;
        Ok(())
    }

    fn unbind_or_rename(&mut self, gone: &Forgotten) -> Result<(), StoreError> {
        let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let rows = self.devices.query_map([], row)?;
        let rows: Vec<(i64, Vec<u8>, Option<[u8; 6]>)> = rows.collect::<Result<_, _>>()?;
        let by_guest = gone.who == Forgetter::Guest;
        for (entitlement, field, mac) in rows {
            let Some(mac) = mac.map(Mac::new).filter(|mac| gone.traces.devices.contains(mac)) else {
                continue;
            };
            if self.unbind_device.execute(params![entitlement, field])? == 0 {
                let alias = gone.alias.of(mac).bytes();
                self.rename_device.execute(params![entitlement, field, alias, by_guest])?;
            }
        }
        Ok(())
    }

    fn empty_sessions(&mut self, gone: &Forgotten) -> Result<(), StoreError> {
        let all = self.sessions.query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, EntitlementId(row.get::<_, i64>(2)?.unsigned_abs())))
        })?;
        let all: Vec<(i64, Option<[u8; 6]>, EntitlementId)> = all.collect::<Result<_, _>>()?;
        for (id, mac, of) in all {
            let mac = mac.map(Mac::new);
            if mac.map_or(gone.traces.everybody, |mac| gone.traces.has_use(mac, of)) {
                let alias = gone.alias.of(mac.unwrap_or(NOBODY)).bytes();
                self.empty_session.execute(params![id, alias, FORGOTTEN])?;
            }
        }
        Ok(())
    }

    /// The codes of what was bought, also of what made it larger.
    fn codes_of(&mut self, gone: &Forgotten) -> Result<Vec<CodeKey>, StoreError> {
        let of = |id: i64| gone.traces.entitlements.contains(&EntitlementId(id.unsigned_abs()));
        let mut found = Vec::new();
        let mut rows = self.redeemed.query([])?;
        while let Some(row) = rows.next()? {
            if of(row.get(1)?) {
                found.push(CodeKey(row.get(0)?));
            }
        }
        Ok(found)
    }
}

//! What was sold, as SQL: entitlements, their meters and devices, sessions.
//!
//! Owns: the statements for these tables. Never: whose a code is; `codes.rs` is asked for that, and for the
//! names of plans and batches. Neighbour: `read.rs` is the way back.

use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::codes::Codes;
use super::readings::set_meter;
use super::{FORGOTTEN, bytes, ending_word, int, millis, rate};
use crate::domain::{
    Acceptance, Boot, Closing, Ending, Entitlement, EntitlementId, Mac, Session, SessionId, Stamp, Terms,
    Traffic, Wall,
};
use crate::ordered::OrdSet;
use crate::store::StoreError;

/// The statements that write what was sold.
pub(super) struct Sales<'c> {
    open_entitlement: Statement<'c>,
    open_meter: Statement<'c>,
    stamp: Statement<'c>,
    end_entitlement: Statement<'c>,
    end_meter: Statement<'c>,
    resume: Statement<'c>,
    validity: Statement<'c>,
    set_terms: Statement<'c>,
    prolong: Statement<'c>,
    unbind: Statement<'c>,
    bind: Statement<'c>,
    date: Statement<'c>,
    open_session: Statement<'c>,
    close_session: Statement<'c>,
    accept_terms: Statement<'c>,
    date_sessions: Statement<'c>,
    redate_meters: Statement<'c>,
    redate_sessions: Statement<'c>,
}

impl<'c> Sales<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            open_entitlement: conn.prepare(
                "INSERT INTO entitlement (id, origin, code, hint, batch, opened, plan, metered, validity,
                   data_total, data_up, data_down, rate_up, rate_down, devices, bound_devices,
                   idle_timeout, count_offline)
                 VALUES (?1, ?2, ?3, sealed('entitlement.hint', ?1, ?4), ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
                   ?14, ?15, ?16, ?17, ?18)",
            )?,
            open_meter: conn.prepare(
                "INSERT INTO meter (entitlement, at, used, validity_left, expires, bytes_up, bytes_down, downtime)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            stamp: conn.prepare(
                "UPDATE meter SET at = ?2, used = ?3, validity_left = ?4, expires = ?5, bytes_up = ?6,
                   bytes_down = ?7, downtime = ?8 WHERE entitlement = ?1",
            )?,
            end_entitlement: conn.prepare(
                "UPDATE entitlement SET ended = ?2, used = ?3, validity_left = ?4, expires = ?5,
                   bytes_up = ?6, bytes_down = ?7 WHERE id = ?1 AND ended IS NULL",
            )?,
            end_meter: conn.prepare("DELETE FROM meter WHERE entitlement = ?1")?,
            resume: conn.prepare(
                "UPDATE entitlement SET ended = NULL, used = NULL, validity_left = NULL, expires = NULL,
                   bytes_up = NULL, bytes_down = NULL WHERE id = ?1 AND ended IS NOT NULL",
            )?,
            validity: conn.prepare("SELECT validity FROM entitlement WHERE id = ?1 AND ended IS NULL")?,
            set_terms: conn.prepare(
                "UPDATE entitlement SET metered = ?2, validity = ?3, data_total = ?4, data_up = ?5,
                   data_down = ?6, rate_up = ?7, rate_down = ?8, devices = ?9, bound_devices = ?10,
                   idle_timeout = ?11, count_offline = ?12 WHERE id = ?1",
            )?,
            prolong: conn.prepare(
                "UPDATE meter SET validity_left = validity_left + ?2, expires = expires + ?3
                 WHERE entitlement = ?1",
            )?,
            unbind: conn.prepare("DELETE FROM device WHERE entitlement = ?1")?,
            bind: conn.prepare(
                "INSERT INTO device (entitlement, mac) SELECT ?1, sealed('device.mac', ?1, ?2)
                 WHERE NOT EXISTS (SELECT 1 FROM device
                   WHERE entitlement = ?1 AND unsealed('device.mac', entitlement, mac) = ?2)",
            )?,
            date: conn.prepare("UPDATE entitlement SET opened = ?2 WHERE id = ?1 AND opened <> ?3")?,
            open_session: conn.prepare(
                "INSERT INTO session (id, entitlement, mac, forgotten, bytes_up, bytes_down, lasted, at)
                 VALUES (?1, ?2, sealed('session.mac', ?1, with_time(?3, ?4)), 0, ?5, ?6, ?7, ?8)",
            )?,
            accept_terms: conn.prepare("UPDATE session SET terms = sealed('session.terms', id, with_time(?2, ?3)) WHERE id = ?1")?,
            close_session: conn.prepare(
                "UPDATE session SET closed = ?2, why = ?3, bytes_up = ?4, bytes_down = ?5
                 WHERE id = ?1 AND closed IS NULL",
            )?,
            date_sessions: conn.prepare("UPDATE session SET closed = ?2 WHERE closed >= ?1 AND closed <> ?2")?,
            redate_meters: conn.prepare(
                "UPDATE meter SET at = ?1, downtime = 0, validity_left = max(0, validity_left
                   - max(0, (SELECT reached FROM meta) - at))",
            )?,
            redate_sessions: conn.prepare(
                "UPDATE session SET at = ?1, lasted = lasted + max(0, (SELECT reached FROM meta) - at)
                 WHERE closed IS NULL",
            )?,
        })
    }

    /// One code, one entitlement: the second one is refused here too, whatever the domain thought.
    pub(super) fn opened(&mut self, new: &Entitlement, codes: &mut Codes<'c>) -> Result<(), StoreError> {
        if let Some(code) = new.code {
            codes.redeem(code, new.id)?;
        }
        let plan = codes.name(new.plan.as_str())?;
        let batch = new.batch.as_ref().map(|batch| codes.name(batch.as_str())).transpose()?;
        self.open_entitlement.execute(params_with_terms![
            int(new.id.0),
            new.origin.word(),
            new.code.map(|code| code.0),
            new.hint.as_str(),
            batch,
            new.opened.as_secs(),
            plan;
            new.terms;
        ])?;
        set_meter(&mut self.open_meter, new.last_stamp())?;
        new.bound.iter().try_for_each(|mac| self.bound(new.id, *mac))
    }

    /// What has ended has no meter any more, and keeps the figures of its end.
    pub(super) fn stamped(&mut self, stamp: &Stamp) -> Result<(), StoreError> {
        set_meter(&mut self.stamp, stamp)
    }

    pub(super) fn ended(&mut self, stamp: &Stamp, how: Ending) -> Result<(), StoreError> {
        self.end_entitlement.execute(params![
            int(stamp.entitlement.0),
            ending_word(how),
            millis(stamp.used),
            stamp.validity_left.map(millis),
            stamp.expires.map(Wall::as_secs),
            bytes(stamp.bytes_up),
            bytes(stamp.bytes_down),
        ])?;
        self.end_meter.execute([int(stamp.entitlement.0)])?;
        Ok(())
    }

    /// What has ended has a meter again.
    pub(super) fn resumed(&mut self, again: &Entitlement) -> Result<(), StoreError> {
        if self.resume.execute([int(again.id.0)])? == 0 {
            return Err(StoreError::Contradiction(format!("{} goes on, and has not ended", again.id)));
        }
        self.set_terms.execute(params_with_terms![int(again.id.0); again.terms;])?;
        set_meter(&mut self.open_meter, again.last_stamp())
    }

    /// What is left of validity grows as its whole does.
    pub(super) fn grown(&mut self, id: EntitlementId, terms: &Terms) -> Result<(), StoreError> {
        let before: Option<Option<i64>> =
            self.validity.query_row([int(id.0)], |row| row.get(0)).optional()?;
        let Some(before) = before else {
            return Err(StoreError::Contradiction(format!("{id} grows, and is not there")));
        };
        self.set_terms.execute(params_with_terms![int(id.0); terms;])?;
        let more = (terms.validity.map_or(0, millis) - before.unwrap_or(0)).max(0);
        self.prolong.execute([int(id.0), more, (more + 999) / 1000])?;
        Ok(())
    }

    pub(super) fn bound(&mut self, entitlement: EntitlementId, mac: Mac) -> Result<(), StoreError> {
        self.bind.execute(params![int(entitlement.0), mac.bytes()])?;
        Ok(())
    }

    /// Those and no others.
    pub(super) fn only_bound(
        &mut self,
        entitlement: EntitlementId,
        bound: &OrdSet<Mac>,
    ) -> Result<(), StoreError> {
        self.unbind.execute([int(entitlement.0)])?;
        bound.iter().try_for_each(|mac| self.bound(entitlement, *mac))
    }

    /// Of one that is forgotten nothing is told any more.
    pub(super) fn dated(&mut self, entitlement: EntitlementId, opened: Wall) -> Result<(), StoreError> {
        self.date.execute([int(entitlement.0), opened.as_secs(), FORGOTTEN])?;
        Ok(())
    }

    pub(super) fn session_opened(&mut self, new: &Session) -> Result<(), StoreError> {
        self.open_session.execute(params![
            int(new.id.0),
            int(new.entitlement.0),
            new.mac.bytes(),
            new.since.as_secs(),
            bytes(new.used.up),
            bytes(new.used.down),
            millis(new.lasted),
            int(new.at.as_millis()),
        ])?;
        Ok(())
    }

    pub(super) fn terms_accepted(&mut self, id: SessionId, terms: Acceptance) -> Result<(), StoreError> {
        self.accept_terms.execute(params![int(id.0), terms.version.0.to_be_bytes(), terms.at.as_secs()])?;
        Ok(())
    }

    pub(super) fn session_closed(
        &mut self,
        session: SessionId,
        at: Wall,
        why: Closing,
        used: Traffic,
    ) -> Result<(), StoreError> {
        let (up, down) = (bytes(used.up), bytes(used.down));
        self.close_session.execute(params![int(session.0), at.as_secs(), why.word(), up, down])?;
        Ok(())
    }

    /// What is said to have closed at `from` or later closed at `to`.
    pub(super) fn sessions_dated(&mut self, from: Wall, to: Wall) -> Result<(), StoreError> {
        self.date_sessions.execute([from.as_secs(), to.as_secs()])?;
        Ok(())
    }

    /// A new boot began at `at`. Goes by what the last one had reached, so that must not be set yet.
    pub(super) fn redate(&mut self, at: Boot) -> Result<(), StoreError> {
        let at = [int(at.as_millis())];
        self.redate_meters.execute(at)?;
        self.redate_sessions.execute(at)?;
        Ok(())
    }
}

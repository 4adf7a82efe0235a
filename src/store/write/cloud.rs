//! What the cloud wants, as SQL: its plans, how far its feed was read, commands, blocked devices; claims of
//! payments that it has to confirm; serials of codes that it issued unseen.
//!
//! Owns: the statements for these tables. Never: rows of the feed (`codes.rs`), facts for the cloud
//! (`outbox.rs`).

use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::{bytes, millis, rate};
use crate::domain::{
    Bridged, Claim, CloudId, Generation, Issued, Mac, Plan, PlanId, PlanNumber, ReferenceKey, Stand,
    UsedSerials, Walk, Wall,
};
use crate::store::StoreError;

/// The statements that write what the cloud wants.
pub(super) struct Cloud<'c> {
    put_plan: Statement<'c>,
    drop_plan: Statement<'c>,
    drop_old_plans: Statement<'c>,
    set_feed: Statement<'c>,
    set_in_force: Statement<'c>,
    put_claim: Statement<'c>,
    drop_claim: Statement<'c>,
    find_serials: Statement<'c>,
    put_serials: Statement<'c>,
    set_issued: Statement<'c>,
    add_command: Statement<'c>,
    drop_old_commands: Statement<'c>,
    block: Statement<'c>,
}

impl<'c> Cloud<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            put_plan: conn.prepare(
                "INSERT OR REPLACE INTO plan (id, generation, title, price, currency, activate_by, metered,
                   validity, data_total, data_up, data_down, rate_up, rate_down, devices, bound_devices,
                   idle_timeout, count_offline, number)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
            )?,
            drop_plan: conn.prepare("DELETE FROM plan WHERE id = ?1")?,
            drop_old_plans: conn.prepare("DELETE FROM plan WHERE generation < ?1")?,
            set_feed: conn
                .prepare("UPDATE feed SET at = ?1, resetting = ?2, highest = ?3, generation = ?4")?,
            set_in_force: conn.prepare("UPDATE feed SET in_force = ?1")?,
            put_claim: conn.prepare(
                "INSERT INTO claim (reference, mac, bridged, awaits, terms)
                 VALUES (?1, sealed('claim.mac', ?1, with_time(?2, ?3)), ?4, ?5,
                   CASE WHEN ?6 IS NOT NULL THEN sealed('claim.terms', ?1, with_time(?6, ?7)) END)",
            )?,
            drop_claim: conn.prepare(
                "DELETE FROM claim
                 WHERE reference = ?1 AND substr(unsealed('claim.mac', reference, mac), 1, 6) = ?2",
            )?,
            find_serials: conn.prepare(SERIALS)?,
            put_serials: conn
                .prepare("INSERT OR REPLACE INTO serial (issuer, chunk, used) VALUES (?1, ?2, ?3)")?,
            set_issued: conn.prepare("UPDATE meta SET issued_day = ?1, issued_count = ?2")?,
            add_command: conn.prepare("INSERT INTO command (id) VALUES (?1) ON CONFLICT DO NOTHING")?,
            drop_old_commands: conn
                .prepare("DELETE FROM command WHERE number <= (SELECT max(number) FROM command) - ?1")?,
            block: conn.prepare(
                "INSERT INTO blocked (mac) SELECT sealed('blocked.mac', NULL, ?1)
                 WHERE NOT EXISTS (SELECT 1 FROM blocked WHERE unsealed('blocked.mac', NULL, mac) = ?1)",
            )?,
        })
    }

    pub(super) fn plan_put(&mut self, plan: &Plan, generation: Generation) -> Result<(), StoreError> {
        let title = serde_json::to_string(&plan.title).map_err(|error| StoreError::Io(error.to_string()))?;
        self.put_plan.execute(params_with_terms![
            plan.id.as_str(),
            generation.0,
            title,
            plan.price,
            plan.currency,
            plan.activate_by.map(Wall::as_secs);
            plan.terms;
            plan.number.map(PlanNumber::get),
        ])?;
        Ok(())
    }

    pub(super) fn plan_gone(&mut self, id: &PlanId) -> Result<(), StoreError> {
        self.drop_plan.execute([id.as_str()])?;
        Ok(())
    }

    pub(super) fn reset_ended(&mut self, generation: Generation) -> Result<(), StoreError> {
        self.drop_old_plans.execute([generation.0])?;
        self.set_in_force.execute([generation.0])?;
        Ok(())
    }

    pub(super) fn feed_read(&mut self, stand: &Stand, generation: Generation) -> Result<(), StoreError> {
        let [at, highest] = [stand.at, stand.highest].map(|cursor| cursor.map(|cursor| cursor.to_string()));
        self.set_feed.execute(params![at, stand.walk == Walk::Resetting, highest, generation.0])?;
        Ok(())
    }

    pub(super) fn claim_opened(&mut self, claim: &Claim) -> Result<(), StoreError> {
        self.claim_closed(claim.reference, claim.mac)?;
        self.put_claim.execute(params![
            claim.reference.0,
            claim.mac.bytes(),
            claim.since.as_secs(),
            claim.bridged == Bridged::Provisionally,
            claim.awaits.word(),
            claim.accepted.map(|accepted| accepted.version.0.to_be_bytes()),
            claim.accepted.map(|accepted| accepted.at.as_secs()),
        ])?;
        Ok(())
    }

    pub(super) fn claim_closed(&mut self, reference: ReferenceKey, mac: Mac) -> Result<(), StoreError> {
        self.drop_claim.execute(params![reference.0, mac.bytes()])?;
        Ok(())
    }

    /// One serial, one redemption: the second one is refused here too, whatever the domain thought.
    pub(super) fn serial_used(&mut self, issued: Issued, day: u32, count: u32) -> Result<(), StoreError> {
        let (issuer, chunk) = (issued.key.get(), issued.serial.chunk());
        let row = self.find_serials.query_row([issuer, chunk], |row| row.get(0)).optional()?;
        let mut used = row.map_or(UsedSerials::none(), UsedSerials::new);
        if used.has(issued.serial) {
            return Err(StoreError::Contradiction("a serial is used twice".to_owned()));
        }
        used.mark(issued.serial);
        self.put_serials.execute(params![issuer, chunk, used.bytes()])?;
        self.set_issued.execute([day, count])?;
        Ok(())
    }

    pub(super) fn command_done(&mut self, id: &CloudId) -> Result<(), StoreError> {
        self.add_command.execute([id.as_str()])?;
        self.drop_old_commands.execute([COMMANDS])?;
        Ok(())
    }

    pub(super) fn device_blocked(&mut self, mac: Mac) -> Result<(), StoreError> {
        self.block.execute([mac.bytes()])?;
        Ok(())
    }
}

/// Which serials of a chunk were used.
pub(in crate::store) const SERIALS: &str = "SELECT used FROM serial WHERE issuer = ?1 AND chunk = ?2";

/// Commands remembered: a cloud repeats only its latest.
const COMMANDS: u32 = 1024;

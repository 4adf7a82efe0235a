//! Records as SQL.
//!
//! Owns: the statements that write, prepared once, and how domain values become column values.
//! Never: transactions; `thread.rs` decides what is committed together.
//! Neighbours: `schema.rs` says what the columns mean, `read.rs` is the way back.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::StoreError;
use crate::domain::{
    Boot, BootId, Bps, Bytes, Closing, Downtime, Ending, Entitlement, EntitlementId, Mac, Record, Session,
    SessionId, Stamp, Traffic, Usage, Voucher, VoucherState, Wall,
};

/// The statements that write.
pub(super) struct Writer<'c> {
    find_name: Statement<'c>,
    add_name: Statement<'c>,
    find_lot: Statement<'c>,
    add_lot: Statement<'c>,
    count_lot: Statement<'c>,
    add_voucher: Statement<'c>,
    redeem: Statement<'c>,
    revoke: Statement<'c>,
    open_entitlement: Statement<'c>,
    open_meter: Statement<'c>,
    stamp: Statement<'c>,
    end_entitlement: Statement<'c>,
    end_meter: Statement<'c>,
    bind: Statement<'c>,
    open_session: Statement<'c>,
    close_session: Statement<'c>,
    stamp_session: Statement<'c>,
    raise_floor: Statement<'c>,
    set_boot: Statement<'c>,
    set_uplink: Statement<'c>,
    set_reached: Statement<'c>,
    redate: Statement<'c>,
}

impl<'c> Writer<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            find_name: conn.prepare("SELECT id FROM name WHERE text = ?1")?,
            add_name: conn.prepare("INSERT INTO name (text) VALUES (?1) RETURNING id")?,
            find_lot: conn.prepare(
                "SELECT id FROM lot WHERE plan = ?1 AND made = ?2 AND batch IS ?3 AND activate_by IS ?4",
            )?,
            add_lot: conn.prepare(
                "INSERT INTO lot (plan, made, batch, activate_by, vouchers) VALUES (?1, ?2, ?3, ?4, 0)
                 RETURNING id",
            )?,
            count_lot: conn.prepare("UPDATE lot SET vouchers = vouchers + ?2 WHERE id = ?1")?,
            add_voucher: conn.prepare(
                "INSERT INTO voucher (key, lot, hint, entitlement, revoked) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (key) DO NOTHING",
            )?,
            redeem: conn
                .prepare("UPDATE voucher SET entitlement = ?2 WHERE key = ?1 AND entitlement IS NULL")?,
            revoke: conn.prepare("UPDATE voucher SET revoked = 1 WHERE key = ?1")?,
            open_entitlement: conn.prepare(
                "INSERT INTO entitlement (id, origin, code, hint, batch, opened, plan, metered, validity,
                   data_total, data_up, data_down, rate_up, rate_down, devices, bound_devices,
                   idle_timeout, count_offline)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
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
            bind: conn
                .prepare("INSERT INTO device (entitlement, mac) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?,
            open_session: conn
                .prepare("INSERT INTO session (id, entitlement, mac, since) VALUES (?1, ?2, ?3, ?4)")?,
            close_session: conn
                .prepare("UPDATE session SET closed = ?2, why = ?3, bytes_up = ?4, bytes_down = ?5 WHERE id = ?1 AND closed IS NULL")?,
            stamp_session: conn
                .prepare("UPDATE session SET bytes_up = ?2, bytes_down = ?3 WHERE id = ?1 AND closed IS NULL")?,
            raise_floor: conn.prepare("UPDATE meta SET floor = ?1 WHERE floor < ?1")?,
            set_boot: conn.prepare(
                "UPDATE meta SET boot = ?1, reached = ?2, uplink = 'unknown', uplink_since = ?2, downtime = 0",
            )?,
            set_uplink: conn.prepare("UPDATE meta SET uplink = ?1, uplink_since = ?2, downtime = ?3")?,
            set_reached: conn.prepare("UPDATE meta SET reached = ?1")?,
            redate: conn.prepare(
                "UPDATE meter SET at = ?1, downtime = 0, validity_left = max(0, validity_left
                   - max(0, (SELECT reached FROM meta) - at))",
            )?,
        })
    }

    /// Writes one record into the transaction that is open.
    pub(super) fn write(&mut self, record: &Record) -> Result<(), StoreError> {
        match record {
            Record::VouchersMade(vouchers) => self.vouchers_made(vouchers)?,
            Record::VoucherRevoked(key) => {
                self.revoke.execute([key.0])?;
            }
            Record::EntitlementOpened(entitlement) => self.entitlement_opened(entitlement)?,
            Record::EntitlementStamped(stamp) => self.stamped(stamp)?,
            Record::EntitlementEnded { stamp, how } => self.ended(stamp, *how)?,
            Record::DeviceBound { entitlement, mac } => self.bound(*entitlement, *mac)?,
            Record::SessionOpened(session) => self.session_opened(session)?,
            Record::SessionClosed { session, at, why, used } => {
                self.session_closed(*session, *at, *why, *used)?;
            }
            Record::SessionStamped(usage) => self.session_stamped(*usage)?,
            Record::UplinkChanged(downtime) => self.uplink_changed(*downtime)?,
            Record::BootReached(boot) => {
                self.set_reached.execute([int(boot.as_millis())])?;
            }
            Record::FloorRaised(floor) => {
                self.raise_floor.execute([floor.as_secs()])?;
            }
            Record::BootChanged { boot, at } => self.boot_changed(boot, *at)?,
            // Kept in memory only.
            Record::TryFailed { .. } | Record::SessionCounted(_) | Record::DeviceSeen { .. } => {}
        }
        Ok(())
    }

    /// In the order of their keys: that is how they lie in the table, so each page is changed once.
    fn vouchers_made(&mut self, vouchers: &[Voucher]) -> Result<(), StoreError> {
        let mut sorted: Vec<&Voucher> = vouchers.iter().collect();
        sorted.sort_unstable_by_key(|voucher| voucher.key);
        let mut lots: Vec<(&Voucher, i64, usize)> = Vec::new();
        for voucher in sorted {
            let known = lots.iter().rposition(|(like, ..)| same_lot(like, voucher));
            let place = match known {
                Some(place) => place,
                None => {
                    lots.push((voucher, self.lot(voucher)?, 0));
                    lots.len() - 1
                }
            };
            if let Some((_, lot, count)) = lots.get_mut(place) {
                *count += self.add_voucher.execute(params![
                    voucher.key.0,
                    *lot,
                    voucher.hint.as_str(),
                    voucher.entitlement.map(|id| int(id.0)),
                    voucher.state == VoucherState::Revoked,
                ])?;
            }
        }
        for (_, lot, count) in lots.into_iter().filter(|(.., count)| *count > 0) {
            self.count_lot.execute(params![lot, int(count as u64)])?;
        }
        Ok(())
    }

    fn lot(&mut self, of: &Voucher) -> rusqlite::Result<i64> {
        let plan = self.name(of.plan.as_str())?;
        let batch = of.batch.as_ref().map(|batch| self.name(batch.as_str())).transpose()?;
        let columns = params![plan, of.made.as_secs(), batch, of.activate_by.map(Wall::as_secs)];
        match self.find_lot.query_row(columns, |row| row.get(0)).optional()? {
            Some(lot) => Ok(lot),
            None => self.add_lot.query_row(columns, |row| row.get(0)),
        }
    }

    fn name(&mut self, text: &str) -> rusqlite::Result<i64> {
        match self.find_name.query_row([text], |row| row.get(0)).optional()? {
            Some(name) => Ok(name),
            None => self.add_name.query_row([text], |row| row.get(0)),
        }
    }

    /// One code, one entitlement: the second one is refused here too, whatever the domain thought.
    fn entitlement_opened(&mut self, new: &Entitlement) -> Result<(), StoreError> {
        if let Some(code) = new.code
            && self.redeem.execute(params![code.0, int(new.id.0)])? != 1
        {
            let what = format!("the code of {} does not exist, or belongs to another entitlement", new.id);
            return Err(StoreError::Contradiction(what));
        }
        let plan = self.name(new.plan.as_str())?;
        let batch = new.batch.as_ref().map(|batch| self.name(batch.as_str())).transpose()?;
        let terms = &new.terms;
        self.open_entitlement.execute(params![
            int(new.id.0),
            new.origin.word(),
            new.code.map(|code| code.0),
            new.hint.as_str(),
            batch,
            new.opened.as_secs(),
            plan,
            terms.metered.map(millis),
            terms.validity.map(millis),
            terms.data.total.map(bytes),
            terms.data.up.map(bytes),
            terms.data.down.map(bytes),
            terms.up.map(rate),
            terms.down.map(rate),
            terms.devices,
            terms.bound_devices,
            terms.idle_timeout.map(millis),
            terms.count_while_uplink_down,
        ])?;
        set_meter(&mut self.open_meter, new.last_stamp())?;
        new.bound.iter().try_for_each(|mac| self.bound(new.id, *mac))
    }

    /// What has ended has no meter any more, and keeps the figures of its end.
    fn stamped(&mut self, stamp: &Stamp) -> Result<(), StoreError> {
        set_meter(&mut self.stamp, stamp)
    }

    fn ended(&mut self, stamp: &Stamp, how: Ending) -> Result<(), StoreError> {
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

    fn bound(&mut self, entitlement: EntitlementId, mac: Mac) -> Result<(), StoreError> {
        self.bind.execute(params![int(entitlement.0), mac.bytes()])?;
        Ok(())
    }

    fn session_opened(&mut self, new: &Session) -> Result<(), StoreError> {
        let columns = params![int(new.id.0), int(new.entitlement.0), new.mac.bytes(), new.since.as_secs()];
        self.open_session.execute(columns)?;
        Ok(())
    }

    fn session_closed(
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

    fn session_stamped(&mut self, usage: Usage) -> Result<(), StoreError> {
        self.stamp_session.execute([int(usage.session.0), bytes(usage.up), bytes(usage.down)])?;
        Ok(())
    }

    /// The meters go by what the last boot had reached, so they come first.
    fn boot_changed(&mut self, boot: &BootId, at: Boot) -> Result<(), StoreError> {
        let at = int(at.as_millis());
        self.redate.execute([at])?;
        self.set_boot.execute(params![boot.as_str(), at])?;
        Ok(())
    }

    fn uplink_changed(&mut self, downtime: Downtime) -> Result<(), StoreError> {
        let (state, before) = (downtime.state, millis(downtime.before));
        self.set_uplink.execute(params![state.uplink.word(), int(state.since.as_millis()), before])?;
        Ok(())
    }
}

/// `statement` makes a row of `meter`, or changes it.
fn set_meter(statement: &mut Statement<'_>, stamp: &Stamp) -> Result<(), StoreError> {
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

/// The word kept for an ending.
pub(super) fn ending_word(how: Ending) -> &'static str {
    match how {
        Ending::Spent => "spent",
        Ending::Expired => "expired",
        Ending::Revoked => "revoked",
    }
}

fn same_lot(a: &Voucher, b: &Voucher) -> bool {
    (&a.plan, &a.batch, a.made, a.activate_by) == (&b.plan, &b.batch, b.made, b.activate_by)
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

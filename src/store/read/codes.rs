//! Rows of what guests redeem, as domain values: codes, payments and accounts.
//!
//! Owns: the one statement that finds them, and their counts. Never: how far one is used up; its entitlement
//! says that. Neighbour: `write/codes.rs` is the way there.

use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

use super::{ending, kind, number, phone, text, unsigned, wall};
use crate::domain::{BatchId, CodeKey, Ending, EntitlementId, Hint, Proof, Voucher, VoucherState, Wall};
use crate::store::{Stock, StoreError, VoucherCounts, write};

const VOUCHER: &str = "
    SELECT v.key, plan.text, batch.text, l.activate_by, l.made,
      ifnull(CAST(unsealed('voucher.kept_hint', v.key, v.kept_hint) AS TEXT), v.hint), v.entitlement, v.revoked,
      e.ended, l.kind, v.id, CAST(unsealed('proof.phone', p.key, p.phone) AS TEXT),
      CAST(unsealed('proof.pin', p.key, p.pin) AS TEXT), r.key IS NOT NULL, p.key IS NOT NULL
    FROM voucher v JOIN lot l ON l.id = v.lot JOIN name plan ON plan.id = l.plan
    LEFT JOIN name batch ON batch.id = l.batch LEFT JOIN entitlement e ON e.id = v.entitlement
    LEFT JOIN proof p ON p.key = v.key LEFT JOIN renewed r ON r.key = v.key";

/// What holds of a row that a reset has not ended. Rows that were redeemed outlive their feed.
const IN_FORCE: &str =
    "(v.entitlement IS NOT NULL OR ifnull(l.generation >= (SELECT in_force FROM feed), 1))";

/// Looks up what was typed, by a statement prepared once.
pub(in crate::store) struct Finder<'c> {
    by_key: Statement<'c>,
}

impl<'c> Finder<'c> {
    pub(in crate::store) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self { by_key: conn.prepare(&format!("{VOUCHER} WHERE v.key = ?1 AND {IN_FORCE}"))? })
    }

    /// The rows of `keys`, in their order.
    pub(in crate::store) fn find(&mut self, keys: &[CodeKey]) -> Result<Vec<Option<Voucher>>, StoreError> {
        Ok(self.find_all(keys)?)
    }

    pub(super) fn find_all(&mut self, keys: &[CodeKey]) -> rusqlite::Result<Vec<Option<Voucher>>> {
        let look = |key: &CodeKey| self.by_key.query_row([key.0], voucher).optional();
        keys.iter().map(look).collect()
    }
}

/// All codes, or those of a batch, in the order of their lots.
pub(in crate::store) fn list(conn: &Connection, batch: Option<&BatchId>) -> Result<Vec<Voucher>, StoreError> {
    let sql = format!(
        "{VOUCHER} WHERE l.kind = 'voucher' AND (?1 IS NULL OR batch.text = ?1) AND {IN_FORCE}
         ORDER BY v.lot, v.key"
    );
    let mut statement = conn.prepare(&sql)?;
    let rows = statement.query_map([batch.map(BatchId::as_str)], voucher)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What became of the codes of a batch, or of all. Of whoever was forgotten it is not known when, nor of a code that made
/// something larger that was there.
pub(in crate::store) fn stock(conn: &Connection, batch: Option<&BatchId>) -> Result<Vec<Stock>, StoreError> {
    let sql = format!(
        "SELECT batch.text, plan.text, l.activate_by,
           count(CASE WHEN v.revoked = 0 AND v.entitlement IS NULL THEN 1 END),
           count(CASE WHEN v.revoked = 0 AND v.entitlement IS NOT NULL AND e.ended IS NULL THEN 1 END),
           count(CASE WHEN v.revoked = 0 AND e.ended = 'spent' THEN 1 END),
           count(CASE WHEN v.revoked = 0 AND e.ended = 'expired' THEN 1 END),
           count(CASE WHEN v.revoked = 1 OR e.ended = 'revoked' THEN 1 END),
           count(v.entitlement), min(CASE WHEN e.code = v.key THEN nullif(e.opened, ?2) END),
           max(CASE WHEN e.code = v.key THEN nullif(e.opened, ?2) END)
         FROM voucher v JOIN lot l ON l.id = v.lot JOIN name plan ON plan.id = l.plan
         LEFT JOIN name batch ON batch.id = l.batch LEFT JOIN entitlement e ON e.id = v.entitlement
         WHERE l.kind = 'voucher' AND (?1 IS NULL OR batch.text = ?1) AND {IN_FORCE}
         GROUP BY 1, 2, 3 ORDER BY 1, 2"
    );
    let mut statement = conn.prepare(&sql)?;
    let rows = statement.query_map(params![batch.map(BatchId::as_str), write::FORGOTTEN], stock_of)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether codes of a batch are rows of the feed.
pub(in crate::store) fn is_of_feed(conn: &Connection, batch: &BatchId) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM lot l JOIN name n ON n.id = l.batch
               WHERE n.text = ?1 AND l.kind = 'voucher' AND l.generation IS NOT NULL)";
    Ok(conn.query_row(sql, [batch.as_str()], |row| row.get(0))?)
}

fn stock_of(row: &Row<'_>) -> rusqlite::Result<Stock> {
    let moment = |at| -> rusqlite::Result<_> { Ok(row.get::<_, Option<i64>>(at)?.map(Wall::from_secs)) };
    Ok(Stock {
        batch: row.get::<_, Option<String>>(0)?.map(|batch| text(0, &batch)).transpose()?,
        plan: text(1, &row.get::<_, String>(1)?)?,
        activate_by: moment(2)?,
        unused: number(row, 3)?,
        active: number(row, 4)?,
        spent: number(row, 5)?,
        expired: number(row, 6)?,
        revoked: number(row, 7)?,
        used: number(row, 8)?,
        first: moment(9)?,
        last: moment(10)?,
    })
}

/// How many codes there are of each kind; touches no table that grows with those that are unused, but while what a
/// reset has ended is still to be cleared away.
pub(in crate::store) fn counts(conn: &Connection) -> Result<VoucherCounts, StoreError> {
    let count = |sql: &str| conn.query_row(sql, [], |row| number(row, 0));
    let made = count("SELECT ifnull(sum(vouchers), 0) FROM lot WHERE kind = 'voucher'")?;
    let withdrawn = count(&format!(
        "SELECT count(*) FROM voucher v CROSS JOIN lot l ON l.id = v.lot
         WHERE v.revoked = 1 AND v.entitlement IS NULL AND l.kind = 'voucher' AND {IN_FORCE}"
    ))?;
    let over = count(&format!(
        "SELECT count(*) FROM voucher v JOIN lot l ON l.id = v.lot WHERE l.kind = 'voucher' AND NOT {IN_FORCE}
           AND EXISTS (SELECT 1 FROM lot WHERE generation < (SELECT in_force FROM feed))"
    ))?;
    let open = "FROM meter m CROSS JOIN entitlement e ON e.id = m.entitlement";
    let opened = count(&format!("SELECT count(*) {open} WHERE e.code IS NOT NULL AND e.origin = 'voucher'"))?;
    let ended = |how: Ending| {
        let of = "SELECT count(*) FROM entitlement
                  WHERE code IS NOT NULL AND ended = ?1 AND origin = 'voucher'";
        conn.query_row(of, [write::ending_word(how)], |row| number(row, 0))
    };
    let topped = "FROM top_up t CROSS JOIN voucher v ON v.key = t.code CROSS JOIN lot l ON l.id = v.lot
                  CROSS JOIN entitlement e ON e.id = t.entitlement WHERE l.kind = 'voucher'";
    let topped_up = count(&format!("SELECT count(*) {topped}"))?;
    let topped_up_active = count(&format!("SELECT count(*) {topped} AND e.ended IS NULL"))?;
    let topped_up_spent = count(&format!("SELECT count(*) {topped} AND e.ended = 'spent'"))?;
    let spent = ended(Ending::Spent)?;
    // Its code is one of those that topped up what it went into.
    let merged = count(
        "SELECT count(*) FROM entitlement e CROSS JOIN top_up t ON t.code = e.code
         WHERE e.code IS NOT NULL AND e.ended = 'revoked' AND e.origin = 'voucher'",
    )?;
    let begun = opened + spent + ended(Ending::Expired)? + ended(Ending::Revoked)? + topped_up;
    Ok(VoucherCounts {
        unused: (made + merged).saturating_sub(begun + withdrawn + over),
        active: opened + topped_up_active,
        spent: spent + topped_up_spent,
    })
}

/// The codes that topped up what has not ended, or goes on. One that is withdrawn or was used again does not lead there.
pub(super) fn topped_up(conn: &Connection) -> rusqlite::Result<Vec<(CodeKey, EntitlementId)>> {
    conn.prepare(
        "SELECT t.code, t.entitlement FROM top_up t CROSS JOIN meter m ON m.entitlement = t.entitlement
         CROSS JOIN voucher v ON v.key = t.code
         WHERE v.revoked = 0 AND v.entitlement = t.entitlement ORDER BY t.code",
    )?
    .query_map([], |row| Ok((CodeKey(row.get(0)?), EntitlementId(number(row, 1)?))))?
    .collect()
}

/// The codes that lead to what has ended. One that is withdrawn or was paid for again does not.
pub(super) fn leading_to(conn: &Connection, id: EntitlementId) -> rusqlite::Result<Vec<CodeKey>> {
    conn.prepare(
        "SELECT v.key FROM (SELECT code FROM entitlement WHERE id = ?1 AND code IS NOT NULL
           UNION SELECT code FROM top_up WHERE entitlement = ?1) JOIN voucher v ON v.key = code
         WHERE v.entitlement = ?1 AND v.revoked = 0 AND NOT EXISTS (SELECT 1 FROM renewed r WHERE r.key = v.key)
         ORDER BY v.key",
    )?
    .query_map([write::int(id.0)], |row| Ok(CodeKey(row.get(0)?)))?
    .collect()
}

fn voucher(row: &Row<'_>) -> rusqlite::Result<Voucher> {
    let entitlement = row.get::<_, Option<i64>>(6)?.map(|id| unsigned(6, id)).transpose()?;
    let ended = row.get::<_, Option<String>>(8)?.map(|word| ending(8, &word)).transpose()?;
    let renewed: bool = row.get(13)?;
    let state = match (row.get::<_, bool>(7)?, entitlement, ended) {
        (false, Some(_), Some(_)) if renewed => VoucherState::Unused,
        (true, ..) => VoucherState::Revoked,
        (false, None, _) => VoucherState::Unused,
        (false, Some(_), None) => VoucherState::Active,
        (false, Some(_), Some(Ending::Spent)) => VoucherState::Spent,
        (false, Some(_), Some(Ending::Expired)) => VoucherState::Expired,
        (false, Some(_), Some(Ending::Revoked)) => VoucherState::Revoked,
    };
    let tail = row.get::<_, Option<String>>(11)?.map(|digits| phone(11, &digits)).transpose()?;
    let pin = row.get::<_, Option<String>>(12)?;
    // What proves it cannot be read: then nothing does, until the cloud says it anew.
    let lost = row.get::<_, bool>(14)?.then(|| Proof::Pin(String::new()));
    Ok(Voucher {
        key: CodeKey(row.get(0)?),
        kind: kind(9, &row.get::<_, String>(9)?)?,
        id: row.get::<_, Option<String>>(10)?.map(|id| text(10, &id)).transpose()?,
        proof: tail.map(Proof::Phone).or(pin.map(Proof::Pin)).or(lost),
        plan: text(1, &row.get::<_, String>(1)?)?,
        batch: row.get::<_, Option<String>>(2)?.map(|batch| text(2, &batch)).transpose()?,
        activate_by: row.get::<_, Option<i64>>(3)?.map(Wall::from_secs),
        made: wall(row, 4)?,
        hint: Hint::of(&row.get::<_, String>(5)?),
        entitlement: entitlement.map(EntitlementId),
        state,
    })
}

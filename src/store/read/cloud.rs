//! What came from the cloud and what waits to go there, as domain values.
//!
//! Owns: reading plans, the stand of the feed, its digest, the outbox, claims, used serials. Never: writes.
//! Neighbours: `write/cloud.rs` and `write/outbox.rs` are the way there.

use rusqlite::{Connection, OptionalExtension, Row};

use super::{Columns, NOBODY, acceptance, foreign, mac_and_time, macs, number, text, wall};
use crate::domain::{
    AccountKey, Awaits, Bridged, Claim, CloudId, CodeKey, Cursor, Generation, Issued, Kind, Mac, Plan,
    PlanNumber, PlanSource, ReferenceKey, RowName, Seq, Stand, UsedSerials, Walk, Wall,
};
use crate::store::{Outbox, StoreError, write};
use crate::wire::feed;

/// The cloud's plans.
pub(super) fn plans(conn: &Connection) -> rusqlite::Result<Vec<(Plan, Generation)>> {
    conn.prepare("SELECT * FROM plan ORDER BY id")?.query_map([], plan)?.collect()
}

fn plan(row: &Row<'_>) -> rusqlite::Result<(Plan, Generation)> {
    let columns = Columns(row);
    let mut plan = Plan::unlimited(text(0, &columns.get::<String>("id")?)?, PlanSource::Cloud);
    plan.title = serde_json::from_str(&columns.get::<String>("title")?).map_err(|_| foreign(2))?;
    plan.activate_by = columns.get::<Option<i64>>("activate_by")?.map(Wall::from_secs);
    let plan_number = columns.get::<Option<u8>>("number")?;
    plan.number = plan_number.map(|number| PlanNumber::new(number).ok_or_else(|| foreign(17))).transpose()?;
    plan.terms = columns.terms()?;
    plan.price = columns.get("price")?;
    plan.currency = columns.get("currency")?;
    Ok((plan, Generation(columns.get("generation")?)))
}

/// How far the feed was read, and the generation of its rows.
pub(super) fn feed(conn: &Connection) -> rusqlite::Result<(Stand, Generation)> {
    let cursor = |row: &Row<'_>, column| -> rusqlite::Result<Option<Cursor>> {
        row.get::<_, Option<String>>(column)?.map(|cursor| text(column, &cursor)).transpose()
    };
    conn.query_row("SELECT at, resetting, highest, generation FROM feed", [], |row| {
        let walk = if row.get(1)? { Walk::Resetting } else { Walk::Following };
        let stand = Stand { at: cursor(row, 0)?, walk, highest: cursor(row, 2)? };
        Ok((stand, Generation(row.get(3)?)))
    })
}

/// SHA-256 over the names of all rows of the feed; `None` while they are not known whole.
pub(in crate::store) fn digest(conn: &Connection) -> Result<Option<[u8; 32]>, StoreError> {
    let (stand, _) = feed(conn)?;
    if stand.at.is_none() || stand.walk == Walk::Resetting {
        return Ok(None);
    }
    let mut accounts = conn.prepare(ROWS)?;
    let mut payments = conn.prepare(ROWS)?;
    let mut plans = conn.prepare("SELECT id FROM plan ORDER BY id")?;
    let mut vouchers = conn.prepare(ROWS)?;
    // In the order of the names.
    let accounts =
        accounts.query_map([Kind::Account.word()], |row| Ok(RowName::Account(AccountKey(row.get(0)?))))?;
    let payments =
        payments.query_map([Kind::Payment.word()], |row| Ok(RowName::Payment(ReferenceKey(row.get(0)?))))?;
    let plans = plans.query_map([], |row| Ok(RowName::Plan(text(0, &row.get::<_, String>(0)?)?)))?;
    let vouchers =
        vouchers.query_map([Kind::Voucher.word()], |row| Ok(RowName::Voucher(CodeKey(row.get(0)?))))?;
    let mut failed = None;
    let names = accounts.chain(payments).chain(plans).chain(vouchers);
    let digest = feed::digest(names.map_while(|name| name.map_err(|error| failed = Some(error)).ok()));
    match failed {
        None => Ok(Some(digest)),
        Some(error) => Err(error.into()),
    }
}

/// The keys of the feed's rows of a kind; looks at no row if there are none.
const ROWS: &str = "
    SELECT v.key FROM voucher v CROSS JOIN lot l ON l.id = v.lot
    WHERE l.kind = ?1 AND l.generation >= (SELECT in_force FROM feed)
      AND EXISTS (SELECT 1 FROM lot WHERE kind = ?1 AND generation IS NOT NULL) ORDER BY v.key";

/// What waits, the oldest first, until that is `most` bytes; at least one.
pub(in crate::store) fn outbox(conn: &Connection, most: usize) -> Result<Outbox, StoreError> {
    let newest = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'";
    let newest = Seq(conn.query_row(newest, [], |row| number(row, 0))?);
    let mut statement = conn.prepare(
        "SELECT seq, CAST(unsealed('outbox.event', NULL, event) AS TEXT) FROM outbox ORDER BY seq",
    )?;
    let mut rows = statement.query([])?;
    let (mut found, mut bytes) = (Vec::new(), 0_usize);
    while let Some(row) = rows.next()? {
        let Some(event) = row.get::<_, Option<String>>(1)? else { continue };
        bytes = bytes.saturating_add(event.len());
        if bytes > most && !found.is_empty() {
            break;
        }
        found.push((Seq(number(row, 0)?), event));
    }
    Ok(Outbox { events: found, newest })
}

/// When the oldest of what waits became a fact.
pub(in crate::store) fn oldest(conn: &Connection) -> Result<Option<Wall>, StoreError> {
    let sql = "SELECT at FROM outbox ORDER BY seq LIMIT 1";
    Ok(conn.query_row(sql, [], |row| wall(row, 0)).optional()?)
}

/// Whether the cloud has yet to hear that one of `keys` was redeemed.
pub(in crate::store) fn is_unreported(conn: &Connection, keys: &[CodeKey]) -> Result<bool, StoreError> {
    let mut waits = conn.prepare("SELECT 1 FROM outbox WHERE code = ?1")?;
    for key in keys {
        if waits.exists([key.0])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Which serials were used, in their order.
pub(in crate::store) fn used_serials(conn: &Connection, of: &[Issued]) -> Result<Vec<bool>, StoreError> {
    let mut chunk = conn.prepare(write::SERIALS)?;
    let mut is_used = |issued: &Issued| -> Result<bool, StoreError> {
        let row = [issued.key.get(), issued.serial.chunk()];
        let used = chunk.query_row(row, |row| row.get(0)).optional()?;
        Ok(used.map(UsedSerials::new).is_some_and(|used| used.has(issued.serial)))
    };
    of.iter().map(&mut is_used).collect()
}

/// All claims.
pub(super) fn claims(conn: &Connection) -> rusqlite::Result<Vec<Claim>> {
    let claim = |row: &Row<'_>| {
        let bridged = if row.get(2)? { Bridged::Provisionally } else { Bridged::No };
        let ((mac, since), word) = (mac_and_time(row, 1)?, row.get::<_, String>(3)?);
        let awaits =
            Awaits::ALL.into_iter().find(|awaits| awaits.word() == word).ok_or_else(|| foreign(3))?;
        let accepted = acceptance(row, 4)?;
        Ok(Claim { reference: ReferenceKey(row.get(0)?), mac, since, awaits, bridged, accepted })
    };
    let mut claims = conn
        .prepare(
            "SELECT reference, unsealed('claim.mac', reference, mac), bridged, awaits,
               unsealed('claim.terms', reference, terms) FROM claim",
        )?
        .query_map([], claim)?
        .filter(|claim| claim.as_ref().map_or(true, |claim| claim.mac != NOBODY))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    claims.sort_unstable_by_key(|claim| (claim.reference, claim.mac));
    Ok(claims)
}

/// The commands carried out last, the oldest first.
pub(super) fn commands(conn: &Connection) -> rusqlite::Result<Vec<CloudId>> {
    conn.prepare("SELECT id FROM command ORDER BY number")?
        .query_map([], |row| text(0, &row.get::<_, String>(0)?))?
        .collect()
}

/// Devices that the cloud wants kept out.
pub(super) fn blocked(conn: &Connection) -> rusqlite::Result<Vec<Mac>> {
    let mut all = macs(conn, "SELECT unsealed('blocked.mac', NULL, mac) FROM blocked", [])?;
    all.sort_unstable();
    Ok(all)
}

/// The last day on which a code that proves itself was redeemed, and how many were.
pub(super) fn issued_on(conn: &Connection) -> rusqlite::Result<(u32, u32)> {
    conn.query_row("SELECT issued_day, issued_count FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))
}

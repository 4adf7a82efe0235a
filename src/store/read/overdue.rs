//! What is too old, as it is found in the tables.
//!
//! Owns: which rows are over. Never: from when on one is (`domain/retention.rs`), or what goes of it
//! (`write/purge.rs`).
//!
//! Sessions are found by an index. For what was bought whole tables are read, once a day or so; of the trail what is
//! before the first row that is surely old.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{audit, number};
use crate::domain::{Bound, End, EntitlementId, Limit, OldTrail, Overdue, ReferenceKey, SessionId, Wall};
use crate::store::StoreError;
use crate::store::write::{FORGOTTEN, int};

/// Whoever had it for free within a day is not to have it again.
const A_DAY: i64 = 24 * 60 * 60;

/// The next of what is over at `now`.
pub(in crate::store) fn overdue(conn: &Connection, bound: Bound, now: Wall) -> Result<Overdue, StoreError> {
    Ok(match bound.limit {
        Limit::Age { sessions, trail, claims } => Overdue {
            sessions: sessions_before(conn, sessions, bound.at_once)?,
            purchases: purchases_before(conn, sessions, bound.at_once)?,
            trail: trail_before(conn, trail, now, bound.at_once)?,
            claims: claims_before(conn, claims, bound.at_once)?,
        },
        Limit::Count { sessions, trail } => {
            let oldest_kept = oldest_of(conn, sessions)?;
            let (sessions, purchases) = match oldest_kept {
                Some(kept) => {
                    (sessions_until(conn, kept, bound.at_once)?, purchases_until(conn, kept, bound.at_once)?)
                }
                None => (Vec::new(), Vec::new()),
            };
            let trail = trail_beyond(conn, trail, bound.at_once)?;
            Overdue { sessions, purchases, trail, claims: Vec::new() }
        }
    })
}

/// Those of who was forgotten say no more when they were; they go with their neighbours.
fn sessions_before(conn: &Connection, before: Wall, most: u64) -> rusqlite::Result<Vec<SessionId>> {
    let mut found: Vec<SessionId> = conn
        .prepare("SELECT id FROM session WHERE closed > ?3 AND closed < ?1 ORDER BY closed LIMIT ?2")?
        .query_map([before.as_secs(), int(most), FORGOTTEN], session)?
        .collect::<Result<_, _>>()?;
    if let Some(latest) = found.iter().max().copied() {
        let older = conn
            .prepare("SELECT id FROM session WHERE closed = ?3 AND id < ?1 LIMIT ?2")?
            .query_map([int(latest.0), int(most), FORGOTTEN], session)?
            .collect::<Result<Vec<_>, _>>()?;
        found.extend(older);
    }
    Ok(found)
}

fn purchases_before(conn: &Connection, before: Wall, most: u64) -> rusqlite::Result<Vec<EntitlementId>> {
    conn.prepare(&format!(
        "SELECT e.id FROM entitlement e WHERE {OVER} AND e.opened < ?3 AND e.id NOT IN
           (SELECT entitlement FROM session WHERE closed IS NULL OR closed >= ?3)
         ORDER BY e.id LIMIT ?4"
    ))?
    .query_map(params![FORGOTTEN, A_DAY, before.as_secs(), int(most)], purchase)?
    .collect()
}

/// The others are the Gate's. Of these no more is known than the day on which they were sealed.
fn claims_before(conn: &Connection, before: Wall, most: u64) -> rusqlite::Result<Vec<ReferenceKey>> {
    conn.prepare(
        "SELECT DISTINCT reference FROM claim WHERE NOT opens(mac) AND day_of(mac) < ?1 / ?2 LIMIT ?3",
    )?
    .query_map([before.as_secs(), A_DAY, int(most)], |row| row.get(0).map(ReferenceKey))?
    .collect()
}

/// An entitlement that has ended and is somebody's still.
const OVER: &str = "e.ended IS NOT NULL AND e.opened <> ?1
    AND NOT (e.origin = 'trial' AND e.opened >= (SELECT floor FROM meta) - ?2)";

/// A session, and what it uses.
#[derive(Clone, Copy)]
struct Kept {
    session: i64,
    purchase: i64,
}

/// The oldest of the latest `most` sessions that are over, if there are older ones.
fn oldest_of(conn: &Connection, most: u64) -> rusqlite::Result<Option<Kept>> {
    let over =
        conn.query_row("SELECT count(*) FROM session WHERE closed IS NOT NULL", [], |row| number(row, 0))?;
    if over <= most {
        return Ok(None);
    }
    let kept = |row: &Row<'_>| Ok(Kept { session: row.get(0)?, purchase: row.get(1)? });
    let sql = "SELECT id, entitlement FROM session WHERE closed IS NOT NULL ORDER BY id LIMIT 1 OFFSET ?1";
    conn.query_row(sql, [int(over - most)], kept).optional()
}

/// In the order in which they opened: no clock has to be right for that.
fn sessions_until(conn: &Connection, kept: Kept, most: u64) -> rusqlite::Result<Vec<SessionId>> {
    conn.prepare("SELECT id FROM session WHERE closed IS NOT NULL AND id < ?1 ORDER BY id LIMIT ?2")?
        .query_map([kept.session, int(most)], session)?
        .collect()
}

fn purchases_until(conn: &Connection, kept: Kept, most: u64) -> rusqlite::Result<Vec<EntitlementId>> {
    conn.prepare(&format!(
        "SELECT e.id FROM entitlement e WHERE {OVER} AND e.id < ?3 AND e.id NOT IN
           (SELECT entitlement FROM session WHERE closed IS NULL OR id >= ?4)
         ORDER BY e.id LIMIT ?5"
    ))?
    .query_map(params![FORGOTTEN, A_DAY, kept.purchase, kept.session, int(most)], purchase)?
    .collect()
}

/// A clock that nobody trusted may have said too early a time, so what it has dated is as old as the next row that a
/// trusted one has, however far that is; what is dated after `now` was dated by a clock that was wrong, and says
/// nothing. Rows go from the beginning, so that what stays is a chain.
fn trail_before(
    conn: &Connection,
    before: Wall,
    now: Wall,
    most: u64,
) -> Result<Option<OldTrail>, StoreError> {
    let base = audit::base(conn)?;
    let mut rows = conn.prepare("SELECT seq, at, clock, hash FROM audit WHERE seq > ?1 ORDER BY seq")?;
    let mut rows = rows.query([int(base.seq)])?;
    let (mut read, mut at_once, mut found) = (0, None, None);
    while let Some(row) = rows.next()? {
        let at = row.get::<_, i64>(1)?;
        if (before.as_secs()..=now.as_secs()).contains(&at) {
            break;
        }
        read += 1;
        if read <= most {
            at_once = Some(OldTrail { rows: read, until: End { seq: number(row, 0)?, hash: row.get(3)? } });
        }
        if at < before.as_secs() && row.get::<_, String>(2)? == "trusted" {
            found.clone_from(&at_once);
            if read >= most {
                break;
            }
        }
    }
    Ok(found)
}

fn trail_beyond(conn: &Connection, most: u64, at_once: u64) -> Result<Option<OldTrail>, StoreError> {
    let (base, end) = (audit::base(conn)?, audit::end(conn)?);
    let rows = end.seq.saturating_sub(base.seq).saturating_sub(most).min(at_once);
    if rows == 0 {
        return Ok(None);
    }
    let last = conn
        .query_row("SELECT seq, hash FROM audit WHERE seq = ?1", [int(base.seq + rows)], |row| {
            Ok(End { seq: number(row, 0)?, hash: row.get(1)? })
        })
        .optional()?;
    Ok(last.map(|until| OldTrail { rows, until }))
}

fn session(row: &Row<'_>) -> rusqlite::Result<SessionId> {
    number(row, 0).map(SessionId)
}

fn purchase(row: &Row<'_>) -> rusqlite::Result<EntitlementId> {
    number(row, 0).map(EntitlementId)
}

//! The trail, as it stands in its table.
//!
//! Owns: its rows and its ends, read as they are, for somebody may have changed them. Never: judges them
//! (`domain/audit.rs`).

use rusqlite::{Connection, Row};

use super::{number, wall};
use crate::domain::{Broken, End, Noted, Verifier};
use crate::ordered::OrdSet;
use crate::store::StoreError;
use crate::store::write;

const ROWS: &str = "SELECT seq, at, clock, who, action, detail, hash FROM audit";

/// The last row.
pub(in crate::store) fn end(conn: &Connection) -> rusqlite::Result<End> {
    conn.query_row("SELECT audit_end, audit_end_hash FROM meta", [], an_end)
}

/// The row before the first that is kept.
pub(super) fn base(conn: &Connection) -> rusqlite::Result<End> {
    conn.query_row("SELECT audit_base, audit_base_hash FROM meta", [], an_end)
}

/// At most `most` rows, the latest, in the order of their numbers.
pub(in crate::store) fn latest(conn: &Connection, most: u64) -> Result<Vec<Noted>, StoreError> {
    let sql = format!("{ROWS} ORDER BY seq DESC LIMIT ?1");
    let mut rows =
        conn.prepare(&sql)?.query_map([write::int(most)], noted)?.collect::<Result<Vec<_>, _>>()?;
    rows.reverse();
    Ok(rows)
}

/// The rows that name any of `names`, which are sessions and entitlements.
pub(in crate::store) fn about(conn: &Connection, names: &OrdSet<String>) -> Result<Vec<Noted>, StoreError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = conn.prepare(&format!("{ROWS} ORDER BY seq"))?;
    let mut found = Vec::new();
    for row in statement.query_map([], noted)? {
        let row = row?;
        if row.detail.split([' ', ',']).any(|word| names.contains(word)) {
            found.push(row);
        }
    }
    Ok(found)
}

/// How many rows there are and which is the last, or where the trail is broken.
pub(in crate::store) fn verify(conn: &Connection) -> Result<Result<(u64, End), Broken>, StoreError> {
    let mut verifier = Verifier::from(base(conn)?);
    let mut statement = conn.prepare(&format!("{ROWS} ORDER BY seq"))?;
    for row in statement.query_map([], noted)? {
        if let Err(broken) = verifier.read(&row?) {
            return Ok(Err(broken));
        }
    }
    let end = end(conn)?;
    Ok(verifier.finish(&end).map(|rows| (rows, end)))
}

fn an_end(row: &Row<'_>) -> rusqlite::Result<End> {
    Ok(End { seq: number(row, 0)?, hash: row.get(1)? })
}

/// Also what no row can have been written as: it is not for this room to say that it was changed.
fn noted(row: &Row<'_>) -> rusqlite::Result<Noted> {
    let text = |at| {
        let bytes = row.get_ref(at)?.as_bytes()?;
        Ok::<_, rusqlite::Error>(str::from_utf8(bytes).map_or_else(|_| format!("{bytes:?}"), str::to_owned))
    };
    Ok(Noted {
        seq: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
        at: wall(row, 1)?,
        clock: text(2)?,
        who: text(3)?,
        action: text(4)?,
        detail: text(5)?,
        hash: text(6)?,
    })
}

//! Rows as domain values.
//!
//! Owns: every `SELECT`. A value that is not of the type, length or wording that `write.rs` writes is
//! damage. Never: writes. Neighbours: `schema.rs` says what the columns mean; `thread.rs` calls these between
//! its transactions; `codes.rs` reads what guests redeem, `cloud.rs` what comes from the cloud and goes there,
//! `persons.rs` what is whose, `overdue.rs` what is too old, `audit.rs` the trail.

pub(super) mod audit;
pub(super) mod cloud;
pub(super) mod codes;
pub(super) mod overdue;
pub(super) mod persons;

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

use rusqlite::types::{FromSql, FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Row};

use super::reading::Reading;
use super::{StoreError, write};
use crate::domain::{
    Acceptance, Boot, BootId, Bps, Bytes, CodeKey, DataCap, Downtime, Ending, Entitlement, EntitlementId,
    Hint, Kind, Mac, Now, Origin, Over, PhoneTail, Plan, PlanId, PlanSource, Restored, Session, SessionId,
    Stamp, Terms, TermsVersion, Traffic, Trust, Uplink, UplinkState, Wall,
};
use crate::ordered::OrdSet;

/// A device whose session closed within this time before the floor has paid lately; a trial is had for so long.
const LATELY: Duration = Duration::from_secs(24 * 60 * 60);

const ENTITLEMENT: &str = "
    SELECT e.id, e.origin, plan.text AS plan, e.metered, e.validity, e.data_total, e.data_up, e.data_down,
      e.rate_up, e.rate_down, e.devices, e.bound_devices, e.idle_timeout, e.count_offline, e.code,
      ifnull(CAST(unsealed('entitlement.hint', e.id, e.hint) AS TEXT), '') AS hint,
      batch.text AS batch, e.opened, ifnull(m.at, 0) AS at, ifnull(m.downtime, 0) AS downtime,
      ifnull(m.used, e.used) AS used,
      ifnull(m.validity_left, e.validity_left) AS validity_left, ifnull(m.expires, e.expires) AS expires,
      ifnull(m.bytes_up, e.bytes_up) AS bytes_up, ifnull(m.bytes_down, e.bytes_down) AS bytes_down";

const NAMES_OF_ENTITLEMENT: &str =
    "JOIN name plan ON plan.id = e.plan LEFT JOIN name batch ON batch.id = e.batch";

/// An entitlement and the devices that used it. The stamp of one that has ended is of no boot: its `at`
/// is 0.
pub(super) fn entitlement(
    conn: &Connection,
    id: EntitlementId,
) -> Result<Option<(Entitlement, Vec<Mac>)>, StoreError> {
    let sql = format!(
        "{ENTITLEMENT} FROM entitlement e LEFT JOIN meter m ON m.entitlement = e.id {NAMES_OF_ENTITLEMENT}
         WHERE e.id = ?1"
    );
    let key = [write::int(id.0)];
    let Some(mut found) = conn.query_row(&sql, key, entitlement_row).optional()? else { return Ok(None) };
    let is_open = |_: &Row<'_>| Ok(());
    if conn.query_row("SELECT 1 FROM meter WHERE entitlement = ?1", key, is_open).optional()?.is_some() {
        found = read_last(found, &Reading::kept(conn)?);
    }
    let bound = "SELECT unsealed('device.mac', entitlement, mac) FROM device WHERE entitlement = ?1";
    found.bound = macs(conn, bound, key)?.into_iter().collect();
    let online = "SELECT count(*) FROM session WHERE closed IS NULL AND entitlement = ?1";
    found.online = conn.query_row(online, key, |row| row.get(0))?;
    let used = "SELECT unsealed('session.mac', id, mac) FROM session WHERE entitlement = ?1";
    let mut devices: OrdSet<Mac> = macs(conn, used, key)?.into_iter().collect();
    devices.extend(found.bound.iter().copied());
    Ok(Some((found, devices.into_iter().collect())))
}

/// What has ended, of which the code that opened it still tells.
pub(super) fn over(conn: &Connection, id: EntitlementId) -> Result<Option<Over>, StoreError> {
    let key = [write::int(id.0)];
    let ended = conn
        .query_row(
            "SELECT ended FROM entitlement WHERE id = ?1 AND ended IS NOT NULL AND opened <> ?2",
            (key[0], write::FORGOTTEN),
            |row| ending(0, &row.get::<_, String>(0)?),
        )
        .optional()?;
    let (Some(how), Some((entitlement, _))) = (ended, self::entitlement(conn, id)?) else { return Ok(None) };
    let codes = codes::leading_to(conn, id)?;
    let is_whole = entitlement.code.is_none_or(|code| codes.contains(&code));
    Ok(is_whole.then_some(Over { entitlement, how, codes }))
}

/// Everything that still has something left.
pub(super) fn restored(conn: &Connection) -> Result<Restored, StoreError> {
    let clocks =
        conn.query_row("SELECT floor, boot, reached, uplink, uplink_since, downtime FROM meta", [], clocks)?;
    let reading = Reading::kept(conn)?;
    let sessions = open_sessions(conn, &reading)?;
    let mut online: HashMap<EntitlementId, u16> = HashMap::new();
    for session in &sessions {
        let count = online.entry(session.entitlement).or_default();
        *count = count.saturating_add(1);
    }
    let mut bound = bound_devices(conn)?;
    let mut entitlements = active_entitlements(conn, &reading)?;
    for entitlement in &mut entitlements {
        entitlement.online = online.get(&entitlement.id).copied().unwrap_or(0);
        entitlement.bound = bound.remove(&entitlement.id).unwrap_or_default();
    }
    let (stand, generation) = cloud::feed(conn)?;
    let last = |sql: &str| conn.query_row(sql, [], |row| number(row, 0));
    Ok(Restored {
        entitlements,
        sessions,
        recent: recent(conn, clocks.floor)?,
        floor: clocks.floor,
        boot: clocks.boot,
        reached: clocks.reached,
        uplink: clocks.uplink,
        last_entitlement: last("SELECT ifnull(max(id), 0) FROM entitlement")?,
        last_session: last("SELECT ifnull(max(id), 0) FROM session")?,
        plans: cloud::plans(conn)?,
        stand,
        generation,
        topped_up: codes::topped_up(conn)?,
        claims: cloud::claims(conn)?,
        commands: cloud::commands(conn)?,
        blocked: cloud::blocked(conn)?,
        trials: trials(conn, clocks.floor)?,
        issued_on: cloud::issued_on(conn)?,
        trail: audit::end(conn)?,
    })
}

/// What a start has to know of time.
struct Clocks {
    floor: Wall,
    boot: Option<BootId>,
    reached: Boot,
    uplink: Downtime,
}

fn clocks(row: &Row<'_>) -> rusqlite::Result<Clocks> {
    let moment = |column| number(row, column).map(Boot::from_millis);
    let state = UplinkState { uplink: uplink(3, &row.get::<_, String>(3)?)?, since: moment(4)? };
    Ok(Clocks {
        floor: wall(row, 0)?,
        boot: row.get::<_, Option<String>>(1)?.map(|boot| text(1, &boot)).transpose()?,
        reached: moment(2)?,
        uplink: Downtime { state, before: Duration::from_millis(number(row, 5)?) },
    })
}

/// One that has not ended, by the reading if that is younger than its row.
fn read_last(found: Entitlement, reading: &Reading) -> Entitlement {
    match reading.stamp_since(found.last_stamp().at, found.id) {
        Some(stamp) => found.with_stamp(stamp.clone()),
        None => found,
    }
}

fn active_entitlements(conn: &Connection, reading: &Reading) -> rusqlite::Result<Vec<Entitlement>> {
    let sql = format!(
        "{ENTITLEMENT} FROM meter m CROSS JOIN entitlement e ON e.id = m.entitlement {NAMES_OF_ENTITLEMENT}
         ORDER BY m.entitlement"
    );
    let row = |row: &Row<'_>| Ok(read_last(entitlement_row(row)?, reading));
    conn.prepare(&sql)?.query_map([], row)?.collect()
}

fn open_sessions(conn: &Connection, reading: &Reading) -> rusqlite::Result<Vec<Session>> {
    let session = |row: &Row<'_>| {
        let id = SessionId(number(row, 0)?);
        let used = Traffic { up: Bytes(number(row, 3)?), down: Bytes(number(row, 4)?) };
        let (mac, since) = mac_and_time(row, 2)?;
        Ok(Session {
            id,
            entitlement: EntitlementId(number(row, 1)?),
            mac,
            since,
            used: reading.count(id).unwrap_or(used),
            lasted: Duration::from_millis(number(row, 5)?),
            at: Boot::from_millis(number(row, 6)?),
            accepted: acceptance(row, 7)?,
        })
    };
    conn.prepare(
        "SELECT id, entitlement, unsealed('session.mac', id, mac), bytes_up, bytes_down, lasted, at,
           unsealed('session.terms', id, terms)
         FROM session WHERE closed IS NULL ORDER BY id",
    )?
    .query_map([], session)?
    .filter(|session| session.as_ref().map_or(true, |session| session.mac != NOBODY))
    .collect()
}

/// The version of the terms, and when they were accepted.
fn acceptance(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Acceptance>> {
    let field = row.get::<_, Option<Vec<u8>>>(column)?.unwrap_or_default();
    let both = field.split_first_chunk().and_then(|(version, at)| Some((version, at.first_chunk()?)));
    Ok(both.map(|(version, at)| Acceptance {
        version: TermsVersion(u32::from_be_bytes(*version)),
        at: Wall::from_secs(i64::from_be_bytes(*at)),
    }))
}

fn bound_devices(conn: &Connection) -> rusqlite::Result<HashMap<EntitlementId, OrdSet<Mac>>> {
    let mut bound: HashMap<EntitlementId, OrdSet<Mac>> = HashMap::new();
    let mut statement = conn.prepare(
        "SELECT d.entitlement, unsealed('device.mac', d.entitlement, d.mac) FROM meter m CROSS JOIN device d ON d.entitlement = m.entitlement",
    )?;
    let rows = statement.query_map([], |row| Ok((EntitlementId(number(row, 0)?), mac(row, 1)?)))?;
    for row in rows {
        let (entitlement, mac) = row?;
        if mac == NOBODY {
            continue;
        }
        bound.entry(entitlement).or_default().insert(mac);
    }
    Ok(bound)
}

/// Not with what is free, nor with what only bridged the wait for a payment: that opens for anybody.
fn recent(conn: &Connection, floor: Wall) -> rusqlite::Result<Vec<Mac>> {
    let recent = macs(
        conn,
        "SELECT unsealed('session.mac', s.id, s.mac) FROM session s CROSS JOIN entitlement e ON e.id = s.entitlement
         WHERE s.closed >= ?1 AND e.origin <> 'trial' AND NOT (e.origin = 'payment' AND e.code IS NULL)",
        [lately(floor)],
    )?;
    Ok(recent.into_iter().collect::<OrdSet<_>>().into_iter().collect())
}

/// A trial that no clock has dated yet is from after the floor.
fn trials(conn: &Connection, floor: Wall) -> rusqlite::Result<Vec<(Mac, EntitlementId, Wall)>> {
    conn.prepare(
        "SELECT unsealed('device.mac', d.entitlement, d.mac), e.id, e.opened FROM entitlement e CROSS JOIN device d ON d.entitlement = e.id
         WHERE e.origin = 'trial' AND e.opened >= ?1 ORDER BY e.id",
    )?
    .query_map([lately(floor)], |row| Ok((mac(row, 0)?, EntitlementId(number(row, 1)?), wall(row, 2)?)))?
    .filter(|trial| trial.as_ref().map_or(true, |(mac, ..)| *mac != NOBODY))
    .collect()
}

fn lately(floor: Wall) -> i64 {
    floor.as_secs().saturating_sub(LATELY.as_secs() as i64)
}

fn entitlement_row(row: &Row<'_>) -> rusqlite::Result<Entitlement> {
    let columns = Columns(row);
    let id = EntitlementId(columns.number("id")?);
    let plan: PlanId = text(0, &columns.get::<String>("plan")?)?;
    let opened = Wall::from_secs(columns.get("opened")?);
    let at = Now { boot: Boot::from_millis(columns.number("at")?), wall: opened, trust: Trust::Floor };
    let origin = origin(&columns.get::<String>("origin")?)?;
    let mut kept = Entitlement::of(id, origin, &Plan::unlimited(plan, PlanSource::File), at.into());
    kept.terms = columns.terms()?;
    kept.code = columns.get::<Option<[u8; 16]>>("code")?.map(CodeKey);
    kept.hint = Hint::of(&columns.get::<String>("hint")?);
    kept.batch = columns.get::<Option<String>>("batch")?.map(|batch| text(0, &batch)).transpose()?;
    let stamp = Stamp {
        entitlement: id,
        at: at.boot,
        downtime: Duration::from_millis(columns.number("downtime")?),
        used: Duration::from_millis(columns.number("used")?),
        validity_left: columns.span("validity_left")?,
        expires: columns.get::<Option<i64>>("expires")?.map(Wall::from_secs),
        bytes_up: Bytes(columns.number("bytes_up")?),
        bytes_down: Bytes(columns.number("bytes_down")?),
    };
    Ok(kept.with_stamp(stamp))
}

/// A row read by the names of its columns.
struct Columns<'r, 's>(&'r Row<'s>);

impl Columns<'_, '_> {
    fn get<T: FromSql>(&self, name: &str) -> rusqlite::Result<T> {
        self.0.get(name)
    }

    fn number(&self, name: &str) -> rusqlite::Result<u64> {
        unsigned(0, self.get(name)?)
    }

    fn optional(&self, name: &str) -> rusqlite::Result<Option<u64>> {
        self.get::<Option<i64>>(name)?.map(|n| unsigned(0, n)).transpose()
    }

    fn span(&self, name: &str) -> rusqlite::Result<Option<Duration>> {
        Ok(self.optional(name)?.map(Duration::from_millis))
    }

    /// What was promised: columns of the same names in `entitlement` and `plan`.
    fn terms(&self) -> rusqlite::Result<Terms> {
        Ok(Terms {
            metered: self.span("metered")?,
            validity: self.span("validity")?,
            data: DataCap {
                total: self.optional("data_total")?.map(Bytes),
                up: self.optional("data_up")?.map(Bytes),
                down: self.optional("data_down")?.map(Bytes),
            },
            down: self.optional("rate_down")?.map(Bps),
            up: self.optional("rate_up")?.map(Bps),
            devices: self.get("devices")?,
            bound_devices: self.get("bound_devices")?,
            idle_timeout: self.span("idle_timeout")?,
            count_while_uplink_down: self.get("count_offline")?,
        })
    }
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    unsigned(column, row.get(column)?)
}

fn unsigned(column: usize, n: i64) -> rusqlite::Result<u64> {
    u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, n))
}

fn wall(row: &Row<'_>, column: usize) -> rusqlite::Result<Wall> {
    row.get(column).map(Wall::from_secs)
}

/// In place of a device that is forgotten, or cannot be read.
pub(super) const NOBODY: Mac = Mac::new([0; 6]);

/// The devices, of column 0, that can be read.
fn macs(conn: &Connection, sql: &str, of: impl rusqlite::Params) -> rusqlite::Result<Vec<Mac>> {
    let all = conn.prepare(sql)?.query_map(of, |row| mac(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(all.into_iter().filter(|mac| *mac != NOBODY).collect())
}

fn mac(row: &Row<'_>, column: usize) -> rusqlite::Result<Mac> {
    Ok(mac_and_time(row, column)?.0)
}

/// What was sealed, with a time behind it or without one.
fn mac_and_time(row: &Row<'_>, column: usize) -> rusqlite::Result<(Mac, Wall)> {
    let field = row.get::<_, Option<Vec<u8>>>(column)?.unwrap_or_default();
    let Some((mac, time)) = field.split_first_chunk() else {
        return Ok((NOBODY, Wall::from_secs(write::FORGOTTEN)));
    };
    let time = time.first_chunk().map_or(write::FORGOTTEN, |time| i64::from_be_bytes(*time));
    Ok((Mac::new(*mac), Wall::from_secs(time)))
}

fn text<T: FromStr>(column: usize, text: &str) -> rusqlite::Result<T> {
    text.parse().map_err(|_| foreign(column))
}

fn origin(word: &str) -> rusqlite::Result<Origin> {
    let all = [Origin::Voucher, Origin::Payment, Origin::Manual, Origin::Trial, Origin::Cloud];
    all.into_iter().find(|origin| origin.word() == word).ok_or_else(|| foreign(1))
}

fn ending(column: usize, word: &str) -> rusqlite::Result<Ending> {
    let all = [Ending::Spent, Ending::Expired, Ending::Revoked];
    all.into_iter().find(|how| write::ending_word(*how) == word).ok_or_else(|| foreign(column))
}

fn uplink(column: usize, word: &str) -> rusqlite::Result<Uplink> {
    let all = [Uplink::Up, Uplink::Down, Uplink::Unknown];
    all.into_iter().find(|uplink| uplink.word() == word).ok_or_else(|| foreign(column))
}

fn phone(column: usize, digits: &str) -> rusqlite::Result<PhoneTail> {
    PhoneTail::of(digits).ok_or_else(|| foreign(column))
}

fn kind(column: usize, word: &str) -> rusqlite::Result<Kind> {
    let all = [Kind::Voucher, Kind::Payment, Kind::Account];
    all.into_iter().find(|kind| kind.word() == word).ok_or_else(|| foreign(column))
}

pub(super) fn foreign(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(FromSqlError::InvalidType))
}

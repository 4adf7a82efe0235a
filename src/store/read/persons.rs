//! Persons, as they are found in the tables.
//!
//! Owns: which rows are whose. Never: writes; `write/persons.rs` is what forgets them. What was forgotten is nobody's
//! and is not found again.
//!
//! No index leads from a device or a phone to its rows: flash would pay for it with every login. So whole tables are
//! read, which is a matter of a second at worst, and rare.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row};

use super::{
    NOBODY, acceptance, audit, cloud, codes, ending, mac, mac_and_time, number, origin, phone, text, wall,
};
use crate::domain::{
    Boot, Bytes, Claim, CodeKey, Dossier, EntitlementId, Hint, Kind, KnownDevice, Mac, Permission, Person,
    PhoneTail, Proof, Purchase, ReferenceKey, SessionId, Stamp, Traces, Traffic, Visit, VoucherState, Whom,
};
use crate::ordered::{OrdMap, OrdSet};
use crate::store::StoreError;
use crate::store::reading::Reading;
use crate::store::write::{self, FORGOTTEN};

/// Where `whom` left something.
pub(in crate::store) fn traces(conn: &Connection, whom: &Whom) -> Result<Traces, StoreError> {
    let tables = Tables::read(conn)?;
    match whom {
        Whom::Everybody => Ok(tables.all(conn)?),
        Whom::Person(person) => Ok(tables.of(conn, person)?),
    }
}

/// All that is stored of whoever left `traces`.
pub(in crate::store) fn dossier(conn: &Connection, traces: &Traces) -> Result<Dossier, StoreError> {
    let mut found = Tables::read(conn)?.dossier(conn, traces)?;
    let bought = found.purchases.iter().filter_map(|one| one.entitlement).map(|id| id.to_string());
    let visits = found.visits.iter().map(|visit| visit.session.to_string());
    found.deeds = audit::about(conn, &bought.chain(visits).collect())?;
    Ok(found)
}

/// What leads from one thing to another, by devices.
struct Tables {
    visits: Vec<Visit>,
    /// Devices that count against a bound.
    bound: Vec<(EntitlementId, Mac)>,
    claims: Vec<Claim>,
    blocked: OrdSet<Mac>,
}

impl Tables {
    fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let gone: OrdSet<Mac> = conn
            .prepare("SELECT unsealed('session.mac', id, mac) FROM session WHERE forgotten = 1")?
            .query_map([], |row| mac(row, 0))?
            .collect::<Result<_, _>>()?;
        let bound = conn
            .prepare("SELECT entitlement, unsealed('device.mac', entitlement, mac) FROM device")?
            .query_map([], |row| Ok((EntitlementId(number(row, 0)?), mac(row, 1)?)))?
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            visits: visits(conn)?,
            // An alias is nobody, also where what it was bound to went into something else.
            bound: bound.into_iter().filter(|row| row.1 != NOBODY && !gone.contains(&row.1)).collect(),
            claims: cloud::claims(conn)?,
            blocked: cloud::blocked(conn)?.into_iter().collect(),
        })
    }

    /// Which devices used what.
    fn uses(&self) -> impl Iterator<Item = (EntitlementId, Mac)> {
        let visits = self.visits.iter().map(|visit| (visit.entitlement, visit.mac));
        visits.chain(self.bound.iter().copied())
    }

    fn knows(&self, device: Mac) -> bool {
        self.uses().any(|(_, mac)| mac == device)
            || self.claims.iter().any(|claim| claim.mac == device)
            || self.blocked.contains(&device)
    }

    fn all(&self, conn: &Connection) -> rusqlite::Result<Traces> {
        let claimed = self.claims.iter().map(|claim| claim.mac);
        let entitlements = conn
            .prepare("SELECT id FROM entitlement WHERE opened <> ?1")?
            .query_map([FORGOTTEN], |row| Ok(EntitlementId(number(row, 0)?)))?
            .collect::<Result<_, _>>()?;
        let rows = conn
            .prepare(
                "SELECT v.key FROM voucher v JOIN lot l ON l.id = v.lot
                 WHERE v.entitlement IS NULL AND l.kind <> 'voucher'",
            )?
            .query_map([], |row| Ok(CodeKey(row.get(0)?)))?
            .collect::<Result<_, _>>()?;
        Ok(Traces {
            devices: self
                .uses()
                .map(|(_, mac)| mac)
                .chain(claimed)
                .chain(self.blocked.iter().copied())
                .collect(),
            entitlements,
            rows,
            references: self.claims.iter().map(|claim| claim.reference).collect(),
            everybody: true,
        })
    }

    fn of(&self, conn: &Connection, person: &Person) -> rusqlite::Result<Traces> {
        let mut found = by_keys(conn, person)?;
        if let Some(device) = person.mac {
            let alone = self.used_alone_by(device);
            match person.phone_last4 {
                // Of all that the device did, only what was paid by that phone.
                Some(tail) => {
                    let paid = by_phone(conn, tail)?.entitlements;
                    found.entitlements.extend(alone.intersection(&paid).copied());
                }
                None => {
                    found.entitlements.extend(alone);
                    found.devices.extend(self.knows(device).then_some(device));
                }
            }
        }
        let claimed = |key: &CodeKey| {
            let reference = ReferenceKey(key.0);
            self.claims.iter().any(|claim| claim.reference == reference).then_some(reference)
        };
        found.references = person.keys.iter().filter_map(claimed).collect();
        Ok(found)
    }

    /// What that device used, and no other one.
    fn used_alone_by(&self, device: Mac) -> OrdSet<EntitlementId> {
        let mut alone: OrdMap<EntitlementId, bool> = OrdMap::new();
        for (entitlement, mac) in self.uses() {
            *alone.entry(entitlement).or_insert(true) &= mac == device;
        }
        alone.into_iter().filter_map(|(id, alone)| alone.then_some(id)).collect()
    }

    fn dossier(self, conn: &Connection, of: &Traces) -> rusqlite::Result<Dossier> {
        let used: OrdSet<_> =
            self.uses().filter(|(_, mac)| of.devices.contains(mac)).map(|(id, _)| id).collect();
        let mut devices: OrdSet<Mac> =
            self.uses().filter(|(id, mac)| of.has_use(*mac, *id)).map(|(_, mac)| mac).collect();
        let claims: Vec<_> =
            self.claims.into_iter().filter(|claim| of.has_claim(claim.mac, claim.reference)).collect();
        devices.extend(claims.iter().map(|claim| claim.mac));
        devices.extend(self.blocked.intersection(&of.devices).copied());
        let standing =
            |mac| if self.blocked.contains(mac) { Permission::Blocked } else { Permission::Granted };
        let mut purchases = begun(conn, |id| of.entitlements.contains(&id) || used.contains(&id))?;
        purchases.extend(not_begun(conn, &of.rows)?);
        Ok(Dossier {
            devices: devices.iter().map(|mac| KnownDevice { mac: *mac, standing: standing(mac) }).collect(),
            purchases,
            visits: self.visits.into_iter().filter(|v| of.has_use(v.mac, v.entitlement)).collect(),
            claims,
            deeds: Vec::new(),
        })
    }
}

/// What was bought under the keys or, if there are none and no device, with the phone.
fn by_keys(conn: &Connection, person: &Person) -> rusqlite::Result<Traces> {
    let mut found = Traces::default();
    let mut look = codes::Finder::prepare(conn)?;
    let mut earlier = conn.prepare(
        "SELECT id FROM entitlement WHERE code = ?1 AND opened <> ?2
         UNION SELECT t.entitlement FROM top_up t JOIN entitlement e ON e.id = t.entitlement
         WHERE t.code = ?1 AND e.opened <> ?2",
    )?;
    for (key, row) in person.keys.iter().zip(look.find_all(&person.keys)?) {
        let paid_by = match row.as_ref().and_then(|row| row.proof.as_ref()) {
            Some(Proof::Phone(tail)) => Some(*tail),
            Some(Proof::Pin(_)) | None => None,
        };
        if person.phone_last4.is_some_and(|tail| paid_by != Some(tail)) {
            continue;
        }
        let bought = earlier.query_map((key.0, FORGOTTEN), |row| Ok(EntitlementId(number(row, 0)?)))?;
        found.entitlements.extend(bought.collect::<Result<Vec<_>, _>>()?);
        let is_begun = row.as_ref().is_none_or(|row| row.entitlement.is_some() || row.kind == Kind::Voucher);
        found.rows.extend((!is_begun).then_some(*key));
    }
    if let Some(tail) = person.phone_last4.filter(|_| person.is_vague()) {
        found = by_phone(conn, tail)?;
    }
    let mut went_in = conn.prepare(WENT_IN)?;
    for id in found.entitlements.clone() {
        let went_in =
            went_in.query_map((write::int(id.0), FORGOTTEN), |row| Ok(EntitlementId(number(row, 0)?)))?;
        found.entitlements.extend(went_in.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(found)
}

/// What went into an entitlement, which is to be forgotten with it.
const WENT_IN: &str = "
    SELECT e.id FROM top_up t JOIN entitlement e ON e.code = t.code
    WHERE t.entitlement = ?1 AND e.id <> t.entitlement AND e.ended = 'revoked' AND e.opened <> ?2";

/// Into which entitlement this one went: where two were made one.
pub(in crate::store) fn went_into(
    conn: &Connection,
    id: EntitlementId,
) -> Result<Option<EntitlementId>, StoreError> {
    let sql = "SELECT t.entitlement FROM entitlement e JOIN top_up t ON t.code = e.code
               WHERE e.id = ?1 AND e.id <> t.entitlement AND e.ended = 'revoked'";
    let into = conn.query_row(sql, [write::int(id.0)], |row| Ok(EntitlementId(number(row, 0)?)));
    Ok(into.optional()?)
}

fn by_phone(conn: &Connection, tail: PhoneTail) -> rusqlite::Result<Traces> {
    let digits = String::from_utf8_lossy(&tail.digits()).into_owned();
    let mut found = Traces::default();
    let mut paid = conn.prepare(
        "SELECT p.key, v.entitlement FROM proof p JOIN voucher v ON v.key = p.key
         WHERE CAST(unsealed('proof.phone', p.key, p.phone) AS TEXT) = ?1",
    )?;
    let mut rows = paid.query([digits])?;
    while let Some(row) = rows.next()? {
        match row.get::<_, Option<i64>>(1)? {
            Some(_) => drop(found.entitlements.insert(EntitlementId(number(row, 1)?))),
            None => drop(found.rows.insert(CodeKey(row.get(0)?))),
        }
    }
    Ok(found)
}

fn visits(conn: &Connection) -> rusqlite::Result<Vec<Visit>> {
    let reading = Reading::kept(conn)?;
    let visit = |row: &Row<'_>| {
        let session = SessionId(number(row, 0)?);
        let closed = row.get::<_, Option<i64>>(3)?.map(|_| wall(row, 3)).transpose()?;
        let used = Traffic { up: Bytes(number(row, 5)?), down: Bytes(number(row, 6)?) };
        let (mac, since) = mac_and_time(row, 2)?;
        Ok(Visit {
            session,
            entitlement: EntitlementId(number(row, 1)?),
            mac,
            since,
            closed,
            why: row.get(4)?,
            used: reading.count(session).filter(|_| closed.is_none()).unwrap_or(used),
            accepted: acceptance(row, 7)?,
        })
    };
    let sql = "SELECT id, entitlement, unsealed('session.mac', id, mac), closed, why, bytes_up, bytes_down,
                 unsealed('session.terms', id, terms)
               FROM session WHERE forgotten = 0 ORDER BY id";
    let known = |visit: &rusqlite::Result<Visit>| visit.as_ref().map_or(true, |visit| visit.mac != NOBODY);
    conn.prepare(sql)?.query_map([], visit)?.filter(known).collect()
}

fn begun(conn: &Connection, is_wanted: impl Fn(EntitlementId) -> bool) -> rusqlite::Result<Vec<Purchase>> {
    let sql = "SELECT e.id, e.origin, plan.text, batch.text,
                 ifnull(CAST(unsealed('entitlement.hint', e.id, e.hint) AS TEXT), ''),
                 CAST(unsealed('proof.phone', p.key, p.phone) AS TEXT), e.ended, e.opened,
                 ifnull(m.used, e.used), ifnull(m.bytes_up, e.bytes_up), ifnull(m.bytes_down, e.bytes_down),
                 ifnull(m.at, 0)
               FROM entitlement e JOIN name plan ON plan.id = e.plan LEFT JOIN name batch ON batch.id = e.batch
               LEFT JOIN meter m ON m.entitlement = e.id LEFT JOIN proof p ON p.key = e.code
               WHERE e.opened <> ?1 ORDER BY e.id";
    let reading = Reading::kept(conn)?;
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([FORGOTTEN])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id = EntitlementId(number(row, 0)?);
        if is_wanted(id) {
            let last = reading.stamp_since(Boot::from_millis(number(row, 11)?), id);
            found.push(read_last(purchase(row, id)?, last));
        }
    }
    Ok(found)
}

/// What has ended keeps the figures of its end.
fn read_last(found: Purchase, last: Option<&Stamp>) -> Purchase {
    match last.filter(|_| found.state == VoucherState::Active) {
        Some(last) => {
            Purchase { used: last.used, bytes_up: last.bytes_up, bytes_down: last.bytes_down, ..found }
        }
        None => found,
    }
}

fn purchase(row: &Row<'_>, id: EntitlementId) -> rusqlite::Result<Purchase> {
    let ended = row.get::<_, Option<String>>(6)?.map(|word| ending(6, &word)).transpose()?;
    Ok(Purchase {
        entitlement: Some(id),
        origin: origin(&row.get::<_, String>(1)?)?,
        plan: text(2, &row.get::<_, String>(2)?)?,
        batch: row.get::<_, Option<String>>(3)?.map(|batch| text(3, &batch)).transpose()?,
        hint: Hint::of(&row.get::<_, String>(4)?),
        phone: row.get::<_, Option<String>>(5)?.map(|digits| phone(5, &digits)).transpose()?,
        state: ended.map_or(VoucherState::Active, VoucherState::from),
        opened: Some(wall(row, 7)?),
        used: Duration::from_millis(number(row, 8)?),
        bytes_up: Bytes(number(row, 9)?),
        bytes_down: Bytes(number(row, 10)?),
    })
}

fn not_begun(conn: &Connection, keys: &OrdSet<CodeKey>) -> rusqlite::Result<Vec<Purchase>> {
    let keys: Vec<CodeKey> = keys.iter().copied().collect();
    let rows = codes::Finder::prepare(conn)?.find_all(&keys)?;
    let purchase = |row: crate::domain::Voucher| Purchase {
        entitlement: None,
        origin: row.kind.origin(),
        plan: row.plan,
        batch: row.batch,
        hint: row.hint,
        phone: match row.proof {
            Some(Proof::Phone(tail)) => Some(tail),
            Some(Proof::Pin(_)) | None => None,
        },
        state: row.state,
        opened: None,
        used: Duration::ZERO,
        bytes_up: Bytes(0),
        bytes_down: Bytes(0),
    };
    Ok(rows.into_iter().flatten().map(purchase).collect())
}

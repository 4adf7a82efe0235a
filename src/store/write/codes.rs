//! What guests redeem, as SQL: the rows of `voucher`, which are codes, payments and accounts, and their lots.
//!
//! Owns: the statements for `voucher`, `lot`, `name`, `proof`, `top_up`; that a row which was redeemed stays
//! so; that lots know how many rows they have, and go with the last one. Never: what an entitlement is.
//!
//! Rows are written in the order of their keys: that is how they lie in the table, so each page is changed once.

use rusqlite::{Connection, OptionalExtension, Row as Columns, Statement, params};

use super::{FORGOTTEN, int};
use crate::domain::{
    BatchId, CloudId, CodeKey, EntitlementId, Generation, Kind, PlanId, Proof, Row, RowName, Voucher,
    VoucherState, Wall,
};
use crate::store::StoreError;

/// The statements that write what guests redeem.
pub(super) struct Codes<'c> {
    find_name: Statement<'c>,
    add_name: Statement<'c>,
    find_lot: Statement<'c>,
    add_lot: Statement<'c>,
    find_released: Statement<'c>,
    add_released: Statement<'c>,
    count_lot: Statement<'c>,
    drop_empty_lot: Statement<'c>,
    in_force: Statement<'c>,
    has_old_lots: Statement<'c>,
    slice: Statement<'c>,
    release_lots: Statement<'c>,
    add: Statement<'c>,
    find: Statement<'c>,
    change: Statement<'c>,
    remove: Statement<'c>,
    set_proof: Statement<'c>,
    drop_proof: Statement<'c>,
    redeem: Statement<'c>,
    renew: Statement<'c>,
    reinstate: Statement<'c>,
    use_renewal: Statement<'c>,
    top_up: Statement<'c>,
    hand_over: Statement<'c>,
    revoke: Statement<'c>,
}

/// Rows that are looked at for clearing away between two commits: on flash, some dozen pages.
const SLICE: usize = 1000;

/// How far the clearing away has come: the key of the row that was looked at last.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct Sweep(Vec<u8>);

/// What the rows of a lot have in common.
#[derive(Clone, PartialEq, Eq)]
struct Lot {
    plan: PlanId,
    batch: Option<BatchId>,
    made: Wall,
    activate_by: Option<Wall>,
    kind: Kind,
    generation: Option<Generation>,
}

impl Lot {
    fn of(voucher: &Voucher, generation: Option<Generation>) -> Self {
        let Voucher { plan, batch, made, activate_by, kind, .. } = voucher.clone();
        Self { plan, batch, made, activate_by, kind, generation }
    }
}

/// The lots that a record touches, and how many rows more each of them has.
#[derive(Default)]
struct Lots(Vec<Touched>);

struct Touched {
    id: i64,
    /// None if nothing was put there, but taken away.
    lot: Option<Lot>,
    more: i64,
}

impl Lots {
    fn lost(&mut self, id: i64) {
        match self.0.iter_mut().find(|touched| touched.id == id) {
            Some(touched) => touched.more -= 1,
            None => self.0.push(Touched { id, lot: None, more: -1 }),
        }
    }

    fn got(&mut self, id: i64) {
        if let Some(touched) = self.0.iter_mut().find(|touched| touched.id == id) {
            touched.more += 1;
        }
    }
}

/// A row as it is before it is put again.
struct Present {
    lot: i64,
    made: Wall,
    generation: Option<i64>,
    hint: String,
    id: Option<String>,
    redeemed: bool,
    /// Whoever redeemed it was forgotten.
    forgotten: bool,
}

impl Present {
    /// Whether a put under `id` says that it was paid for again: that id is not the one it was redeemed under.
    fn is_renewed_by(&self, id: Option<&str>) -> bool {
        self.redeemed && self.id.is_some() && id.is_some() && self.id.as_deref() != id
    }

    fn of(row: &Columns<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            lot: row.get(0)?,
            made: Wall::from_secs(row.get(1)?),
            generation: row.get(2)?,
            hint: row.get(3)?,
            id: row.get(4)?,
            redeemed: row.get(5)?,
            forgotten: row.get(6)?,
        })
    }
}

impl<'c> Codes<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            find_name: conn.prepare("SELECT id FROM name WHERE text = ?1")?,
            add_name: conn.prepare("INSERT INTO name (text) VALUES (?1) RETURNING id")?,
            find_lot: conn.prepare(
                "SELECT id FROM lot WHERE plan = ?1 AND made = ?2 AND batch IS ?3 AND activate_by IS ?4
                   AND kind = ?5 AND generation IS ?6",
            )?,
            add_lot: conn.prepare(
                "INSERT INTO lot (plan, made, batch, activate_by, kind, generation, vouchers)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0) RETURNING id",
            )?,
            find_released: conn.prepare(
                "SELECT to_.id FROM lot from_ JOIN lot to_ ON to_.plan = from_.plan AND to_.made = from_.made
                   AND to_.batch IS from_.batch AND to_.activate_by IS from_.activate_by
                   AND to_.kind = from_.kind AND to_.generation IS NULL WHERE from_.id = ?1 LIMIT 1",
            )?,
            add_released: conn.prepare(
                "INSERT INTO lot (plan, made, batch, activate_by, kind, generation, vouchers)
                 SELECT plan, made, batch, activate_by, kind, NULL, 0 FROM lot WHERE id = ?1 RETURNING id",
            )?,
            count_lot: conn.prepare("UPDATE lot SET vouchers = vouchers + ?2 WHERE id = ?1")?,
            drop_empty_lot: conn.prepare("DELETE FROM lot WHERE id = ?1 AND vouchers <= 0")?,
            in_force: conn.prepare("SELECT in_force FROM feed")?,
            has_old_lots: conn
                .prepare("SELECT 1 FROM lot WHERE generation < (SELECT in_force FROM feed) LIMIT 1")?,
            slice: conn.prepare(
                "SELECT v.key, v.lot, v.entitlement IS NULL AND l.generation < (SELECT in_force FROM feed)
                 FROM voucher v CROSS JOIN lot l ON l.id = v.lot WHERE v.key > ?1 ORDER BY v.key LIMIT ?2",
            )?,
            release_lots: conn
                .prepare("UPDATE lot SET generation = NULL WHERE generation < (SELECT in_force FROM feed)")?,
            add: conn.prepare(
                "INSERT INTO voucher (key, lot, hint, entitlement, revoked, id)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?,
            find: conn.prepare(
                "SELECT v.lot, l.made, l.generation,
                   ifnull(CAST(unsealed('voucher.kept_hint', v.key, v.kept_hint) AS TEXT), v.hint), v.id, v.entitlement IS NOT NULL,
                   ifnull((SELECT opened = ?2 FROM entitlement WHERE id = v.entitlement), 0)
                 FROM voucher v JOIN lot l ON l.id = v.lot WHERE v.key = ?1",
            )?,
            change: conn.prepare(
                "UPDATE voucher SET lot = ?2, id = ?4, hint = iif(entitlement IS NULL, ?3, ''),
                   kept_hint = iif(entitlement IS NULL, NULL, sealed('voucher.kept_hint', key, ?3))
                 WHERE key = ?1",
            )?,
            remove: conn.prepare("DELETE FROM voucher WHERE key = ?1")?,
            set_proof: conn.prepare(
                "INSERT INTO proof (key, phone, pin)
                 VALUES (?1, sealed('proof.phone', ?1, ?2), sealed('proof.pin', ?1, ?3))
                 ON CONFLICT (key) DO UPDATE SET phone = excluded.phone, pin = excluded.pin",
            )?,
            drop_proof: conn.prepare("DELETE FROM proof WHERE key = ?1")?,
            redeem: conn.prepare(
                "UPDATE voucher SET entitlement = ?2, hint = '',
                   kept_hint = ifnull(kept_hint, sealed('voucher.kept_hint', key, hint)) WHERE key = ?1
                   AND (entitlement IS NULL OR EXISTS (SELECT 1 FROM renewed WHERE key = ?1))",
            )?,
            renew: conn.prepare("INSERT INTO renewed (key) VALUES (?1) ON CONFLICT DO NOTHING")?,
            reinstate: conn.prepare("UPDATE voucher SET revoked = 0 WHERE key = ?1 AND revoked = 1")?,
            use_renewal: conn.prepare("DELETE FROM renewed WHERE key = ?1")?,
            // An account may have topped something up before it was paid for again.
            top_up: conn.prepare(
                "INSERT INTO top_up (code, entitlement) VALUES (?1, ?2)
                 ON CONFLICT (code) DO UPDATE SET entitlement = excluded.entitlement",
            )?,
            hand_over: conn.prepare("UPDATE voucher SET entitlement = ?3 WHERE key = ?1 AND entitlement = ?2")?,
            revoke: conn.prepare("UPDATE voucher SET revoked = 1 WHERE key = ?1")?,
        })
    }

    /// Those whose key exists are left as they are.
    pub(super) fn made(&mut self, vouchers: &[Voucher]) -> Result<(), StoreError> {
        let mut sorted: Vec<&Voucher> = vouchers.iter().collect();
        sorted.sort_unstable_by_key(|voucher| voucher.key);
        let mut lots = Lots::default();
        for voucher in sorted {
            if self.present(voucher.key, &mut lots)?.is_none() {
                let lot = self.lot(Lot::of(voucher, None), &mut lots)?;
                self.add(voucher, lot)?;
                lots.got(lot);
            }
        }
        self.count(lots)
    }

    /// Puts rows of the cloud in: new ones, and in place of those that are there.
    pub(super) fn put(
        &mut self,
        rows: &[(Option<CloudId>, Row)],
        at: Wall,
        generation: Option<Generation>,
    ) -> Result<(), StoreError> {
        let read = |(id, row): &(Option<CloudId>, Row)| Voucher::of_row(id.clone(), row.clone(), at);
        let mut sorted: Vec<Voucher> = rows.iter().filter_map(read).collect();
        // Of one key that comes twice the last one counts, so their order must hold.
        sorted.sort_by_key(|voucher| voucher.key);
        let mut lots = Lots::default();
        for voucher in sorted {
            self.put_one(voucher, generation, &mut lots)?;
        }
        self.count(lots)
    }

    fn put_one(
        &mut self,
        mut new: Voucher,
        generation: Option<Generation>,
        lots: &mut Lots,
    ) -> Result<(), StoreError> {
        let Some(old) = self.present(new.key, lots)? else {
            let lot = self.lot(Lot::of(&new, generation), lots)?;
            self.add(&new, lot)?;
            lots.got(lot);
            return Ok(());
        };
        new.made = old.made;
        let generation = match (generation, old.generation) {
            (Some(generation), _) => Some(generation),
            (None, old) => old.and_then(|old| u32::try_from(old).ok()).map(Generation),
        };
        let lot = self.lot(Lot::of(&new, generation), lots)?;
        // A row that came in the clear once keeps what support knows it by.
        let is_renewed = new.kind == Kind::Account && old.is_renewed_by(new.id.as_ref().map(CloudId::as_str));
        // Whoever is forgotten does not come back with a row that is as it was.
        let stays_forgotten = old.forgotten && !is_renewed;
        let hint = if new.hint.as_str().is_empty() || stays_forgotten {
            old.hint.as_str()
        } else {
            new.hint.as_str()
        };
        let id = new.id.as_ref().map(CloudId::as_str);
        if is_renewed {
            self.renew.execute([new.key.0])?;
            self.reinstate.execute([new.key.0])?;
        }
        if (old.lot, old.hint.as_str(), old.id.as_deref()) != (lot, hint, id) {
            self.change.execute(params![new.key.0, lot, hint, id])?;
        }
        if old.lot != lot {
            lots.lost(old.lot);
            lots.got(lot);
        }
        if stays_forgotten { Ok(()) } else { self.prove(&new) }
    }

    /// What was redeemed stays, without being a row of the feed any more.
    pub(super) fn gone(&mut self, name: &RowName) -> Result<(), StoreError> {
        let key = match name {
            RowName::Plan(_) => return Ok(()),
            RowName::Voucher(key) => *key,
            RowName::Payment(key) => CodeKey(key.0),
            RowName::Account(key) => CodeKey(key.0),
        };
        let mut lots = Lots::default();
        let Some(old) = self.present(key, &mut lots)? else { return self.count(lots) };
        if !old.redeemed {
            self.drop_proof.execute([key.0])?;
            self.remove.execute([key.0])?;
        } else if old.generation.is_some() {
            let lot = self.released(old.lot)?;
            self.change.execute(params![key.0, lot, old.hint, old.id])?;
            lots.0.push(Touched { id: lot, lot: None, more: 1 });
        } else {
            return Ok(());
        }
        lots.lost(old.lot);
        self.count(lots)
    }

    /// Where to begin clearing away what resets have ended; `None`: there is nothing.
    pub(super) fn sweep(&mut self) -> Result<Option<Sweep>, StoreError> {
        Ok(self.has_old_lots.exists([])?.then(Sweep::default))
    }

    /// Clears away what resets have ended, among the next [`SLICE`] rows; where to go on. What was redeemed stays
    /// in its lot, which in the end is no longer of the feed.
    pub(super) fn sweep_on(&mut self, Sweep(after): Sweep) -> Result<Option<Sweep>, StoreError> {
        let row = |row: &Columns<'_>| Ok((CodeKey(row.get(0)?), row.get(1)?, row.get(2)?));
        let rows = self.slice.query_map(params![after, SLICE as i64], row)?;
        let rows: Vec<(CodeKey, i64, bool)> = rows.collect::<Result<_, _>>()?;
        let mut lots = Lots::default();
        for (key, lot, _) in rows.iter().filter(|(.., over)| *over) {
            self.clear(*key, *lot, &mut lots)?;
        }
        self.count(lots)?;
        let next = rows.last().filter(|_| rows.len() == SLICE).map(|(key, ..)| Sweep(key.0.to_vec()));
        if next.is_none() {
            self.release_lots.execute([])?;
        }
        Ok(next)
    }

    fn clear(&mut self, key: CodeKey, lot: i64, lots: &mut Lots) -> Result<(), StoreError> {
        self.drop_proof.execute([key.0])?;
        self.remove.execute([key.0])?;
        lots.lost(lot);
        Ok(())
    }

    pub(super) fn revoked(&mut self, key: CodeKey) -> Result<(), StoreError> {
        self.revoke.execute([key.0])?;
        Ok(())
    }

    /// One code, one entitlement.
    pub(super) fn redeem(&mut self, code: CodeKey, by: EntitlementId) -> Result<(), StoreError> {
        if self.redeem.execute(params![code.0, int(by.0)])? == 1 {
            self.use_renewal.execute([code.0])?;
            return Ok(());
        }
        let what = format!("the code of {by} does not exist, or belongs to another entitlement");
        Err(StoreError::Contradiction(what))
    }

    /// The code belongs to an entitlement that another one opened.
    pub(super) fn top_up(&mut self, code: CodeKey, of: EntitlementId) -> Result<(), StoreError> {
        self.redeem(code, of)?;
        self.top_up.execute(params![code.0, int(of.0)])?;
        Ok(())
    }

    /// The codes belong to another entitlement than until now, which none of them opened.
    pub(super) fn hand_over(
        &mut self,
        codes: &[CodeKey],
        from: EntitlementId,
        to: EntitlementId,
    ) -> Result<(), StoreError> {
        for code in codes {
            if self.hand_over.execute(params![code.0, int(from.0), int(to.0)])? == 0 {
                return Err(StoreError::Contradiction(format!("a code of {from} does not belong to it")));
            }
            self.top_up.execute(params![code.0, int(to.0)])?;
        }
        Ok(())
    }

    /// The number of a name.
    pub(super) fn name(&mut self, text: &str) -> rusqlite::Result<i64> {
        match self.find_name.query_row([text], |row| row.get(0)).optional()? {
            Some(name) => Ok(name),
            None => self.add_name.query_row([text], |row| row.get(0)),
        }
    }

    /// The row as it is now; one that a reset has ended is cleared away first.
    fn present(&mut self, key: CodeKey, lots: &mut Lots) -> Result<Option<Present>, StoreError> {
        let Some(mut old) = self.find.query_row(params![key.0, FORGOTTEN], Present::of).optional()? else {
            return Ok(None);
        };
        let Some(generation) = old.generation else { return Ok(Some(old)) };
        if generation >= self.in_force.query_row([], |row| row.get(0))? {
            return Ok(Some(old));
        }
        if old.redeemed {
            old.generation = None;
            return Ok(Some(old));
        }
        self.clear(key, old.lot, lots)?;
        Ok(None)
    }

    /// Adds a row with a key that is new.
    fn add(&mut self, voucher: &Voucher, lot: i64) -> Result<(), StoreError> {
        self.add.execute(params![
            voucher.key.0,
            lot,
            voucher.hint.as_str(),
            voucher.entitlement.map(|id| int(id.0)),
            voucher.state == VoucherState::Revoked,
            voucher.id.as_ref().map(CloudId::as_str),
        ])?;
        self.prove(voucher)
    }

    fn prove(&mut self, voucher: &Voucher) -> Result<(), StoreError> {
        let (phone, pin) = match (&voucher.proof, voucher.kind) {
            (Some(Proof::Phone(tail)), _) => {
                (Some(String::from_utf8_lossy(&tail.digits()).into_owned()), None)
            }
            (Some(Proof::Pin(hash)), _) => (None, Some(hash)),
            (None, Kind::Voucher) => return Ok(()),
            (None, Kind::Payment | Kind::Account) => {
                self.drop_proof.execute([voucher.key.0])?;
                return Ok(());
            }
        };
        self.set_proof.execute(params![voucher.key.0, phone, pin])?;
        Ok(())
    }

    /// The lot of such rows, one of `lots` from now on.
    fn lot(&mut self, like: Lot, lots: &mut Lots) -> rusqlite::Result<i64> {
        if let Some(known) = lots.0.iter().rfind(|touched| touched.lot.as_ref() == Some(&like)) {
            return Ok(known.id);
        }
        let id = self.stored_lot(&like)?;
        match lots.0.iter_mut().find(|touched| touched.id == id) {
            Some(touched) => touched.lot = Some(like),
            None => lots.0.push(Touched { id, lot: Some(like), more: 0 }),
        }
        Ok(id)
    }

    fn stored_lot(&mut self, like: &Lot) -> rusqlite::Result<i64> {
        let plan = self.name(like.plan.as_str())?;
        let batch = like.batch.as_ref().map(|batch| self.name(batch.as_str())).transpose()?;
        let generation = like.generation.map(|generation| generation.0);
        let activate_by = like.activate_by.map(Wall::as_secs);
        let columns = params![plan, like.made.as_secs(), batch, activate_by, like.kind.word(), generation];
        match self.find_lot.query_row(columns, |row| row.get(0)).optional()? {
            Some(lot) => Ok(lot),
            None => self.add_lot.query_row(columns, |row| row.get(0)),
        }
    }

    /// The lot like `lot` that is not of the feed.
    fn released(&mut self, lot: i64) -> rusqlite::Result<i64> {
        match self.find_released.query_row([lot], |row| row.get(0)).optional()? {
            Some(found) => Ok(found),
            None => self.add_released.query_row([lot], |row| row.get(0)),
        }
    }

    fn count(&mut self, lots: Lots) -> Result<(), StoreError> {
        for Touched { id, more, .. } in lots.0 {
            if more != 0 {
                self.count_lot.execute([id, more])?;
            }
            self.drop_empty_lot.execute([id])?;
        }
        Ok(())
    }
}

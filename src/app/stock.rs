//! Batches of vouchers: what became of them, and what they are worth.
//!
//! Owns: the sums. Never: keeps one; they are read anew each time. Neighbours: `vouchers` makes them.

use super::ask::{Asked, parse};
use super::ledger::Ledger;
use super::vouchers::unreadable;
use crate::domain::{BatchId, Money, Wall};
use crate::store::Stock;
use crate::wire::control::{Batch, Report, Tally, Total, Worth};

/// What became of the vouchers of a batch, or of all.
pub(super) async fn report(ledger: &Ledger, batch: Option<&str>) -> Asked<Report> {
    let batch = batch.map(parse::<BatchId>).transpose()?;
    let stock = ledger.store.stock(batch).await.map_err(unreadable)?;
    let now = ledger.clock.now().wall;
    let mut report = Report::default();
    for part in &stock {
        let plan = ledger.gate.plan(&part.plan);
        let last = [part.activate_by, plan.and_then(|plan| plan.activate_by)].into_iter().flatten().min();
        let vouchers = tally(part, last.is_some_and(|last| now > last));
        let row = Batch {
            batch: part.batch.as_ref().map(ToString::to_string),
            plan: part.plan.to_string(),
            price: plan.map(|plan| plan.price.clone()).filter(|price| Money::of(price).is_some()),
            currency: plan.map(|plan| plan.currency.clone()).unwrap_or_default(),
            vouchers,
            worth: None,
            first_used: part.first.as_ref().map(Wall::to_string),
            last_used: part.last.as_ref().map(Wall::to_string),
        };
        match report.batches.last_mut() {
            // They differ in the last day to begin only.
            Some(known) if (&known.batch, &known.plan) == (&row.batch, &row.plan) => join(known, row),
            _ => report.batches.push(row),
        }
    }
    report.batches.iter_mut().for_each(|row| row.worth = worth(std::slice::from_ref(row)));
    report.totals = totals(&report.batches);
    Ok(report)
}

fn tally(part: &Stock, is_over: bool) -> Tally {
    let Stock { unused, active, spent, expired, revoked, used, .. } = *part;
    let made = unused + active + spent + expired + revoked;
    let (unused, expired) = if is_over { (0, expired + unused) } else { (unused, expired) };
    Tally { made, unused, active, spent, expired, revoked, used }
}

fn join(known: &mut Batch, other: Batch) {
    known.vouchers = known.vouchers.plus(other.vouchers);
    // RFC 3339 of one zone: the order of texts is that of times.
    known.first_used = [known.first_used.take(), other.first_used].into_iter().flatten().min();
    known.last_used = known.last_used.take().max(other.last_used);
}

fn totals(batches: &[Batch]) -> Vec<Total> {
    let mut priced: Vec<&Batch> = batches.iter().filter(|row| row.price.is_some()).collect();
    priced.sort_by(|a, b| a.currency.cmp(&b.currency));
    let alike = priced.chunk_by(|a, b| a.currency == b.currency);
    let total = |rows: &[&Batch]| Total {
        currency: rows.first().map(|row| row.currency.clone()).unwrap_or_default(),
        vouchers: rows.iter().fold(Tally::default(), |sum, row| sum.plus(row.vouchers)),
        worth: worth(rows.iter().copied()),
    };
    alike.map(total).collect()
}

fn worth<'a>(rows: impl IntoIterator<Item = &'a Batch>) -> Option<Worth> {
    let mut sums = [Money::NOTHING; 3];
    for row in rows {
        let (price, of) = (Money::of(row.price.as_deref()?)?, row.vouchers);
        for (sum, count) in sums.iter_mut().zip([of.made, of.unused, of.used]) {
            *sum = sum.plus(price.times(count)?)?;
        }
    }
    let [made, unused, used] = sums.map(|sum| sum.to_string());
    Some(Worth { made, unused, used })
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Self {
            made: self.made + other.made,
            unused: self.unused + other.unused,
            active: self.active + other.active,
            spent: self.spent + other.spent,
            expired: self.expired + other.expired,
            revoked: self.revoked + other.revoked,
            used: self.used + other.used,
        }
    }
}

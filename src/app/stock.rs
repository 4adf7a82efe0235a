//! Batches of vouchers: what became of them, what they are worth, and printing them again.
//!
//! Owns: the sums, and what a reprint puts in the place of what. Never: shows a code a second time: whoever may
//! print would read what others have bought, and of most nothing but a hash is kept. So a reprint withdraws what
//! nobody has used and makes as many new codes, together. Neighbour: `vouchers` makes them.

use super::ask::{Asked, parse};
use super::keys::Keys;
use super::ledger::Ledger;
use super::vouchers::{batch_name, draw_codes, order, sheet_of, shown, state_of, unreadable};
use crate::config::Config;
use crate::domain::{Action, Actor, BatchId, Input, Money, PlanId, Voucher, VoucherState, Wall};
use crate::ordered::OrdSet;
use crate::store::Stock;
use crate::wire::control::{
    Batch, Code, Failure, NewVouchers, Report, Reprint, Reprinted, Tally, Total, VOUCHERS_MAX, Worth,
};

/// Puts new codes in the place of those of a batch that nobody has used; or says how many those are.
pub(super) async fn reprint(
    ledger: &mut Ledger,
    keys: &Keys,
    config: &Config,
    wish: Reprint,
    by: &Actor,
) -> Asked<Reprinted> {
    let batch: BatchId = parse(&wish.batch)?;
    let (plan, old) = unused(ledger, &batch, wish.plan.as_deref()).await?;
    let replaced = old.len() as u64;
    let made = if wish.confirmed {
        let sheet = sheet_of(ledger, config, &plan)?;
        let count = u32::try_from(old.len()).unwrap_or(u32::MAX);
        let like = NewVouchers { plan: plan.to_string(), count, prefix: wish.prefix, form: wish.form };
        let drawn = draw_codes(ledger, keys, &plan, &like).await?;
        let now = ledger.clock.now().wall;
        let name = batch_name(now);
        let anew = old.iter().zip(&drawn).map(|(old, new)| Voucher {
            key: new.key,
            hint: new.hint.clone(),
            batch: Some(name.clone()),
            made: now,
            ..old.clone()
        });
        let new = anew.collect();
        order(ledger, by, Action::VoucherReprint, Input::ReplaceVouchers { old, new }).await?;
        Some(shown(drawn, &plan, &name, sheet))
    } else {
        None
    };
    Ok(Reprinted { batch: batch.to_string(), plan: plan.to_string(), replaced, made })
}

/// Those of a batch that nobody has used, and their plan.
async fn unused(ledger: &Ledger, batch: &BatchId, plan: Option<&str>) -> Asked<(PlanId, Vec<Voucher>)> {
    let plan = plan.map(parse::<PlanId>).transpose()?;
    let refused = |why: String, remedy: &str| Err(Failure::new(Code::Refused, why, remedy));
    let all = ledger.store.list(Some(batch.clone())).await.map_err(unreadable)?;
    let now = ledger.clock.now();
    let is_meant = |voucher: &Voucher| {
        state_of(ledger, voucher, now) == VoucherState::Unused
            && plan.as_ref().is_none_or(|plan| *plan == voucher.plan)
    };
    let found: Vec<Voucher> = all.into_iter().filter(is_meant).collect();
    let Some(first) = found.first() else {
        return refused(
            format!("no unused voucher is in batch {batch}"),
            "lango voucher report shows what is where",
        );
    };
    if ledger.store.is_of_feed(batch.clone()).await.map_err(unreadable)? {
        return refused(format!("batch {batch} is the cloud's"), "have it print the batch again");
    }
    let plans: OrdSet<String> = found.iter().map(|voucher| voucher.plan.to_string()).collect();
    if plans.len() > 1 {
        let names = plans.iter().cloned().collect::<Vec<_>>().join(", ");
        return refused(
            format!("batch {batch} has vouchers of several plans"),
            &format!("name one with --plan: {names}"),
        );
    }
    if found.len() > VOUCHERS_MAX as usize {
        let why = format!("batch {batch} has {} unused vouchers, more than {VOUCHERS_MAX}", found.len());
        return refused(why, "revoke those that are lost, and make new ones with lango voucher new");
    }
    Ok((first.plan.clone(), found))
}

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

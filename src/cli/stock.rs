//! Shows what became of batches of vouchers, for a shopkeeper.

use serde_json::{Value, json};

use super::print::table;
use crate::wire::control::{Batch, Report, Reprinted, Tally, Worth};

/// What a reprint would do.
pub(super) fn would_reprint(would: &Reprinted) -> String {
    let Reprinted { batch, plan, replaced, made: _ } = would;
    format!(
        "{replaced} unused vouchers of plan {plan} in batch {batch} would be withdrawn, so that their paper works no \
         more, and {replaced} with new codes made; to do it: lango voucher reprint --batch {batch} --plan {plan} --yes\n"
    )
}

pub(super) fn reprint_as_json(done: &Reprinted) -> Value {
    let Reprinted { batch, plan, replaced, made } = done;
    let vouchers = made.as_ref().map(|made| made.vouchers.as_slice()).unwrap_or_default();
    json!({ "batch": batch, "plan": plan, "replaced": replaced, "done": made.is_some(), "vouchers": vouchers })
}

/// A row for each plan of a batch, and one for each currency.
pub(super) fn report(report: &Report) -> String {
    let rows = report.batches.iter().map(|row| {
        let Batch { batch, plan, price, currency, vouchers, worth, first_used, last_used } = row;
        let price = price.as_ref().map_or("-".to_owned(), |price| priced(price, currency));
        let names = [batch.clone().unwrap_or_else(|| "-".to_owned()), plan.clone(), price];
        let days = [first_used, last_used].map(|at| at.as_deref().map_or("-", day).to_owned());
        line(names, vouchers, worth.as_ref(), currency, days)
    });
    let totals = report.totals.iter().map(|total| {
        let names = ["ALL".to_owned(), String::new(), String::new()];
        line(names, &total.vouchers, total.worth.as_ref(), &total.currency, Default::default())
    });
    let head = [
        "BATCH",
        "PLAN",
        "PRICE",
        "MADE",
        "UNUSED",
        "ACTIVE",
        "SPENT",
        "EXPIRED",
        "REVOKED",
        "WORTH",
        "OF IT UNUSED",
        "OF IT USED",
        "FIRST USED",
        "LAST USED",
    ];
    table(head, rows.chain(totals), "no vouchers\n")
}

fn line(
    names: [String; 3],
    of: &Tally,
    worth: Option<&Worth>,
    currency: &str,
    days: [String; 2],
) -> Vec<String> {
    let counts = [of.made, of.unused, of.active, of.spent, of.expired, of.revoked];
    let worth = worth.map_or(["-"; 3], |worth| [&worth.made, &worth.unused, &worth.used].map(String::as_str));
    let worth = worth.map(|amount| if amount == "-" { "-".to_owned() } else { priced(amount, currency) });
    let counts = counts.iter().map(ToString::to_string);
    names.into_iter().chain(counts).chain(worth).chain(days).collect()
}

fn priced(amount: &str, currency: &str) -> String {
    format!("{amount} {currency}").trim_end().to_owned()
}

/// Of a moment, the day.
fn day(at: &str) -> &str {
    at.split('T').next().unwrap_or(at)
}

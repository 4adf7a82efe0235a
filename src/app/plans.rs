//! The plans, as the interface lists them.
//!
//! The fields are those of the cloud's feed, so that one reader understands both.
//! Neighbours: `ask` and `vouchers`, for the daemon and for the commands that work without one.

use std::time::Duration;

use super::ledger::Ledger;
use crate::domain::{Bps, Bytes, PlanSource};
use crate::wire::control::{Plan, Source};

/// All plans for sale.
pub(super) fn list(ledger: &Ledger) -> Vec<Plan> {
    let seconds = |span: Option<Duration>| span.map(|span| span.as_secs());
    let bytes = |bytes: Option<Bytes>| bytes.map(|bytes| bytes.0);
    let rate = |rate: Option<Bps>| rate.map(|rate| rate.0);
    let plans = ledger.gate.plans().map(|plan| Plan {
        id: plan.id.to_string(),
        title: plan.title.clone(),
        metered_s: seconds(plan.terms.metered),
        validity_s: seconds(plan.terms.validity),
        activate_by: plan.activate_by.map(|last| last.to_string()),
        bytes: bytes(plan.terms.data.total),
        bytes_up: bytes(plan.terms.data.up),
        bytes_down: bytes(plan.terms.data.down),
        down_bps: rate(plan.terms.down),
        up_bps: rate(plan.terms.up),
        devices: plan.terms.devices,
        bound_devices: plan.terms.bound_devices,
        idle_s: seconds(plan.terms.idle_timeout),
        count_while_uplink_down: plan.terms.count_while_uplink_down,
        price: plan.price.clone(),
        currency: plan.currency.clone(),
        source: match plan.source {
            PlanSource::File => Source::File,
            PlanSource::Cloud => Source::Cloud,
        },
    });
    plans.collect()
}

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
        metered_s: seconds(plan.metered),
        validity_s: seconds(plan.validity),
        activate_by: plan.activate_by.map(|last| last.to_string()),
        bytes: bytes(plan.data.total),
        bytes_up: bytes(plan.data.up),
        bytes_down: bytes(plan.data.down),
        down_bps: rate(plan.down),
        up_bps: rate(plan.up),
        devices: plan.devices,
        bound_devices: plan.bound_devices,
        idle_s: seconds(plan.idle_timeout),
        count_while_uplink_down: plan.count_while_uplink_down,
        price: plan.price.clone(),
        currency: plan.currency.clone(),
        source: match plan.source {
            PlanSource::File => Source::File,
            PlanSource::Cloud => Source::Cloud,
        },
    });
    plans.collect()
}

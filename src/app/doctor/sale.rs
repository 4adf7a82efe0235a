//! What is sold, how it is kept, and whether there is room for who buys.

use super::{Finding, Seen};
use crate::store::KeyPlace;
use crate::wire::control::{Answer, AuditWhole, Failure};

pub(super) fn storage(seen: &Seen<'_>) -> Vec<Finding> {
    if let Some(trouble) = &seen.desk.ledger.trouble {
        return vec![Finding::fail(
            format!("nothing can be sold: {trouble}"),
            "make room on the flash, or see whether it became read-only",
        )];
    }
    if seen.unreadable > 0 {
        return vec![Finding::warn(
            format!("{} sealed fields do not open: their guests count as forgotten", seen.unreadable),
            "put back the device.key that belongs to the store, then restart",
        )];
    }
    vec![match &seen.counts {
        Ok(counts) => Finding::ok(format!("{} unused and {} active vouchers", counts.unused, counts.active)),
        Err(error) => Finding::fail(error.to_string(), "restart the daemon; it repairs what it can at start"),
    }]
}

/// Where the key is that the store is sealed under.
pub(super) fn key(seen: &Seen<'_>) -> Vec<Finding> {
    let is_wanted = seen.config.gateway.key_from_cloud;
    vec![match &seen.key_place {
        Ok(KeyPlace::Cloud) if is_wanted => Finding::ok("kept by the cloud, and not on this flash"),
        Ok(KeyPlace::Flash) if !is_wanted => Finding::ok("kept on this flash, in device.key"),
        Ok(KeyPlace::Cloud) => Finding::warn("still kept by the cloud", "restart the daemon"),
        Ok(KeyPlace::Flash) => Finding::warn(
            "still kept on this flash, though option key_from_cloud is set",
            "restart the daemon while the cloud can be reached, and the flash be written",
        ),
        Ok(KeyPlace::Moving) => Finding::warn(
            "not all files are sealed under the one key yet",
            "make room on the flash: it is tried again every hour, and at a restart",
        ),
        Err(error) => Finding::fail(error.to_string(), "restart the daemon; it repairs what it can at start"),
    }]
}

/// Whether every row of the trail is as it was written.
pub(super) fn audit(seen: &Seen<'_>) -> Vec<Finding> {
    vec![match &seen.trail {
        Ok(Answer::AuditVerify(AuditWhole { rows, .. })) => {
            Finding::ok(format!("{rows} rows of the trail are as they were written"))
        }
        // Nothing else is answered there.
        Ok(_) => Finding::ok("the trail is as it was written"),
        Err(Failure { message, remedy, .. }) => Finding::fail(message, remedy),
    }]
}

pub(super) fn plans(seen: &Seen<'_>) -> Vec<Finding> {
    let gate = &seen.desk.ledger.gate;
    let bridge = seen.config.cloud.as_ref().and_then(|cloud| cloud.provisional_plan.as_ref());
    if let Some(missing) = bridge.filter(|id| gate.plan(id).is_none()) {
        return vec![Finding::warn(
            format!("option provisional_plan names '{missing}', which neither the file nor the cloud has"),
            "lango plan list shows the plans there are",
        )];
    }
    vec![match gate.plans().count() {
        0 => Finding::warn(
            "there is nothing to sell",
            "add a section such as: config plan 'hour' with option metered '1h'",
        ),
        count => Finding::ok(format!("{count} for sale")),
    }]
}

/// Whether somebody who comes now could get online.
pub(super) fn vouchers(seen: &Seen<'_>) -> Vec<Finding> {
    let Ok(counts) = &seen.counts else { return Vec::new() };
    let elsewhere = seen.config.cloud.is_some() || seen.config.trial.is_some();
    vec![match counts.unused {
        0 if elsewhere => Finding::ok("none made here is unused; guests get online by other ways"),
        0 => Finding::warn(
            "none is unused: a guest gets online by a code that verifies itself, or not at all",
            "lango voucher new --plan PLAN --count 100 makes more",
        ),
        unused => Finding::ok(format!("{unused} unused")),
    }]
}

pub(super) fn guests(seen: &Seen<'_>) -> Vec<Finding> {
    let (online, most) = (seen.desk.ledger.gate.sessions(), seen.config.gateway.max_clients as usize);
    vec![if online < most {
        Finding::ok(format!("{online} of at most {most} online"))
    } else {
        Finding::warn(format!("full: {online} online"), "raise option max_clients")
    }]
}

//! Why a device is held or open.
//!
//! Owns: that question. Never: decides it; the Gate does, and the kernel obeys.

use super::{Finding, kernel};
use crate::app::desk::Desk;
use crate::domain::Mac;
use crate::wire::control::Check;

/// Why `mac` is held or open.
pub(in crate::app) fn of_device(desk: &Desk, mac: Mac) -> Vec<Check> {
    vec![entitled(desk, mac).of("session"), seen(desk, mac).of("neighbour"), kernel::table(desk).of("rules")]
}

fn entitled(desk: &Desk, mac: Mac) -> Finding {
    let view = desk.view.borrow().clone();
    match view.sessions.get(&mac) {
        Some(session) => {
            let left = match session.time_left(desk.ledger.clock.now()) {
                Some(left) => format!("{} s left", left.as_secs()),
                None => "no end of time".to_owned(),
            };
            Finding::ok(format!("open: session {} of plan {}, {left}", session.id, session.plan))
        }
        None => Finding::warn(
            "held: this device has no session",
            "a voucher typed at the portal opens it, or: lango login MAC --plan PLAN",
        ),
    }
}

fn seen(desk: &Desk, mac: Mac) -> Finding {
    match desk.kernel.neighbours.addresses(mac) {
        Ok(addresses) if addresses.is_empty() => Finding::warn(
            "the kernel knows no address of this device",
            "is it joined to the Wi-Fi, and did it get an address by DHCP?",
        ),
        Ok(addresses) => {
            let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            Finding::ok(format!("seen as {}", list.join(", ")))
        }
        Err(error) => Finding::fail(error.to_string(), "the kernel's neighbour table cannot be read"),
    }
}

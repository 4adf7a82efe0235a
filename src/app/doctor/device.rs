//! Why a device is held or open.
//!
//! Owns: that question. Never: decides it; the Gate does, and the kernel obeys.

use super::{Finding, kernel};
use crate::app::desk::Desk;
use crate::config::Policy;
use crate::domain::{Awaits, Mac};
use crate::wire::control::Check;

/// Why `mac` is held or open.
pub(in crate::app) fn of_device(desk: &Desk, mac: Mac) -> Vec<Check> {
    let entitled = entitled(desk, mac).into_iter().map(|one| one.of("session"));
    entitled.chain([seen(desk, mac).of("neighbour"), kernel::table(desk).of("rules")]).collect()
}

/// What the configuration and the cloud say of it comes before what it has bought.
fn entitled(desk: &Desk, mac: Mac) -> Vec<Finding> {
    let config = desk.config.borrow().clone();
    let gate = &desk.ledger.gate;
    let listed = config.devices.iter().find(|device| device.mac == mac).map(|device| device.policy);
    match (listed, desk.view.borrow().sessions.get(&mac)) {
        (Some(Policy::Blocked), _) if gate.kept_out().any(|kept| kept == mac) => vec![Finding::warn(
            "blocked: the cloud keeps this device out, and no voucher opens it",
            "ask who runs the cloud; a section device with this mac and policy 'trusted' lets it pass all the same",
        )],
        (Some(Policy::Blocked), _) => vec![Finding::warn(
            "blocked: the configuration keeps this device out, and no voucher opens it",
            "take its section device out of the configuration, then: /etc/init.d/lango reload",
        )],
        (Some(Policy::Trusted), _) => {
            vec![Finding::ok("open: trusted by the configuration, it needs no voucher")]
        }
        (None, Some(session)) => {
            let left = match session.time_left(desk.ledger.clock.now()) {
                Some(left) => format!("{} s left", left.as_secs()),
                None => "no end of time".to_owned(),
            };
            vec![Finding::ok(format!("open: session {} of plan {}, {left}", session.id, session.plan))]
        }
        (None, None) => held(desk, mac),
    }
}

/// What a device without a session waits for.
fn held(desk: &Desk, mac: Mac) -> Vec<Finding> {
    let awaited = desk.view.borrow().waiting.get(&mac).and_then(|awaits| match awaits {
        Awaits::Nothing => None,
        Awaits::Payment => Some(Finding::warn(
            "held: its guest says to have paid, and nobody has confirmed the payment yet",
            "compare the reference with the message of the provider; lango sync says whether the cloud is asked",
        )),
        Awaits::Room => Some(Finding::warn(
            "held: its payment has come, but the hotspot is full or the plan not known",
            "it opens by itself; raise option max_clients, or see lango plan list",
        )),
        Awaits::Digits => Some(Finding::warn(
            "held: its payment has come, and the guest has yet to show that it was his",
            "the portal asks for the last 4 digits of the phone that paid",
        )),
    });
    let wait = desk.ledger.gate.wait(mac, desk.ledger.clock.now()).map(|wait| {
        Finding::warn(
            format!("held: too many wrong codes, so no code is taken from it for {} s", wait.as_secs() + 1),
            "a right one opens it after that; at once does: lango login MAC --plan PLAN",
        )
    });
    let found: Vec<_> = awaited.into_iter().chain(wait).collect();
    if found.is_empty() {
        return vec![Finding::warn(
            "held: this device has no session",
            "a voucher typed at the portal opens it, or: lango login MAC --plan PLAN",
        )];
    }
    found
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

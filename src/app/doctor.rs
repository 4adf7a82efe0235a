//! What is wrong, and what to do about it, one line each.
//!
//! Looks only; nothing is mended here. With a device: why it is held or open.
//! Neighbours: asks the desk for what the Gate, the kernel and the store know.

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;

use super::desk::Desk;
use super::kernel::Offload;
use super::{certificate, link, time};
use crate::config::Gateway;
use crate::domain::{Lack, Mac, Uplink};
use crate::portal;
use crate::process::is_sealed;
use crate::uplink::Report;
use crate::wire::control::{Check, Health};

/// Why `mac` is held or open.
pub(super) fn of_device(desk: &Desk, mac: Mac) -> Vec<Check> {
    vec![entitled(desk, mac), seen(desk, mac), rules(desk)]
}

/// The state of the gateway.
pub(super) async fn of_gateway(desk: &Desk) -> Vec<Check> {
    let config = desk.config.borrow().clone();
    let mut checks = vec![rules(desk), offload(desk)];
    checks.extend(config.gateway.interfaces.iter().map(|interface| guest_interface(interface)));
    checks.extend([uplink(desk), storage(desk).await, time::checked(desk), plans(desk), room(desk), seal()]);
    checks.extend(certificate::checked(desk));
    checks.extend(theme(&config.gateway));
    checks.extend(link::checked(desk).await);
    checks
}

fn entitled(desk: &Desk, mac: Mac) -> Check {
    let view = desk.view.borrow().clone();
    match view.sessions.get(&mac) {
        Some(session) => {
            let left = match session.time_left(desk.ledger.clock.now()) {
                Some(left) => format!("{} s left", left.as_secs()),
                None => "no end of time".to_owned(),
            };
            ok("session", format!("open: session {} of plan {}, {left}", session.id, session.plan))
        }
        None => warn(
            "session",
            "held: this device has no session".to_owned(),
            "a voucher typed at the portal opens it, or: lango login MAC --plan PLAN",
        ),
    }
}

fn seen(desk: &Desk, mac: Mac) -> Check {
    match desk.kernel.neighbours.addresses(mac) {
        Ok(addresses) if addresses.is_empty() => warn(
            "neighbour",
            "the kernel knows no address of this device".to_owned(),
            "is it joined to the Wi-Fi, and did it get an address by DHCP?",
        ),
        Ok(addresses) => {
            let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            ok("neighbour", format!("seen as {}", list.join(", ")))
        }
        Err(error) => fail("neighbour", error.to_string(), "the kernel's neighbour table cannot be read"),
    }
}

fn rules(desk: &Desk) -> Check {
    if desk.kernel.intact {
        ok("rules", "table inet lango holds what it should".to_owned())
    } else {
        fail(
            "rules",
            "table inet lango could not be put right".to_owned(),
            "the log says what the kernel refused; are kmod-nft-core, kmod-nft-nat and kmod-nft-fib installed?",
        )
    }
}

fn offload(desk: &Desk) -> Check {
    match &desk.kernel.offload {
        Offload::Off => ok("offload", "flow offload is off".to_owned()),
        Offload::On(tables) => {
            ok("offload", format!("flow offload is on ({}); guests are kept out of it", tables.join(", ")))
        }
        Offload::Unknown(error) => warn(
            "offload",
            error.clone(),
            "if flow offload is on, what guests use may not be counted: switch it off in the firewall",
        ),
    }
}

fn guest_interface(name: &str) -> Check {
    if if_nametoindex(name).is_err() {
        return fail(
            "interface",
            format!("{name} does not exist"),
            "list interface names the L3 device of the guest network, such as br-guest: see ip link",
        );
    }
    let addressed = getifaddrs().is_ok_and(|all| {
        all.filter(|one| one.interface_name == name)
            .filter_map(|one| one.address)
            .any(|address| address.as_sockaddr_in().is_some())
    });
    if addressed {
        ok("interface", format!("{name} is there and has an address"))
    } else {
        fail(
            "interface",
            format!("{name} has no IPv4 address"),
            "give the guest network an address: phones have nobody to talk to",
        )
    }
}

fn uplink(desk: &Desk) -> Check {
    let Report { state, lack, device, .. } = &desk.uplink;
    let device = device.as_deref().unwrap_or("no device");
    let for_s = desk.ledger.clock.now().boot.since(state.since).as_secs();
    match (state.uplink, lack) {
        (Uplink::Up, _) => ok("uplink", format!("{device}: the internet has been reached for {for_s} s")),
        (Uplink::Unknown, _) => warn(
            "uplink",
            format!("{device}: nothing has come from the internet, and nobody could be asked"),
            "list uplink_probe 'tcp:ADDRESS:PORT' names a server that always answers",
        ),
        (Uplink::Down, lack) => {
            let (why, remedy) = shortage(lack.unwrap_or(Lack::Answer));
            fail("uplink", format!("{device}: down for {for_s} s: {why}"), remedy)
        }
    }
}

/// What is wrong without it, and what to do.
fn shortage(lack: Lack) -> (&'static str, &'static str) {
    match lack {
        Lack::Device => (
            "option uplink names a device that does not exist",
            "correct it, or leave it out: then it is where the default route goes; see ip link",
        ),
        Lack::Carrier => {
            ("the device is off or has no carrier", "look after the cable, the modem and its power")
        }
        Lack::Route => (
            "no default route leads to the internet",
            "does the WAN get an address? See ifstatus wan, ip route, and the provider's account",
        ),
        Lack::Answer => (
            "nobody answers beyond the link",
            "is the line paid for and in order? Is the server of option uplink_probe alive?",
        ),
    }
}

async fn storage(desk: &Desk) -> Check {
    if let Some(trouble) = &desk.ledger.trouble {
        return fail(
            "storage",
            format!("nothing can be sold: {trouble}"),
            "make room on the flash, or see whether it became read-only",
        );
    }
    match desk.ledger.store.counts().await {
        Ok(counts) => {
            ok("storage", format!("{} unused and {} active vouchers", counts.unused, counts.active))
        }
        Err(error) => {
            fail("storage", error.to_string(), "restart the daemon; it repairs what it can at start")
        }
    }
}

fn plans(desk: &Desk) -> Check {
    let config = desk.config.borrow().clone();
    let bridge = config.cloud.as_ref().and_then(|cloud| cloud.provisional_plan.as_ref());
    if let Some(missing) = bridge.filter(|id| desk.ledger.gate.plan(id).is_none()) {
        return warn(
            "plans",
            format!("option provisional_plan names '{missing}', which neither the file nor the cloud has"),
            "lango plan list shows the plans there are",
        );
    }
    match desk.ledger.gate.plans().count() {
        0 => warn(
            "plans",
            "there is nothing to sell".to_owned(),
            "add a section such as: config plan 'hour' with option metered '1h'",
        ),
        count => ok("plans", format!("{count} for sale")),
    }
}

fn room(desk: &Desk) -> Check {
    let (online, most) = (desk.ledger.gate.sessions(), desk.config.borrow().gateway.max_clients as usize);
    if online < most {
        ok("guests", format!("{online} of at most {most} online"))
    } else {
        warn("guests", format!("full: {online} online"), "raise option max_clients")
    }
}

/// Nothing to mend: a kernel is built with filters or without.
fn seal() -> Check {
    let message = if is_sealed() {
        "the kernel refuses the program what it does not need"
    } else {
        "the kernel does not filter what the program asks of it: it has no CONFIG_SECCOMP_FILTER"
    };
    ok("seal", message.to_owned())
}

/// The operator's own parts of the pages, as their files are now.
fn theme(gateway: &Gateway) -> Option<Check> {
    gateway.portal_dir.as_ref()?;
    let notices = portal::check_theme(gateway);
    let [first, further @ ..] = notices.as_slice() else {
        return Some(ok("theme", "the operator's parts of the pages have no fault".to_owned()));
    };
    let more = if further.is_empty() { String::new() } else { format!(", and {} more", further.len()) };
    let remedy =
        "lango check tells all; mend the files, then send the daemon a SIGHUP. The built-in parts are shown";
    Some(warn("theme", format!("{first}{more}"), remedy))
}

fn ok(check: &str, message: String) -> Check {
    Check { check: check.to_owned(), state: Health::Ok, message, remedy: String::new() }
}

fn warn(check: &str, message: String, remedy: &str) -> Check {
    Check { check: check.to_owned(), state: Health::Warn, message, remedy: remedy.to_owned() }
}

fn fail(check: &str, message: String, remedy: &str) -> Check {
    Check { check: check.to_owned(), state: Health::Fail, message, remedy: remedy.to_owned() }
}

//! Whether the kernel does what it is to do: our table, those of others, the seal.
//!
//! Never: changes a table; ours is put right by `app::kernel`, those of others are not ours.

use super::{Finding, Seen};
use crate::app::desk::Desk;
use crate::app::kernel::Offload;
use crate::nft::Stranger;
use crate::process::is_sealed;

/// How the tables and chains of other captive portals begin or are called.
const RIVALS: &[(&str, &str)] = &[
    ("nds", "openNDS or nodogsplash"),
    ("opennds", "openNDS"),
    ("nodogsplash", "nodogsplash"),
    ("uspot", "uspot"),
    ("chilli", "CoovaChilli"),
    ("wifidog", "wifidog"),
];

pub(super) fn rules(seen: &Seen<'_>) -> Vec<Finding> {
    vec![table(seen.desk)]
}

pub(super) fn table(desk: &Desk) -> Finding {
    if desk.kernel.intact {
        Finding::ok("table inet lango holds what it should")
    } else {
        Finding::fail(
            "table inet lango could not be put right",
            "the log says what the kernel refused; are kmod-nft-core, kmod-nft-nat and kmod-nft-fib installed?",
        )
    }
}

pub(super) fn offload(seen: &Seen<'_>) -> Vec<Finding> {
    vec![match &seen.desk.kernel.offload {
        Offload::Off => Finding::ok("flow offload is off"),
        Offload::On(tables) => {
            Finding::ok(format!("flow offload is on ({}); guests are kept out of it", tables.join(", ")))
        }
        Offload::Unknown(error) => Finding::warn(
            error,
            "if flow offload is on, what guests use may not be counted: switch it off in the firewall",
        ),
    }]
}

/// Guests have private addresses, to which nothing comes back.
pub(super) fn masquerade(seen: &Seen<'_>) -> Vec<Finding> {
    vec![match &seen.strangers {
        Ok(tables) => match tables.iter().find(|table| table.masquerades) {
            Some(table) => {
                Finding::ok(format!("guests leave by the uplink's address (table {})", table.name))
            }
            None => Finding::warn(
                "no rule gives guests the uplink's address: unless the next router knows the way back to them, they \
                 get no answers",
                "uci set firewall.@zone[1].masq='1' (the zone of the uplink), uci commit firewall, /etc/init.d/firewall restart",
            ),
        },
        Err(error) => Finding::warn(error.to_string(), "nft list ruleset shows whether a rule masquerades"),
    }]
}

/// Two portals on one network undo each other.
pub(super) fn rival(seen: &Seen<'_>) -> Vec<Finding> {
    let Ok(tables) = &seen.strangers else { return Vec::new() };
    let found = tables.iter().find_map(|table| called_like_a_rival(table).map(|name| (table, name)));
    vec![match found {
        None => Finding::ok("no other captive portal has rules here"),
        Some((table, name)) => Finding::fail(
            format!("another captive portal has rules in table {}: {name}", table.name),
            "stop and disable it (/etc/init.d/opennds disable; stop), or take it off the guest network",
        ),
    }]
}

fn called_like_a_rival(table: &Stranger) -> Option<&'static str> {
    let names = || table.chains.iter().chain([&table.name]);
    let like = |start: &str| names().any(|name| name.to_ascii_lowercase().starts_with(start));
    RIVALS.iter().find(|(start, _)| like(start)).map(|(_, name)| *name)
}

/// A kernel is built with filters or without.
pub(super) fn seal(_: &Seen<'_>) -> Vec<Finding> {
    vec![if is_sealed() {
        Finding::ok("the kernel refuses the program what it does not need")
    } else {
        Finding::warn(
            "the kernel does not filter what the program asks of it: it has no CONFIG_SECCOMP_FILTER",
            "guests are served all the same; an image with seccomp shuts an intruder in (KERNEL_SECCOMP=y)",
        )
    }]
}

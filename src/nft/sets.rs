//! The sets and maps of the table: what each is for stands in `ruleset.nft`.
//!
//! Owns: their names, kinds and sizes, and the elements that belong to the configuration. Never: guests
//! (`guest.rs`), rules (`rules.rs`).

use std::net::IpAddr;

use super::table::Base;
use crate::wire::nftables::{CONSTANT, DYNAMIC, Holds, Key, Put, RANGES, Set, TIMEOUT};

pub(super) const GUESTS: &str = "guests";
pub(super) const OFFLINE: &str = "offline";
pub(super) const ONLINE: &str = "online";
pub(super) const UP: &str = "up";
pub(super) const CAPS_UP: &str = "caps_up";
pub(super) const DOWN: ByFamily = ByFamily { v4: "down4", v6: "down6" };
pub(super) const SPEED: ByFamily = ByFamily { v4: "speed4", v6: "speed6" };
pub(super) const CAPS: ByFamily = ByFamily { v4: "caps4", v6: "caps6" };
pub(super) const COUNTS: ByFamily = ByFamily { v4: "counts4", v6: "counts6" };
pub(super) const CARRIED: &str = "carried";
pub(super) const TAKEN: ByFamily = ByFamily { v4: "taken4", v6: "taken6" };
pub(super) const LEARNED: ByFamily = ByFamily { v4: "learned4", v6: "learned6" };
pub(super) const FRESH: ByFamily = ByFamily { v4: "fresh4", v6: "fresh6" };
pub(super) const TEACHERS: &str = "teachers";
pub(super) const BLOCKED: &str = "blocked";
pub(super) const KNOCKING: &str = "knocking";
pub(super) const GARDEN: ByFamily = ByFamily { v4: "garden4", v6: "garden6" };
pub(super) const ASKED: ByFamily = ByFamily { v4: "asked4", v6: "asked6" };
pub(super) const GARDEN_USE: &str = "garden_use";
pub(super) const GARDEN_ANSWERS: ByFamily = ByFamily { v4: "garden_use4", v6: "garden_use6" };
pub(super) const STROLLS: ByFamily = ByFamily { v4: "strolls4", v6: "strolls6" };

/// A set for each family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByFamily {
    pub(super) v4: &'static str,
    pub(super) v6: &'static str,
}

impl ByFamily {
    /// The set for `address`.
    pub(super) fn of(self, address: IpAddr) -> &'static str {
        if address.is_ipv4() { self.v4 } else { self.v6 }
    }

    /// Keys for `addresses`, each with the set it belongs to.
    pub(super) fn split(self, addresses: impl IntoIterator<Item = IpAddr>) -> [(&'static str, Vec<Put>); 2] {
        let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv4);
        let keys = |of: Vec<IpAddr>| of.into_iter().map(|address| Put::key(&octets(address))).collect();
        [(self.v4, keys(v4)), (self.v6, keys(v6))]
    }

    pub(super) fn both(self) -> [&'static str; 2] {
        [self.v4, self.v6]
    }
}

/// Sets whose elements belong to the configuration.
pub(super) const FIXED: [&str; 4] = [GUESTS, BLOCKED, GARDEN.v4, GARDEN.v6];

/// Addresses, or places in the garden, at most.
const ADDRESSES: u32 = 16_384;
/// Devices that have not paid and are kept account of, at most.
const STRANGERS: u32 = 8192;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

impl Base {
    /// All sets, in the order of `ruleset.nft`.
    pub(super) fn sets(&self) -> Vec<Set> {
        let places = self.places();
        let devices = |name| plain(name, Key::EtherAddress, places);
        let mut sets = vec![
            Set { flags: CONSTANT, ..plain(GUESTS, Key::InterfaceName, count(self.names().len())) },
            plain(OFFLINE, Key::InterfaceName, 64),
            Set { flags: TIMEOUT, ..devices(ONLINE) },
            Set { holds: Holds::Verdicts, flags: TIMEOUT, ..devices(UP) },
            Set { holds: Holds::Quotas, ..devices(CAPS_UP) },
        ];
        sets.extend(addresses(DOWN).map(|set| Set { holds: Holds::Verdicts, flags: TIMEOUT, ..set }));
        sets.extend(addresses(SPEED).map(|set| Set { holds: Holds::Limits, ..set }));
        sets.extend(addresses(CAPS).map(|set| Set { holds: Holds::Quotas, ..set }));
        sets.extend(addresses(COUNTS).map(|set| Set { flags: TIMEOUT, ..set }));
        sets.push(Set { flags: TIMEOUT, ..devices(CARRIED) });
        sets.extend(addresses(TAKEN).map(|set| Set { flags: TIMEOUT, ..set }));
        sets.extend(addresses(LEARNED).map(|set| learned(set, 30 * MINUTE)));
        sets.extend(addresses(FRESH).map(|set| learned(set, 30 * MINUTE)));
        sets.extend([
            learned(devices(TEACHERS), 5 * MINUTE),
            Set { flags: CONSTANT, ..plain(BLOCKED, Key::EtherAddress, count(self.blocked.len())) },
            learned(plain(KNOCKING, Key::EtherAddress, STRANGERS), MINUTE),
            self.garden_set(GARDEN.v4, Key::Joined(&[Key::Ipv4Address, Key::Port])),
            self.garden_set(GARDEN.v6, Key::Joined(&[Key::Ipv6Address, Key::Port])),
            asked(ASKED.v4, Key::Joined(&[Key::EtherAddress, Key::Ipv4Address, Key::Port])),
            asked(ASKED.v6, Key::Joined(&[Key::EtherAddress, Key::Ipv6Address, Key::Port])),
            learned(plain(GARDEN_USE, Key::EtherAddress, STRANGERS), 60 * MINUTE),
            learned(plain(GARDEN_ANSWERS.v4, Key::Ipv4Address, STRANGERS), 60 * MINUTE),
            learned(plain(GARDEN_ANSWERS.v6, Key::Ipv6Address, STRANGERS), 60 * MINUTE),
            strolls(STROLLS.v4, Key::Joined(&[Key::Ipv4Address, Key::Ipv4Address, Key::Port])),
            strolls(STROLLS.v6, Key::Joined(&[Key::Ipv6Address, Key::Ipv6Address, Key::Port])),
        ]);
        sets
    }

    /// The elements of a set of [`FIXED`].
    pub(super) fn elements_of(&self, set: &str) -> Vec<Put> {
        match set {
            GUESTS => self.names().into_iter().map(|name| Put::key(&interface_key(name))).collect(),
            BLOCKED => self.blocked.iter().map(|mac| Put::key(&mac.bytes())).collect(),
            _ if set == GARDEN.v4 => self.garden_elements(IpAddr::is_ipv4),
            _ if set == GARDEN.v6 => self.garden_elements(IpAddr::is_ipv6),
            _ => Vec::new(),
        }
    }

    fn garden_set(&self, name: &'static str, key: Key) -> Set {
        Set { flags: CONSTANT | RANGES, ..plain(name, key, count(self.elements_of(name).len())) }
    }

    fn garden_elements(&self, family: fn(&IpAddr) -> bool) -> Vec<Put> {
        let places = self.garden.places.iter().filter(|place| family(&place.first));
        places
            .map(|place| Put {
                to: Some(joined(&[&octets(place.last), &place.port.to_be_bytes()])),
                ..Put::key(&joined(&[&octets(place.first), &place.port.to_be_bytes()]))
            })
            .collect()
    }
}

fn plain(name: &'static str, key: Key, size: u32) -> Set {
    Set { name, key, holds: Holds::Nothing, flags: 0, size, stay: None }
}

fn learned(set: Set, stay: u64) -> Set {
    Set { flags: DYNAMIC | TIMEOUT, stay: Some(stay), ..set }
}

fn addresses(sets: ByFamily) -> [Set; 2] {
    [plain(sets.v4, Key::Ipv4Address, ADDRESSES), plain(sets.v6, Key::Ipv6Address, ADDRESSES)]
}

fn strolls(name: &'static str, key: Key) -> Set {
    learned(plain(name, key, ADDRESSES), 2 * MINUTE)
}

fn asked(name: &'static str, key: Key) -> Set {
    Set { flags: TIMEOUT, ..plain(name, key, ADDRESSES) }
}

/// A set without a size would have no bound.
fn count(elements: usize) -> u32 {
    u32::try_from(elements).unwrap_or(u32::MAX).max(1)
}

/// A key of several fields: each up to a multiple of four bytes.
pub(super) fn joined(fields: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::new();
    for field in fields {
        key.extend_from_slice(field);
        key.resize(key.len().next_multiple_of(4), 0);
    }
    key
}

/// An address as a key.
pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// An interface name as a key: padded with zero bytes. Names are at most 15 bytes.
pub(super) fn interface_key(name: &str) -> [u8; 16] {
    let mut key = [0; 16];
    key.iter_mut().zip(name.bytes().take(15)).for_each(|(slot, byte)| *slot = byte);
    key
}

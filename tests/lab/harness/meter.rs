//! Counts the IP bytes that pass a namespace, with a table of the test's own.
//!
//! Of packets that are passed on, per pair of addresses: after everybody else had their say, and before the
//! source is translated. Shares no chain and no counter with the table under test.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use super::netns::Netns;
use super::phone::Phone;

const TABLE: &str = "table inet gauge {
    set passed4 { type ipv4_addr . ipv4_addr; flags dynamic; size 65535; }
    set passed6 { type ipv6_addr . ipv6_addr; flags dynamic; size 65535; }
    chain passing { type filter hook forward priority 300;
        meta nfproto ipv4 add @passed4 { ip saddr . ip daddr counter }
        meta nfproto ipv6 add @passed6 { ip6 saddr . ip6 daddr counter }
    }
}";

/// Counts from its making until it is dropped or somebody flushes the ruleset.
pub(crate) struct Meter {
    space: Arc<Netns>,
}

/// IP bytes from an address to another.
#[derive(Debug)]
pub(crate) struct Counts(HashMap<(IpAddr, IpAddr), u64>);

/// What a guest's devices sent and got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) up: u64,
    pub(crate) down: u64,
}

impl Meter {
    pub(crate) fn new(space: &Arc<Netns>) -> Self {
        space.nft(TABLE);
        Self { space: Arc::clone(space) }
    }

    /// What was passed on, with the addresses it had before any NAT of the source.
    pub(crate) fn counts(&self) -> Counts {
        Counts(["passed4", "passed6"].into_iter().flat_map(|set| self.elements(set)).collect())
    }

    /// What was passed on between `phone` and `world`.
    pub(crate) fn passed(&self, phone: &Phone, world: &[IpAddr]) -> Passed {
        self.counts().between(&[phone.v4, phone.v6], world)
    }

    fn elements(&self, set: &str) -> Vec<((IpAddr, IpAddr), u64)> {
        let listed = self.space.nft_list(&["-j", "list", "set", "inet", "gauge", set]);
        let listed: Value = serde_json::from_str(&listed).expect("JSON of nft");
        let sets = listed["nftables"].as_array().expect("a list");
        let elements = sets.iter().find_map(|item| item["set"]["elem"].as_array()).cloned();
        let parsed = |element: Value| {
            let element = &element["elem"];
            let address = |end: usize| element["val"]["concat"][end].as_str()?.parse().ok();
            Some(((address(0)?, address(1)?), element["counter"]["bytes"].as_u64()?))
        };
        let read = |element| parsed(element).expect("an element with two addresses and a counter");
        elements.unwrap_or_default().into_iter().map(read).collect()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.space.nft("table inet gauge\ndelete table inet gauge");
    }
}

impl Counts {
    /// Bytes of `near` to and from `far`.
    pub(crate) fn between(&self, near: &[IpAddr], far: &[IpAddr]) -> Passed {
        let sum = |wanted: &dyn Fn(&IpAddr, &IpAddr) -> bool| {
            self.0.iter().filter(|((from, to), _)| wanted(from, to)).map(|(_, bytes)| bytes).sum()
        };
        Passed {
            up: sum(&|from, to| near.contains(from) && far.contains(to)),
            down: sum(&|from, to| far.contains(from) && near.contains(to)),
        }
    }
}

impl Passed {
    pub(crate) fn total(self) -> u64 {
        self.up + self.down
    }
}

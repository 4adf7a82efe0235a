//! The table as a whole: what it is made for, its fingerprint, and what it looks like when read back.
//!
//! Owns: which sets, chains and rules there are together, and how a living table is compared with it.
//! Never: sockets. Neighbours: `sets.rs`, `rules.rs`; `guest.rs` has what comes and goes.

use std::net::{IpAddr, Ipv4Addr};

use super::Route;
use super::rules::{CHAINS, CLASSIC, UNROUTED, UNROUTED_HOOK};
use super::sets::FIXED;
use crate::domain::{Bps, Bytes, Mac};
use crate::ordered::{OrdMap, OrdSet};
use crate::wire::nftables::{BaseChain, Batch, ChainRead, Expr, RuleRead, SetRead, TableRead, Verdict};

pub(super) const TABLE: &str = "lango";

const FEWEST_PLACES: u32 = 1024;

/// What the table is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Guest networks: names of layer 3 devices.
    pub interfaces: Vec<String>,
    pub portal_port: u16,
    pub https_port: u16,
    pub dns_port: u16,
    /// What the responder says that names lead to, of who has not paid.
    pub captive: Ipv4Addr,
    /// One bit of the connection mark.
    pub mark: u32,
    /// Devices online at once, trusted ones included.
    pub max_clients: u32,
    /// Devices that get an address and nothing more.
    pub blocked: OrdSet<Mac>,
    pub garden: Garden,
}

/// What is reachable before login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garden {
    pub places: Vec<Place>,
    /// For one device, both directions together.
    pub rate: Bps,
    /// For one device, in an hour.
    pub data: Bytes,
}

/// Addresses of one family, the last one included, at one port of TCP and UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub first: IpAddr,
    pub last: IpAddr,
    pub port: u16,
}

impl Base {
    /// Makes room for so many devices, if there is less: they may be more than `max_clients` since it was
    /// lowered, and a table without room for one of them could not be installed at all.
    pub fn hold(&mut self, devices: usize) {
        self.max_clients = self.max_clients.max(u32::try_from(devices).unwrap_or(u32::MAX));
    }

    /// Names the table, all but the elements that come and go: two tables with the same fingerprint hold
    /// the same rules.
    pub(super) fn comment(&self) -> String {
        let mut batch = Batch::new(TABLE);
        self.write_content(&mut batch);
        format!("lango {:016x}", fnv(&batch.finish(0).0))
    }

    /// Writes the whole table, without the elements that come and go.
    pub(super) fn write(&self, batch: &mut Batch) {
        batch.add_table(&self.comment());
        self.write_content(batch);
    }

    fn write_content(&self, batch: &mut Batch) {
        batch.add_expectation(CLASSIC);
        // Verdicts of maps name chains, rules name sets.
        for (name, base) in CHAINS {
            batch.add_chain(name, base);
        }
        for set in self.sets() {
            batch.add_set(&set);
        }
        for set in FIXED {
            batch.add_elements(set, &self.elements_of(set));
        }
        for (chain, rule) in self.rules() {
            batch.add_rule(chain, &rule);
        }
    }

    /// Writes the chain that refuses before routing, or takes it away; fails if that is so already.
    pub(super) fn write_route(&self, batch: &mut Batch, route: Route) {
        match route {
            Route::There => batch.delete_chain(UNROUTED),
            Route::Missing => {
                batch.add_chain(UNROUTED, Some(UNROUTED_HOOK));
                batch.add_rule(UNROUTED, &[Expr::Decide(Verdict::Goto("early"))]);
            }
        }
    }

    pub(super) fn names(&self) -> OrdSet<&str> {
        self.interfaces.iter().map(String::as_str).collect()
    }

    /// Room for devices: an element that ran out keeps its place until the kernel has swept it out.
    pub(super) fn places(&self) -> u32 {
        self.max_clients.saturating_add(self.max_clients / 4).max(FEWEST_PLACES).next_power_of_two()
    }

    /// What the kernel should tell of the table.
    pub(super) fn shape(&self) -> Shape {
        let table = TableRead { flags: 0, comment: self.comment() };
        let mut shape = Shape { table: Some(table), ..Shape::default() };
        for (name, base) in CHAINS {
            shape.chains.insert(name.to_owned(), chain_read(name, base));
            shape.rules.insert(name.to_owned(), Vec::new());
        }
        for (chain, rule) in self.rules() {
            let names = rule.iter().flat_map(Expr::names).map(str::to_owned).collect();
            shape.rules.entry(chain.to_owned()).or_default().push(names);
        }
        for set in self.sets() {
            let (name, flags) = (set.name.to_owned(), set.all_flags());
            let read = SetRead { name: name.clone(), flags, key_length: set.key.length(), size: set.size };
            shape.sets.insert(name, read);
        }
        for set in FIXED {
            let keys = self.elements_of(set).into_iter().map(|element| element.key).collect();
            shape.fixed.insert(set.to_owned(), keys);
        }
        shape
    }
}

/// A table as far as it is compared: everything but the elements that come and go and the operands of
/// rules, which the fingerprint in the comment stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub(super) table: Option<TableRead>,
    pub(super) chains: OrdMap<String, ChainRead>,
    /// Per chain and rule the names of its expressions.
    pub(super) rules: OrdMap<String, Vec<Vec<String>>>,
    pub(super) sets: OrdMap<String, SetRead>,
    /// Keys of the sets that belong to the configuration.
    pub(super) fixed: OrdMap<String, OrdSet<Vec<u8>>>,
}

impl Shape {
    /// Takes the chain out that is there only without a route, and says whether it was there, whole.
    pub(super) fn take_route(&mut self) -> Route {
        let chain = self.chains.remove(UNROUTED);
        let rules = self.rules.remove(UNROUTED).unwrap_or_default();
        match chain {
            Some(chain) if chain == chain_read(UNROUTED, Some(UNROUTED_HOOK)) && rules == [["immediate"]] => {
                Route::Missing
            }
            // Damaged: what is compared next differs.
            Some(chain) => {
                self.add_chain(chain);
                Route::There
            }
            None => Route::There,
        }
    }

    pub(super) fn add_chain(&mut self, chain: ChainRead) {
        self.rules.entry(chain.name.clone()).or_default();
        self.chains.insert(chain.name.clone(), chain);
    }

    pub(super) fn add_rule(&mut self, rule: RuleRead) {
        self.rules.entry(rule.chain).or_default().push(rule.expressions);
    }
}

fn chain_read(name: &str, base: Option<BaseChain>) -> ChainRead {
    let base = base.map(|base| (base.kind.to_owned(), base.hook as u32, base.priority));
    ChainRead { table: TABLE.to_owned(), name: name.to_owned(), base, accepts: true }
}

/// FNV-1a, 64 bits: no secret is kept by it, and it is the same in every build.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        Base {
            interfaces: vec!["br-guest".into()],
            portal_port: 2080,
            https_port: 2443,
            dns_port: 2053,
            captive: Ipv4Addr::new(198, 18, 0, 1),
            mark: 0x0100_0000,
            max_clients: 1000,
            blocked: OrdSet::new(),
            garden: Garden { places: Vec::new(), rate: Bps(256_000), data: Bytes(10_000_000) },
        }
    }

    #[test]
    fn every_parameter_changes_the_fingerprint() {
        let mut seen = OrdSet::from([base().comment()]);
        let changes: [fn(&mut Base); 10] = [
            |base| base.interfaces.push("wlan1".into()),
            |base| base.portal_port = 81,
            |base| base.https_port = 444,
            |base| base.mark = 2,
            |base| base.max_clients = 5000,
            |base| base.dns_port = 54,
            |base| base.captive = Ipv4Addr::new(192, 0, 2, 1),
            |base| base.blocked = OrdSet::from([Mac::new([2; 6])]),
            |base| base.garden.rate = Bps(8000),
            |base| {
                let address = IpAddr::from([203, 0, 113, 80]);
                base.garden.places.push(Place { first: address, last: address, port: 443 });
            },
        ];
        for change in changes {
            let mut base = base();
            change(&mut base);
            assert!(seen.insert(base.comment()), "{base:?}");
        }
    }

    #[test]
    fn the_order_of_interfaces_does_not_matter() {
        let with = |names: [&str; 2]| Base { interfaces: names.map(str::to_owned).to_vec(), ..base() };
        assert_eq!(with(["a", "b"]).comment(), with(["b", "a"]).comment());
    }

    #[test]
    fn online_has_room_beyond_max_clients() {
        for (max_clients, places) in [(1, 1024), (1000, 2048), (5000, 8192)] {
            assert_eq!(Base { max_clients, ..base() }.places(), places);
        }
    }
}

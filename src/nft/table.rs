//! What stands in `ruleset.nft`, as the daemon builds it: sets, chains, rules.
//!
//! Owns: the content of table `inet lango` but for the elements of `online`, its fingerprint, and what it
//! looks like when read back. Never: sockets. The reasons for each rule stand in `ruleset.nft`, which a
//! test compares with this, as the kernel lists both.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::nftables::{
    BaseChain, Batch, CONSTANT, ChainRead, Expr, Flow, Hook, Key, Layer, Meta, Reject, RuleRead, SetRead,
    TIMEOUT, TableRead, Verdict,
};

/// The table, and its sets that change.
pub(super) const TABLE: &str = "lango";
pub(super) const ONLINE: &str = "online";
pub(super) const GUESTS: &str = "guests";

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// ARPHRD_ETHER.
const ETHERNET: u16 = 1;
const LOCAL: u32 = 2;
const BROADCAST: u32 = 3;
const MULTICAST: u32 = 5;
const FEWEST_PLACES: u32 = 1024;

/// What the table is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Guest networks: names of layer 3 devices.
    pub interfaces: Vec<String>,
    pub portal_port: u16,
    pub https_port: u16,
    /// One bit of the connection mark.
    pub mark: u32,
    /// Devices online at once.
    pub max_clients: u32,
}

type Rule = (&'static str, Vec<Expr>);

impl Base {
    /// Makes room for so many devices, if there is less: they may be more than `max_clients` since it was
    /// lowered, and a table without room for one of them could not be installed at all.
    pub fn hold(&mut self, devices: usize) {
        self.max_clients = self.max_clients.max(u32::try_from(devices).unwrap_or(u32::MAX));
    }

    /// Names the table, all but its elements: two tables with the same fingerprint hold the same rules.
    pub(super) fn comment(&self) -> String {
        let mut batch = Batch::new(TABLE);
        self.write_content(&mut batch);
        format!("lango {:016x}", fnv(&batch.finish(0).0))
    }

    /// Writes the whole table, with `online` empty.
    pub(super) fn write(&self, batch: &mut Batch) {
        batch.add_table(&self.comment());
        self.write_content(batch);
    }

    fn write_content(&self, batch: &mut Batch) {
        batch.add_set(ONLINE, Key::EtherAddress, TIMEOUT, self.places());
        let names: Vec<_> = self.names().into_iter().map(interface_key).collect();
        let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        batch.add_set(GUESTS, Key::InterfaceName, CONSTANT, count);
        let elements: Vec<_> = names.iter().map(|name| (name.as_slice(), None)).collect();
        batch.add_elements(GUESTS, &elements);
        for (name, base) in CHAINS {
            batch.add_chain(name, base);
        }
        for (chain, rule) in self.rules() {
            batch.add_rule(chain, &rule);
        }
    }

    fn names(&self) -> BTreeSet<&str> {
        self.interfaces.iter().map(String::as_str).collect()
    }

    /// Room in `online`: an element that ran out keeps its place until the kernel has swept it out.
    fn places(&self) -> u32 {
        self.max_clients.saturating_add(self.max_clients / 4).max(FEWEST_PLACES).next_power_of_two()
    }

    fn rules(&self) -> Vec<Rule> {
        let mut rules = before_routing();
        rules.extend(self.marking());
        rules.extend(self.on_the_gateway());
        rules
    }

    /// Chains `hold`, `refuse`, `forward`, `up`, `paid`, `down`.
    fn marking(&self) -> Vec<Rule> {
        let clear = vec![Expr::Flow(Flow::Mark), Expr::Bits { mask: !self.mark, xor: 0 }, Expr::SetMark];
        let mark =
            vec![Expr::Flow(Flow::Mark), Expr::Bits { mask: !self.mark, xor: self.mark }, Expr::SetMark];
        let group = [LOCAL, BROADCAST, MULTICAST].map(|kind| kind.to_ne_bytes().to_vec()).to_vec();
        let address = vec![Expr::DestinationType, Expr::Among(Key::AddressType, group)];
        vec![
            ("hold", says([address, accept()])),
            ("hold", says([protocol(TCP), port(80), self.unmarked(), accept()])),
            ("hold", says([dns(), self.unmarked(), accept()])),
            ("hold", decide(Verdict::Goto("refuse"))),
            ("refuse", clear),
            ("refuse", says([protocol(TCP), vec![Expr::Reject(Reject::TcpReset)]])),
            ("refuse", vec![Expr::Reject(Reject::PortUnreachable)]),
            ("forward", says([from(Meta::InterfaceIn), decide(Verdict::Jump("up"))])),
            ("forward", says([from(Meta::InterfaceOut), decide(Verdict::Goto("down"))])),
            ("up", says([paid(), decide(Verdict::Goto("paid"))])),
            ("up", decide(Verdict::Goto("refuse"))),
            ("paid", mark),
            ("paid", accept()),
            ("down", says([self.marked(), accept()])),
            ("down", decide(Verdict::Drop)),
        ]
    }

    /// Chains `intercept` and `services`.
    fn on_the_gateway(&self) -> Vec<Rule> {
        let here = vec![Expr::DestinationType, Expr::Equal(LOCAL.to_ne_bytes().to_vec())];
        let to_portal = vec![Expr::Redirect(self.portal_port)];
        let reply = vec![Expr::Flow(Flow::Direction), Expr::Equal(vec![1])];
        let ports: BTreeSet<u16> = [53, self.portal_port, self.https_port].into();
        vec![
            ("intercept", not_a_guest()),
            ("intercept", says([here, protocol(TCP), port(80), to_portal.clone()])),
            ("intercept", says([paid(), accept()])),
            ("intercept", says([protocol(TCP), port(80), to_portal])),
            ("intercept", says([dns(), vec![Expr::Redirect(53)]])),
            ("services", not_a_guest()),
            ("services", says([reply, accept()])),
            ("services", says([protocol(UDP), one_of(&[53, 67, 547].into()), accept()])),
            ("services", says([protocol(TCP), one_of(&ports), accept()])),
            ("services", says([icmp(IPV4, ICMP, Key::IcmpType, &[3, 8, 11, 12]), accept()])),
            ("services", says([icmp(IPV6, ICMPV6, Key::Icmpv6Type, &ICMPV6_TYPES), accept()])),
            ("services", says([protocol(TCP), vec![Expr::Reject(Reject::TcpReset)]])),
            ("services", vec![Expr::Reject(Reject::PortUnreachable)]),
        ]
    }

    fn unmarked(&self) -> Vec<Expr> {
        let bits = Expr::Bits { mask: self.mark, xor: 0 };
        vec![Expr::Flow(Flow::Mark), bits, Expr::Equal(vec![0; 4])]
    }

    fn marked(&self) -> Vec<Expr> {
        let bits = Expr::Bits { mask: self.mark, xor: 0 };
        vec![Expr::Flow(Flow::Mark), bits, Expr::Unequal(vec![0; 4])]
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
            let names = rule.iter().flat_map(Expr::names).map(|name| (*name).to_owned()).collect();
            shape.rules.entry(chain.to_owned()).or_default().push(names);
        }
        let guests = u32::try_from(self.names().len()).unwrap_or(u32::MAX);
        for (name, flags, key_length, size) in
            [(ONLINE, TIMEOUT, 6, self.places()), (GUESTS, CONSTANT, 16, guests)]
        {
            let set = SetRead { name: name.to_owned(), flags, key_length, size };
            shape.sets.insert(name.to_owned(), set);
        }
        shape.guests = self.names().into_iter().map(|name| interface_key(name).to_vec()).collect();
        shape
    }
}

/// A table as far as it is compared: everything but the members of `online` and the operands of rules,
/// which the fingerprint in the comment stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub(super) table: Option<TableRead>,
    pub(super) chains: BTreeMap<String, ChainRead>,
    /// Per chain and rule the names of its expressions.
    pub(super) rules: BTreeMap<String, Vec<Vec<String>>>,
    pub(super) sets: BTreeMap<String, SetRead>,
    pub(super) guests: BTreeSet<Vec<u8>>,
}

impl Shape {
    pub(super) fn add_chain(&mut self, chain: ChainRead) {
        self.rules.entry(chain.name.clone()).or_default();
        self.chains.insert(chain.name.clone(), chain);
    }

    pub(super) fn add_rule(&mut self, rule: RuleRead) {
        self.rules.entry(rule.chain).or_default().push(rule.expressions);
    }
}

const CHAINS: [(&str, Option<BaseChain>); 9] = [
    ("decide", Some(BaseChain { kind: "filter", hook: Hook::Prerouting, priority: -115 })),
    ("hold", None),
    ("refuse", None),
    ("intercept", Some(BaseChain { kind: "nat", hook: Hook::Prerouting, priority: -105 })),
    ("services", Some(BaseChain { kind: "filter", hook: Hook::Input, priority: -5 })),
    ("forward", Some(BaseChain { kind: "filter", hook: Hook::Forward, priority: -5 })),
    ("up", None),
    ("paid", None),
    ("down", None),
];

/// Errors 1 to 4, echo request, MLD query, report and done, router and neighbour solicitation, neighbour
/// advertisement, MLDv2 report.
const ICMPV6_TYPES: [u8; 12] = [1, 2, 3, 4, 128, 130, 131, 132, 133, 135, 136, 143];

fn before_routing() -> Vec<Rule> {
    vec![
        ("decide", not_a_guest()),
        ("decide", says([paid(), accept()])),
        ("decide", decide(Verdict::Goto("hold"))),
    ]
}

fn says<const N: usize>(parts: [Vec<Expr>; N]) -> Vec<Expr> {
    parts.into_iter().flatten().collect()
}

fn decide(verdict: Verdict) -> Vec<Expr> {
    vec![Expr::Decide(verdict)]
}

fn accept() -> Vec<Expr> {
    decide(Verdict::Accept)
}

fn from(interface: Meta) -> Vec<Expr> {
    vec![Expr::Meta(interface), Expr::In(GUESTS)]
}

fn not_a_guest() -> Vec<Expr> {
    says([vec![Expr::Meta(Meta::InterfaceIn), Expr::NotIn(GUESTS)], accept()])
}

/// The source MAC is in `online`.
fn paid() -> Vec<Expr> {
    vec![
        Expr::Meta(Meta::TypeIn),
        Expr::Equal(ETHERNET.to_ne_bytes().to_vec()),
        Expr::Payload { layer: Layer::Link, offset: 6, length: 6 },
        Expr::In(ONLINE),
    ]
}

fn protocol(number: u8) -> Vec<Expr> {
    vec![Expr::Meta(Meta::Protocol), Expr::Equal(vec![number])]
}

fn port(number: u16) -> Vec<Expr> {
    vec![DESTINATION_PORT, Expr::Equal(number.to_be_bytes().to_vec())]
}

fn one_of(ports: &BTreeSet<u16>) -> Vec<Expr> {
    let ports = ports.iter().map(|port| port.to_be_bytes().to_vec()).collect();
    vec![DESTINATION_PORT, Expr::Among(Key::Port, ports)]
}

const DESTINATION_PORT: Expr = Expr::Payload { layer: Layer::Transport, offset: 2, length: 2 };

fn dns() -> Vec<Expr> {
    let protocols = Expr::Among(Key::Protocol, vec![vec![TCP], vec![UDP]]);
    says([vec![Expr::Meta(Meta::Protocol), protocols], port(53)])
}

fn icmp(family: u8, number: u8, key: Key, types: &[u8]) -> Vec<Expr> {
    let types = Expr::Among(key, types.iter().map(|kind| vec![*kind]).collect());
    let family = vec![Expr::Meta(Meta::Family), Expr::Equal(vec![family])];
    says([
        family,
        protocol(number),
        vec![Expr::Payload { layer: Layer::Transport, offset: 0, length: 1 }, types],
    ])
}

/// An interface name as a key: padded with zero bytes. Names are at most 15 bytes.
fn interface_key(name: &str) -> [u8; 16] {
    let mut key = [0; 16];
    key.iter_mut().zip(name.bytes().take(15)).for_each(|(slot, byte)| *slot = byte);
    key
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
            mark: 0x0100_0000,
            max_clients: 1000,
        }
    }

    #[test]
    fn every_parameter_changes_the_fingerprint() {
        let mut seen = BTreeSet::from([base().comment()]);
        let changes: [fn(&mut Base); 5] = [
            |base| base.interfaces.push("wlan1".into()),
            |base| base.portal_port = 81,
            |base| base.https_port = 444,
            |base| base.mark = 2,
            |base| base.max_clients = 5000,
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

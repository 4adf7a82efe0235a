//! What stands in `ruleset.nft`, as the daemon builds it: chains and rules.
//!
//! Owns: every rule. Never: sockets, sets. The reasons for each rule stand in `ruleset.nft`, which a test
//! compares with this, as the kernel lists both.

use super::sets::{
    ASKED, BLOCKED, ByFamily, CAPS, CAPS_UP, COUNTS, DOWN, FRESH, GARDEN, GARDEN_ANSWERS, GARDEN_USE, GUESTS,
    KNOCKING, LEARNED, OFFLINE, ONLINE, SPEED, STROLLS, TAKEN, TEACHERS, UP, interface_key,
};
use super::table::Base;
use crate::ordered::OrdSet;
use crate::wire::nftables::{
    BaseChain, Expr, Field, Flow, Hook, Key, Layer, Learn, Learning, Meta, Reject, State, Verdict,
};

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
/// Of a conntrack entry that has not been confirmed yet.
const NEW: u32 = 8;
/// Offloads gather segments up to this size: a bucket that does not hold one would never let it through.
pub(super) const LONGEST_SEGMENT: u32 = 65_536;

/// Chains that elements of `up` and `down` name.
pub(super) const CAPPED_UP: &str = "capped_up";
pub(super) const CAPPED_DOWN: &str = "capped_down";
pub(super) const SLOWED: &str = "slowed";
pub(super) const SLOWED_CAPPED: &str = "slowed_capped";

/// Bytes that an address receives before the daemon knows it: so much may pass beyond a cap that ends
/// meanwhile. The daemon needs some milliseconds, and this is a hundred of a line of 10 Mbit/s. It must hold
/// more than a [`LONGEST_SEGMENT`].
const UNKNOWN_GETS: u64 = 128 * 1024;

/// The object that keeps flows out of flow offload.
pub(super) const CLASSIC: &str = "classic";

pub(super) const CHAINS: [(&str, Option<BaseChain>); 20] = [
    ("intercept", Some(BaseChain { kind: "nat", hook: Hook::Prerouting, priority: -105 })),
    ("begin", None),
    ("learn", None),
    ("services", Some(BaseChain { kind: "filter", hook: Hook::Input, priority: -5 })),
    ("bar", None),
    ("forward", Some(BaseChain { kind: "filter", hook: Hook::Forward, priority: -5 })),
    (CAPPED_UP, None),
    ("down", None),
    (CAPPED_DOWN, None),
    (SLOWED, None),
    (SLOWED_CAPPED, None),
    ("capped_counted", None),
    ("counted", None),
    ("elsewhere", None),
    ("hold", None),
    ("suspect", None),
    ("garden", None),
    ("stroll", None),
    ("refuse", None),
    ("early", None),
];

/// The chain that is there only while there is no default route; it calls `early`.
pub(super) const UNROUTED: &str = "unrouted";
pub(super) const UNROUTED_HOOK: BaseChain =
    BaseChain { kind: "filter", hook: Hook::Prerouting, priority: -115 };

/// Errors 1 to 4, echo request, MLD query, report and done, router and neighbour solicitation, neighbour
/// advertisement, MLDv2 report.
const ICMPV6_TYPES: [u8; 12] = [1, 2, 3, 4, 128, 130, 131, 132, 133, 135, 136, 143];

const SOURCE_MAC: Field = Field { layer: Layer::Link, offset: 6, length: 6 };
const SOURCE_PORT: Field = Field { layer: Layer::Transport, offset: 0, length: 2 };
const DESTINATION_PORT: Field = Field { layer: Layer::Transport, offset: 2, length: 2 };
const ICMP_TYPE: Field = Field { layer: Layer::Transport, offset: 0, length: 1 };

/// What differs between the families.
struct Family {
    number: u8,
    source: Field,
    destination: Field,
    set: fn(ByFamily) -> &'static str,
}

const V4: Family = Family {
    number: IPV4,
    source: Field { layer: Layer::Network, offset: 12, length: 4 },
    destination: Field { layer: Layer::Network, offset: 16, length: 4 },
    set: |sets| sets.v4,
};

const V6: Family = Family {
    number: IPV6,
    source: Field { layer: Layer::Network, offset: 8, length: 16 },
    destination: Field { layer: Layer::Network, offset: 24, length: 16 },
    set: |sets| sets.v6,
};

pub(super) type Rule = (&'static str, Vec<Expr>);

impl Base {
    pub(super) fn rules(&self) -> Vec<Rule> {
        let mut rules = self.intercept();
        rules.extend(self.begin());
        rules.extend(self.services());
        rules.extend(self.forward());
        rules.extend(self.received());
        rules.extend(self.held());
        rules.extend(self.early());
        rules
    }

    fn intercept(&self) -> Vec<Rule> {
        let to_portal = || vec![Expr::Redirect(self.portal_port)];
        let to_responder = || says([dns(), vec![Expr::Redirect(self.dns_port)]]);
        let offline = || vec![Expr::Meta(Meta::InterfaceIn), Expr::In(OFFLINE)];
        let mut rules = vec![
            not_a_guest(),
            says([forged(), decide(Verdict::Drop)]),
            vec![Expr::ExpectNothing(CLASSIC)],
            says([is_online(), web(), self.mark_flow()]),
            says([to_here(&[LOCAL]), web(), to_portal()]),
            says([offline(), web(), to_portal()]),
            says([offline(), to_responder()]),
            says([is_online(), decide(Verdict::Goto("begin"))]),
        ];
        rules.extend(in_the_garden(Verdict::Accept));
        rules.extend([says([web(), to_portal()]), to_responder()]);
        chain("intercept", rules)
    }

    /// Chains `begin` and `learn`.
    fn begin(&self) -> Vec<Rule> {
        let may_teach = learn(TEACHERS, Learning::Once, State::PacketLimit { a_second: 2, burst: 60 });
        vec![
            ("begin", says([to_here(&[LOCAL, BROADCAST, MULTICAST]), accept()])),
            ("begin", says([mac(), may_teach, decide(Verdict::Jump("learn"))])),
            ("begin", self.mark_flow()),
            ("begin", says([self.to_captive(), web(), vec![Expr::Redirect(self.portal_port)]])),
            ("learn", V4.learn_address()),
            ("learn", V6.learn_address()),
        ]
    }

    /// Chains `services` and `bar`.
    fn services(&self) -> Vec<Rule> {
        let reply = vec![Expr::Flow(Flow::Direction), Expr::Equal(vec![1])];
        let is_not_online = says([mac(), vec![Expr::NotIn(ONLINE)]]);
        let tcp: OrdSet<u16> = [self.dns_port, self.portal_port, self.https_port].into();
        let udp: OrdSet<u16> = [67, 547, self.dns_port].into();
        let mut rules = chain(
            "services",
            vec![
                not_a_guest(),
                says([reply, accept()]),
                says([is_blocked(), decide(Verdict::Goto("bar"))]),
                says([dns(), is_online(), accept()]),
                says([is_not_online, decide(Verdict::Jump("suspect"))]),
                says([protocol(UDP), one_of(&udp), accept()]),
                says([protocol(TCP), one_of(&tcp), accept()]),
                says([icmp(IPV4, ICMP, Key::IcmpType, &[3, 8, 11, 12]), accept()]),
                says([icmp(IPV6, ICMPV6, Key::Icmpv6Type, &ICMPV6_TYPES), accept()]),
                decide(Verdict::Goto("refuse")),
            ],
        );
        let address = icmp(IPV6, ICMPV6, Key::Icmpv6Type, &[133, 135, 136]);
        rules.extend(chain(
            "bar",
            vec![
                says([protocol(UDP), one_of(&[67, 547].into()), accept()]),
                says([address, accept()]),
                decide(Verdict::Jump("suspect")),
                says([protocol(UDP), port(self.dns_port), accept()]),
                says([protocol(TCP), one_of(&tcp), accept()]),
                decide(Verdict::Goto("refuse")),
            ],
        ));
        rules
    }

    /// Chains `forward` and `capped_up`.
    fn forward(&self) -> Vec<Rule> {
        vec![
            ("forward", says([self.guest(Meta::InterfaceOut), decide(Verdict::Goto("down"))])),
            ("forward", says([self.to_captive(), decide(Verdict::Goto("refuse"))])),
            ("forward", says([mac(), vec![Expr::DecideBy(UP)]])),
            ("forward", says([self.guest(Meta::InterfaceIn), decide(Verdict::Goto("hold"))])),
            (CAPPED_UP, says([mac(), vec![Expr::AllowedBy(CAPS_UP)], accept()])),
            (CAPPED_UP, decide(Verdict::Goto("refuse"))),
        ]
    }

    /// Chains `down` and those that it leads to.
    fn received(&self) -> Vec<Rule> {
        let answer = || vec![Expr::Flow(Flow::Direction), Expr::Equal(vec![1])];
        let from_a_guest = vec![Expr::Meta(Meta::InterfaceIn), Expr::In(GUESTS)];
        let mut rules = chain(
            "down",
            vec![
                says([answer(), V4.to(Expr::DecideBy(DOWN.v4))]),
                says([answer(), V6.to(Expr::DecideBy(DOWN.v6))]),
                says([answer(), decide(Verdict::Jump("elsewhere"))]),
                says([from_a_guest, decide(Verdict::Goto("refuse"))]),
                decide(Verdict::Drop),
            ],
        );
        for (name, by, then) in [
            (CAPPED_DOWN, CAPS, Verdict::Accept),
            (SLOWED, SPEED, Verdict::Goto("counted")),
            (SLOWED_CAPPED, SPEED, Verdict::Goto("capped_counted")),
            ("capped_counted", CAPS, Verdict::Goto("counted")),
        ] {
            let allowed = |ip: &Family| says([ip.to(Expr::AllowedBy((ip.set)(by))), decide(then)]);
            rules.extend(chain(name, vec![allowed(&V4), allowed(&V6), decide(Verdict::Drop)]));
        }
        let counted = |ip: &Family| says([ip.to(Expr::In((ip.set)(COUNTS))), accept()]);
        rules.extend(chain("counted", vec![counted(&V4), counted(&V6), accept()]));
        rules.extend(self.elsewhere());
        rules
    }

    fn elsewhere(&self) -> Vec<Rule> {
        let taken = |ip: &Family| says([ip.to(Expr::In((ip.set)(TAKEN))), decide(Verdict::Drop)]);
        let unknown = |ip: &Family| {
            // The quota also takes what it refuses; behind it is counted what passed.
            let state = vec![State::Quota { bytes: UNKNOWN_GETS, used: 0 }, State::Counter { bytes: 0 }];
            let gets = Expr::Learn(Learn { set: (ip.set)(FRESH), how: Learning::Once, state });
            let address = Expr::Payload(ip.destination);
            says([ip.to(Expr::In((ip.set)(LEARNED))), vec![address, gets], accept()])
        };
        let visitor = |ip: &Family| {
            let key = ip.key(&[ip.destination, ip.source, SOURCE_PORT], Expr::In((ip.set)(STROLLS)));
            let address = vec![Expr::Payload(ip.destination)];
            says([datagrams(), key, address, self.garden_allows((ip.set)(GARDEN_ANSWERS)), accept()])
        };
        let rules = [unknown(&V4), unknown(&V6), taken(&V4), taken(&V6), visitor(&V4), visitor(&V6)];
        chain("elsewhere", rules.into())
    }

    /// Chains `hold`, `suspect`, `garden`, `stroll` and `refuse`.
    fn held(&self) -> Vec<Rule> {
        let is_new = vec![Expr::Flow(Flow::State), Expr::Bits { mask: NEW, xor: 0 }, zero(Is::Not)];
        let too_many = learn(KNOCKING, Learning::Once, State::PacketsOver { a_second: 1000, burst: 4000 });
        let mut rules = vec![
            ("hold", says([is_online(), decide(Verdict::Drop)])),
            ("hold", says([is_blocked(), decide(Verdict::Goto("refuse"))])),
            ("hold", decide(Verdict::Jump("suspect"))),
        ];
        rules.extend(chain("hold", in_the_garden(Verdict::Goto("garden")).into()));
        rules.extend([
            ("hold", decide(Verdict::Goto("refuse"))),
            ("suspect", says([forged(), decide(Verdict::Drop)])),
            ("suspect", says([V4.is_taken(), decide(Verdict::Drop)])),
            ("suspect", says([V6.is_taken(), decide(Verdict::Drop)])),
            ("suspect", says([is_new, mac(), too_many, decide(Verdict::Drop)])),
            ("garden", says([mac(), self.garden_allows(GARDEN_USE), decide(Verdict::Goto("stroll"))])),
            ("garden", decide(Verdict::Drop)),
            ("stroll", V4.stroll()),
            ("stroll", V6.stroll()),
            ("stroll", accept()),
            ("refuse", says([protocol(TCP), vec![Expr::Reject(Reject::TcpReset)]])),
            ("refuse", vec![Expr::Reject(Reject::PortUnreachable)]),
        ]);
        rules
    }

    fn early(&self) -> Vec<Rule> {
        let mark = || vec![Expr::Flow(Flow::Mark), Expr::Bits { mask: self.mark, xor: 0 }, zero(Is::Zero)];
        chain(
            "early",
            vec![
                not_a_guest(),
                says([is_online(), accept()]),
                says([to_here(&[LOCAL, BROADCAST, MULTICAST]), accept()]),
                says([web(), mark(), accept()]),
                says([dns(), mark(), accept()]),
                decide(Verdict::Goto("hold")),
            ],
        )
    }

    /// Of the device or the address in the first register.
    fn garden_allows(&self, account: &'static str) -> Vec<Expr> {
        let rate = State::ByteLimit { a_second: self.garden.rate.0 / 8, burst: LONGEST_SEGMENT };
        let quota = State::Quota { bytes: self.garden.data.0, used: 0 };
        vec![Expr::Learn(Learn { set: account, how: Learning::Once, state: vec![rate, quota] })]
    }

    /// The device is online as this flow begins.
    fn mark_flow(&self) -> Vec<Expr> {
        vec![Expr::Flow(Flow::Mark), Expr::Bits { mask: !self.mark, xor: self.mark }, Expr::SetMark]
    }

    /// To the address that the responder gives for names.
    fn to_captive(&self) -> Vec<Expr> {
        V4.to(Expr::Equal(self.captive.octets().to_vec()))
    }

    /// By its name, if there is but one guest network: a comparison costs half of a look into a set.
    fn guest(&self, interface: Meta) -> Vec<Expr> {
        let names = self.names();
        let is_guest = match (names.len(), names.first()) {
            (1, Some(name)) => Expr::Equal(interface_key(name).to_vec()),
            _ => Expr::In(GUESTS),
        };
        vec![Expr::Meta(interface), is_guest]
    }
}

impl Family {
    fn is(&self) -> Vec<Expr> {
        vec![Expr::Meta(Meta::Family), Expr::Equal(vec![self.number])]
    }

    /// Packets of this family with a key of these fields.
    fn key(&self, fields: &[Field], then: Expr) -> Vec<Expr> {
        says([self.is(), vec![Expr::Fields(fields.to_vec()), then]])
    }

    /// Packets of this family, by the address that they go to.
    fn to(&self, then: Expr) -> Vec<Expr> {
        says([self.is(), vec![Expr::Payload(self.destination), then]])
    }

    /// The source address is that of a device that is online.
    fn is_taken(&self) -> Vec<Expr> {
        says([self.is(), vec![Expr::Payload(self.source), Expr::In((self.set)(TAKEN))]])
    }

    fn learn_address(&self) -> Vec<Expr> {
        let learn = Learn { set: (self.set)(LEARNED), how: Learning::Again, state: Vec::new() };
        let is_unknown = vec![Expr::Payload(self.source), Expr::NotIn((self.set)(TAKEN))];
        says([self.is(), is_unknown, vec![Expr::Payload(self.source), Expr::Learn(learn)]])
    }

    fn stroll(&self) -> Vec<Expr> {
        let learn = Learn { set: (self.set)(STROLLS), how: Learning::Again, state: Vec::new() };
        self.key(&[self.source, self.destination, DESTINATION_PORT], Expr::Learn(learn))
    }
}

/// Whether the packet goes to the garden: by address for all, by name for who asked.
fn in_the_garden(verdict: Verdict) -> [Vec<Expr>; 4] {
    let by_address = |ip: &Family| {
        let key = ip.key(&[ip.destination, DESTINATION_PORT], Expr::In((ip.set)(GARDEN)));
        says([datagrams(), key, decide(verdict)])
    };
    let by_name = |ip: &Family| {
        let key = ip.key(&[SOURCE_MAC, ip.destination, DESTINATION_PORT], Expr::In((ip.set)(ASKED)));
        says([datagrams(), ethernet(), key, decide(verdict)])
    };
    [by_address(&V4), by_address(&V6), by_name(&V4), by_name(&V6)]
}

/// How four bytes compare with zero.
#[derive(Clone, Copy)]
enum Is {
    Zero,
    Not,
}

fn zero(is: Is) -> Expr {
    match is {
        Is::Zero => Expr::Equal(vec![0; 4]),
        Is::Not => Expr::Unequal(vec![0; 4]),
    }
}

fn chain(name: &'static str, rules: Vec<Vec<Expr>>) -> Vec<Rule> {
    rules.into_iter().map(|rule| (name, rule)).collect()
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

fn not_a_guest() -> Vec<Expr> {
    says([vec![Expr::Meta(Meta::InterfaceIn), Expr::NotIn(GUESTS)], accept()])
}

fn ethernet() -> Vec<Expr> {
    vec![Expr::Meta(Meta::TypeIn), Expr::Equal(ETHERNET.to_ne_bytes().to_vec())]
}

/// The device that sent the packet is in the first register.
fn mac() -> Vec<Expr> {
    says([ethernet(), vec![Expr::Payload(SOURCE_MAC)]])
}

fn is_online() -> Vec<Expr> {
    says([mac(), vec![Expr::In(ONLINE)]])
}

/// The source address does not lie in this network.
fn forged() -> Vec<Expr> {
    vec![Expr::LeadsBack, Expr::Equal(vec![0; 4])]
}

fn is_blocked() -> Vec<Expr> {
    says([mac(), vec![Expr::In(BLOCKED)]])
}

fn learn(set: &'static str, how: Learning, state: State) -> Vec<Expr> {
    vec![Expr::Learn(Learn { set, how, state: vec![state] })]
}

fn to_here(kinds: &[u32]) -> Vec<Expr> {
    let kinds: Vec<_> = kinds.iter().map(|kind| kind.to_ne_bytes().to_vec()).collect();
    let among = match <[Vec<u8>; 1]>::try_from(kinds) {
        Ok([one]) => Expr::Equal(one),
        Err(several) => Expr::Among(Key::AddressType, several),
    };
    vec![Expr::DestinationType, among]
}

fn protocol(number: u8) -> Vec<Expr> {
    vec![Expr::Meta(Meta::Protocol), Expr::Equal(vec![number])]
}

/// TCP and UDP: what has ports.
fn datagrams() -> Vec<Expr> {
    vec![Expr::Meta(Meta::Protocol), Expr::Among(Key::Protocol, vec![vec![TCP], vec![UDP]])]
}

fn port(number: u16) -> Vec<Expr> {
    vec![Expr::Payload(DESTINATION_PORT), Expr::Equal(number.to_be_bytes().to_vec())]
}

fn one_of(ports: &OrdSet<u16>) -> Vec<Expr> {
    let ports = ports.iter().map(|port| port.to_be_bytes().to_vec()).collect();
    vec![Expr::Payload(DESTINATION_PORT), Expr::Among(Key::Port, ports)]
}

/// Port 80 of TCP.
fn web() -> Vec<Expr> {
    says([protocol(TCP), port(80)])
}

fn dns() -> Vec<Expr> {
    says([datagrams(), port(53)])
}

fn icmp(family: u8, number: u8, key: Key, types: &[u8]) -> Vec<Expr> {
    let types = Expr::Among(key, types.iter().map(|kind| vec![*kind]).collect());
    let family = vec![Expr::Meta(Meta::Family), Expr::Equal(vec![family])];
    says([family, protocol(number), vec![Expr::Payload(ICMP_TYPE), types]])
}

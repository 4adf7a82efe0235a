//! Expressions of nftables rules: what the kernel runs, one register at a time.
//!
//! Owns: the encoding of the dozen expressions that our rules are made of (`linux/netfilter/nf_tables.h`).
//! Never: which rules there are; see `nft::table`. Everything goes through register 1, so expressions of
//! one rule read like a sentence: load, compare, load, look up, decide.

use crate::wire::netlink::Attributes;

const NAME: u16 = 1;
const DATA: u16 = 2;
const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const REGISTER: u32 = 1;
const VERDICT_REGISTER: u32 = 0;

/// What a set's keys are: tells `nft list` how to print them, and the kernel how long they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    EtherAddress,
    InterfaceName,
    Protocol,
    Port,
    IcmpType,
    Icmpv6Type,
    AddressType,
}

impl Key {
    /// Number of the type in `nft`, and bytes.
    pub(super) const fn format(self) -> (u32, u32) {
        match self {
            Self::EtherAddress => (9, 6),
            Self::InterfaceName => (41, 16),
            Self::Protocol => (12, 1),
            Self::Port => (13, 2),
            Self::IcmpType => (14, 1),
            Self::Icmpv6Type => (29, 1),
            Self::AddressType => (38, 4),
        }
    }

    /// Number of the byte order in `nft`: the machine's or the network's.
    pub(super) const fn byte_order(self) -> u32 {
        match self {
            Self::InterfaceName | Self::AddressType => 1,
            Self::EtherAddress | Self::Protocol | Self::Port | Self::IcmpType | Self::Icmpv6Type => 2,
        }
    }
}

/// Where the packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    Drop,
    Jump(&'static str),
    Goto(&'static str),
}

/// Properties of a packet outside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    InterfaceIn = 6,
    InterfaceOut = 7,
    /// Hardware type of the interface it came in by.
    TypeIn = 8,
    /// IPv4 or IPv6.
    Family = 15,
    Protocol = 16,
}

/// What conntrack knows of a packet's flow. Without a flow the rule does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Direction = 1,
    Mark = 3,
}

/// Where a payload offset counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Link = 0,
    Transport = 2,
}

/// How a packet is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    TcpReset,
    PortUnreachable,
}

/// One expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    Meta(Meta),
    Flow(Flow),
    Payload {
        layer: Layer,
        offset: u32,
        length: u32,
    },
    /// Type of the destination address, by the routing tables.
    DestinationType,
    Equal(Vec<u8>),
    Unequal(Vec<u8>),
    In(&'static str),
    NotIn(&'static str),
    /// One of these: an anonymous set, written before its rule.
    Among(Key, Vec<Vec<u8>>),
    /// Register = (register & mask) ^ xor, four bytes.
    Bits {
        mask: u32,
        xor: u32,
    },
    SetMark,
    /// To the gateway itself, at this port.
    Redirect(u16),
    Reject(Reject),
    Decide(Verdict),
}

impl Expr {
    /// The kernel's name of what `write` writes, in order.
    pub fn names(&self) -> &'static [&'static str] {
        match self {
            Self::Meta(_) => &["meta"],
            Self::Flow(_) | Self::SetMark => &["ct"],
            Self::Payload { .. } => &["payload"],
            Self::DestinationType => &["fib"],
            Self::Equal(_) | Self::Unequal(_) => &["cmp"],
            Self::In(_) | Self::NotIn(_) | Self::Among(..) => &["lookup"],
            Self::Bits { .. } => &["bitwise"],
            Self::Redirect(_) => &["immediate", "redir"],
            Self::Reject(_) => &["reject"],
            Self::Decide(_) => &["immediate"],
        }
    }

    /// Writes it into the list of a rule; `anonymous` is the id of the set that [`Expr::Among`] made.
    pub(super) fn write(&self, list: &mut Attributes<'_>, anonymous: u32) {
        match self {
            Self::Meta(key) => expression(list, "meta", |a| load(a, *key as u32)),
            Self::Flow(key) => expression(list, "ct", |a| load(a, *key as u32)),
            Self::Payload { layer, offset, length } => expression(list, "payload", |a| {
                load(a, *layer as u32);
                a.be32(3, *offset);
                a.be32(4, *length);
            }),
            Self::DestinationType => expression(list, "fib", |a| {
                load(a, 3);
                a.be32(3, 2);
            }),
            Self::Equal(value) => compare(list, 0, value),
            Self::Unequal(value) => compare(list, 1, value),
            Self::In(set) => lookup(list, set, 0, 0),
            Self::NotIn(set) => lookup(list, set, 0, 1),
            Self::Among(..) => lookup(list, ANONYMOUS, anonymous, 0),
            Self::Bits { mask, xor } => expression(list, "bitwise", |a| {
                a.be32(1, REGISTER);
                a.be32(2, REGISTER);
                a.be32(3, 4);
                a.nest(4, |a| a.put(VALUE, &mask.to_ne_bytes()));
                a.nest(5, |a| a.put(VALUE, &xor.to_ne_bytes()));
            }),
            Self::SetMark => expression(list, "ct", |a| {
                a.be32(2, Flow::Mark as u32);
                a.be32(4, REGISTER);
            }),
            Self::Redirect(port) => redirect(list, *port),
            Self::Reject(how) => reject(list, *how),
            Self::Decide(verdict) => decide(list, *verdict),
        }
    }
}

/// The name by which the kernel is asked to name a set itself.
pub(super) const ANONYMOUS: &str = "__set%d";

fn expression(list: &mut Attributes<'_>, name: &str, data: impl FnOnce(&mut Attributes<'_>)) {
    list.nest(1, |a| {
        a.text(NAME, name);
        a.nest(DATA, data);
    });
}

/// The common beginning of all that load: destination register and key.
fn load(a: &mut Attributes<'_>, key: u32) {
    a.be32(1, REGISTER);
    a.be32(2, key);
}

fn compare(list: &mut Attributes<'_>, operator: u32, value: &[u8]) {
    expression(list, "cmp", |a| {
        a.be32(1, REGISTER);
        a.be32(2, operator);
        a.nest(3, |a| a.put(VALUE, value));
    });
}

fn lookup(list: &mut Attributes<'_>, set: &str, id: u32, flags: u32) {
    expression(list, "lookup", |a| {
        a.text(1, set);
        a.be32(2, REGISTER);
        if id != 0 {
            a.be32(4, id);
        }
        if flags != 0 {
            a.be32(5, flags);
        }
    });
}

fn redirect(list: &mut Attributes<'_>, port: u16) {
    expression(list, "immediate", |a| {
        a.be32(1, REGISTER);
        a.nest(2, |a| a.put(VALUE, &port.to_be_bytes()));
    });
    // NF_NAT_RANGE_PROTO_SPECIFIED: the register holds a port.
    expression(list, "redir", |a| {
        a.be32(1, REGISTER);
        a.be32(3, 2);
    });
}

fn reject(list: &mut Attributes<'_>, how: Reject) {
    let (kind, code) = match how {
        Reject::TcpReset => (1, 0),
        Reject::PortUnreachable => (2, 1),
    };
    expression(list, "reject", |a| {
        a.be32(1, kind);
        a.put(2, &[code]);
    });
}

fn decide(list: &mut Attributes<'_>, verdict: Verdict) {
    let (code, chain) = match verdict {
        Verdict::Drop => (0, None),
        Verdict::Accept => (1, None),
        Verdict::Jump(chain) => (-3_i32, Some(chain)),
        Verdict::Goto(chain) => (-4, Some(chain)),
    };
    expression(list, "immediate", |a| {
        a.be32(1, VERDICT_REGISTER);
        a.nest(2, |a| {
            a.nest(VERDICT, |a| {
                a.put(1, &code.to_be_bytes());
                if let Some(chain) = chain {
                    a.text(2, chain);
                }
            });
        });
    });
}

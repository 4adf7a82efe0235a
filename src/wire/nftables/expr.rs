//! Expressions of nftables rules: what the kernel runs, one register at a time.
//!
//! Owns: the encoding of the expressions that our rules are made of (`linux/netfilter/nf_tables.h`).
//! Never: which rules there are; see `nft::rules`. Everything goes through the first register, so that the
//! expressions of one rule read like a sentence: load, compare, load, look up, decide. A key of several
//! fields fills the registers from the first on, each field up to a multiple of four bytes.

use super::expectation;
use super::set::Key;
use super::state::State;
use crate::wire::netlink::Attributes;

const NAME: u16 = 1;
const DATA: u16 = 2;
const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const REGISTER: u32 = 1;
/// The first of the registers of four bytes, which are the same memory as the one of 16.
const FIELD_REGISTER: u32 = 8;
const VERDICT_REGISTER: u32 = 0;

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
    State = 0,
    Direction = 1,
    Mark = 3,
}

/// Where a payload offset counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Link = 0,
    Network = 1,
    Transport = 2,
}

/// Bytes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub layer: Layer,
    pub offset: u32,
    pub length: u32,
}

/// How a packet is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    TcpReset,
    PortUnreachable,
}

/// Puts the key into a set, or finds it there; matches if there was room, and if the state allows the
/// packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learn {
    pub set: &'static str,
    pub how: Learning,
    /// What each key has of its own.
    pub state: Vec<State>,
}

/// What becomes of a key that is in the set already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learning {
    /// Its time goes on.
    Once = 0,
    /// Its time begins anew.
    Again = 1,
}

/// One expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    Meta(Meta),
    Flow(Flow),
    Payload(Field),
    /// A key of several fields.
    Fields(Vec<Field>),
    /// Type of the destination address, by the routing tables.
    DestinationType,
    /// Four bytes, zero unless the interface that the packet came in by leads back to its source address.
    LeadsBack,
    Equal(Vec<u8>),
    Unequal(Vec<u8>),
    In(&'static str),
    NotIn(&'static str),
    /// As this map says for the key.
    DecideBy(&'static str),
    /// The limit or the quota that this map has for the key: matches while it allows the packet.
    AllowedBy(&'static str),
    /// Learns from the packet: see [`Learn`].
    Learn(Learn),
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
    /// The packet's connection, if it is a new one, is one to expect nothing of; the rule ends here.
    ExpectNothing(&'static str),
    Decide(Verdict),
}

impl Expr {
    /// The kernel's name of what `write` writes, in order.
    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Self::Meta(_) => vec!["meta"],
            Self::Flow(_) | Self::SetMark => vec!["ct"],
            Self::Payload(_) => vec!["payload"],
            Self::Fields(fields) => vec!["payload"; fields.len()],
            Self::DestinationType | Self::LeadsBack => vec!["fib"],
            Self::Equal(_) | Self::Unequal(_) => vec!["cmp"],
            Self::In(_) | Self::NotIn(_) | Self::Among(..) | Self::DecideBy(_) => vec!["lookup"],
            Self::AllowedBy(_) | Self::ExpectNothing(_) => vec!["objref"],
            Self::Learn(_) => vec!["dynset"],
            Self::Bits { .. } => vec!["bitwise"],
            Self::Redirect(_) => vec!["immediate", "redir"],
            Self::Reject(_) => vec!["reject"],
            Self::Decide(_) => vec!["immediate"],
        }
    }

    /// Writes it into the list of a rule; `anonymous` is the id of the set that [`Expr::Among`] made.
    pub(super) fn write(&self, list: &mut Attributes<'_>, anonymous: u32) {
        match self {
            Self::Meta(key) => expression(list, "meta", |a| load(a, *key as u32)),
            Self::Flow(key) => expression(list, "ct", |a| load(a, *key as u32)),
            Self::Payload(field) => payload(list, *field, REGISTER),
            Self::Fields(fields) => {
                let mut register = FIELD_REGISTER;
                for field in fields {
                    payload(list, *field, register);
                    register += field.length.div_ceil(4);
                }
            }
            Self::DestinationType => fib(list, ADDRESS_TYPE, OF_DESTINATION),
            Self::LeadsBack => fib(list, INTERFACE, OF_SOURCE | BY_INTERFACE | WHETHER),
            Self::Equal(value) => compare(list, 0, value),
            Self::Unequal(value) => compare(list, 1, value),
            Self::In(set) => lookup(list, Lookup { set, ..Lookup::default() }),
            Self::NotIn(set) => lookup(list, Lookup { set, inverted: 1, ..Lookup::default() }),
            Self::Among(..) => lookup(list, Lookup { set: ANONYMOUS, id: anonymous, ..Lookup::default() }),
            Self::DecideBy(set) => {
                lookup(list, Lookup { set, into: Some(VERDICT_REGISTER), ..Lookup::default() });
            }
            Self::AllowedBy(map) => expression(list, "objref", |a| {
                a.be32(3, REGISTER);
                a.text(4, map);
            }),
            Self::Learn(learn) => learn.write(list),
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
            Self::ExpectNothing(name) => expectation::apply(list, name),
            Self::Decide(verdict) => decide(list, *verdict),
        }
    }
}

/// The name by which the kernel is asked to name a set itself.
pub(super) const ANONYMOUS: &str = "__set%d";

pub(super) fn expression(list: &mut Attributes<'_>, name: &str, data: impl FnOnce(&mut Attributes<'_>)) {
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

/// Looks the key up in a set.
#[derive(Default)]
struct Lookup {
    set: &'static str,
    /// Of a set made in the same transaction; 0: by name.
    id: u32,
    inverted: u32,
    /// Where what a map has for the key goes.
    into: Option<u32>,
}

fn lookup(list: &mut Attributes<'_>, Lookup { set, id, inverted, into }: Lookup) {
    expression(list, "lookup", |a| {
        a.text(1, set);
        a.be32(2, REGISTER);
        if let Some(register) = into {
            a.be32(3, register);
        }
        if id != 0 {
            a.be32(4, id);
        }
        if inverted != 0 {
            a.be32(5, inverted);
        }
    });
}

fn payload(list: &mut Attributes<'_>, field: Field, register: u32) {
    expression(list, "payload", |a| {
        a.be32(1, register);
        a.be32(2, field.layer as u32);
        a.be32(3, field.offset);
        a.be32(4, field.length);
    });
}

const INTERFACE: u32 = 1;
const ADDRESS_TYPE: u32 = 3;
const OF_SOURCE: u32 = 1;
const OF_DESTINATION: u32 = 2;
const BY_INTERFACE: u32 = 8;
const WHETHER: u32 = 32;

fn fib(list: &mut Attributes<'_>, result: u32, flags: u32) {
    expression(list, "fib", |a| {
        load(a, result);
        a.be32(3, flags);
    });
}

impl Learn {
    fn write(&self, list: &mut Attributes<'_>) {
        expression(list, "dynset", |a| {
            a.text(1, self.set);
            a.be32(3, self.how as u32);
            a.be32(4, REGISTER);
            match self.state.as_slice() {
                [] => {}
                [one] => a.nest(7, |a| one.write(a)),
                several => {
                    // NFT_DYNSET_F_EXPR: there is a list of them.
                    a.be32(9, 2);
                    a.nest(10, |a| several.iter().for_each(|state| a.nest(1, |a| state.write(a))));
                }
            }
        });
    }
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
    expression(list, "immediate", |a| {
        a.be32(1, VERDICT_REGISTER);
        a.nest(2, |a| verdict.write(a));
    });
}

impl Verdict {
    /// As data, of an expression or of an element.
    pub(super) fn write(self, a: &mut Attributes<'_>) {
        let (code, chain) = match self {
            Self::Drop => (0, None),
            Self::Accept => (1, None),
            Self::Jump(chain) => (-3_i32, Some(chain)),
            Self::Goto(chain) => (-4, Some(chain)),
        };
        a.nest(VERDICT, |a| {
            a.put(1, &code.to_be_bytes());
            if let Some(chain) = chain {
                a.text(2, chain);
            }
        });
    }
}

//! Sets and maps: what their keys are, what they hold, and their elements.

use super::expr::Verdict;
use super::read::comment_bytes;
use super::state::State;
use crate::wire::netlink::Attributes;

/// Flags of a set.
pub const ANONYMOUS: u32 = 0x1;
pub const CONSTANT: u32 = 0x2;
const INTERVAL: u32 = 0x4;
const MAP: u32 = 0x8;
pub const TIMEOUT: u32 = 0x10;
/// Rules put elements in.
pub const DYNAMIC: u32 = 0x20;
const OBJECTS: u32 = 0x40;
const CONCATENATED: u32 = 0x80;
/// A set of ranges of several fields.
pub const RANGES: u32 = INTERVAL | CONCATENATED;

/// NFT_DATA_VERDICT.
const VERDICTS: u32 = 0xffff_ff00;
/// NFT_OBJECT_COUNTER, NFT_OBJECT_QUOTA, NFT_OBJECT_LIMIT.
pub(super) const COUNTER: u32 = 1;
pub(super) const QUOTA: u32 = 2;
pub(super) const LIMIT: u32 = 4;

/// What a set's keys are: tells `nft list` how to print them, and the kernel how long they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    EtherAddress,
    Ipv4Address,
    Ipv6Address,
    InterfaceName,
    Protocol,
    Port,
    IcmpType,
    Icmpv6Type,
    AddressType,
    /// Several, one after another, each up to a multiple of four bytes.
    Joined(&'static [Key]),
}

impl Key {
    /// Number of the type in `nft`, and bytes.
    pub(super) fn format(self) -> (u32, u32) {
        match self {
            Self::Ipv4Address => (7, 4),
            Self::Ipv6Address => (8, 16),
            Self::EtherAddress => (9, 6),
            Self::InterfaceName => (41, 16),
            Self::Protocol => (12, 1),
            Self::Port => (13, 2),
            Self::IcmpType => (14, 1),
            Self::Icmpv6Type => (29, 1),
            Self::AddressType => (38, 4),
            Self::Joined(keys) => keys.iter().fold((0, 0), |(kind, length), key| {
                let (next, bytes) = key.format();
                (kind << 6 | next, length + bytes.next_multiple_of(4))
            }),
        }
    }

    /// Bytes of a key.
    pub fn length(self) -> u32 {
        self.format().1
    }

    /// Number of the byte order in `nft`: the machine's or the network's.
    fn byte_order(self) -> u32 {
        match self {
            Self::Joined(_) => 0,
            Self::InterfaceName | Self::AddressType => 1,
            Self::EtherAddress
            | Self::Ipv4Address
            | Self::Ipv6Address
            | Self::Protocol
            | Self::Port
            | Self::IcmpType
            | Self::Icmpv6Type => 2,
        }
    }
}

/// What a set has for its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Nothing,
    Verdicts,
    Limits,
    Quotas,
}

/// A set or map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    pub name: &'static str,
    pub key: Key,
    pub holds: Holds,
    /// Besides those that follow from `holds`.
    pub flags: u32,
    /// Elements at most.
    pub size: u32,
    /// Milliseconds that elements stay which rules put in.
    pub stay: Option<u64>,
}

impl Set {
    /// All flags that the kernel tells of it.
    pub fn all_flags(&self) -> u32 {
        self.flags
            | match self.holds {
                Holds::Nothing => 0,
                Holds::Verdicts => MAP,
                Holds::Limits | Holds::Quotas => OBJECTS,
            }
    }

    /// Writes it, but for the name of the table; `id` is its number in the transaction.
    pub(super) fn write(&self, a: &mut Attributes<'_>, id: u32) {
        let (kind, length) = self.key.format();
        a.text(2, self.name);
        a.be32(3, self.all_flags());
        a.be32(4, kind);
        a.be32(5, length);
        match self.holds {
            Holds::Nothing => {}
            Holds::Verdicts => {
                a.be32(6, VERDICTS);
                a.be32(7, 16);
            }
            Holds::Limits => a.be32(15, LIMIT),
            Holds::Quotas => a.be32(15, QUOTA),
        }
        a.nest(9, |a| {
            a.be32(1, self.size);
            if let (Key::Joined(keys), true) = (self.key, self.flags & CONCATENATED != 0) {
                a.nest(2, |a| keys.iter().for_each(|key| a.nest(1, |a| a.be32(1, key.format().1))));
            }
        });
        a.be32(10, id);
        if let Some(stay) = self.stay {
            a.be64(11, stay);
        }
        a.put(13, &self.user_data());
    }

    /// For `nft list`: byte order of the keys, and of the values.
    fn user_data(&self) -> Vec<u8> {
        let order = |kind: u8, order: u32| [[kind, 4].as_slice(), &order.to_ne_bytes()].concat();
        let mut data = order(0, self.key.byte_order());
        match self.holds {
            Holds::Verdicts => data.extend(order(1, 0)),
            Holds::Nothing | Holds::Limits | Holds::Quotas => {}
        }
        data
    }
}

/// An element to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Put {
    pub key: Vec<u8>,
    /// Of a set of ranges: the end of it.
    pub to: Option<Vec<u8>>,
    /// Milliseconds it stays; `None`: for ever, or as long as the set says.
    pub stays: Option<u64>,
    pub holds: Held,
    pub state: Vec<State>,
    pub comment: String,
}

/// What a map has for one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Held {
    #[default]
    Nothing,
    Verdict(Verdict),
    /// A limit or a quota, by its name.
    Object(String),
}

impl Put {
    /// A key alone.
    pub fn key(key: &[u8]) -> Self {
        Self { key: key.to_vec(), ..Self::default() }
    }

    /// No less than its bytes on the wire.
    pub(super) fn weight(&self) -> usize {
        let held = match &self.holds {
            Held::Nothing => 0,
            Held::Verdict(_) => 64,
            Held::Object(name) => name.len() + 16,
        };
        let comment = if self.comment.is_empty() { 0 } else { self.comment.len() + 16 };
        let to = self.to.as_ref().map_or(0, |to| to.len() + 16);
        32 + self.key.len() + to + held + comment + 80 * self.state.len()
    }

    pub(super) fn write(&self, a: &mut Attributes<'_>) {
        a.nest(1, |a| {
            a.nest(1, |a| a.put(1, &self.key));
            match &self.holds {
                Held::Nothing => {}
                Held::Verdict(verdict) => a.nest(2, |a| verdict.write(a)),
                Held::Object(name) => a.text(9, name),
            }
            if let Some(stays) = self.stays {
                a.be64(4, stays);
            }
            if !self.comment.is_empty() {
                a.put(6, &comment_bytes(&self.comment));
            }
            if let Some(to) = &self.to {
                a.nest(10, |a| a.put(1, to));
            }
            match self.state.as_slice() {
                [] => {}
                [one] => a.nest(7, |a| one.write(a)),
                several => a.nest(11, |a| several.iter().for_each(|state| a.nest(1, |a| state.write(a)))),
            }
        });
    }
}

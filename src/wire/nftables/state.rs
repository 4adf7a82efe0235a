//! What an element, a set or a named object keeps: counters, limits, quotas.
//!
//! Owns: their encoding and decoding. Never: which of them a guest has; see `nft`.
//! The kernel asks them in the order in which they stand, and stops at the first that does not match: what
//! stands behind a limit counts only what the limit let through.

use super::set::{COUNTER, LIMIT, QUOTA};
use crate::wire::netlink::{Attributes, attributes, be32, be64, find, text};

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Bytes so far.
    Counter { bytes: u64 },
    /// Matches at most so many bytes a second, and `burst` at once besides.
    ByteLimit { a_second: u64, burst: u32 },
    /// Matches at most so many packets a second, and `burst` at once.
    PacketLimit { a_second: u64, burst: u32 },
    /// Matches what comes faster than that.
    PacketsOver { a_second: u64, burst: u32 },
    /// Matches until so many bytes have passed.
    Quota { bytes: u64, used: u64 },
}

impl State {
    /// As an expression: its name, and what belongs to it.
    pub(super) fn write(self, a: &mut Attributes<'_>) {
        a.text(1, self.name());
        a.nest(2, |a| self.write_content(a));
    }

    /// The number of the kind, where it has a name of its own.
    pub(super) fn object_kind(self) -> u32 {
        match self {
            Self::Counter { .. } => COUNTER,
            Self::ByteLimit { .. } | Self::PacketLimit { .. } | Self::PacketsOver { .. } => LIMIT,
            Self::Quota { .. } => QUOTA,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Counter { .. } => "counter",
            Self::ByteLimit { .. } | Self::PacketLimit { .. } | Self::PacketsOver { .. } => "limit",
            Self::Quota { .. } => "quota",
        }
    }

    pub(super) fn write_content(self, a: &mut Attributes<'_>) {
        match self {
            Self::Counter { bytes } => {
                a.be64(1, bytes);
                a.be64(2, 0);
            }
            Self::ByteLimit { a_second, burst } => limit(a, a_second, burst, 1, 0),
            Self::PacketLimit { a_second, burst } => limit(a, a_second, burst, 0, 0),
            Self::PacketsOver { a_second, burst } => limit(a, a_second, burst, 0, 1),
            Self::Quota { bytes, used } => {
                a.be64(1, bytes);
                a.be32(2, 0);
                a.be64(4, used);
            }
        }
    }

    /// Reads an expression; `None`: another one.
    pub(super) fn read(expression: &[u8]) -> Option<Self> {
        Self::read_content(find(expression, 1).and_then(text)?.as_str(), find(expression, 2)?)
    }

    pub(super) fn read_content(kind: &str, content: &[u8]) -> Option<Self> {
        let number = |kind| find(content, kind).and_then(be64);
        match kind {
            "counter" => Some(Self::Counter { bytes: number(1)? }),
            "limit" => {
                let flag = |kind| find(content, kind).and_then(be32).unwrap_or(0);
                let (a_second, burst) = (number(1)?, flag(3));
                Some(match (flag(4), flag(5) & 1) {
                    (1, _) => Self::ByteLimit { a_second, burst },
                    (_, 0) => Self::PacketLimit { a_second, burst },
                    _ => Self::PacketsOver { a_second, burst },
                })
            }
            "quota" => Some(Self::Quota { bytes: number(1)?, used: number(4).unwrap_or(0) }),
            _ => None,
        }
    }

    /// All that an element keeps: one, or a list.
    pub(super) fn read_all(element: &[u8]) -> Vec<Self> {
        let one = find(element, 7).and_then(Self::read);
        let several = find(element, 11).map(attributes).into_iter().flatten();
        one.into_iter().chain(several.filter_map(|(_, expression)| Self::read(expression))).collect()
    }
}

fn limit(a: &mut Attributes<'_>, a_second: u64, burst: u32, kind: u32, flags: u32) {
    a.be64(1, a_second);
    a.be64(2, 1);
    a.be32(3, burst);
    a.be32(4, kind);
    a.be32(5, flags);
}

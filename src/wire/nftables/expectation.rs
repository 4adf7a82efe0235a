//! An expectation of nothing: a connection that meets it is taken for one that a helper watches.
//!
//! Owns: the object, and the reference to it in a rule. To the kernel it is "a connection may bring at most so
//! many others along"; with none it marks the connection as having a helper, and does no more. Whoever offloads
//! flows leaves such connections alone, because a helper has to see every packet.

use super::expr::expression;
use super::{Batch, NEW_OBJECT, Step};
use crate::wire::netlink::{self, Attributes};

const EXPECTATION: u32 = 9;
/// The kernel wants a family, a protocol, a port and seconds, for what is never expected.
const IPV4: u16 = 2;
const TCP: u8 = 6;
const DISCARD: u16 = 9;
const SECONDS: u32 = 1;

impl Batch {
    /// An expectation of nothing by its name; nothing happens if it is there.
    pub fn add_expectation(&mut self, name: &'static str) {
        self.step(NEW_OBJECT, netlink::CREATE, Step { what: "add expectation", name }, |a| {
            a.text(2, name);
            a.be32(3, EXPECTATION);
            a.nest(4, |a| {
                a.put(1, &IPV4.to_be_bytes());
                a.put(2, &[TCP]);
                a.put(3, &DISCARD.to_be_bytes());
                a.put(4, &SECONDS.to_ne_bytes());
                a.put(5, &[0]);
            });
        });
    }
}

/// The expression that applies it to the packet's connection, if that is not confirmed yet.
pub(super) fn apply(list: &mut Attributes<'_>, name: &str) {
    expression(list, "objref", |a| {
        a.be32(1, EXPECTATION);
        a.text(2, name);
    });
}

//! Flows that conntrack follows (`linux/netfilter/nfnetlink_conntrack.h`): listed, and deleted one by one.
//!
//! Owns: the request for flows of a family, what is told of a flow, and the request to delete it.
//! Never: which flows are deleted; see `neigh::conntrack`. To the kernel a deletion that names no flow
//! means all of them: here it cannot be written, because only a [`Flow`] that was read can be deleted.

use std::net::IpAddr;

use super::neighbour::address;
use super::netlink::{self, Message, Writer, find};
use crate::ordered::OrdSet;

const SUBSYSTEM: u16 = 1 << 8;
const NEW: u16 = 0;
const GET: u16 = 1;
const DELETE: u16 = 2;

const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const STATUS: u16 = 3;
const MARK: u16 = 8;
const ID: u16 = 12;
const ZONE: u16 = 18;
const MARK_MASK: u16 = 21;
const NESTED: u16 = 0x8000;
/// IPS_OFFLOAD: a flowtable forwards its packets, past all rules.
const OFFLOADED: u32 = 1 << 14;

/// Whose flows are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Ipv4 = 2,
    Ipv6 = 10,
}

/// A flow, as far as needed to tell whose it is and to delete it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    family: u8,
    ends: [IpAddr; 4],
    status: u32,
    original: Vec<u8>,
    id: Vec<u8>,
    zone: Option<Vec<u8>>,
}

impl Flow {
    /// Whether one of its ends, before or after address translation, is one of these.
    pub fn touches(&self, addresses: &OrdSet<IpAddr>) -> bool {
        self.ends.iter().any(|end| addresses.contains(end))
    }

    /// Whether its packets pass by all rules.
    pub fn is_offloaded(&self) -> bool {
        self.status & OFFLOADED != 0
    }
}

/// Which flows are listed: by a bit of their mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    With(u32),
    Without(u32),
    Either,
}

/// Asks for the flows of a family.
pub fn list(family: Family, marked: Marked, number: u32) -> Vec<u8> {
    let mut writer = Writer::default();
    let (value, bits) = match marked {
        Marked::With(bit) => (bit, bit),
        Marked::Without(bit) => (0, bit),
        Marked::Either => (0, 0),
    };
    let header = [family as u8, 0, 0, 0];
    writer.message(SUBSYSTEM | GET, netlink::REQUEST | netlink::DUMP, number, &header, |a| {
        a.be32(MARK, value);
        a.be32(MARK_MASK, bits);
    });
    writer.into_bytes()
}

/// Asks to delete this flow and no other: if its ports were taken over by a new flow, the id differs.
pub fn delete(flow: &Flow, number: u32) -> Vec<u8> {
    let mut writer = Writer::default();
    let flags = netlink::REQUEST | netlink::ACK;
    writer.message(SUBSYSTEM | DELETE, flags, number, &[flow.family, 0, 0, 0], |a| {
        a.put(ORIGINAL | NESTED, &flow.original);
        a.put(ID, &flow.id);
        if let Some(zone) = &flow.zone {
            a.put(ZONE, zone);
        }
    });
    writer.into_bytes()
}

/// Reads a flow; `None` if it is not complete.
pub fn flow(message: &Message<'_>) -> Option<Flow> {
    let body = message.payload.get(4..)?;
    let original = find(body, ORIGINAL)?;
    let [source, destination] = ends(original)?;
    let [replier, replied] = ends(find(body, REPLY)?)?;
    (message.kind == SUBSYSTEM | NEW).then_some(())?;
    Some(Flow {
        family: *message.payload.first()?,
        ends: [source, destination, replier, replied],
        status: find(body, STATUS).and_then(netlink::be32).unwrap_or(0),
        original: original.to_vec(),
        id: find(body, ID)?.to_vec(),
        zone: find(body, ZONE).map(<[u8]>::to_vec),
    })
}

/// Source and destination of a tuple: attributes 1 and 2 for IPv4, 3 and 4 for IPv6.
fn ends(tuple: &[u8]) -> Option<[IpAddr; 2]> {
    let ip = find(tuple, 1)?;
    let end = |v4, v6| find(ip, v4).or_else(|| find(ip, v6)).and_then(address);
    Some([end(1, 3)?, end(2, 4)?])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(id: Option<u32>, status: u32) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.message(SUBSYSTEM | NEW, 0, 1, &[2, 0, 0, 0], |a| {
            for (kind, from, to) in
                [(ORIGINAL, [10, 0, 0, 2], [1, 1, 1, 1]), (REPLY, [1, 1, 1, 1], [9, 9, 9, 9])]
            {
                a.nest(kind, |a| {
                    a.nest(1, |a| {
                        a.put(1, &from);
                        a.put(2, &to);
                    });
                });
            }
            a.be32(STATUS, status);
            if let Some(id) = id {
                a.be32(ID, id);
            }
        });
        writer.into_bytes()
    }

    #[test]
    fn a_flow_knows_its_ends_and_names_itself_when_deleted() {
        let bytes = told(Some(5), 0);
        let flow = flow(&netlink::messages(&bytes).next().unwrap()).unwrap();
        let touches = |end: [u8; 4]| flow.touches(&OrdSet::from([IpAddr::from(end)]));
        for end in [[10, 0, 0, 2], [1, 1, 1, 1], [9, 9, 9, 9]] {
            assert!(touches(end));
        }
        assert!(!touches([10, 0, 0, 3]));
        let bytes = delete(&flow, 3);
        let request = netlink::messages(&bytes).next().unwrap();
        assert_eq!(
            ends(find(&request.payload[4..], ORIGINAL).unwrap()).unwrap()[0],
            IpAddr::from([10, 0, 0, 2])
        );
        assert_eq!(find(&request.payload[4..], ID).and_then(netlink::be32), Some(5));
    }

    #[test]
    fn a_flow_knows_whether_a_flowtable_has_it() {
        // Confirmed, and seen in both directions; then offloaded besides.
        for (status, offloaded) in [(0x0000_000a, false), (0x0000_400a, true)] {
            let bytes = told(Some(5), status);
            assert_eq!(flow(&netlink::messages(&bytes).next().unwrap()).unwrap().is_offloaded(), offloaded);
        }
    }

    #[test]
    fn a_flow_that_cannot_be_named_is_none() {
        let bytes = told(None, 0);
        assert_eq!(flow(&netlink::messages(&bytes).next().unwrap()), None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let message = Message { kind: SUBSYSTEM, flags: 0, sequence: 0, port: 0, payload: &payload };
            let _ = flow(&message);
        }
    }
}

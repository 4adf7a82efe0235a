//! Neighbours, and the news of links, of the routing socket (`linux/neighbour.h`, `linux/rtnetlink.h`).
//!
//! Owns: the requests for one or all neighbours, the request to probe one, and what is told of them.
//! Never: whether a neighbour is believed; see `neigh`. Numbers are in the byte order of the machine.

use std::net::IpAddr;

use super::netlink::{self, Message, Writer, find};

const NEW_NEIGHBOUR: u16 = 28;
const GET_NEIGHBOUR: u16 = 30;

const DESTINATION: u16 = 1;
const LINK_ADDRESS: u16 = 2;
/// NTF_USE: as if a packet had to be sent there.
const USE: u8 = 1;

/// The multicast group of links, as a bit.
pub const LINKS: u32 = 1;

/// States in which the hardware address is one that answered, or was set by hand: reachable, stale,
/// delay, probe, permanent. Not incomplete, failed or "no ARP" (multicast).
const KNOWN: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;

/// An entry of the neighbour table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub ifindex: u32,
    pub address: IpAddr,
    /// `None`: nobody has answered.
    pub mac: Option<[u8; 6]>,
}

/// Asks for one neighbour; `ENOENT` if there is no entry.
pub fn get(ifindex: u32, address: IpAddr, number: u32) -> Vec<u8> {
    request(GET_NEIGHBOUR, 0, 0, Some((ifindex, address)), number)
}

/// Asks for all neighbours, IPv4 and IPv6.
pub fn list(number: u32) -> Vec<u8> {
    request(GET_NEIGHBOUR, netlink::DUMP, 0, None, number)
}

/// Makes the kernel ask on the link who has this address.
pub fn probe(ifindex: u32, address: IpAddr, number: u32) -> Vec<u8> {
    request(NEW_NEIGHBOUR, netlink::CREATE | netlink::ACK, USE, Some((ifindex, address)), number)
}

fn request(kind: u16, flags: u16, entry_flags: u8, whom: Option<(u32, IpAddr)>, number: u32) -> Vec<u8> {
    let (ifindex, family) = match whom {
        None => (0, 0),
        Some((ifindex, IpAddr::V4(_))) => (ifindex, 2),
        Some((ifindex, IpAddr::V6(_))) => (ifindex, 10),
    };
    let [a, b, c, d] = ifindex.to_ne_bytes();
    let header = [family, 0, 0, 0, a, b, c, d, 0, 0, entry_flags, 0];
    let mut writer = Writer::default();
    writer.message(kind, netlink::REQUEST | flags, number, &header, |attributes| match whom {
        None => {}
        Some((_, IpAddr::V4(address))) => attributes.put(DESTINATION, &address.octets()),
        Some((_, IpAddr::V6(address))) => attributes.put(DESTINATION, &address.octets()),
    });
    writer.into_bytes()
}

/// An address of four or sixteen bytes.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Reads a neighbour.
pub fn neighbour(message: &Message<'_>) -> Option<Neighbour> {
    let (header, body) = message.payload.split_first_chunk::<12>()?;
    let [_, _, _, _, a, b, c, d, s, t, _, _] = *header;
    let known = u16::from_ne_bytes([s, t]) & KNOWN != 0;
    let mac = find(body, LINK_ADDRESS).and_then(|bytes| bytes.try_into().ok());
    (message.kind == NEW_NEIGHBOUR).then_some(())?;
    Some(Neighbour {
        ifindex: u32::from_ne_bytes([a, b, c, d]),
        address: find(body, DESTINATION).and_then(address)?,
        mac: mac.filter(|_| known),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(state: u16, mac: &[u8], address: &[u8]) -> Option<Neighbour> {
        let mut header = [2, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
        header[8..10].copy_from_slice(&state.to_ne_bytes());
        header[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        let mut writer = Writer::default();
        writer.message(NEW_NEIGHBOUR, 0, 1, &header, |a| {
            a.put(DESTINATION, address);
            a.put(LINK_ADDRESS, mac);
        });
        let bytes = writer.into_bytes();
        neighbour(&netlink::messages(&bytes).next()?)
    }

    #[test]
    fn only_answered_states_give_a_hardware_address() {
        for (state, known) in [
            (0x01, false),
            (0x02, true),
            (0x04, true),
            (0x08, true),
            (0x10, true),
            (0x20, false),
            (0x40, false),
        ] {
            let mac = told(state, &[2, 0, 0, 0, 0, 1], &[10, 0, 0, 2]).unwrap().mac;
            assert_eq!(mac.is_some(), known, "{state:#x}");
        }
    }

    #[test]
    fn odd_addresses_are_no_neighbours() {
        assert_eq!(told(2, &[2, 0, 0, 0, 0, 1], &[10, 0, 0]), None);
        assert_eq!(told(2, &[2, 0, 0, 0], &[10, 0, 0, 2]).unwrap().mac, None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(payload in proptest::collection::vec(any::<u8>(), 0..100), kind in 14_u16..32) {
            let message = Message { kind, flags: 0, sequence: 0, port: 0, payload: &payload };
            let _ = neighbour(&message);
        }
    }
}

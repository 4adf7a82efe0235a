//! Neighbours, and the news of links, of the routing socket (`linux/neighbour.h`, `linux/rtnetlink.h`).
//!
//! Owns: the requests for one or all neighbours, the request to probe one, and what is told of them: who
//! has an address, and behind which port of a bridge a device is.
//! Never: whether a neighbour is believed; see `neigh`. Numbers are in the byte order of the machine.

use std::net::IpAddr;
use std::time::Duration;

use super::netlink::{self, Message, Writer, find};

const NEW_NEIGHBOUR: u16 = 28;
const GET_NEIGHBOUR: u16 = 30;

const DESTINATION: u16 = 1;
const LINK_ADDRESS: u16 = 2;
const CACHE: u16 = 3;
const VLAN: u16 = 5;
const MASTER: u16 = 9;

const IPV4: u8 = 2;
const IPV6: u8 = 10;
const BRIDGE: u8 = 7;

/// NTF_USE: as if a packet had to be sent there.
const USE: u8 = 1;

/// The multicast groups of links and of neighbours, as bits.
pub const LINKS: u32 = 1;
pub const NEIGHBOURS: u32 = 1 << 2;

/// The kernel counts ages in hundredths of a second, whatever its own clock ticks in.
const TICK: Duration = Duration::from_millis(10);

/// States in which the hardware address is one that answered, or was set by hand: reachable, stale,
/// delay, probe, permanent. Not incomplete, failed or "no ARP" (multicast).
const KNOWN: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;
/// States of what a bridge was told rather than learned: permanent, "no ARP" (static).
const TOLD: u16 = 0x80 | 0x40;
/// NTF_SELF: an entry of the port itself, not of the bridge.
const OF_THE_PORT: u8 = 2;

/// An entry of the neighbour table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub ifindex: u32,
    pub address: IpAddr,
    /// `None`: nobody has answered.
    pub mac: Option<[u8; 6]>,
    /// How long ago the device last proved that it has the address. A claim alone proves nothing, so one
    /// that only ever claimed it seems to have done so long ago.
    pub proved: Option<Duration>,
}

/// A device that a bridge has learned of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub mac: [u8; 6],
    /// Indexes of the port and of its bridge.
    pub port: u32,
    pub bridge: u32,
    /// On a bridge that tells VLANs apart.
    pub vlan: Option<u16>,
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
        Some((ifindex, IpAddr::V4(_))) => (ifindex, IPV4),
        Some((ifindex, IpAddr::V6(_))) => (ifindex, IPV6),
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
    let Entry { family, ifindex, state, body, .. } = entry(message)?;
    matches!(family, IPV4 | IPV6).then_some(())?;
    let mac = find(body, LINK_ADDRESS).and_then(|bytes| bytes.try_into().ok());
    let cache = find(body, CACHE).and_then(|bytes| bytes.first_chunk());
    Some(Neighbour {
        ifindex,
        address: find(body, DESTINATION).and_then(address)?,
        mac: mac.filter(|_| state & KNOWN != 0),
        proved: cache.map(|ticks| TICK.saturating_mul(u32::from_ne_bytes(*ticks))),
    })
}

/// Reads what a bridge learned: a device that is new to it, or was seen at another port than before.
pub fn placed(message: &Message<'_>) -> Option<Placed> {
    let Entry { family, ifindex, state, flags, body } = entry(message)?;
    (family == BRIDGE && state & TOLD == 0 && flags & OF_THE_PORT == 0).then_some(())?;
    Some(Placed {
        mac: find(body, LINK_ADDRESS)?.try_into().ok()?,
        port: ifindex,
        bridge: find(body, MASTER)?.try_into().ok().map(u32::from_ne_bytes)?,
        vlan: find(body, VLAN).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes),
    })
}

/// The fixed part of a message that tells of an entry, and its attributes.
struct Entry<'a> {
    family: u8,
    ifindex: u32,
    state: u16,
    flags: u8,
    body: &'a [u8],
}

fn entry<'a>(message: &Message<'a>) -> Option<Entry<'a>> {
    (message.kind == NEW_NEIGHBOUR).then_some(())?;
    let (header, body) = message.payload.split_first_chunk::<12>()?;
    let [family, _, _, _, a, b, c, d, s, t, flags, _] = *header;
    let (ifindex, state) = (u32::from_ne_bytes([a, b, c, d]), u16::from_ne_bytes([s, t]));
    Some(Entry { family, ifindex, state, flags, body })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(state: u16, mac: &[u8], address: &[u8]) -> Option<Neighbour> {
        let ages: Vec<u8> = [250_u32, 9, 9, 9].iter().flat_map(|ticks| ticks.to_ne_bytes()).collect();
        let bytes = entry_of(IPV4, state, 0, &[(DESTINATION, address), (LINK_ADDRESS, mac), (CACHE, &ages)]);
        neighbour(&netlink::messages(&bytes).next()?)
    }

    fn learned(family: u8, state: u16, flags: u8) -> Option<Placed> {
        let attributes: [(u16, &[u8]); 3] = [
            (LINK_ADDRESS, &[2, 0, 0, 0, 0, 1]),
            (MASTER, &3_u32.to_ne_bytes()),
            (VLAN, &20_u16.to_ne_bytes()),
        ];
        let bytes = entry_of(family, state, flags, &attributes);
        placed(&netlink::messages(&bytes).next()?)
    }

    fn entry_of(family: u8, state: u16, flags: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut header = [family, 0, 0, 0, 0, 0, 0, 0, 0, 0, flags, 0];
        header[8..10].copy_from_slice(&state.to_ne_bytes());
        header[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        let mut writer = Writer::default();
        writer.message(NEW_NEIGHBOUR, 0, 1, &header, |writer| {
            attributes.iter().for_each(|(kind, value)| writer.put(*kind, value));
        });
        writer.into_bytes()
    }

    #[test]
    fn a_proof_has_an_age() {
        let told = told(0x02, &[2, 0, 0, 0, 0, 1], &[10, 0, 0, 2]).unwrap();
        assert_eq!(told.proved, Some(Duration::from_millis(2500)));
    }

    #[test]
    fn only_what_a_bridge_has_learned_places_a_device() {
        let place = Placed { mac: [2, 0, 0, 0, 0, 1], port: 7, bridge: 3, vlan: Some(20) };
        assert_eq!(learned(BRIDGE, 0x02, 0), Some(place));
        for (family, state, flags) in [(BRIDGE, 0x80, 0), (BRIDGE, 0x40, 0), (BRIDGE, 2, 2), (IPV4, 2, 0)] {
            assert_eq!(learned(family, state, flags), None, "{family} {state:#x} {flags:#x}");
        }
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
            let _ = (neighbour(&message), placed(&message));
        }
    }
}

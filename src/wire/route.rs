//! Links and default routes of the routing socket (`linux/rtnetlink.h`, `linux/if_link.h`).
//!
//! Owns: the requests for all of them, and what is told of them. Never: which route is taken; see `uplink`.
//! Numbers are in the byte order of the machine.

use super::netlink::{self, Message, Writer, find, text};

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;

/// The multicast groups of links and of the routes of both families, as bits.
pub const LINKS_AND_ROUTES: u32 = super::neighbour::LINKS | 1 << 6 | 1 << 10;

const LINK_NAME: u16 = 3;
const LINK_WANTED: u16 = 29;
/// RTEXT_FILTER_SKIP_STATS.
const NO_STATISTICS: u32 = 1 << 3;
/// IFF_UP and IFF_LOWER_UP.
const UP_WITH_CARRIER: u32 = 1 | 1 << 16;

const ROUTE_DESTINATION: u16 = 1;
const ROUTE_LINK: u16 = 4;
const ROUTE_METRIC: u16 = 6;
const ROUTE_HOPS: u16 = 9;
const ROUTE_TABLE: u16 = 15;
const MAIN_TABLE: u32 = 254;
/// RTN_UNICAST: not one that refuses.
const LEADS_SOMEWHERE: u8 = 1;
const INET6: u8 = 10;

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// Switched on, with a carrier.
    pub carries: bool,
}

/// A default route of the main table. IPv6 has one per source prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DefaultRoute {
    /// IPv4 before IPv6, then what the kernel prefers.
    pub family: Family,
    pub metric: u32,
    /// Of the first hop, if there are more.
    pub link: u32,
}

/// Whose default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    Ipv4,
    Ipv6,
}

/// Asks for all links.
pub fn links(number: u32) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.message(GET_LINK, netlink::REQUEST | netlink::DUMP, number, &[0; 16], |attributes| {
        attributes.put(LINK_WANTED, &NO_STATISTICS.to_ne_bytes());
    });
    writer.into_bytes()
}

/// Asks for all routes, IPv4 and IPv6.
pub fn routes(number: u32) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.message(GET_ROUTE, netlink::REQUEST | netlink::DUMP, number, &[0; 12], |_| {});
    writer.into_bytes()
}

/// Reads a link.
pub fn link(message: &Message<'_>) -> Option<Link> {
    let (header, body) = message.payload.split_first_chunk::<16>()?;
    let [_, _, _, _, i, j, k, l, a, b, c, d, _, _, _, _] = *header;
    let flags = u32::from_ne_bytes([a, b, c, d]);
    (message.kind == NEW_LINK).then_some(())?;
    Some(Link {
        index: u32::from_ne_bytes([i, j, k, l]),
        name: find(body, LINK_NAME).and_then(text)?,
        carries: flags & UP_WITH_CARRIER == UP_WITH_CARRIER,
    })
}

/// Reads a route; `None`: it is none of those that lead everywhere.
pub fn default_route(message: &Message<'_>) -> Option<DefaultRoute> {
    let (header, body) = message.payload.split_first_chunk::<12>()?;
    let [family, to_bits, _, _, table, _, _, kind, _, _, _, _] = *header;
    let table = find(body, ROUTE_TABLE).and_then(number).unwrap_or(table.into());
    let leads_everywhere = message.kind == NEW_ROUTE
        && kind == LEADS_SOMEWHERE
        && table == MAIN_TABLE
        && to_bits == 0
        && find(body, ROUTE_DESTINATION).is_none();
    leads_everywhere.then_some(())?;
    // A hop of several: two bytes of length, flags, weight, the link.
    let first_hop = || find(body, ROUTE_HOPS).and_then(|hops| number(hops.get(4..)?));
    Some(DefaultRoute {
        family: if family == INET6 { Family::Ipv6 } else { Family::Ipv4 },
        metric: find(body, ROUTE_METRIC).and_then(number).unwrap_or(0),
        link: find(body, ROUTE_LINK).and_then(number).or_else(first_hop)?,
    })
}

fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(family: u8, to_bits: u8, kind: u8, attributes: &[(u16, &[u8])]) -> Option<DefaultRoute> {
        let header = [family, to_bits, 0, 0, 254, 0, 0, kind, 0, 0, 0, 0];
        let mut writer = Writer::default();
        writer.message(NEW_ROUTE, 0, 1, &header, |a| {
            for (kind, value) in attributes {
                a.put(*kind, value);
            }
        });
        let bytes = writer.into_bytes();
        default_route(&netlink::messages(&bytes).next()?)
    }

    #[test]
    fn a_default_route_is_one_that_leads_everywhere() {
        let [link, metric] = [3_u32, 1024].map(u32::to_ne_bytes);
        let hops = [8, 0, 0, 0, 3, 0, 0, 0];
        let v4 = DefaultRoute { family: Family::Ipv4, metric: 0, link: 3 };
        let v6 = DefaultRoute { family: Family::Ipv6, metric: 1024, link: 3 };
        assert_eq!(told(2, 0, 1, &[(ROUTE_LINK, &link)]), Some(v4));
        assert_eq!(told(2, 0, 1, &[(ROUTE_HOPS, &hops)]), Some(v4));
        assert_eq!(told(10, 0, 1, &[(ROUTE_METRIC, &metric), (ROUTE_LINK, &link)]), Some(v6));
        assert_eq!(told(10, 0, 7, &[(ROUTE_LINK, &link)]), None, "unreachable");
        assert_eq!(told(2, 8, 1, &[(ROUTE_DESTINATION, &[10, 0, 0, 0]), (ROUTE_LINK, &link)]), None);
        let table = 1001_u32.to_ne_bytes();
        assert_eq!(told(2, 0, 1, &[(ROUTE_TABLE, &table), (ROUTE_LINK, &link)]), None, "another table");
        assert_eq!(told(2, 0, 1, &[]), None);
    }

    #[test]
    fn a_link_carries_when_it_is_on_and_has_a_carrier() {
        for (flags, carries) in [(0, false), (1, false), (1 << 16, false), (1 | 1 << 16, true)] {
            let mut header = [0; 16];
            header[4] = 7;
            header[8..12].copy_from_slice(&u32::to_ne_bytes(flags));
            let mut writer = Writer::default();
            writer.message(NEW_LINK, 0, 1, &header, |a| a.text(LINK_NAME, "wan0"));
            let bytes = writer.into_bytes();
            let found = link(&netlink::messages(&bytes).next().unwrap());
            let index = u32::from_ne_bytes([7, 0, 0, 0]);
            assert_eq!(found, Some(Link { index, name: "wan0".into(), carries }), "{flags:#x}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(payload in proptest::collection::vec(any::<u8>(), 0..100), kind in 14_u16..32) {
            let message = Message { kind, flags: 0, sequence: 0, port: 0, payload: &payload };
            let _ = (link(&message), default_route(&message));
        }
    }
}

//! Hundreds of phones in one namespace: a macvlan device each, so each has a MAC of its own.
//!
//! Sockets are bound to a device; routes of different metric, one per device, do the rest.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::Arc;

use super::netns::Netns;
use super::phone::Phone;
use super::{BRIDGE, GATEWAY_MAC, GATEWAY_V4, plug};

/// Phones of these numbers, behind bridge port `port`.
pub(super) fn gather(gateway: &Arc<Netns>, port: usize, numbers: Range<usize>) -> Vec<Phone> {
    let space = Netns::new("crowd");
    // Else each device would answer for the addresses of all.
    for (path, value) in [("arp_ignore", "1"), ("arp_announce", "2"), ("rp_filter", "0")] {
        space.sysctl(&format!("ipv4/conf/all/{path}"), value);
        space.sysctl(&format!("ipv4/conf/default/{path}"), value);
    }
    space.sysctl("ipv6/conf/default/disable_ipv6", "1");
    plug(gateway, BRIDGE, &space, port, &format!("02:5f:00:00:00:{port:02x}"));
    let phones: Vec<Phone> = numbers.map(|number| member(&space, number)).collect();
    let mut batch = String::new();
    for (number, phone) in phones.iter().enumerate() {
        let Phone { device, mac, v4, .. } = phone;
        let _ = writeln!(batch, "link add {device} link eth0 address {mac} type macvlan mode bridge");
        let _ = writeln!(batch, "link set {device} up\naddr add {v4}/32 dev {device}");
        let metric = number + 1;
        let _ = writeln!(batch, "route add default via {GATEWAY_V4} dev {device} onlink metric {metric}");
        // Permanent, for the kernel bounds what it learns, over all namespaces together.
        let _ = writeln!(batch, "neigh replace {GATEWAY_V4} lladdr {GATEWAY_MAC} dev {device} nud permanent");
    }
    space.ip(&batch);
    phones
}

fn member(space: &Arc<Netns>, number: usize) -> Phone {
    assert!(number < 2048, "the guest network has no more addresses");
    let [high, low] = u16::try_from(number).expect("it is small").to_be_bytes();
    Phone {
        space: Arc::clone(space),
        device: format!("m{number}"),
        mac: format!("02:60:00:00:{high:02x}:{low:02x}"),
        v4: IpAddr::V4(Ipv4Addr::new(10, 77, 8 + high, low)),
        v6: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

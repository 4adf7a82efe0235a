//! Whether guests can reach the gateway, and the gateway the internet: links, addresses, ports.
//!
//! Never: watches them; `uplink` and `listen` do.

use std::net::IpAddr;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;

use super::{Finding, Seen};
use crate::config::Network;
use crate::domain::{Lack, Uplink};
use crate::uplink::Report;

/// A line for each.
pub(super) fn interfaces(seen: &Seen<'_>) -> Vec<Finding> {
    seen.config.gateway.interfaces.iter().map(|name| interface(name)).collect()
}

fn interface(name: &str) -> Finding {
    let links = links().into_iter().filter(|one| one.interface_name == name).collect::<Vec<_>>();
    let Some(link) = links.first() else {
        return Finding::fail(
            format!("{name} does not exist"),
            "list interface names the L3 device of the guest network, such as br-guest: see ip link",
        );
    };
    if !links.iter().any(|one| network(one).is_some_and(|it| it.address.is_ipv4())) {
        return Finding::fail(
            format!("{name} has no IPv4 address"),
            "give the guest network an address: phones have nobody to talk to",
        );
    }
    if !link.flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING) {
        return Finding::warn(
            format!("{name} is off, or no access point and no cable of it is on"),
            "is the Wi-Fi switched on, and in this network? See wifi status, bridge link, and: ifup guest",
        );
    }
    Finding::ok(format!("{name} is there and has an address"))
}

/// The kernel looks for a guest's answer where the network is that it finds first.
pub(super) fn networks(seen: &Seen<'_>) -> Vec<Finding> {
    let guest = |name: &String| seen.config.gateway.interfaces.contains(name);
    // Of IPv6 the provider may lend the guests what the uplink has an address in.
    let of_ipv4 = |one: &InterfaceAddress| network(one).filter(|it| it.address.is_ipv4());
    let all: Vec<_> =
        links().into_iter().filter_map(|one| Some((of_ipv4(&one)?, one.interface_name))).collect();
    let (inside, outside): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, name)| guest(name));
    let clash = inside
        .iter()
        .find_map(|one| outside.iter().find(|(other, _)| overlap(&one.0, other)).map(|other| (one, other)));
    vec![match clash {
        None => Finding::ok("the guest network has addresses of its own"),
        Some(((here, guests), (there, other))) => Finding::fail(
            format!("{guests} ({}) and {other} ({}) have the same addresses", told(here), told(there)),
            "give the guest network others: uci set network.guest.ipaddr='10.77.0.1', uci commit network, \
             /etc/init.d/network restart",
        ),
    }]
}

/// Whether guests find somebody behind each port.
pub(super) fn ports(seen: &Seen<'_>) -> Vec<Finding> {
    let shut = seen.desk.doors.shut();
    if shut.is_empty() {
        let gateway = &seen.config.gateway;
        return vec![Finding::ok(format!(
            "guests are answered at {}/tcp and {}/udp",
            gateway.portal_port, gateway.dns_port
        ))];
    }
    let said = |(door, why): (String, String)| {
        Finding::fail(
            format!("the {door} is shut: {why}"),
            "if the address is in use, netstat -lntup names the program that has the port: stop it, or set option \
             portal_port, https_port or dns_port",
        )
    };
    shut.into_iter().map(said).collect()
}

pub(super) fn uplink(seen: &Seen<'_>) -> Vec<Finding> {
    let Report { state, lack, device, .. } = &seen.desk.uplink;
    let device = device.as_deref().unwrap_or("no device");
    let for_s = seen.now.boot.since(state.since).as_secs();
    vec![match (state.uplink, lack) {
        (Uplink::Up, _) => Finding::ok(format!("{device}: the internet has been reached for {for_s} s")),
        (Uplink::Unknown, _) => Finding::warn(
            format!("{device}: nothing has come from the internet, and nobody could be asked"),
            "list uplink_probe 'tcp:ADDRESS:PORT' names a server that always answers",
        ),
        (Uplink::Down, lack) => {
            let (why, remedy) = shortage(lack.unwrap_or(Lack::Answer));
            Finding::fail(format!("{device}: down for {for_s} s: {why}"), remedy)
        }
    }]
}

/// What is wrong without it, and what to do.
fn shortage(lack: Lack) -> (&'static str, &'static str) {
    match lack {
        Lack::Device => (
            "option uplink names a device that does not exist",
            "correct it, or leave it out: then it is where the default route goes; see ip link",
        ),
        Lack::Carrier => {
            ("the device is off or has no carrier", "look after the cable, the modem and its power")
        }
        Lack::Route => (
            "no default route leads to the internet",
            "does the WAN get an address? See ifstatus wan, ip route, and the provider's account",
        ),
        Lack::Answer => (
            "nobody answers beyond the link",
            "is the line paid for and in order? Is the server of option uplink_probe alive?",
        ),
    }
}

fn links() -> Vec<InterfaceAddress> {
    getifaddrs().map(Iterator::collect).unwrap_or_default()
}

/// The network that an address makes its device a part of.
fn network(link: &InterfaceAddress) -> Option<Network> {
    let (address, mask) = (link.address.as_ref()?, link.netmask.as_ref()?);
    let (address, bits): (IpAddr, u32) = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => (v4.ip().into(), mask.as_sockaddr_in()?.ip().to_bits().count_ones()),
        (None, Some(v6)) => (v6.ip().into(), mask.as_sockaddr_in6()?.ip().to_bits().count_ones()),
        (None, None) => return None,
    };
    let prefix = u8::try_from(bits).ok()?;
    // Every device has such addresses, and all of them the same.
    let of_the_link = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    (!of_the_link).then_some(Network { address, prefix })
}

fn overlap(one: &Network, other: &Network) -> bool {
    one.address.is_ipv4() == other.address.is_ipv4()
        && one.first() <= other.last()
        && other.first() <= one.last()
}

fn told(network: &Network) -> String {
    format!("{}/{}", network.first(), network.prefix)
}

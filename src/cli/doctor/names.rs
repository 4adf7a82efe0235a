//! Whether names lead where they should, for guests who are online and for those who are not yet.
//!
//! Owns: asking the resolver, over UDP, with a short patience: LuCI waits for the answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;

use super::{Finding, Seen};
use crate::wire::control::Surroundings;
use crate::wire::dns::{Kind, Name, Response, question, read_response};

const PATIENCE: Duration = Duration::from_millis(700);
/// Names of the garden that are asked for, at most.
const NAMES: usize = 8;
const ID: u16 = 0x6c61;

/// What the resolver said; `None`: nothing, or nothing that could be read.
pub(super) type Heard = Option<Response>;

/// Asks for the IPv4 addresses of `name`.
pub(super) fn ask(place: &Surroundings, name: &str) -> Heard {
    let name = Name::parse(name)?;
    let any: IpAddr = match place.resolver {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    socket.connect(place.resolver).ok()?;
    socket.send(&question(ID, &name, Kind::A)).ok()?;
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer).ok()?;
    read_response(answer.get(..length)?, ID, &name, Kind::A)
}

pub(super) fn resolver(seen: &Seen<'_>) -> Finding {
    let resolver = seen.place.resolver;
    if seen.heard.is_some() {
        Finding::ok(format!("{resolver} answers"))
    } else {
        Finding::fail(
            format!("{resolver} does not answer: guests find no names, not even those of the garden"),
            "/etc/init.d/dnsmasq restart; option dns_upstream names the resolver of the gateway",
        )
    }
}

/// A QR code and a poster name the portal so.
pub(super) fn portal_name(seen: &Seen<'_>) -> Finding {
    let Surroundings { portal_name: name, interfaces, .. } = seen.place;
    let Some(heard) = &seen.heard else { return unheard() };
    let own = own(interfaces);
    if heard.addresses.iter().any(|address| own.contains(address)) {
        return Finding::ok(format!("{name} leads here"));
    }
    let instead = heard.addresses.first().map_or_else(|| "nowhere".to_owned(), ToString::to_string);
    let here = own.first().map_or_else(|| "ADDRESS".to_owned(), ToString::to_string);
    Finding::warn(
        format!("{name} leads guests who are online to {instead} instead of here"),
        format!(
            "uci add_list dhcp.@dnsmasq[0].address='/{name}/{here}', uci commit dhcp, /etc/init.d/dnsmasq restart"
        ),
    )
}

/// Names that are to be reached before somebody pays.
pub(super) fn garden(seen: &Seen<'_>) -> Finding {
    let names = &seen.place.garden;
    if seen.heard.is_none() {
        return unheard();
    }
    if names.is_empty() || !seen.place.online {
        let why =
            if names.is_empty() { "has no whole names" } else { "is looked at when the internet is there" };
        return Finding::ok(format!("the garden {why}"));
    }
    let mut lost = Vec::new();
    for name in names.iter().take(NAMES) {
        // One name that is waited for in vain is enough.
        match ask(seen.place, name) {
            Some(heard) if !heard.addresses.is_empty() => {}
            Some(_) => lost.push(name.as_str()),
            None => {
                lost.push(name);
                break;
            }
        }
    }
    if lost.is_empty() {
        Finding::ok(format!("{} names of it have addresses", names.len().min(NAMES)))
    } else {
        Finding::warn(
            format!("no address is found for {}", lost.join(", ")),
            "is the name in list name of section garden right? nslookup NAME 127.0.0.1 asks as the gateway does",
        )
    }
}

fn unheard() -> Finding {
    Finding::warn("cannot be found out while the resolver is silent", "see the line of the resolver")
}

fn own(interfaces: &[String]) -> Vec<IpAddr> {
    let all = getifaddrs().into_iter().flatten();
    all.filter(|one| interfaces.contains(&one.interface_name))
        .filter_map(|one| Some(one.address?.as_sockaddr_in()?.ip().into()))
        .collect()
}

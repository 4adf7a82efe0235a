//! What lies on the gateway's own links, and what beyond them.
//!
//! Owns: the networks of its devices. What comes from there says nothing of the internet: a modem answers
//! for itself, hands out addresses and speaks of its neighbours also when its line is dead.

use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

/// The networks that the gateway is in, address and mask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Near(Vec<(IpAddr, IpAddr)>);

impl Near {
    /// As it is now.
    pub(super) fn look() -> Self {
        let Ok(all) = getifaddrs() else { return Self::default() };
        Self(all.filter_map(|one| Some((ip(one.address?)?, ip(one.netmask?)?))).collect())
    }

    /// Whether `address` is that of one host somewhere in the internet.
    pub(super) fn is_beyond(&self, address: IpAddr) -> bool {
        let special = match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        let nobody = address.is_unspecified() || address.is_loopback() || address.is_multicast();
        !special && !nobody && !self.0.iter().any(|(own, mask)| same_network(address, *own, *mask))
    }
}

fn same_network(a: IpAddr, b: IpAddr, mask: IpAddr) -> bool {
    match (a, b, mask) {
        (IpAddr::V4(a), IpAddr::V4(b), IpAddr::V4(mask)) => a & mask == b & mask,
        (IpAddr::V6(a), IpAddr::V6(b), IpAddr::V6(mask)) => a & mask == b & mask,
        (IpAddr::V4(_) | IpAddr::V6(_), ..) => false,
    }
}

fn ip(address: SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_the_link_and_groups_are_not_beyond() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        let near = Near(vec![
            (parse("192.168.8.100"), parse("255.255.255.0")),
            (parse("2001:db8:1::2"), parse("ffff:ffff:ffff:ffff::")),
        ]);
        for near_by in [
            "192.168.8.1",
            "2001:db8:1::1",
            "fe80::1",
            "ff02::1",
            "224.0.0.251",
            "255.255.255.255",
            "0.0.0.0",
            "127.0.0.1",
            "169.254.1.1",
            "::",
        ] {
            assert!(!near.is_beyond(parse(near_by)), "{near_by}");
        }
        for far in ["192.168.9.1", "203.0.113.80", "2001:db8:2::1"] {
            assert!(near.is_beyond(parse(far)), "{far}");
        }
    }
}

//! Which addresses a resolver may give to a guest who has not paid.
//!
//! A name is its owner's, who may let it lead anywhere: to the gateway, to machines behind it, to the
//! guest itself. None of these becomes reachable because a garden has the name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::{Config, Network};
use crate::wire::dns::Kind;

/// The kind of records that hold `address`.
pub(super) fn kind_of(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(_) => Kind::A,
        IpAddr::V6(_) => Kind::AAAA,
    }
}

/// Whether `address` is a host of the internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Whether an operator has opened `address` itself.
pub(super) fn is_opened(config: &Config, address: IpAddr) -> bool {
    config.gardens.iter().flat_map(|garden| &garden.networks).any(|network| contains(*network, address))
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    let is_shared = a == 100 && b & 0xc0 == 64;
    !(a == 0
        || a >= 240
        || is_shared
        || v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast())
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    let [.., a, b, c, d] = v6.octets();
    // Behind these prefixes is an IPv4 address: by NAT64, and by 6to4, which nothing needs any more.
    let translates = (first, second) == (0x64, 0xff9b);
    let is_global = first & 0xe000 == 0x2000 && first != 0x2002;
    is_global || (translates && is_public_v4(Ipv4Addr::new(a, b, c, d)))
}

fn contains(network: Network, address: IpAddr) -> bool {
    let prefix = u32::from(network.prefix);
    match (network.address, address) {
        (IpAddr::V4(net), IpAddr::V4(v4)) => {
            (net.to_bits() ^ v4.to_bits()).checked_shr(32 - prefix.min(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(net), IpAddr::V6(v6)) => {
            (net.to_bits() ^ v6.to_bits()).checked_shr(128 - prefix.min(128)).unwrap_or(0) == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_the_internet_are_told_from_all_others() {
        for public in
            ["157.240.1.60", "203.0.113.80", "100.63.0.1", "2a03:2880::1", "2001:db8::1", "64:ff9b::9df0:1"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.0.0.0",
            "0.1.2.3",
            "10.77.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "224.0.0.251",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "2002:a00:1::",
            "64:ff9b::a00:1",
            "fd77::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn a_network_holds_what_shares_its_prefix() {
        for (network, prefix, address, holds) in [
            ("192.168.8.0", 24, "192.168.8.10", true),
            ("192.168.8.0", 24, "192.168.9.10", false),
            ("192.168.8.10", 32, "192.168.8.10", true),
            ("192.168.8.10", 32, "192.168.8.11", false),
            ("fd00::", 8, "fd77::1", true),
            ("fd77::1", 128, "fd77::2", false),
            ("fd00::", 8, "10.0.0.1", false),
        ] {
            let network = Network { address: network.parse().unwrap(), prefix };
            assert_eq!(contains(network, address.parse().unwrap()), holds, "{address} in {network:?}");
        }
    }
}

//! Whom to ask: what the operator named, else whoever is known to be beyond the link.
//!
//! Owns: that choice, and the resolver's upstream servers as the system writes them down. An address on
//! the link itself is never chosen: a modem answers also when its line is dead.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use super::near::Near;
use crate::config::Config;
use crate::ordered::OrdSet;

/// Where OpenWrt and others write the servers that the provider named.
const FILES: [&str; 2] = ["/tmp/resolv.conf.d/resolv.conf.auto", "/etc/resolv.conf"];
const DNS: u16 = 53;
/// Asked in one round, at most, of those that nobody named.
const MOST: usize = 6;

/// The targets of a round. `offered` are addresses that somebody else has learned.
pub(super) fn targets(config: &Config, offered: &[SocketAddr], near: &Near) -> Vec<SocketAddr> {
    let wanted = named(config);
    if !wanted.is_empty() {
        return wanted;
    }
    let written = FILES.iter().filter_map(|file| fs::read_to_string(file).ok());
    let servers = written.flat_map(|text| servers(&text)).map(|server| SocketAddr::new(server, DNS));
    let known: OrdSet<_> = servers.chain(offered.iter().copied()).collect();
    known.into_iter().filter(|target| near.is_beyond(target.ip())).take(MOST).collect()
}

/// Whom the operator named: they are there to be asked, so their silence says something.
pub(super) fn named(config: &Config) -> Vec<SocketAddr> {
    let probes = config.gateway.uplink_probes.iter().map(|probe| probe.0);
    let cloud = config.cloud.as_ref().and_then(|cloud| address_of(&cloud.url));
    probes.chain(cloud).collect()
}

/// The `nameserver` lines of a resolver's configuration.
fn servers(text: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| *word == "nameserver")?;
        words.next()?.parse().ok()
    };
    text.lines().filter_map(server).collect()
}

/// Where `url` leads, if its host is an address.
fn address_of(url: &str) -> Option<SocketAddr> {
    let (scheme, rest) = url.split_once("://")?;
    let port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let address = authority.trim_start_matches('[').trim_end_matches(']');
    let portless = || address.parse().ok().map(|address| SocketAddr::new(address, port));
    authority.parse().ok().or_else(portless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_an_address_leads_there() {
        for (url, want) in [
            ("https://203.0.113.5", Some("203.0.113.5:443")),
            ("http://203.0.113.5:8080/a/b", Some("203.0.113.5:8080")),
            ("https://[2001:db8::1]/", Some("[2001:db8::1]:443")),
            ("https://[2001:db8::1]:8443", Some("[2001:db8::1]:8443")),
            ("https://cloud.example.net/", None),
            ("ftp://203.0.113.5", None),
        ] {
            assert_eq!(address_of(url), want.map(|want| want.parse().unwrap()), "{url}");
        }
    }

    #[test]
    fn the_resolvers_servers_are_read_as_the_system_writes_them() {
        let text = "# Interface wan\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch lan\n\
                    nameserver\nnameserver fe80::1%wan\noptions x\n";
        assert_eq!(servers(text), ["192.0.2.53", "2001:db8::53"].map(|a| a.parse::<IpAddr>().unwrap()));
    }
}

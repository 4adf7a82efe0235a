//! Where the portal is, seen from one connection: its own authorities, and the address guests are sent to.
//!
//! A request is for the portal only if its host is spelled with the port of the door it came by. Everything
//! else was caught on its way to somewhere, or came to port 80. Nothing of the request ever enters our
//! address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A way into the portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// HTTP as it is.
    Plain,
    /// HTTP over TLS.
    Secure,
}

/// The gateway's end of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Here<'a> {
    /// The gateway's address in the guest network, of the family of the request.
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) https_port: u16,
    /// `portal_name` of the configuration.
    pub(crate) name: &'a str,
    /// The door that the request came by.
    pub(crate) by: Door,
    /// The door that guests are sent to.
    pub(crate) to: Door,
}

/// Whom an authority (`host` or `host:port`) names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The portal.
    Portal,
    /// This gateway, but not the portal's port: what a guest types by hand, or a printed QR code.
    Gateway,
    /// Somebody else.
    Foreign,
}

/// `http://192.168.9.1:2080` or `https://wifi.example.net:2443`, without a slash at the end.
impl fmt::Display for Here<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.to, self.address) {
            (Door::Secure, _) => f.write_str(&secure_origin(self.name, self.https_port)),
            (Door::Plain, IpAddr::V4(address)) => write!(f, "http://{address}:{}", self.port),
            (Door::Plain, IpAddr::V6(address)) => write!(f, "http://[{address}]:{}", self.port),
        }
    }
}

/// Where the portal is over TLS: by name, for that is what a certificate is about.
pub(crate) fn secure_origin(name: &str, port: u16) -> String {
    format!("https://{name}:{port}")
}

impl Here<'_> {
    /// Whether our own pages are to be looked at by the other door, which is the better one.
    pub(crate) fn leads_on(&self) -> bool {
        (self.by, self.to) == (Door::Plain, Door::Secure)
    }

    /// What precedes the authority in a URL of the door that the request came by, and its usual port and ours.
    pub(crate) fn scheme(&self) -> (&'static str, u16, u16) {
        match self.by {
            Door::Plain => ("http://", 80, self.port),
            Door::Secure => ("https://", 443, self.https_port),
        }
    }

    /// Whom `authority` names.
    pub(crate) fn aim(&self, authority: &str) -> Aim {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        if !self.is_our_host(host) {
            return Aim::Foreign;
        }
        let (_, usual, own) = self.scheme();
        match port.map_or(Some(usual), number) {
            Some(port) if port == own => Aim::Portal,
            Some(port) if port == usual => Aim::Gateway,
            _ => Aim::Foreign,
        }
    }

    fn is_our_host(&self, host: &str) -> bool {
        if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return literal.parse::<Ipv6Addr>().is_ok_and(|address| self.address == address);
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        name.eq_ignore_ascii_case(self.name)
            || matches!(self.address, IpAddr::V4(own) if host.parse() == Ok(own))
    }
}

/// A port as browsers write it: no sign, no leading zero.
fn number(text: &str) -> Option<u16> {
    if text.starts_with(['0', '+']) { None } else { text.parse().ok() }
}

/// The address to send guests to who reached `local`. A link-local one cannot stand in a URL: then
/// another address of that interface does, of the same family if there is one.
pub(crate) fn link_address(local: IpAddr, others: &[IpAddr]) -> IpAddr {
    let usable = |address: &&IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_loopback(),
    };
    let mut candidates = others.iter().filter(usable);
    let same_family = candidates.clone().find(|address| address.is_ipv6() == local.is_ipv6());
    same_family.or_else(|| candidates.next()).copied().unwrap_or(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(address: &str) -> Here<'static> {
        let (by, to) = (Door::Plain, Door::Plain);
        Here { address: address.parse().unwrap(), port: 2080, https_port: 2443, name: "wifi.lango", by, to }
    }

    #[test]
    fn only_our_host_with_our_port_is_the_portal() {
        let v4 = here("192.168.9.1");
        let v6 = here("fd00:9::1");
        for (here, authority, aim) in [
            (v4, "192.168.9.1:2080", Aim::Portal),
            (v4, "wifi.lango:2080", Aim::Portal),
            (v4, "WiFi.LANGO.:2080", Aim::Portal),
            (v6, "[fd00:9::1]:2080", Aim::Portal),
            (v6, "[FD00:9:0::1]:2080", Aim::Portal),
            (v6, "wifi.lango:2080", Aim::Portal),
            (v4, "192.168.9.1", Aim::Gateway),
            (v4, "192.168.9.1:80", Aim::Gateway),
            (v4, "wifi.lango", Aim::Gateway),
            (v4, "wifi.lango.", Aim::Gateway),
            (v6, "[fd00:9::1]", Aim::Gateway),
            (v6, "[fd00:9::1]:80", Aim::Gateway),
            (v4, "192.168.9.2:2080", Aim::Foreign),
            (v4, "192.168.009.1:2080", Aim::Foreign),
            (v4, "192.168.9.1.:2080", Aim::Foreign),
            (v4, "192.168.9.1:2081", Aim::Foreign),
            (v4, "192.168.9.1:02080", Aim::Foreign),
            (v4, "192.168.9.1:+2080", Aim::Foreign),
            (v4, "192.168.9.1:", Aim::Foreign),
            (v4, "guest@192.168.9.1:2080", Aim::Foreign),
            (v4, "wifi.lango.evil.example:2080", Aim::Foreign),
            (v4, "wifi.lango..:2080", Aim::Foreign),
            (v4, "[fd00:9::1]:2080", Aim::Foreign),
            (v4, "captive.apple.com", Aim::Foreign),
            (v4, "", Aim::Foreign),
            (v4, ":2080", Aim::Foreign),
            (v6, "[fd00:9::1%25br-guest]:2080", Aim::Foreign),
        ] {
            assert_eq!(here.aim(authority), aim, "{authority}");
        }
    }

    #[test]
    fn a_portal_on_port_80_needs_no_port() {
        let here = Here { port: 80, ..here("192.168.9.1") };
        assert_eq!(here.aim("192.168.9.1"), Aim::Portal);
        assert_eq!(here.aim("wifi.lango:80"), Aim::Portal);
    }

    #[test]
    fn over_tls_the_portal_has_the_other_port() {
        let here = Here { by: Door::Secure, ..here("192.168.9.1") };
        for (authority, aim) in [
            ("wifi.lango:2443", Aim::Portal),
            ("192.168.9.1:2443", Aim::Portal),
            ("wifi.lango", Aim::Gateway),
            ("wifi.lango:443", Aim::Gateway),
            ("wifi.lango:2080", Aim::Foreign),
            ("wifi.lango:80", Aim::Foreign),
            ("captive.apple.com:2443", Aim::Foreign),
        ] {
            assert_eq!(here.aim(authority), aim, "{authority}");
        }
        assert_eq!(Here { https_port: 443, ..here }.aim("wifi.lango"), Aim::Portal);
    }

    #[test]
    fn the_address_is_a_url() {
        assert_eq!(here("192.168.9.1").to_string(), "http://192.168.9.1:2080");
        assert_eq!(here("fd00:9::1").to_string(), "http://[fd00:9::1]:2080");
        let secure = Here { to: Door::Secure, ..here("fd00:9::1") };
        assert_eq!(secure.to_string(), "https://wifi.lango:2443");
    }

    #[test]
    fn a_link_local_address_gives_way_to_one_that_works_in_a_url() {
        let all = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<IpAddr>>();
        let local = "fe80::1".parse().unwrap();
        for (others, expected) in [
            (&["10.0.0.1", "fe80::1", "fd00::1"][..], "fd00::1"),
            (&["fe80::1", "10.0.0.1"], "10.0.0.1"),
            (&["fe80::1", "::1"], "fe80::1"),
            (&[], "fe80::1"),
        ] {
            assert_eq!(link_address(local, &all(others)).to_string(), expected);
        }
    }
}

//! Values that name something elsewhere: devices, hosts, addresses, files, people's phones.
//!
//! Owns: what such a name may look like, so that no later room has to doubt one.
//! Never: looks whether the thing exists.
//! Neighbour: `values.rs` for quantities and words.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::error::shown;
use super::model::{Network, UplinkProbe};
use super::section::Value;
use super::values::{not, port};
use crate::domain::{Mac, PlanId};

/// The longest run_dir with which `run_dir/lango.sock` still fits a socket address.
const LONGEST_RUN_DIR: usize = 96;

/// The name of a network device, as the kernel takes it.
pub(super) fn interface(text: &str) -> Value<String> {
    let plain = |b: u8| b.is_ascii_graphic() && !b"/:\"'*\\".contains(&b);
    if (1..=15).contains(&text.len()) && text.bytes().all(plain) && text != "." && text != ".." {
        Ok(text.to_owned())
    } else {
        not(
            text,
            "the name of a network device (at most 15 letters, digits, '-', '_', '.'), such as br-guest",
        )
    }
}

/// The site, as it stands in the addresses of the cloud.
pub(super) fn site(text: &str) -> Value<String> {
    if text.len() <= 64 && is_plain(text, b"._-") && !text.bytes().all(|b| b == b'.') {
        Ok(text.to_owned())
    } else {
        not(text, "the name of a site (at most 64 letters, digits, '.', '_', '-')")
    }
}

/// A user or group of this system, by name or number.
pub(super) fn account(text: &str) -> Value<String> {
    if (1..=32).contains(&text.len()) && is_plain(text, b"._-$") && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        not(text, "the name or the number of a user or group of this system")
    }
}

/// A name of DNS in lower case; never an address.
pub(super) fn dns_name(text: &str) -> Value<String> {
    let name = text.to_ascii_lowercase();
    if text.parse::<IpAddr>().is_ok() {
        return Err(format!("{} is an address; write a name such as wifi.lango", shown(text)));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && is_plain(label, b"-")
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_a_number =
        name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if name.len() <= 253 && name.split('.').all(label) && !last_is_a_number {
        Ok(name)
    } else {
        not(text, "a DNS name (labels of letters, digits and '-', with points between), such as wifi.lango")
    }
}

/// A name of DNS, or `*.` and the suffix of many; in lower case.
pub(super) fn garden_name(text: &str) -> Value<String> {
    match text.strip_prefix("*.") {
        Some(suffix) => dns_name(suffix).map(|suffix| format!("*.{suffix}")),
        None => dns_name(text),
    }
    .map_err(|what| format!("{what}; *.SUFFIX for all names below one; addresses go to list address"))
}

/// An address, or a network with its bits outside the prefix zero.
pub(super) fn network(text: &str) -> Value<Network> {
    let what = "an address or network; write for example 203.0.113.7 or 203.0.113.0/24";
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let Ok(address) = address.parse::<IpAddr>() else { return not(text, what) };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix.map(|prefix| (prefix.len() <= 3).then(|| u8::from_str(prefix))) {
        None => longest,
        Some(Some(Ok(prefix))) if prefix <= longest => prefix,
        Some(_) => return not(text, what),
    };
    if prefix == 0 {
        return Err(format!("{} is the whole internet; name what guests may reach unpaid", shown(text)));
    }
    let first = masked(address, prefix);
    if first == address {
        Ok(Network { address, prefix })
    } else {
        Err(format!("{} has bits set behind its prefix; write {first}/{prefix}", shown(text)))
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

/// An IPv4 address that a phone will send packets to.
pub(super) fn captive_address(text: &str) -> Value<Ipv4Addr> {
    let what = "an IPv4 address that a phone sends packets to, such as 198.18.0.1";
    match text.parse::<Ipv4Addr>() {
        Ok(ip)
            if !(ip.octets()[0] == 0 || ip.is_loopback() || ip.is_multicast() || ip.octets()[0] >= 240) =>
        {
            Ok(ip)
        }
        _ => not(text, what),
    }
}

/// `ADDRESS:PORT` of something to talk to.
pub(super) fn socket_address(text: &str) -> Value<SocketAddr> {
    match text.parse::<SocketAddr>() {
        Ok(at) if at.port() != 0 && !at.ip().is_unspecified() && !at.ip().is_multicast() => Ok(at),
        _ => not(text, "an address with a port; write for example 127.0.0.1:53 or [::1]:53"),
    }
}

/// `tcp:ADDRESS:PORT`.
pub(super) fn uplink_probe(text: &str) -> Value<UplinkProbe> {
    let target = text.strip_prefix("tcp:").and_then(|target| socket_address(target).ok());
    match target {
        Some(target) => Ok(UplinkProbe(target)),
        None => not(text, "a probe; write tcp:ADDRESS:PORT, as in tcp:203.0.113.80:80"),
    }
}

/// The path of a file or directory, from the root.
pub(super) fn path(text: &str) -> Value<PathBuf> {
    if text.starts_with('/') {
        Ok(PathBuf::from(text))
    } else {
        not(text, "an absolute path; begin it with /")
    }
}

/// The directory of the control socket.
pub(super) fn run_dir(text: &str) -> Value<PathBuf> {
    if text.len() > LONGEST_RUN_DIR {
        return Err(format!("{} is too long for a socket; at most {LONGEST_RUN_DIR} bytes", shown(text)));
    }
    path(text)
}

/// A user of the system.
pub(super) fn user(text: &str) -> Value<String> {
    let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if first && text.len() <= 32 && is_plain(text, b"_-") {
        Ok(text.to_owned())
    } else {
        not(text, "the name of a user of this system, such as lango")
    }
}

/// A phone as dialled.
pub(super) fn phone(text: &str) -> Value<String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if (3..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        not(text, "a phone number; write 3 to 20 digits without blanks, with + before a country code")
    }
}

/// A number of WhatsApp, as `https://wa.me/` takes it.
pub(super) fn whatsapp(text: &str) -> Value<String> {
    if (5..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        not(text, "a WhatsApp number; write country code and number in digits only, as in 255700000000")
    }
}

/// The name of a plan.
pub(super) fn plan_id(text: &str) -> Value<PlanId> {
    text.parse().or_else(|_| not(text, "the name of a plan (at most 64 letters, digits, '_', '-', '.')"))
}

/// The address of a device.
pub(super) fn mac(text: &str) -> Value<Mac> {
    text.parse().or_else(|_| not(text, "the MAC address of one device; write it as 02:00:00:00:00:01"))
}

/// The address of the cloud, without a `/` at the end: `https://`, or `http://` of this machine.
pub(super) fn url(text: &str) -> Value<String> {
    let what = "the address of a cloud; write https://HOST, without user, '?' or '#'";
    let Some((scheme, rest)) = text.split_once("://") else { return not(text, what) };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let Some(host) = host(authority) else { return not(text, what) };
    let plain_path = path.bytes().all(|b| b.is_ascii_graphic() && !b"?#\"<>\\".contains(&b));
    match scheme {
        _ if !plain_path => not(text, what),
        "https" => Ok(text.trim_end_matches('/').to_owned()),
        "http" if is_this_machine(host) => Ok(text.trim_end_matches('/').to_owned()),
        "http" => Err(format!("{} goes over the network in the clear; write https://", shown(text))),
        _ => not(text, what),
    }
}

/// The host of `HOST` or `HOST:PORT`, if both are right.
fn host(authority: &str) -> Option<&str> {
    let (host, tail) = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((inner, tail)) => (inner.parse::<Ipv6Addr>().is_ok().then_some(inner)?, tail),
        None => authority.split_at_checked(authority.find(':').unwrap_or(authority.len()))?,
    };
    let named = host.contains(':') || host.parse::<Ipv4Addr>().is_ok() || dns_name(host).is_ok();
    let ported = tail.is_empty() || tail.strip_prefix(':').is_some_and(|tail| port(tail).is_ok());
    (named && ported).then_some(host)
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Letters, digits and `more`, at least one.
fn is_plain(text: &str, more: &[u8]) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_that_are_right_pass() {
        assert_eq!(interface("br-guest"), Ok("br-guest".into()));
        assert_eq!(interface("eth0.20@x"), Ok("eth0.20@x".into()));
        assert_eq!(dns_name("WiFi.Lango"), Ok("wifi.lango".into()));
        assert_eq!(garden_name("*.WhatsApp.net"), Ok("*.whatsapp.net".into()));
        let net = |text: &str| network(text).map(|net| (net.address.to_string(), net.prefix));
        assert_eq!(net("203.0.113.0/24"), Ok(("203.0.113.0".into(), 24)));
        assert_eq!(net("203.0.113.7"), Ok(("203.0.113.7".into(), 32)));
        assert_eq!(net("2001:db8::/32"), Ok(("2001:db8::".into(), 32)));
        assert_eq!(uplink_probe("tcp:[2001:db8::1]:80").map(|p| p.0.port()), Ok(80));
    }

    #[test]
    fn the_cloud_is_https_or_this_machine() {
        for good in [
            "https://bos.example.net",
            "https://bos.example.net:8443/lango",
            "https://[2001:db8::1]:443",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost",
        ] {
            assert_eq!(url(good), Ok(good.to_owned()));
        }
        assert_eq!(url("https://bos.example.net/"), Ok("https://bos.example.net".into()));
        for bad in [
            "bos.example.net",
            "ftp://bos.example.net",
            "https://",
            "https://a b",
            "https://user@bos.example.net",
            "https://bos.example.net/?a=1",
            "https://bos.example.net:0",
            "https://bos.example.net:99999",
            "https://[::1",
            "https://-x.example",
            "http://bos.example.net",
            "http://127.0.0.1.example.net",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}

//! What kind of name it is that a guest asks for. Every list of names is here.
//!
//! Never: knows addresses, but for the one that stands in a list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::Config;
use crate::ordered::OrdSet;
use crate::wire::dns::Name;

/// Hosts that phones and computers ask for a page they know, to see whether they are online. They are
/// resolved by the gateway itself, so that a phone remembers no address that is wrong once it has paid.
const PROBES: &[&str] = &[
    // Android
    "connectivitycheck.gstatic.com",
    "connectivitycheck.android.com",
    "clients3.google.com",
    "play.googleapis.com",
    "www.google.com",
    "www.gstatic.com",
    // makers of phones and readers
    "connect.rom.miui.com",
    "connectivitycheck.platform.hicloud.com",
    "spectrum.s3.amazonaws.com",
    "www.qualcomm.cn",
    // iOS and macOS
    "captive.apple.com",
    "gsp1.apple.com",
    "www.airport.us",
    "www.apple.com",
    "www.appleiphonecell.com",
    "www.ibook.info",
    "www.itools.info",
    "www.thinkdifferent.us",
    // Windows
    "edge.msftncsi.com",
    "ipv6.msftconnecttest.com",
    "www.msftconnecttest.com",
    "www.msftncsi.com",
    // browsers
    "cp.cloudflare.com",
    "detectportal.firefox.com",
    // Linux
    "connectivity-check.ubuntu.com",
    "fedoraproject.org",
    "ipv4.connman.net",
    "ipv6.connman.net",
    "network-test.debian.org",
    "nmcheck.gnome.org",
    "ping.archlinux.org",
];

/// Names that must not exist where the resolver of the network is to be used: those by which browsers and
/// iOS ask whether they may go round it.
const DENIED: &[&str] = &["mask-h2.icloud.com", "mask.icloud.com", "use-application-dns.net"];

/// Windows takes a network without these answers for one that has no DNS.
const NCSI: &str = "dns.msftncsi.com";
const NCSI_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(131, 107, 255, 255));
const NCSI_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd3e, 0x4f5a, 0x5b81, 0, 0, 0, 0, 1));

/// What kind of name it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// The portal's own.
    Portal,
    /// Always these addresses.
    Fixed(Vec<IpAddr>),
    /// It must not exist.
    Denied,
    /// A host by which phones try whether they are online.
    Probe,
    /// Open to everybody.
    Garden,
    /// Any other.
    Foreign,
}

/// The names of a configuration, and those that are always there.
#[derive(Debug)]
pub(super) struct Names {
    portal: Option<Name>,
    ncsi: Option<Name>,
    denied: Vec<Name>,
    probes: OrdSet<Name>,
    /// Names that are open themselves.
    open: OrdSet<Name>,
    /// Names below which all are open.
    open_below: Vec<Name>,
}

impl Names {
    pub(super) fn of(config: &Config) -> Self {
        let mut open = OrdSet::new();
        let mut open_below = Vec::new();
        for name in config.gardens.iter().flat_map(|garden| &garden.names) {
            match name.strip_prefix("*.") {
                Some(suffix) => open_below.extend(Name::parse(suffix)),
                None => open.extend(Name::parse(name)),
            }
        }
        let all = |names: &[&str]| names.iter().filter_map(|name| Name::parse(name)).collect::<Vec<_>>();
        Self {
            portal: Name::parse(&config.gateway.portal_name),
            ncsi: Name::parse(NCSI),
            denied: all(DENIED),
            probes: all(PROBES).into_iter().collect(),
            open,
            open_below,
        }
    }

    /// The first that fits counts: an operator cannot open a probe, or the phones would take the unpaid
    /// network for the internet.
    pub(super) fn sort(&self, name: &Name) -> Sort {
        if self.portal.as_ref() == Some(name) {
            Sort::Portal
        } else if self.ncsi.as_ref() == Some(name) {
            Sort::Fixed(vec![NCSI_V4, NCSI_V6])
        } else if self.denied.contains(name) {
            Sort::Denied
        } else if self.probes.contains(name) {
            Sort::Probe
        } else if self.open.contains(name) || self.open_below.iter().any(|suffix| name.is_below(suffix)) {
            Sort::Garden
        } else {
            Sort::Foreign
        }
    }

    pub(super) fn probes(&self) -> impl Iterator<Item = &Name> {
        self.probes.iter()
    }
}

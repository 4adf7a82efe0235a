//! The guests' own network: the one that is there, or a new one with an address that is nobody's.

use std::net::Ipv4Addr;

use super::plan::{Place, Plan, Refusal};
use super::settings::{GUESTS, Settings};
use crate::config::UciSection;

/// What a new network has.
const DEVICE: &str = "br-guest";
const PREFIX: u8 = 20;

/// The network of the guests.
pub(super) struct Guests {
    /// Its interface in /etc/config/network.
    pub(super) network: String,
    /// Its layer 3 device.
    pub(super) device: String,
    pub(super) address: Ipv4Addr,
    pub(super) prefix: u8,
}

/// The guests' network, which is planned if there is none: the interface on a device that Lango is told of, or one
/// that is called guest.
pub(super) fn guests(settings: &Settings, plan: &mut Plan) -> Result<Guests, Refusal> {
    let devices = settings.gateway().map(|gateway| gateway.section.values("interface")).unwrap_or_default();
    let on_device = |section: &&UciSection| devices.iter().any(|device| section.is("device", device));
    let interfaces = || settings.of("network", "interface");
    let there = interfaces().find(on_device).or(interfaces().find(|it| it.name.as_deref() == Some(GUESTS)));
    match there {
        Some(section) => existing(section),
        None => new(settings, devices.first().map_or(DEVICE, String::as_str), plan),
    }
}

fn existing(section: &UciSection) -> Result<Guests, Refusal> {
    let network = section.name.clone().unwrap_or_default();
    let device = section.values("device").first().cloned().unwrap_or_default();
    if network.is_empty() || device.is_empty() {
        let why = "the guest network that is there has no name or no device";
        return Err(Refusal::new(why, "name its device in /etc/config/network"));
    }
    if ["lan", "wan", "wan6", "loopback"].contains(&network.as_str()) {
        let why = format!("the device of the guests, {device}, is the one of network {network}");
        return Err(Refusal::new(why, "give guests a network of their own, or you lock yourself out"));
    }
    match places(section).first() {
        Some((address, prefix)) if section.is("proto", "static") => {
            Ok(Guests { network, device, address: *address, prefix: *prefix })
        }
        Some(_) | None => {
            let why = format!("network.{network} has no address of its own");
            Err(Refusal::new(why, "give it proto static, ipaddr and netmask"))
        }
    }
}

fn new(settings: &Settings, device: &str, plan: &mut Plan) -> Result<Guests, Refusal> {
    let address = free_address(settings)?;
    if !settings.of("network", "device").any(|section| section.is("name", device)) {
        let at = settings.free("network", "guest_bridge")?;
        let options = [("name", device), ("type", "bridge"), ("bridge_empty", "1")];
        plan.add("a bridge for the Wi-Fi of the guests", at, "device", &options, &[]);
    }
    let at = settings.free("network", GUESTS)?;
    let text = address.to_string();
    let options = [
        ("proto", "static"),
        ("device", device),
        ("ipaddr", &text),
        ("netmask", "255.255.240.0"),
        ("ip6assign", "64"),
    ];
    plan.add("a network of the guests alone, for 4,000 devices", at, "interface", &options, &[]);
    Ok(Guests { network: GUESTS.to_owned(), device: device.to_owned(), address, prefix: PREFIX })
}

/// The first of 10.77.0.1/20, 10.78.0.1/20… that overlaps no network that is set up here.
fn free_address(settings: &Settings) -> Result<Ipv4Addr, Refusal> {
    let taken: Vec<Place> = settings.of("network", "interface").flat_map(places).collect();
    let candidates = (77..=254).map(|second| Ipv4Addr::new(10, second, 0, 1));
    let free = candidates
        .into_iter()
        .find(|candidate| !taken.iter().any(|place| overlap(*place, (*candidate, PREFIX))));
    free.ok_or_else(|| Refusal::new("no network of 10.0.0.0/8 is free", "set the guest network up by hand"))
}

fn overlap((one, one_prefix): Place, (other, other_prefix): Place) -> bool {
    let shortest = u32::from(one_prefix.min(other_prefix));
    let mask = u32::MAX.checked_shl(32 - shortest).unwrap_or(0);
    (one.to_bits() ^ other.to_bits()) & mask == 0
}

/// The addresses of an interface, written `ADDRESS/PREFIX`, or with a netmask beside.
fn places(section: &UciSection) -> Vec<Place> {
    let netmask = section.values("netmask").first().and_then(|mask| mask.parse::<Ipv4Addr>().ok());
    let beside = netmask.and_then(|mask| u8::try_from(mask.to_bits().leading_ones()).ok()).unwrap_or(24);
    let all = section.values("ipaddr");
    let words = all.iter().flat_map(|value| value.split_whitespace());
    words
        .filter_map(|word| {
            let (address, prefix) = word.split_once('/').map_or((word, None), |(a, p)| (a, Some(p)));
            let prefix =
                prefix.map_or(Some(beside), |prefix| prefix.parse().ok().filter(|prefix| *prefix <= 32))?;
            Some((address.parse().ok()?, prefix))
        })
        .collect()
}

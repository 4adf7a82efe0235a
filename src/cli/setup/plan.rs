//! What has to change around a hotspot: the settings of an OpenWrt in, a list of changes out. Nothing is done here.
//!
//! Owns: which sections a guest network needs, their names, and how each change is undone. Never: runs uci (`uci`),
//! or prints (`mod`).
//! What is there already is used as it is: a second plan, made after the first was done, is empty.

use std::net::Ipv4Addr;

use super::guests::{Guests, guests};
use super::settings::{GUESTS, Settings};
use crate::config::UciSection;

/// Why there is no plan, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) why: String,
    pub(super) remedy: &'static str,
}

impl Refusal {
    pub(super) fn new(why: impl Into<String>, remedy: &'static str) -> Self {
        Self { why: why.into(), remedy }
    }
}

/// One change, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) why: &'static str,
    pub(super) step: Step,
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A new section, `PACKAGE.NAME`.
    Add {
        at: String,
        kind: &'static str,
        options: Vec<(&'static str, String)>,
        lists: Vec<(&'static str, String)>,
    },
    /// An option, `PACKAGE.SECTION.OPTION`, and what it was.
    Set { at: String, value: String, before: Option<String> },
    /// One more value of a list, which had some or none before.
    Append { at: String, value: String, had_some: bool },
}

impl Step {
    /// Lines for `uci batch`.
    pub(super) fn commands(&self) -> Vec<String> {
        match self {
            Self::Add { at, kind, options, lists } => {
                let options =
                    options.iter().map(|(name, value)| format!("set {at}.{name}={}", quoted(value)));
                let lists =
                    lists.iter().map(|(name, value)| format!("add_list {at}.{name}={}", quoted(value)));
                [format!("set {at}={}", quoted(kind))].into_iter().chain(options).chain(lists).collect()
            }
            Self::Set { at, value, .. } => vec![format!("set {at}={}", quoted(value))],
            Self::Append { at, value, .. } => vec![format!("add_list {at}={}", quoted(value))],
        }
    }

    /// The line that takes it back.
    pub(super) fn undo(&self) -> String {
        match self {
            Self::Add { at, .. }
            | Self::Set { at, before: None, .. }
            | Self::Append { at, had_some: false, .. } => format!("delete {at}"),
            Self::Set { at, before: Some(before), .. } => format!("set {at}={}", quoted(before)),
            Self::Append { at, value, had_some: true } => format!("del_list {at}={}", quoted(value)),
        }
    }
}

/// A value as uci reads it, whatever is in it.
pub(super) fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

/// All that is missing, in the order in which it is best read; and what only the operator can do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) changes: Vec<Change>,
    pub(super) notes: Vec<String>,
}

/// What makes a hotspot of these settings.
pub(super) fn plan(settings: &Settings) -> Result<Plan, Refusal> {
    let mut plan = Plan { changes: Vec::new(), notes: Vec::new() };
    let guests = guests(settings, &mut plan)?;
    addresses(settings, &guests, &mut plan)?;
    firewall(settings, &guests, &mut plan)?;
    wireless(settings, &guests, &mut plan)?;
    lango(settings, &guests, &mut plan);
    Ok(plan)
}

impl Plan {
    pub(super) fn add(
        &mut self,
        why: &'static str,
        at: String,
        kind: &'static str,
        options: &[(&'static str, &str)],
        lists: &[(&'static str, &str)],
    ) {
        let owned = |pairs: &[(&'static str, &str)]| {
            pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        let step = Step::Add { at, kind, options: owned(options), lists: owned(lists) };
        self.changes.push(Change { why, step });
    }
}

/// DHCP, and the name of the portal.
fn addresses(settings: &Settings, guests: &Guests, plan: &mut Plan) -> Result<(), Refusal> {
    let has_dhcp = settings.of("dhcp", "dhcp").any(|section| section.is("interface", &guests.network));
    if !has_dhcp {
        let room = 1_u32 << (32 - u32::from(guests.prefix));
        let start = if room >= 1024 { 256 } else { 10 };
        let (start, limit) = (start.to_string(), room.saturating_sub(start + 6).to_string());
        let at = settings.free("dhcp", &guests.network)?;
        let options = [
            ("interface", guests.network.as_str()),
            ("start", &start),
            ("limit", &limit),
            ("leasetime", "1h"),
            ("dhcpv4", "server"),
            ("ra", "server"),
            ("dhcpv6", "disabled"),
        ];
        plan.add("guests get addresses", at, "dhcp", &options, &[]);
    }
    let resolver = settings.first("dhcp", "dnsmasq").ok_or_else(|| {
        Refusal::new(
            "there is no dnsmasq in /etc/config/dhcp",
            "Lango needs it for addresses and names of guests",
        )
    })?;
    let lead = format!("/{}/", settings.of_gateway("portal_name"));
    let named = resolver.section.values("address");
    if !named.iter().any(|value| value.starts_with(&lead)) {
        let step = Step::Append {
            at: format!("{}.address", resolver.at),
            value: format!("{lead}{}", guests.address),
            had_some: !named.is_empty(),
        };
        plan.changes.push(Change { why: "the portal's name leads to the gateway", step });
    }
    Ok(())
}

/// A zone of their own, with a way out.
fn firewall(settings: &Settings, guests: &Guests, plan: &mut Plan) -> Result<(), Refusal> {
    let zone_of = |network: &str| {
        let mut zones = settings.of("firewall", "zone");
        zones.find(|zone| {
            zone.values("network").iter().flat_map(|all| all.split_whitespace()).any(|one| one == network)
        })
    };
    let name = |zone: &UciSection| zone.values("name").first().cloned().unwrap_or_default();
    let outside = zone_of("wan").map(name).ok_or_else(|| {
        Refusal::new("no zone of the firewall has the network wan", "set up the way to the internet first")
    })?;
    let zone = match zone_of(&guests.network) {
        Some(zone) => name(zone),
        None => {
            if settings.of("firewall", "zone").any(|zone| zone.is("name", GUESTS)) {
                let why = "the firewall has a zone guest, and the guest network is not in it";
                return Err(Refusal::new(why, "put the network into the zone, or rename the zone"));
            }
            let options =
                [("name", GUESTS), ("input", "REJECT"), ("output", "ACCEPT"), ("forward", "REJECT")];
            let lists = [("network", guests.network.as_str())];
            let at = settings.free("firewall", GUESTS)?;
            plan.add("guests reach nothing but what is allowed", at, "zone", &options, &lists);
            GUESTS.to_owned()
        }
    };
    let mut ways = settings.of("firewall", "forwarding");
    if !ways.any(|way| way.is("src", &zone) && way.is("dest", &outside)) {
        let options = [("src", zone.as_str()), ("dest", outside.as_str())];
        let at = settings.free("firewall", "guest_wan")?;
        plan.add("who has paid reaches the internet", at, "forwarding", &options, &[]);
    }
    Ok(())
}

/// An open Wi-Fi on each radio, whose guests do not see each other.
fn wireless(settings: &Settings, guests: &Guests, plan: &mut Plan) -> Result<(), Refusal> {
    let title = settings.of_gateway("title");
    let mut radios = 0;
    for radio in settings.of("wireless", "wifi-device").filter_map(|section| section.name.as_ref()) {
        radios += 1;
        let mut networks = settings.of("wireless", "wifi-iface");
        if !networks.any(|wifi| wifi.is("device", radio) && wifi.is("network", &guests.network)) {
            let options = [
                ("device", radio.as_str()),
                ("network", &guests.network),
                ("mode", "ap"),
                ("ssid", &title),
                ("encryption", "none"),
                ("isolate", "1"),
            ];
            let at = settings.free("wireless", &format!("guest_{radio}"))?;
            plan.add("an open Wi-Fi whose guests do not see each other", at, "wifi-iface", &options, &[]);
        }
        let is_off = settings
            .of("wireless", "wifi-device")
            .any(|section| section.name.as_ref() == Some(radio) && section.is("disabled", "1"));
        if is_off {
            plan.notes.push(format!(
                "{radio} is switched off: give your own Wi-Fi a password, set the country, switch it on"
            ));
        }
    }
    if radios == 0 {
        plan.notes.push(
            "there is no Wi-Fi here: put a port or a VLAN for access points into the guests' bridge"
                .to_owned(),
        );
    }
    Ok(())
}

fn lango(settings: &Settings, guests: &Guests, plan: &mut Plan) {
    let Some(gateway) = settings.gateway() else {
        let at = "lango.main".to_owned();
        plan.add(
            "Lango holds and sells",
            at,
            "gateway",
            &[("enabled", "1")],
            &[("interface", &guests.device)],
        );
        return;
    };
    let named = gateway.section.values("interface");
    if !named.contains(&guests.device) {
        let step = Step::Append {
            at: format!("{}.interface", gateway.at),
            value: guests.device.clone(),
            had_some: !named.is_empty(),
        };
        plan.changes.push(Change { why: "the device whose guests Lango holds", step });
    }
    let enabled = gateway.section.values("enabled").first().cloned();
    if enabled.as_deref().is_some_and(|value| value != "1") {
        let step =
            Step::Set { at: format!("{}.enabled", gateway.at), value: "1".to_owned(), before: enabled };
        plan.changes.push(Change { why: "Lango holds and sells", step });
    }
}

/// An IPv4 address with the length of its network.
pub(super) type Place = (Ipv4Addr, u8);

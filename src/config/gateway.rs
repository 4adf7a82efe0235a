//! Section `gateway`: the one section that every configuration has.
//!
//! Owns: what the options of the gateway mean together: ports that differ, certificate with key, interfaces.
//! Neighbours: `section.rs` takes the options out, `spec.rs` holds their defaults.

use super::error::{Findings, shown};
use super::model::{Gateway, Tls};
use super::section::Section;
use super::spec;
use super::uci::RawSection;
use super::{names, values};

/// Reads the section; what is wrong goes to `findings`.
pub(super) fn gateway(raw: &RawSection, findings: &mut Findings) -> Gateway {
    let mut section = Section::begin(raw, &spec::GATEWAY, findings);
    let s = &mut section;
    let gateway = Gateway {
        enabled: s.value("enabled", values::boolean),
        site: s.value("site", names::site),
        interfaces: interfaces(s),
        portal_name: s.value("portal_name", names::dns_name),
        portal_port: s.value("portal_port", values::port),
        https_port: s.value("https_port", values::port),
        tls: tls(s),
        dns_port: s.value("dns_port", values::port),
        dns_upstream: s.value("dns_upstream", names::socket_address),
        captive_address: s.value("captive_address", names::captive_address),
        state_dir: s.value("state_dir", names::path),
        run_dir: s.value("run_dir", names::run_dir),
        language: s.value("language", values::language),
        portal_dir: s.optional("portal_dir", names::path),
        title: s.value("title", values::text(64)),
        support_phone: s.optional("support_phone", names::phone).unwrap_or_default(),
        whatsapp: s.optional("whatsapp", names::whatsapp).unwrap_or_default(),
        checkpoint: s.value("checkpoint", values::duration_within("10s", "1h")),
        max_clients: s.value("max_clients", values::number(1, 65_535)),
        user: s.optional("user", names::user),
        mark: s.value("mark", values::mark),
        uplink_probes: s.list("uplink_probe", names::uplink_probe).into_iter().map(|(_, p)| p).collect(),
        uplink: s.optional("uplink", names::interface),
        site_key_file: s.optional("site_key_file", names::path),
        issuing_keys: s.list("issuing_key", values::key_number).into_iter().map(|(_, n)| n).collect(),
        colour: s.value("colour", values::colour),
        controller: s.optional("controller", values::text(200)).unwrap_or_default(),
        terms_required: s.value("terms_required", values::boolean),
        key_from_cloud: s.value("key_from_cloud", values::boolean),
        anomaly: s.value("anomaly", values::anomaly),
        new_devices_per_minute: s.value("new_devices_per_minute", values::number(1, 100_000)),
    };
    ports_differ(s, &gateway);
    uplink_has_no_guests(s, &gateway);
    gateway
}

/// The guest networks, each once, at least one.
fn interfaces(s: &mut Section<'_>) -> Vec<String> {
    if !s.is_set("interface") {
        s.wrong(
            "interface",
            "no guest network is named; write list interface 'br-guest' (the L3 device of the guests)",
        );
    }
    let mut interfaces = Vec::new();
    for (line, name) in s.list("interface", names::interface) {
        if interfaces.contains(&name) {
            s.wrong_at(line, "interface", format!("{} is named twice; take one out", shown(&name)));
        } else {
            interfaces.push(name);
        }
    }
    interfaces
}

/// Certificate and key: both or none.
fn tls(s: &mut Section<'_>) -> Option<Tls> {
    let certificate = s.optional("certificate", names::path);
    let key = s.optional("key", names::path);
    match (s.is_set("certificate"), s.is_set("key")) {
        (true, false) => s.wrong("certificate", "stands without its key; set option key too, or neither"),
        (false, true) => {
            s.wrong("key", "stands without its certificate; set option certificate too, or neither")
        }
        (true, true) | (false, false) => {}
    }
    Some(Tls { certificate: certificate?, key: key? })
}

fn ports_differ(s: &mut Section<'_>, gateway: &Gateway) {
    let ports = [
        ("portal_port", gateway.portal_port),
        ("https_port", gateway.https_port),
        ("dns_port", gateway.dns_port),
    ];
    for (index, (later, port)) in ports.iter().enumerate() {
        for (earlier, other) in ports.iter().take(index) {
            if port == other {
                let (wrong, right) = if s.is_set(later) { (later, earlier) } else { (earlier, later) };
                s.wrong(wrong, format!("'{port}' is the port of {right} too; give each its own"));
            }
        }
    }
}

fn uplink_has_no_guests(s: &mut Section<'_>, gateway: &Gateway) {
    if let Some(uplink) = gateway.uplink.as_ref().filter(|uplink| gateway.interfaces.contains(uplink)) {
        s.wrong(
            "uplink",
            format!("{} is a guest network; name the device towards the internet", shown(uplink)),
        );
    }
}

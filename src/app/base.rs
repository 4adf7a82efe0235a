//! What the configuration asks of the kernel.
//!
//! Owns: the way from options to the table's base. Never: talks to the kernel. Neighbour: `kernel`.

use crate::config::{self, Config, Device, Policy};
use crate::domain::{Bps, Bytes, Gate, Mac};
use crate::nft::{Base, Garden, Place};
use crate::ordered::OrdSet;

pub(super) fn base_of(config: &Config) -> Base {
    let gateway = &config.gateway;
    let trusted = u32::try_from(trusted(config).len()).unwrap_or(u32::MAX);
    Base {
        interfaces: gateway.interfaces.clone(),
        portal_port: gateway.portal_port,
        https_port: gateway.https_port,
        dns_port: gateway.dns_port,
        captive: gateway.captive_address,
        mark: gateway.mark,
        max_clients: gateway.max_clients.saturating_add(trusted),
        blocked: blocked(config),
        garden: garden_of(&config.gardens),
    }
}

/// Devices that pass by configuration.
pub(super) fn trusted(config: &Config) -> OrdSet<Mac> {
    devices(config, Policy::Trusted)
}

/// Devices that get an address and nothing more.
pub(super) fn blocked(config: &Config) -> OrdSet<Mac> {
    devices(config, Policy::Blocked)
}

/// Adds the devices that the cloud wants kept out, but for those that the operator lists himself.
pub(super) fn keep_out(config: &mut Config, gate: &Gate) {
    for mac in gate.kept_out() {
        if !config.devices.iter().any(|device| device.mac == mac) {
            config.devices.push(Device { mac, policy: Policy::Blocked });
        }
    }
}

fn devices(config: &Config, policy: Policy) -> OrdSet<Mac> {
    config.devices.iter().filter(|device| device.policy == policy).map(|device| device.mac).collect()
}

/// All gardens as one: a device has one rate and one amount for all of them, the largest that are named.
fn garden_of(gardens: &[config::Garden]) -> Garden {
    let places = gardens.iter().flat_map(|garden| {
        let places =
            garden.networks.iter().flat_map(|network| garden.ports.iter().map(move |port| (network, *port)));
        places.map(|(network, port)| Place { first: network.first(), last: network.last(), port })
    });
    Garden {
        places: places.collect(),
        rate: gardens.iter().filter_map(|garden| garden.rate).max().unwrap_or(Bps(256_000)),
        data: gardens.iter().filter_map(|garden| garden.data).max().unwrap_or(Bytes(10_000_000)),
    }
}

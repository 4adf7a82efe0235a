//! Segmentation and receive offloads of the lab's cables.
//!
//! With them the kernel passes packets of up to 64 KiB through the gateway, which it only cuts at the far
//! end: hardware of an access point does that seldom, and bytes on the wire cannot be compared then.

use super::{Lab, Netns};

impl Lab {
    /// From now on every packet is one that fits the cable.
    pub(crate) fn without_offloads(&self) {
        turn_off(&self.gateway);
        turn_off(&self.world.space);
        self.phones.iter().for_each(|phone| turn_off(&phone.space));
    }
}

/// On all devices of a namespace but `lo`.
pub(super) fn turn_off(space: &Netns) {
    let listed = space.must("ip", &["-o", "link", "show"]);
    for line in listed.lines() {
        let device = line.split([':', '@']).nth(1).unwrap_or_default().trim();
        if device != "lo" {
            space.must("ethtool", &["-K", device, "tso", "off", "gso", "off", "gro", "off"]);
        }
    }
}

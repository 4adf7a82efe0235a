//! Frames put on the cable as they are, past the phone's own kernel.
//!
//! The MAC is the phone's own, unless a test wants another device to be behind the cable. What is sent comes
//! from `packet.rs`; what became of it is asked of a tap.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, send, socket,
};

use super::GATEWAY_MAC;
use super::netns::Netns;
use super::phone::Phone;

/// Ethertypes.
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;

/// A phone's cable.
pub(crate) struct Cable {
    socket: OwnedFd,
    own: [u8; 6],
}

impl Cable {
    /// The cable of this phone.
    pub(crate) fn of(phone: &Phone) -> Self {
        Self { socket: packet_socket(&phone.space, &phone.device, None).0, own: mac(&phone.mac) }
    }

    /// Sends an IP packet to the gateway, or to the group's MAC where it is addressed to a group.
    pub(crate) fn send(&self, packet: &[u8]) {
        let is_v6 = packet[0] >> 4 == 6;
        let to = match (is_v6, if is_v6 { packet[24] } else { packet[16] }) {
            (true, 0xff) => [0x33, 0x33, packet[36], packet[37], packet[38], packet[39]],
            (false, 224..=239) => [1, 0, 0x5e, packet[17] & 0x7f, packet[18], packet[19]],
            (false, 255) => [0xff; 6],
            _ => mac(GATEWAY_MAC),
        };
        self.frame(to, if is_v6 { IPV6 } else { IPV4 }, packet);
    }

    /// Sends any frame.
    pub(crate) fn frame(&self, to: [u8; 6], ethertype: u16, content: &[u8]) {
        self.frame_of(self.own, to, ethertype, content);
    }

    /// Sends a frame of another device, so that to the gateway there is one.
    pub(crate) fn frame_of(&self, from: [u8; 6], to: [u8; 6], ethertype: u16, content: &[u8]) {
        let frame = [&to[..], &from, &ethertype.to_be_bytes(), content].concat();
        send(self.socket.as_raw_fd(), &frame, MsgFlags::empty()).expect("a cable");
    }
}

/// A packet socket on one device and that device's MAC; without `protocol` it receives nothing.
pub(crate) fn packet_socket(
    space: &Netns,
    device: &str,
    protocol: Option<SockProtocol>,
) -> (OwnedFd, [u8; 6]) {
    space.enter(|| {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, protocol).expect("root");
        let link = link(device);
        bind(socket.as_raw_fd(), &link).expect("a device");
        (socket, link.addr().expect("an Ethernet device"))
    })
}

/// The six octets of a MAC as text.
pub(crate) fn mac(text: &str) -> [u8; 6] {
    let octets: Vec<u8> = text.split(':').map(|octet| u8::from_str_radix(octet, 16).expect("hex")).collect();
    octets.try_into().expect("six octets")
}

fn link(device: &str) -> LinkAddr {
    let mut all =
        getifaddrs().expect("the devices of a namespace").filter(|one| one.interface_name == device);
    let found = all.find_map(|one| one.address?.as_link_addr().copied());
    found.unwrap_or_else(|| panic!("no device {device}"))
}

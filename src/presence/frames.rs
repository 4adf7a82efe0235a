//! The questions on the wire, and their answers: ARP (RFC 826) and neighbour discovery (RFC 4861).
//!
//! Owns: the form of the frames, and what counts as an answer: one that the device itself sent, about an
//! address that it has. Never: sockets. What is read comes from guests: garbage is no answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet_datalink::MacAddr;
use pnet_packet::Packet;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperations, ArpPacket, MutableArpPacket};
use pnet_packet::ethernet::{EtherTypes, EthernetPacket, MutableEthernetPacket};
use pnet_packet::icmpv6::ndp::{
    MutableNeighborSolicitPacket, NdpOption, NdpOptionTypes, NeighborAdvertPacket,
};
use pnet_packet::icmpv6::{Icmpv6Packet, Icmpv6Types, checksum};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::{Ipv6Packet, MutableIpv6Packet};

use crate::domain::Mac;

const ETHERNET: usize = 14;
const ARP: usize = 28;
const IPV6: usize = 40;
/// A solicitation with the option that tells where the answer goes.
const SOLICITATION: usize = 32;
/// Nobody else may have forwarded it (RFC 4861, 7.1).
const ON_THE_LINK: u8 = 255;

/// To whom a question goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cast {
    /// To the device alone: others sleep on, and phones that save power are woken for it.
    Device,
    /// To all who may have the address: broadcast, or the group of the address.
    Group,
}

/// Asks who has `address`; the answer goes to `from`.
pub(super) fn arp_request(
    from: (MacAddr, Ipv4Addr),
    device: Mac,
    address: Ipv4Addr,
    cast: Cast,
) -> [u8; ETHERNET + ARP] {
    let mut frame = [0; ETHERNET + ARP];
    let to = match cast {
        Cast::Device => mac_addr(device),
        Cast::Group => MacAddr::broadcast(),
    };
    let (head, body) = frame.split_at_mut(ETHERNET);
    if let Some(mut ethernet) = MutableEthernetPacket::new(head) {
        ethernet.set_destination(to);
        ethernet.set_source(from.0);
        ethernet.set_ethertype(EtherTypes::Arp);
    }
    if let Some(mut arp) = MutableArpPacket::new(body) {
        arp.set_hardware_type(ArpHardwareTypes::Ethernet);
        arp.set_protocol_type(EtherTypes::Ipv4);
        arp.set_hw_addr_len(6);
        arp.set_proto_addr_len(4);
        arp.set_operation(ArpOperations::Request);
        arp.set_sender_hw_addr(from.0);
        arp.set_sender_proto_addr(from.1);
        arp.set_target_hw_addr(MacAddr::zero());
        arp.set_target_proto_addr(address);
    }
    frame
}

/// Asks whether `address` is still with `device`; the answer goes to `from`.
pub(super) fn solicitation(
    from: (MacAddr, Ipv6Addr),
    device: Mac,
    address: Ipv6Addr,
    cast: Cast,
) -> [u8; ETHERNET + IPV6 + SOLICITATION] {
    let mut frame = [0; ETHERNET + IPV6 + SOLICITATION];
    let (to, destination) = match cast {
        Cast::Device => (mac_addr(device), address),
        Cast::Group => group_of(address),
    };
    let (head, rest) = frame.split_at_mut(ETHERNET);
    if let Some(mut ethernet) = MutableEthernetPacket::new(head) {
        ethernet.set_destination(to);
        ethernet.set_source(from.0);
        ethernet.set_ethertype(EtherTypes::Ipv6);
    }
    let (head, body) = rest.split_at_mut(IPV6);
    if let Some(mut ip) = MutableIpv6Packet::new(head) {
        ip.set_version(6);
        ip.set_payload_length(u16::try_from(SOLICITATION).unwrap_or(u16::MAX));
        ip.set_next_header(IpNextHeaderProtocols::Icmpv6);
        ip.set_hop_limit(ON_THE_LINK);
        ip.set_source(from.1);
        ip.set_destination(destination);
    }
    if let Some(mut ask) = MutableNeighborSolicitPacket::new(body) {
        let MacAddr(a, b, c, d, e, f) = from.0;
        ask.set_icmpv6_type(Icmpv6Types::NeighborSolicit);
        ask.set_target_addr(address);
        ask.set_options(&[NdpOption {
            option_type: NdpOptionTypes::SourceLLAddr,
            length: 1,
            data: vec![a, b, c, d, e, f],
        }]);
    }
    let sum = Icmpv6Packet::new(body).map_or(0, |packet| checksum(&packet, &from.1, &destination));
    if let Some(mut ask) = MutableNeighborSolicitPacket::new(body) {
        ask.set_checksum(sum);
    }
    frame
}

/// The address that `device` says it has; `None` if the frame is anything but such a word of its own.
pub(super) fn claimed(frame: &[u8], device: Mac) -> Option<IpAddr> {
    let ethernet = EthernetPacket::new(frame)?;
    if ethernet.get_source() != mac_addr(device) {
        return None;
    }
    match ethernet.get_ethertype() {
        EtherTypes::Arp => {
            let arp = ArpPacket::new(ethernet.payload())?;
            let own = arp.get_operation() == ArpOperations::Reply
                && arp.get_protocol_type() == EtherTypes::Ipv4
                && arp.get_sender_hw_addr() == mac_addr(device);
            own.then(|| IpAddr::V4(arp.get_sender_proto_addr()))
        }
        EtherTypes::Ipv6 => {
            let ip = Ipv6Packet::new(ethernet.payload())?;
            let word = NeighborAdvertPacket::new(ip.payload())?;
            let own = ip.get_next_header() == IpNextHeaderProtocols::Icmpv6
                && ip.get_hop_limit() == ON_THE_LINK
                && word.get_icmpv6_type() == Icmpv6Types::NeighborAdvert;
            own.then(|| IpAddr::V6(word.get_target_addr()))
        }
        _ => None,
    }
}

/// The solicited-node group of an address, and the hardware address of the group (RFC 4291, RFC 2464).
fn group_of(address: Ipv6Addr) -> (MacAddr, Ipv6Addr) {
    let [.., a, b, c] = address.octets();
    let [.., g, h] = address.segments();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (g & 0xff), h);
    (MacAddr(0x33, 0x33, 0xff, a, b, c), group)
}

fn mac_addr(mac: Mac) -> MacAddr {
    let [a, b, c, d, e, f] = mac.bytes();
    MacAddr(a, b, c, d, e, f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GATEWAY: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
    const PHONE: Mac = Mac::new([2, 0, 0, 0, 0, 2]);
    const OTHER: Mac = Mac::new([2, 0, 0, 0, 0, 3]);

    /// What `whose` answers to [`arp_request`], with `sender` in the body.
    fn arp_reply(whose: Mac, sender: Mac) -> Vec<u8> {
        let [gateway, address] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        let mut frame = arp_request((mac_addr(whose), address), PHONE, gateway, Cast::Group).to_vec();
        let mut arp = MutableArpPacket::new(&mut frame[ETHERNET..]).unwrap();
        arp.set_operation(ArpOperations::Reply);
        arp.set_sender_hw_addr(mac_addr(sender));
        frame
    }

    fn advertisement(whose: Mac) -> Vec<u8> {
        let address = "fe80::2".parse().unwrap();
        let from = (mac_addr(whose), address);
        let mut frame = solicitation(from, PHONE, address, Cast::Device).to_vec();
        frame[ETHERNET + IPV6] = 136;
        frame
    }

    #[test]
    fn the_request_is_what_rfc_826_draws() {
        let from = (GATEWAY, Ipv4Addr::new(10, 0, 0, 1));
        let frame = arp_request(from, PHONE, Ipv4Addr::new(10, 0, 0, 2), Cast::Device);
        let expected = [
            &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6][..],
            &[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1],
            &[0, 0, 0, 0, 0, 0, 10, 0, 0, 2],
        ];
        assert_eq!(frame[..], expected.concat());
        let to_all = arp_request(from, PHONE, Ipv4Addr::new(10, 0, 0, 2), Cast::Group);
        assert_eq!((&to_all[..6], &to_all[6..]), (&[255; 6][..], &frame[6..]));
    }

    #[test]
    fn the_solicitation_is_what_rfc_4861_draws() {
        let from = (GATEWAY, "fe80::1".parse().unwrap());
        let frame = solicitation(from, PHONE, "fd77::2:aabb:ccdd".parse().unwrap(), Cast::Group);
        assert_eq!(frame[..14], [0x33, 0x33, 0xff, 0xbb, 0xcc, 0xdd, 2, 0, 0, 0, 0, 1, 0x86, 0xdd]);
        assert_eq!(frame[14..22], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(frame[38..54], "ff02::1:ffbb:ccdd".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(frame[54..56], [135, 0]);
        assert_eq!(frame[62..78], "fd77::2:aabb:ccdd".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(frame[78..], [1, 1, 2, 0, 0, 0, 0, 1]);
        // The sum over pseudo header and message, checksum included, is all ones (RFC 1071).
        let pseudo = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, 58], &frame[54..]].concat();
        let words = pseudo.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
        let sum = words.fold(0, |sum, word| (sum + word) % 0xffff);
        assert_eq!(sum, 0);
    }

    #[test]
    fn only_a_word_of_the_device_itself_is_an_answer() {
        assert_eq!(claimed(&arp_reply(PHONE, PHONE), PHONE), Some("10.0.0.2".parse().unwrap()));
        assert_eq!(claimed(&advertisement(PHONE), PHONE), Some("fe80::2".parse().unwrap()));
        for fake in [arp_reply(OTHER, PHONE), arp_reply(PHONE, OTHER), advertisement(OTHER)] {
            assert_eq!(claimed(&fake, PHONE), None, "{fake:x?}");
        }
        let from = (mac_addr(PHONE), Ipv4Addr::new(10, 0, 0, 2));
        let question = arp_request(from, PHONE, Ipv4Addr::new(10, 0, 0, 1), Cast::Group);
        assert_eq!(claimed(&question, PHONE), None, "a question is no answer");
        let mut forwarded = advertisement(PHONE);
        forwarded[ETHERNET + 7] = 64;
        assert_eq!(claimed(&forwarded, PHONE), None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(mut frame in proptest::collection::vec(any::<u8>(), 0..120), kind in 0..2) {
            let head = [[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6], [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd]];
            for (byte, fixed) in frame.iter_mut().zip(head[kind as usize]) {
                *byte = fixed;
            }
            let _ = claimed(&frame, PHONE);
        }
    }
}

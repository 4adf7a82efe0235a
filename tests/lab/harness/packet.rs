//! Packets made byte by byte: what a phone's own kernel would never send.
//!
//! An [`Ip`] says who writes to whom and how; [`udp`], [`tcp`] and [`echo`] make what it carries. Builds, and
//! reads the little that [`Frame`](super::tap::Frame) asks; sends nothing.

use std::net::IpAddr;

/// Numbers of protocols above IP.
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMP: u8 = 1;
pub(crate) const ICMPV6: u8 = 58;
const FRAGMENT: u8 = 44;

/// Flags of TCP.
pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;
pub(crate) const URG: u8 = 32;

/// What stands in front of a packet's content.
#[derive(Clone, Debug)]
pub(crate) struct Ip {
    from: IpAddr,
    to: IpAddr,
    hops: u8,
    /// Of IPv4.
    options: Vec<u8>,
    /// Of IPv6: number and body.
    extensions: Vec<(u8, Vec<u8>)>,
    piece: Option<Piece>,
    /// Of IPv4: not to be cut on its way.
    uncut: bool,
}

/// A fragment's place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) id: u16,
    /// In bytes, a multiple of 8.
    pub(crate) offset: u16,
    /// Whether others follow.
    pub(crate) more: bool,
}

impl Ip {
    /// A plain header; both addresses are of one family.
    pub(crate) fn new(from: IpAddr, to: IpAddr) -> Self {
        Self { from, to, hops: 64, options: Vec::new(), extensions: Vec::new(), piece: None, uncut: false }
    }

    /// With this time to live.
    #[must_use]
    pub(crate) fn hops(mut self, hops: u8) -> Self {
        self.hops = hops;
        self
    }

    /// With IPv4 options, padded.
    #[must_use]
    pub(crate) fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self.options.resize(options.len().next_multiple_of(4), 0);
        self
    }

    /// With one more IPv6 extension header: its number and what follows its length, padded.
    #[must_use]
    pub(crate) fn extension(mut self, number: u8, body: &[u8]) -> Self {
        let mut body = body.to_vec();
        body.resize((body.len() + 2).next_multiple_of(8) - 2, 0);
        self.extensions.push((number, body));
        self
    }

    /// As a fragment.
    #[must_use]
    pub(crate) fn piece(mut self, piece: Piece) -> Self {
        self.piece = Some(piece);
        self
    }

    /// Not to be cut into pieces on its way, as in IPv6 nothing is.
    #[must_use]
    pub(crate) fn uncut(mut self) -> Self {
        self.uncut = true;
        self
    }

    /// Whether this is IPv6.
    pub(crate) fn is_v6(&self) -> bool {
        self.from.is_ipv6()
    }

    /// The whole packet.
    pub(crate) fn carry(&self, protocol: u8, content: &[u8]) -> Vec<u8> {
        if self.is_v6() { self.carry_v6(protocol, content) } else { self.carry_v4(protocol, content) }
    }

    fn carry_v4(&self, protocol: u8, content: &[u8]) -> Vec<u8> {
        let header = 20 + self.options.len();
        let words = u8::try_from(header / 4).expect("at most 40 bytes of options");
        let Piece { id, offset, more } = self.piece.unwrap_or(Piece { id: 1, offset: 0, more: false });
        let mut packet = vec![0x40 | words, 0];
        packet.extend(length(header + content.len()));
        packet.extend(id.to_be_bytes());
        packet.extend(((offset / 8) | (u16::from(more) << 13) | (u16::from(self.uncut) << 14)).to_be_bytes());
        packet.extend([self.hops, protocol, 0, 0]);
        packet.extend(bytes(self.from));
        packet.extend(bytes(self.to));
        packet.extend(&self.options);
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum);
        packet.extend(content);
        packet
    }

    fn carry_v6(&self, protocol: u8, content: &[u8]) -> Vec<u8> {
        // From the end, for each header names the next.
        let (mut next, mut carried) = (protocol, content.to_vec());
        if let Some(Piece { id, offset, more }) = self.piece {
            let mut header = vec![next, 0];
            header.extend((offset | u16::from(more)).to_be_bytes());
            header.extend(u32::from(id).to_be_bytes());
            (next, carried) = (FRAGMENT, [header, carried].concat());
        }
        for (number, body) in self.extensions.iter().rev() {
            let words = u8::try_from((body.len() + 2) / 8 - 1).expect("a short header");
            (next, carried) = (*number, [&[next, words][..], body, &carried].concat());
        }
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(length(carried.len()));
        packet.extend([next, self.hops]);
        packet.extend(bytes(self.from));
        packet.extend(bytes(self.to));
        packet.extend(carried);
        packet
    }

    /// The checksum of `segment`, whose own field is zero.
    fn sum(&self, protocol: u8, segment: &[u8]) -> [u8; 2] {
        let mut all = [bytes(self.from), bytes(self.to)].concat();
        all.extend([0, protocol]);
        all.extend(length(segment.len()));
        all.extend(segment);
        checksum(&all)
    }
}

/// A datagram between two ports.
pub(crate) fn udp(ip: &Ip, from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    udp_like(ip, UDP, from, to, payload)
}

/// As [`udp`] under another number, such as UDP-Lite's, where the length field says how much is summed.
pub(crate) fn udp_like(ip: &Ip, protocol: u8, from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let mut segment = [from.to_be_bytes(), to.to_be_bytes(), length(8 + payload.len()), [0, 0]].concat();
    segment.extend(payload);
    let sum = ip.sum(protocol, &segment);
    segment[6..8].copy_from_slice(&sum);
    segment
}

/// A segment between two ports, in the middle of nowhere.
pub(crate) fn tcp(ip: &Ip, from: u16, to: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = [from.to_be_bytes(), to.to_be_bytes()].concat();
    segment.extend(0x1234_5678_u32.to_be_bytes());
    segment.extend(if flags & ACK == 0 { 0_u32 } else { 0x7654_3210 }.to_be_bytes());
    segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    let sum = ip.sum(TCP, &segment);
    segment[16..18].copy_from_slice(&sum);
    segment
}

/// A message of ICMP or ICMPv6, whole; `rest` is the second word of its header.
pub(crate) fn icmp(ip: &Ip, kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0][..], &rest, payload].concat();
    let sum = if ip.is_v6() { ip.sum(ICMPV6, &message) } else { checksum(&message) };
    message[2..4].copy_from_slice(&sum);
    ip.carry(if ip.is_v6() { ICMPV6 } else { ICMP }, &message)
}

/// An echo request, whole; `id` is what a NAT knows it by.
pub(crate) fn echo(ip: &Ip, id: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    icmp(ip, if ip.is_v6() { 128 } else { 8 }, 0, [high, low, 0, 1], payload)
}

/// The octets of an address.
pub(crate) fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn length(count: usize) -> [u8; 2] {
    u16::try_from(count).expect("a packet").to_be_bytes()
}

/// RFC 1071.
fn checksum(all: &[u8]) -> [u8; 2] {
    let words =
        all.chunks(2).map(|pair| (u32::from(pair[0]) << 8) | pair.get(1).map_or(0, |low| (*low).into()));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = u16::try_from(sum).expect("it was folded");
    (!sum).to_be_bytes()
}

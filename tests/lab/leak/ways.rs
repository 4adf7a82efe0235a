//! The ways out that a device tries which has not paid, as packets with a mark each.
//!
//! A list per family. Every way says whether its packets come through when the device has paid: where they
//! do not even then, the reason stands beside it, and the way proves less.

use std::net::IpAddr;

use crate::harness::packet::{
    ACK, FIN, Ip, PSH, Piece, RST, SYN, TCP, UDP, URG, echo, icmp, tcp, udp, udp_like,
};

/// Who is there, in one family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene {
    /// The device that tries.
    pub(super) own: IpAddr,
    /// A host of the world that nobody else has anything to do with.
    pub(super) vault: IpAddr,
    /// A paid guest, its open connection's port, and the server at its other end.
    pub(super) paid: IpAddr,
    pub(super) paid_port: u16,
    pub(super) server: (IpAddr, u16),
    /// The gateway on the guest network and on the uplink, and what lies next on the uplink.
    pub(super) gateway: IpAddr,
    pub(super) outside: IpAddr,
    pub(super) next_hop: IpAddr,
}

/// What a paid device gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paid {
    /// The same packets reach the world.
    Passes,
    /// They are not asked for, because of this.
    Unasked(&'static str),
}
use Paid::{Passes, Unasked};

/// What is put on the cable.
pub(super) enum Sent {
    /// An IP packet, to the gateway's MAC.
    Packet(Vec<u8>),
    /// A frame to any MAC, of any type.
    Frame([u8; 6], u16, Vec<u8>),
}

/// One way out.
pub(super) struct Way {
    pub(super) name: String,
    pub(super) sent: Vec<Sent>,
    /// In the payload of all that is sent.
    pub(super) mark: Vec<u8>,
    pub(super) paid: Paid,
}

/// All ways of one family; `round` makes the marks of each try differ, while ports stay the same.
pub(super) fn ways(scene: &Scene, round: usize) -> Vec<Way> {
    let mut list = List { scene: *scene, round, ways: Vec::new() };
    list.ports();
    list.odd_segments();
    list.pings();
    list.other_protocols();
    list.fragments();
    list.spoofed();
    list.reported();
    list.near_the_gateway();
    list.groups();
    list.life_times();
    list.frames();
    if scene.own.is_ipv6() {
        list.extension_headers();
        list.mapped_addresses();
    } else {
        list.options();
    }
    list.ways
}

const TCP_PORTS: [u16; 24] = [
    21, 22, 25, 53, 80, 110, 123, 143, 179, 443, 465, 587, 853, 993, 1194, 1723, 2080, 2443, 3128, 5060,
    5222, 8080, 8443, 51820,
];
const UDP_PORTS: [u16; 20] = [
    53, 67, 69, 80, 123, 161, 443, 500, 546, 853, 1194, 1701, 1900, 2053, 3478, 4500, 5060, 5353, 33434,
    51820,
];

/// What is left to say of one way, where its packets are made.
pub(super) struct Try {
    pub(super) scene: Scene,
    pub(super) ip: Ip,
    pub(super) port: u16,
    pub(super) mark: Vec<u8>,
}

pub(super) struct List {
    pub(super) scene: Scene,
    round: usize,
    ways: Vec<Way>,
}

impl List {
    pub(super) fn add(&mut self, name: &str, paid: Paid, make: impl FnOnce(&Try) -> Vec<Vec<u8>>) {
        self.add_frames(name, paid, |this| make(this).into_iter().map(Sent::Packet).collect());
    }

    pub(super) fn add_frames(&mut self, name: &str, paid: Paid, make: impl FnOnce(&Try) -> Vec<Sent>) {
        let (number, scene) = (self.ways.len(), self.scene);
        let version = if scene.own.is_ipv6() { 6 } else { 4 };
        let mark = format!("way out {version}.{:02}.{number:03}|", self.round).into_bytes();
        let port = 20_000 + u16::try_from(number).expect("not that many");
        let this = Try { scene, ip: Ip::new(scene.own, scene.vault), port, mark };
        let sent = make(&this);
        self.ways.push(Way { name: format!("IPv{version}: {name}"), sent, mark: this.mark, paid });
    }

    /// Every port of a list: SSH, mail, names, web, time, names over TLS, QUIC, VPNs, telephony, proxies.
    fn ports(&mut self) {
        for port in TCP_PORTS {
            self.add(&format!("TCP port {port}"), Passes, |this| vec![this.tcp(port, SYN)]);
        }
        for port in UDP_PORTS {
            self.add(&format!("UDP port {port}"), Passes, |this| vec![this.udp(port)]);
        }
        self.add("a long QUIC packet", Passes, |this| {
            let mut initial = [&[0xc3, 0, 0, 0, 1, 8][..], &this.mark].concat();
            initial.resize(1200, 0);
            vec![this.ip.carry(UDP, &udp(&this.ip, this.port, 443, &initial))]
        });
    }

    fn odd_segments(&mut self) {
        let odd = [
            ("ACK without a connection", ACK),
            ("data without a connection", PSH | ACK),
            ("SYN and ACK", SYN | ACK),
            ("FIN", FIN),
            ("RST", RST),
            ("no flags", 0),
            ("Christmas tree", FIN | PSH | URG),
            ("SYN and FIN", SYN | FIN),
        ];
        for (name, flags) in odd {
            self.add(&format!("TCP {name}"), Passes, |this| vec![this.tcp(443, flags)]);
        }
        self.add("TCP, ACK to port 80", Passes, |this| vec![this.tcp(80, ACK)]);
        self.add("TCP with a wrong checksum", Passes, |this| {
            let mut segment = tcp(&this.ip, this.port, 443, SYN, &this.mark);
            segment[16] ^= 0xff;
            vec![this.ip.carry(TCP, &segment)]
        });
        self.add("UDP without a checksum", Unasked("IPv6 forbids it"), |this| {
            let mut datagram = udp(&this.ip, this.port, 443, &this.mark);
            datagram[6..8].fill(0);
            vec![this.ip.carry(UDP, &datagram)]
        });
        self.add("TCP with a header cut short", Unasked("no port to translate"), |this| {
            vec![this.ip.carry(TCP, &this.mark[..12]), this.ip.carry(UDP, &this.mark[..6])]
        });
    }

    fn pings(&mut self) {
        self.add("echo request", Passes, |this| vec![echo(&this.ip, this.port, &this.mark)]);
        self.add("echo request with much in it", Passes, |this| {
            vec![echo(&this.ip, this.port, &this.mark.repeat(50))]
        });
        let (reply, unreachable, too_long) = if self.scene.own.is_ipv6() { (129, 1, 3) } else { (0, 3, 11) };
        for (name, kind) in [
            ("echo reply", reply),
            ("unreachable", unreachable),
            ("time exceeded", too_long),
            ("unknown", 200),
        ] {
            self.add(&format!("ICMP {name} that nobody asked for"), Unasked("of no flow"), |this| {
                let back = Ip::new(this.scene.vault, this.scene.own);
                let quoted = back.carry(UDP, &udp(&back, 53, this.port, &this.mark));
                vec![icmp(&this.ip, kind, 0, [0; 4], &quoted), icmp(&this.ip, kind, 0, [0; 4], &this.mark)]
            });
        }
        for (name, kind) in [("timestamp request", 13), ("information request", 15), ("address mask", 17)] {
            self.add(&format!("ICMP {name}"), Unasked("of no flow in IPv6"), |this| {
                vec![icmp(&this.ip, kind, 0, [0, 1, 0, 1], &this.mark)]
            });
        }
    }

    fn other_protocols(&mut self) {
        let protocols = [
            ("IGMP", 2, Unasked("ends at each router")),
            ("IP in IP", 4, Passes),
            ("EGP", 8, Passes),
            ("DCCP", 33, Unasked("the kernel reads its header")),
            ("6in4", 41, Passes),
            ("GRE", 47, Passes),
            ("ESP", 50, Passes),
            ("AH", 51, Unasked("a header of IPv6")),
            ("EIGRP", 88, Passes),
            ("OSPF", 89, Passes),
            ("EtherIP", 97, Passes),
            ("L2TP", 115, Passes),
            ("SCTP", 132, Unasked("the kernel reads its header")),
            ("protocol 253", 253, Passes),
            ("protocol 255", 255, Passes),
        ];
        for (name, number, paid) in protocols {
            self.add(name, paid, |this| {
                let head: Vec<u8> = match number {
                    4 | 41 => this.inner(number),
                    // No key, no sequence, IPv4 inside.
                    47 => [vec![0, 0, 8, 0], this.inner(4)].concat(),
                    51 => vec![UDP, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                    132 => {
                        [&this.port.to_be_bytes()[..], &[0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20]].concat()
                    }
                    _ => vec![0, 0, 1, 0, 0, 0, 0, 1],
                };
                vec![this.ip.carry(number, &[&head, &this.mark[..]].concat())]
            });
        }
        self.add("UDP-Lite", Passes, |this| {
            let (ip, port) = (&this.ip, this.port);
            vec![ip.carry(136, &udp_like(ip, 136, port, 53, &this.mark))]
        });
    }

    fn fragments(&mut self) {
        self.add("UDP in two pieces", Passes, |this| this.pieces(&[(0, 24), (24, 4096)]));
        self.add("UDP in pieces, the last first", Passes, |this| this.pieces(&[(24, 4096), (0, 24)]));
        self.add("UDP, of which a piece holds the header only", Passes, |this| {
            this.pieces(&[(0, 8), (8, 4096)])
        });
        self.add("a later piece alone", Unasked("never whole"), |this| this.pieces(&[(24, 4096)]));
        self.add("a first piece alone", Unasked("never whole"), |this| {
            let datagram = udp(&this.ip, this.port, 443, &this.mark.repeat(3));
            vec![this.piece(&datagram, 0, 64)]
        });
        self.add("pieces that overlap", Unasked("a kernel takes none"), |this| {
            this.pieces(&[(0, 48), (8, 4096), (0, 48)])
        });
        self.add(
            "TCP whose flags are in the second piece",
            Unasked("the kernel wants the header whole"),
            |this| {
                let segment = tcp(&this.ip, this.port, 443, SYN, &this.mark.repeat(3));
                vec![this.piece_of(TCP, &segment, 0, 8), this.piece_of(TCP, &segment, 8, 4096)]
            },
        );
        self.add("UDP to port 53 in pieces", Passes, |this| {
            let datagram = udp(&this.ip, this.port, 53, &this.mark.repeat(3));
            vec![this.piece(&datagram, 0, 8), this.piece(&datagram, 8, 4096)]
        });
    }
}

impl Try {
    fn tcp(&self, port: u16, flags: u8) -> Vec<u8> {
        self.ip.carry(TCP, &tcp(&self.ip, self.port, port, flags, &self.mark))
    }

    pub(super) fn udp(&self, port: u16) -> Vec<u8> {
        self.ip.carry(UDP, &udp(&self.ip, self.port, port, &self.mark))
    }

    /// TCP, UDP and an echo request to one address.
    pub(super) fn everything(&self, to: IpAddr) -> Vec<Vec<u8>> {
        let ip = Ip::new(self.scene.own, to);
        let mut all = vec![echo(&ip, self.port, &self.mark), ip.carry(253, &self.mark)];
        for port in [22, 53, 80, 443, 5353] {
            all.push(ip.carry(TCP, &tcp(&ip, self.port, port, SYN, &self.mark)));
            all.push(ip.carry(UDP, &udp(&ip, self.port, port, &self.mark)));
        }
        all
    }

    /// A packet to the vault inside another, for tunnels.
    fn inner(&self, number: u8) -> Vec<u8> {
        let inside: [IpAddr; 2] = if number == 41 {
            ["fd77::9".parse().expect("an address"), "2001:db8:ffff::81".parse().expect("an address")]
        } else {
            ["10.77.9.9".parse().expect("an address"), "203.0.113.81".parse().expect("an address")]
        };
        let ip = Ip::new(inside[0], inside[1]);
        ip.carry(UDP, &udp(&ip, self.port, 443, &self.mark))
    }

    /// A datagram to port 443, cut into these ranges.
    fn pieces(&self, ranges: &[(usize, usize)]) -> Vec<Vec<u8>> {
        let datagram = udp(&self.ip, self.port, 443, &self.mark.repeat(4));
        ranges.iter().map(|(from, to)| self.piece(&datagram, *from, *to)).collect()
    }

    fn piece(&self, datagram: &[u8], from: usize, to: usize) -> Vec<u8> {
        self.piece_of(UDP, datagram, from, to)
    }

    fn piece_of(&self, protocol: u8, whole: &[u8], from: usize, to: usize) -> Vec<u8> {
        let end = to.min(whole.len());
        let offset = u16::try_from(from).expect("short");
        // The number of the way keeps the pieces of one apart from those of others.
        let piece = Piece { id: self.port, offset, more: to < whole.len() };
        self.ip.clone().piece(piece).carry(protocol, &whole[from..end])
    }
}

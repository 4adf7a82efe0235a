//! The ways out that are no plain packet to the world: another's address, a group, odd frames and headers.
//!
//! The second half of the list of `ways.rs`.

use super::ways::{List, Paid::Passes, Paid::Unasked, Scene, Sent, Try};
use crate::harness::GATEWAY_MAC;
use crate::harness::packet::{ACK, FIN, Ip, PSH, Piece, RST, SYN, TCP, UDP, bytes, echo, tcp, udp};
use crate::harness::raw::{IPV4, IPV6, mac};

impl List {
    /// With the source of somebody else: an answer or a refusal would then go there.
    pub(super) fn spoofed(&mut self) {
        let Scene { own, vault, paid, paid_port, server, gateway, outside, .. } = self.scene;
        let reason = Unasked("not its own address");
        let nowhere = if own.is_ipv6() { "::" } else { "0.0.0.0" }.parse().expect("an address");
        let loopback = if own.is_ipv6() { "::1" } else { "127.0.0.1" }.parse().expect("an address");
        let neither = if own.is_ipv6() { "fd99::9" } else { "172.16.9.9" }.parse().expect("an address");
        let group = if own.is_ipv6() { "ff0e::9" } else { "239.9.9.9" }.parse().expect("an address");
        let sources = [
            ("the paid guest", paid),
            ("the gateway", gateway),
            ("the gateway's uplink", outside),
            ("a host of the world", vault),
            ("nobody", nowhere),
            ("the loopback", loopback),
            ("a network that is not there", neither),
            ("a group", group),
        ];
        for (name, from) in sources {
            self.add(&format!("UDP in the name of {name}"), reason, |this| {
                let ip = Ip::new(from, this.scene.vault);
                vec![ip.carry(UDP, &udp(&ip, this.port, 443, &this.mark))]
            });
            self.add(&format!("TCP in the name of {name}, to ports 80 and 443"), reason, |this| {
                let ip = Ip::new(from, this.scene.vault);
                [80, 443].map(|port| ip.carry(TCP, &tcp(&ip, this.port, port, SYN, &this.mark))).into()
            });
            self.add(
                &format!("a query in the name of {name}, to the world and the gateway"),
                reason,
                |this| {
                    let query = query(&this.mark);
                    let ask = |to| {
                        let ip = Ip::new(from, to);
                        ip.carry(UDP, &udp(&ip, this.port, 53, &query))
                    };
                    [this.scene.vault, this.scene.gateway].map(ask).into()
                },
            );
            self.add(&format!("what the gateway answers, in the name of {name}"), reason, |this| {
                let ip = Ip::new(from, this.scene.gateway);
                let segment = |port| ip.carry(TCP, &tcp(&ip, this.port, port, SYN, &this.mark));
                let closed = ip.carry(UDP, &udp(&ip, this.port, 9999, &this.mark));
                vec![echo(&ip, this.port, &this.mark), segment(80), segment(2080), segment(22), closed]
            });
        }
        self.add("amid the paid guest's connection", reason, |this| {
            let ip = Ip::new(paid, server.0);
            let segment = |flags| ip.carry(TCP, &tcp(&ip, paid_port, server.1, flags, &this.mark));
            [PSH | ACK, ACK, SYN, RST, FIN | ACK].map(segment).into()
        });
        self.add("amid the paid guest's connection, from the own address", reason, |this| {
            let ip = Ip::new(own, server.0);
            let segment = |flags| ip.carry(TCP, &tcp(&ip, paid_port, server.1, flags, &this.mark));
            [PSH | ACK, ACK, SYN].map(segment).into()
        });
    }

    /// With the source of a host of the world, and a reason for the kernel itself to tell that host, before
    /// or behind the rules of a gate.
    pub(super) fn reported(&mut self) {
        let Scene { vault, next_hop, gateway, outside, .. } = self.scene;
        let reason = Unasked("not its own address");
        for (name, to) in [("the world", next_hop), ("the gateway", gateway), ("its uplink", outside)] {
            let from = Ip::new(vault, to);
            let datagram = |ip: &Ip, this: &Try| ip.carry(UDP, &udp(ip, this.port, 443, &this.mark));
            self.add(&format!("forged, dying on the way to {name}"), reason, |this| {
                let ip = from.clone().hops(1);
                let segment = ip.carry(TCP, &tcp(&ip, this.port, 443, SYN, &this.mark));
                vec![datagram(&ip, this), segment, echo(&ip, this.port, &this.mark)]
            });
            self.add(&format!("forged, too long for the way to {name}"), reason, |this| {
                let ip = from.clone().uncut();
                vec![ip.carry(UDP, &udp(&ip, this.port, 443, &this.mark.repeat(84)))]
            });
            self.add(&format!("forged, with an option of nobody to {name}"), reason, |this| {
                let option = |kind: u8| [kind, 4, 0, 0, 0, 0];
                if to.is_ipv4() {
                    return [7, 68, 131]
                        .map(|kind| datagram(&from.clone().options(&[kind, 3, 200]), this))
                        .into();
                }
                let headers = [(0, 0x9e), (0, 0xde), (60, 0x9e), (60, 0xde)];
                let ip = |(number, kind)| from.clone().extension(number, &option(kind));
                headers.map(|header| datagram(&ip(header), this)).into()
            });
            self.add(&format!("forged, of a protocol of nobody to {name}"), reason, |this| {
                vec![from.carry(253, &this.mark), from.carry(132, &this.mark), from.carry(59, &this.mark)]
            });
        }
    }

    /// Addresses of the gateway that lie outside, and what is next to them.
    pub(super) fn near_the_gateway(&mut self) {
        let Scene { outside, next_hop, paid, .. } = self.scene;
        for (name, to) in [("the gateway's uplink", outside), ("the paid guest", paid)] {
            self.add(&format!("to {name}"), Unasked("it does not lie outside"), |this| this.everything(to));
        }
        self.add("to the host next to the gateway", Passes, |this| this.everything(next_hop));
    }

    pub(super) fn groups(&mut self) {
        let groups: &[&str] = if self.scene.own.is_ipv6() {
            &["ff02::1", "ff02::2", "ff02::fb", "ff05::2", "ff08::1", "ff0e::1", "ff3e::8000:1"]
        } else {
            &[
                "224.0.0.1",
                "224.0.0.251",
                "224.0.1.1",
                "232.1.1.1",
                "239.255.255.250",
                "255.255.255.255",
                "192.0.2.255",
                "10.77.15.255",
            ]
        };
        for group in groups {
            let to = group.parse().expect("an address");
            self.add(&format!("to the group {group}"), Unasked("not routed"), |this| this.everything(to));
        }
    }

    pub(super) fn life_times(&mut self) {
        for (hops, paid) in [(1, Unasked("it dies here")), (2, Passes), (255, Passes), (0, Unasked("dead"))] {
            self.add(&format!("UDP with {hops} hops to live"), paid, |this| {
                let ip = Ip::new(this.scene.own, this.scene.vault).hops(hops);
                vec![ip.carry(UDP, &udp(&ip, this.port, 33434, &this.mark)), echo(&ip, this.port, &this.mark)]
            });
        }
    }

    /// The same packet in other clothes.
    pub(super) fn frames(&mut self) {
        let (gateway, ours) = (mac(GATEWAY_MAC), if self.scene.own.is_ipv6() { IPV6 } else { IPV4 });
        let theirs = if ours == IPV4 { IPV6 } else { IPV4 };
        let reason = Unasked("no such frame is routed");
        let tagged =
            |tag: u16, this: &Try| [&tag.to_be_bytes()[..], &ours.to_be_bytes(), &this.udp(443)].concat();
        self.add_frames("a broadcast frame", reason, |this| {
            vec![Sent::Frame([0xff; 6], ours, this.udp(443))]
        });
        self.add_frames("a frame to a group", reason, |this| {
            vec![Sent::Frame([1, 0, 0x5e, 1, 2, 3], ours, this.udp(443))]
        });
        self.add_frames(
            "a frame tagged for VLAN 0, 1 and 2",
            Unasked("VLAN 0 is the frame without it"),
            |this| [0, 1, 2].map(|tag| Sent::Frame(gateway, 0x8100, tagged(tag, this))).into(),
        );
        self.add_frames("a frame tagged twice", reason, |this| {
            let inner = [&[0, 1, 0x81, 0][..], &tagged(0, this)].concat();
            vec![Sent::Frame(gateway, 0x88a8, inner)]
        });
        self.add_frames("a frame in LLC and SNAP", reason, |this| {
            let packet = this.udp(443);
            let inside = [&[0xaa, 0xaa, 3, 0, 0, 0][..], &ours.to_be_bytes(), &packet].concat();
            vec![Sent::Frame(gateway, u16::try_from(inside.len()).expect("short"), inside)]
        });
        self.add_frames("a frame of the other family", reason, |this| {
            vec![Sent::Frame(gateway, theirs, this.udp(443))]
        });
        self.add_frames("PPPoE, MPLS, 802.1X and a type of nobody", reason, |this| {
            let frame = |kind| Sent::Frame(gateway, kind, [&[0x11, 0, 0, 1][..], &this.udp(443)].concat());
            [0x8863, 0x8864, 0x8847, 0x888e, 0x88b5].map(frame).into()
        });
    }

    pub(super) fn options(&mut self) {
        let Scene { own, vault, gateway, .. } = self.scene;
        let route = |kind: u8, pointer: u8, address| [&[kind, 7, pointer][..], &bytes(address)].concat();
        let all = [
            ("record route", route(7, 4, "0.0.0.0".parse().expect("an address")), Passes),
            ("timestamp", vec![68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0], Passes),
            ("router alert", vec![148, 4, 0, 0], Passes),
            ("security", vec![130, 4, 0, 0], Passes),
            ("no operation", vec![1; 40], Passes),
            ("an option of nobody", vec![222, 4, 1, 2], Passes),
            ("a length past the end", vec![7, 200, 4, 0], Unasked("malformed")),
            ("a loose source route", route(131, 4, gateway), Unasked("no kernel's default")),
            ("a strict source route", route(137, 4, gateway), Unasked("no kernel's default")),
        ];
        for (name, options, paid) in all {
            self.add(&format!("options: {name}"), paid, |this| {
                let ip = Ip::new(own, vault).options(&options);
                vec![ip.carry(UDP, &udp(&ip, this.port, 443, &this.mark)), echo(&ip, this.port, &this.mark)]
            });
        }
        for kind in [131, 137] {
            self.add(
                &format!("by way of the gateway, source route {kind}"),
                Unasked("off by default"),
                |this| {
                    let ip = Ip::new(own, gateway).options(&route(kind, 4, vault));
                    let segment = |port| ip.carry(TCP, &tcp(&ip, this.port, port, SYN, &this.mark));
                    let datagram = ip.carry(UDP, &udp(&ip, this.port, 53, &this.mark));
                    vec![segment(80), segment(2080), segment(443), datagram, echo(&ip, this.port, &this.mark)]
                },
            );
        }
    }

    pub(super) fn extension_headers(&mut self) {
        let Scene { own, vault, gateway, .. } = self.scene;
        let nothing: &[u8] = &[1, 4, 0, 0, 0, 0];
        let direct = Ip::new(own, vault);
        let chains = [
            ("hop by hop", direct.clone().extension(0, nothing), Passes),
            ("destination options", direct.clone().extension(60, nothing), Passes),
            ("hop by hop with router alert", direct.clone().extension(0, &[5, 2, 0, 0, 1, 0]), Passes),
            (
                "eight headers",
                (0..8).fold(direct.clone().extension(0, nothing), |ip, _| ip.extension(60, nothing)),
                Passes,
            ),
            (
                "a piece that is the whole",
                direct.clone().piece(Piece { id: 7, offset: 0, more: false }),
                Passes,
            ),
            (
                "a piece behind destination options",
                direct.clone().extension(60, nothing).piece(Piece { id: 8, offset: 0, more: false }),
                Passes,
            ),
        ];
        for (name, ip, paid) in chains {
            self.add(&format!("headers: {name}, TCP"), paid, |this| {
                [80, 443].map(|port| ip.carry(TCP, &tcp(&ip, this.port, port, SYN, &this.mark))).into()
            });
            self.add(&format!("headers: {name}, UDP"), paid, |this| {
                [53, 443].map(|port| ip.carry(UDP, &udp(&ip, this.port, port, &this.mark))).into()
            });
        }
        for kind in [0, 2, 3, 4, 253] {
            self.add(
                &format!("headers: a route of type {kind} by way of the gateway"),
                Unasked("off"),
                |this| {
                    // One segment left; type 4 counts its list from zero.
                    let list = [&[kind, 1, 0, 0, 0, 0][..], &bytes(vault)].concat();
                    let ip = Ip::new(own, gateway).extension(43, &list);
                    let segment = ip.carry(TCP, &tcp(&ip, this.port, 80, SYN, &this.mark));
                    vec![
                        ip.carry(UDP, &udp(&ip, this.port, 53, &this.mark)),
                        segment,
                        echo(&ip, 1, &this.mark),
                    ]
                },
            );
        }
        self.add("headers: an extension of nobody", Passes, |this| vec![this.ip.carry(254, &this.mark)]);
        self.add("headers: nothing follows, and yet", Passes, |this| vec![this.ip.carry(59, &this.mark)]);
        self.add("headers: mobility, HIP and shim6", Passes, |this| {
            let body = [&[59, 4, 0, 0, 0, 0, 0, 0][..], &this.mark].concat();
            [135, 139, 140].map(|number| this.ip.carry(number, &body)).into()
        });
    }

    /// Addresses of IPv6 that stand for one of IPv4, and a link-local source.
    pub(super) fn mapped_addresses(&mut self) {
        let own = self.scene.own;
        for (name, to, paid) in [
            ("NAT64", "64:ff9b::cb00:7151", Passes),
            ("6to4", "2002:cb00:7151::1", Passes),
            ("Teredo", "2001:0:cb00:7151::1", Passes),
            ("mapped", "::ffff:203.0.113.81", Unasked("never on a wire")),
            ("site-local", "fec0::1", Unasked("no longer used")),
        ] {
            let to = to.parse().expect("an address");
            self.add(&format!("to a {name} address"), paid, |this| {
                let ip = Ip::new(own, to);
                vec![ip.carry(UDP, &udp(&ip, this.port, 443, &this.mark))]
            });
        }
        self.add("from a link-local address", Unasked("never routed"), |this| {
            let ip = Ip::new("fe80::50:ff:fe00:1".parse().expect("an address"), this.scene.vault);
            vec![ip.carry(UDP, &udp(&ip, this.port, 443, &this.mark))]
        });
    }
}

/// A query for the address of a name whose first label is `label`.
fn query(label: &[u8]) -> Vec<u8> {
    let length = u8::try_from(label.len()).expect("a label");
    let head = [0x4c, 0x47, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, length];
    [&head[..], label, b"\x07example\x03net\0\0\x01\0\x01"].concat()
}

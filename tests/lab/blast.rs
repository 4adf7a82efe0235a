//! Nanoseconds that a packet needs from a phone through the gateway to the world, or back.
//!
//! Frames are handed to the device in bursts; the whole way runs on the sending core, until the far end drops
//! the packet where it enters. Bursts that something disturbed are left out, so a busy machine hardly shows:
//! two runs differ by a hundredth. The phone's and the world's share is small, and the same for all rules.

use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, LinkAddr, MsgFlags, MultiHeaders, sendmmsg};

use crate::harness::packet::{Ip, UDP, udp};
use crate::harness::raw::{IPV4, mac, packet_socket};
use crate::harness::{GATEWAY_MAC, Lab, Netns, Way};

/// Frames a burst; about as long as a core works undisturbed on a busy machine.
const BURST: usize = 64;
/// UDP port of the world that nothing listens on.
const PORT: u16 = 10;
/// The phone's end; masquerading keeps it.
const OWN_PORT: u16 = 40_000;
/// The gateway's address on the uplink.
const UPLINK: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

/// Where the packets end.
const FAR_END: &str = "table netdev far_end
delete table netdev far_end
table netdev far_end {
    counter came { }
    chain c { type filter hook ingress device eth0 priority 0; \
        udp sport . udp dport { 40000 . 10, 10 . 40000 } counter name came drop; }
}";

/// The way between a phone and the world.
pub(crate) struct Course<'a> {
    lab: &'a Lab,
    up: Frame,
    down: Frame,
}

struct Frame(Vec<u8>);

impl<'a> Course<'a> {
    /// The first phone of `lab`, which must be let through.
    pub(crate) fn new(lab: &'a Lab) -> Self {
        let phone = &lab.phones[0];
        for space in [&phone.space, &lab.world.space] {
            space.nft(FAR_END);
        }
        let beyond = lab.gateway.must("cat", &["/sys/class/net/wan0/address"]);
        let behind = lab.world.space.must("cat", &["/sys/class/net/eth0/address"]);
        let (own, world) = (phone.v4, lab.world.v4);
        let up = Frame::new([&phone.mac, GATEWAY_MAC], [own, world], [OWN_PORT, PORT]);
        let down = Frame::new([behind.trim(), beyond.trim()], [world, UPLINK], [PORT, OWN_PORT]);
        Self { lab, up, down }
    }

    /// Nanoseconds a packet, from bursts during `time`. The first packet must have gone up.
    pub(crate) fn cost(&self, way: Way, time: Duration) -> f64 {
        let (near, far) = (&self.lab.phones[0].space, &self.lab.world.space);
        let (frame, from, to) = match way {
            Way::Up => (&self.up, near, far),
            Way::Down => (&self.down, far, near),
        };
        let before = came(to);
        let (cost, sent) = frame.cost(from, time);
        let came = came(to) - before;
        assert!(came >= sent / 100 * 99, "{way:?}: {came} of {sent} frames went all the way");
        cost
    }
}

/// Packets that came to their end.
fn came(space: &Netns) -> u64 {
    let listed = space.nft_list(&["list", "counter", "netdev", "far_end", "came"]);
    let number = listed.split("packets ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no counter in {listed}"))
}

impl Frame {
    /// A datagram of full size between `ends`, from the first to the second.
    fn new(macs: [&str; 2], ends: [IpAddr; 2], ports: [u16; 2]) -> Self {
        let [from, to] = macs.map(mac);
        let ip = Ip::new(ends[0], ends[1]);
        let packet = ip.carry(UDP, &udp(&ip, ports[0], ports[1], &[b'.'; 1472]));
        Self([&to[..], &from, &IPV4.to_be_bytes(), &packet].concat())
    }

    /// Nanoseconds a frame, and how many were sent.
    fn cost(&self, space: &Netns, time: Duration) -> (f64, u64) {
        space.enter(|| {
            let (socket, _) = packet_socket(space, "eth0", None);
            let (mut bursts, mut all) = (Vec::new(), 0);
            let from = Instant::now();
            while from.elapsed() < time {
                let began = Instant::now();
                let sent = self.burst(&socket);
                all += sent as u64;
                bursts.push(began.elapsed().as_nanos() as f64 / sent as f64);
            }
            bursts.sort_by(f64::total_cmp);
            (bursts[bursts.len() / 10], all)
        })
    }

    /// How many of the burst the device took.
    fn burst(&self, socket: &OwnedFd) -> usize {
        let slices = [[IoSlice::new(&self.0)]; BURST];
        let mut headers = MultiHeaders::<LinkAddr>::preallocate(BURST, None);
        let none: [ControlMessage<'_>; 0] = [];
        let sent =
            sendmmsg(socket.as_raw_fd(), &mut headers, &slices, [None; BURST], none, MsgFlags::empty());
        sent.expect("a device that is up").count()
    }
}

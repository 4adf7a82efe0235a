//! Ways out: whatever a device sends that has not paid, no packet of it reaches the world.
//!
//! Asserted on the wire behind the gateway. There nothing may be seen but what the lab itself does there;
//! and the same packets must be seen there when the device has paid, or the ways would prove nothing.

mod disguise;
mod tunnel;
mod ways;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::harness::packet::{Ip, UDP, udp};
use crate::harness::raw::Cable;
use crate::harness::tap::{Frame, Tap};
use crate::harness::{Browser, Daemon, ECHO, GATEWAY_V4, GATEWAY_V6, Lab, Settings, wait_until};
use ways::{Paid, Scene, Sent, Way, ways};

#[test]
fn no_packet_of_a_device_that_has_not_paid_reaches_the_world() {
    let mut siege = Siege::lay();
    siege.assert_shut("before login");
    siege.login("hour");
    siege.cut();
    siege.assert_open();
    assert_eq!(Browser::of(&siege.lab.phones[0]).logout().status, 303);
    siege.assert_shut("after logout");
    siege.login("short");
    let mac = siege.lab.phones[0].mac.clone();
    wait_until("the end of time", Duration::from_secs(5), || siege.daemon.session(&mac).is_none());
    siege.assert_shut("after the end of time");
    siege.daemon.kill();
    siege.assert_shut("with the program dead");
}

#[test]
fn time_that_ends_while_the_program_is_dead_shuts_every_way() {
    let mut siege = Siege::lay();
    siege.login("short");
    siege.daemon.kill();
    let (phone, to) = (&siege.lab.phones[0], siege.lab.world.both(ECHO)[0]);
    wait_until("the end of time", Duration::from_secs(5), || phone.try_tcp(to).refused_fast());
    siege.assert_shut("after the end of time, with the program dead");
}

/// A device that tries all ways, and a paid guest whose connections it would like to have.
struct Siege {
    lab: Lab,
    daemon: Daemon,
    tap: Tap,
    cable: Cable,
    paid: Cable,
    /// The paid guest's connections, over IPv4 and IPv6.
    open: [TcpStream; 2],
    scenes: [Scene; 2],
    round: usize,
}

impl Siege {
    fn lay() -> Self {
        let lab = Lab::new(2);
        // The worst case: other kernels' defaults, and routes that the sender chose.
        for path in ["ipv4/conf/all", "ipv4/conf/br-guest", "ipv6/conf/all", "ipv6/conf/br-guest"] {
            lab.gateway.sysctl(&format!("{path}/accept_source_route"), "1");
        }
        // Else the kernel would tell only of the first of many ways.
        lab.tell_of_every_refusal();
        // As over somebody's tunnel.
        lab.gateway.ip("link set wan0 mtu 1400");
        lab.world.space.ip("addr add 203.0.113.81/32 dev lo\naddr add 2001:db8:ffff::81/128 dev lo nodad");
        let plans =
            Settings::default().plan("hour", &[("metered", "1h")]).plan("short", &[("metered", "2s")]);
        let daemon = Daemon::start(&lab, &plans);
        Browser::of(&lab.phones[1]).must_login(&daemon.voucher("hour"));
        let open = lab.world.both(ECHO).map(|to| lab.phones[1].tcp(to).unwrap());
        let tap = Tap::on(&lab.world.space, "eth0");
        let [cable, paid] = [0, 1].map(|number| Cable::of(&lab.phones[number]));
        let scenes = [0, 1].map(|family| scene(&lab, &open[family]));
        Self { lab, daemon, tap, cable, paid, open, scenes, round: 0 }
    }

    fn login(&self, plan: &str) {
        Browser::of(&self.lab.phones[0]).must_login(&self.daemon.voucher(plan));
    }

    /// Waits until what was led to the gateway before a login is cut, a moment after the answer.
    fn cut(&self) {
        wait_until("the cut of what was held", Duration::from_secs(5), || {
            ["ipv4", "ipv6"].iter().zip(self.scenes).all(|(family, scene)| {
                let own = scene.own.to_string();
                let asked = ["-L", "-f", family, "-s", &own, "-p", "udp", "--orig-port-dst", "53"];
                self.lab.gateway.must("conntrack", &asked).is_empty()
            })
        });
    }

    /// Tries all ways of both families; with what was seen in the world.
    fn attempt(&mut self) -> (Vec<Way>, Vec<Frame>) {
        self.round += 1;
        // The gateway must not have to ask first where the neighbours are.
        self.fence("before");
        self.tap.clear();
        let all: Vec<Way> = self.scenes.iter().flat_map(|scene| ways(scene, self.round)).collect();
        on_one_processor(|| {
            for sent in all.iter().flat_map(|way| &way.sent) {
                match sent {
                    Sent::Packet(packet) => self.cable.send(packet),
                    Sent::Frame(to, kind, content) => self.cable.frame(*to, *kind, content),
                }
            }
            self.fence("after");
        });
        (all, self.tap.frames())
    }

    /// Waits until a packet of the paid guest, sent now, is seen in the world over both families: all that
    /// was sent before it is there too, or nowhere.
    fn fence(&self, when: &str) {
        for scene in self.scenes {
            let mark = format!("fence {when} {} {}|", self.round, scene.paid);
            let ip = Ip::new(scene.paid, scene.server.0);
            self.paid.send(&ip.carry(UDP, &udp(&ip, 9, 9, mark.as_bytes())));
            self.tap.wait_for(mark.as_bytes());
        }
    }

    fn assert_shut(&mut self, when: &str) {
        let (all, frames) = self.attempt();
        assert!(all.len() >= 200, "{}", all.len());
        let out = marks(&frames);
        let leaks: Vec<&str> =
            all.iter().filter(|way| out.contains(&way.mark)).map(|way| &*way.name).collect();
        assert!(leaks.is_empty(), "{when} these came through: {leaks:#?}");
        let strange: Vec<&Frame> = frames.iter().filter(|frame| !self.belongs(frame)).collect();
        assert!(strange.is_empty(), "{when} the world heard of a device that has not paid: {strange:#?}");
        self.assert_unharmed(when);
    }

    /// The control: the same packets of a paid device come through.
    fn assert_open(&mut self) {
        let (all, frames) = self.attempt();
        let out = marks(&frames);
        let passing = |way: &&Way| way.paid == Paid::Passes;
        let lost: Vec<&str> =
            all.iter().filter(passing).filter(|way| !out.contains(&way.mark)).map(|way| &*way.name).collect();
        assert!(lost.is_empty(), "a paid device did not get these through: {lost:#?}");
        assert!(all.iter().filter(passing).count() >= 150, "the control asks for too little");
    }

    /// The paid guest's connections still carry both ways.
    fn assert_unharmed(&mut self, when: &str) {
        for stream in &mut self.open {
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let answered = stream.write_all(b"ping").and_then(|()| stream.read_exact(&mut [0; 4]));
            answered.unwrap_or_else(|error| panic!("{when} {stream:?} of a paid guest broke: {error}"));
        }
    }

    /// Whether the lab itself sends such frames: neighbours finding each other, the daemon's probes of the
    /// uplink, the paid guest's connections.
    fn belongs(&self, frame: &Frame) -> bool {
        const ICMPV6: u8 = 58;
        let Some(parties) = frame.parties() else { return true };
        let [v4, v6] = [self.lab.world.v4, self.lab.world.v6];
        let near = match parties.to {
            IpAddr::V4(to) => to.is_multicast() && to.octets()[3] == 22,
            IpAddr::V6(to) => to.is_multicast() && to.segments()[0] == 0xff02,
        };
        let solicited = parties.protocol == ICMPV6 && matches!(frame.content()[40], 133..=137);
        near || solicited || [v4, v6].contains(&parties.to)
    }
}

/// Keeps the calling thread where it is, for packets overtake each other between the queues of two processors.
fn on_one_processor(work: impl FnOnce()) {
    let this = Pid::from_raw(0);
    let all = sched_getaffinity(this).unwrap();
    let mut one = CpuSet::new();
    one.set((0..CpuSet::count()).find(|cpu| all.is_set(*cpu).unwrap()).unwrap()).unwrap();
    sched_setaffinity(this, &one).unwrap();
    work();
    sched_setaffinity(this, &all).unwrap();
}

fn scene(lab: &Lab, open: &TcpStream) -> Scene {
    let (paid, server) = (open.local_addr().unwrap(), open.peer_addr().unwrap());
    let v6 = server.is_ipv6();
    let pick = |one: &str, other: &str| if v6 { other } else { one }.parse::<IpAddr>().unwrap();
    Scene {
        own: if v6 { lab.phones[0].v6 } else { lab.phones[0].v4 },
        vault: pick("203.0.113.81", "2001:db8:ffff::81"),
        paid: paid.ip(),
        paid_port: paid.port(),
        server: (server.ip(), server.port()),
        gateway: pick(&GATEWAY_V4.to_string(), GATEWAY_V6),
        outside: pick("192.0.2.2", "2001:db8:1::2"),
        next_hop: pick("192.0.2.1", "2001:db8:1::1"),
    }
}

/// The marks of ways in these frames.
fn marks(frames: &[Frame]) -> BTreeSet<Vec<u8>> {
    const HEAD: &[u8] = b"way out ";
    let mut found = BTreeSet::new();
    for frame in frames {
        let content = frame.content();
        for at in 0..content.len().saturating_sub(HEAD.len()) {
            let rest = &content[at..];
            if rest.starts_with(HEAD)
                && let Some(end) = rest.iter().position(|byte| *byte == b'|')
            {
                found.insert(rest[..=end].to_vec());
            }
        }
    }
    found
}

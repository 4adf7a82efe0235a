//! What a phone tries in each row of the table, and what it sees of it.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::packet::{Ip, UDP, bytes, icmp, udp};
use crate::harness::raw::{ARP, Cable, mac};
use crate::harness::tap::{Frame, Tap};
use crate::harness::{ECHO, GATEWAY_V4, GATEWAY_V6, GREETING, HTTP, Lab, Phone, UDP_ECHO};

/// What is open before login, on port 443.
pub(super) const GARDEN_V4: &str = "203.0.113.85";
pub(super) const GARDEN_V6: &str = "2001:db8:ffff::85";
/// What the world's resolver says of every name.
const REAL: [u8; 4] = [203, 0, 113, 99];
/// What the gateway's responder says.
const CAPTIVE: [u8; 4] = [198, 18, 0, 1];
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    /// DHCP, and a router's advertisement.
    Address,
    /// ARP and neighbour discovery.
    Neighbour,
    PingGateway,
    /// A name, asked of the gateway; the same over TCP; the same of a resolver in the world.
    NameAtGateway,
    NameOverTcp,
    NameAtWorld,
    /// Port 80 of the world.
    Web,
    PortalPort,
    /// An address of the garden; another port of it.
    Garden,
    BesideGarden,
    /// Everything else.
    Tcp,
    Udp,
    PingWorld,
    Gre,
    /// A service of the gateway that is not for guests.
    Administrator,
}

/// What the phone sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The gateway answers.
    Answer,
    /// A name's answer is the captive address; the real one.
    Captive,
    Real,
    /// A redirect to the portal; the portal's page.
    Portal,
    Page,
    /// Its page that says that the device is kept out.
    Barred,
    /// The world answers, or has it.
    Out,
    /// Refused at once.
    Refused,
    /// No answer at all.
    Nothing,
}

/// A lab with a resolver in the world, a garden there, and an administrator's service on the gateway.
pub(super) struct Stage {
    pub(super) lab: Lab,
    resolver: Child,
    tap: Tap,
    outside: Tap,
    cable: Cable,
    _administrator: std::net::TcpListener,
}

impl Stage {
    pub(super) fn set(phones: usize) -> Self {
        let mut lab = Lab::new(phones);
        // Several columns follow each other closely.
        lab.tell_of_every_refusal();
        lab.world.space.ip(&format!("addr add {GARDEN_V4}/32 dev lo\naddr add {GARDEN_V6}/128 dev lo nodad"));
        let listen = [lab.world.v4, lab.world.v6].map(|address| format!("--listen-address={address}"));
        let resolver = lab.world.space.enter(|| {
            let mut command = Command::new("dnsmasq");
            command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file="]);
            command.args(["--no-resolv", "--no-hosts", "--bind-interfaces", "--address=/#/203.0.113.99"]);
            command.args(listen).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("dnsmasq (package dnsmasq-base)")
        });
        lab.forward_names(&lab.world.v4.to_string());
        let phone = &lab.phones[0];
        let (tap, cable) = (Tap::on(&phone.space, "eth0"), Cable::of(phone));
        let outside = Tap::on(&lab.world.space, "eth0");
        let bind = || std::net::TcpListener::bind("[::]:22").expect("a free port");
        let _administrator = lab.gateway.enter(bind);
        Self { lab, resolver, tap, outside, cable, _administrator }
    }

    /// Tries it, over IPv4 or IPv6.
    pub(super) fn see(&self, what: Try, version: u8) -> Seen {
        let Self { lab, .. } = self;
        let phone = &lab.phones[0];
        let v6 = version == 6;
        let pick = |v4: &str, v6_: &str| if v6 { v6_ } else { v4 }.parse::<IpAddr>().expect("an address");
        let (gateway, garden) = (pick(&GATEWAY_V4.to_string(), GATEWAY_V6), pick(GARDEN_V4, GARDEN_V6));
        let at = |port| lab.world.both(port)[usize::from(v6)];
        match what {
            Try::Address => self.address(v6),
            Try::Neighbour => self.neighbour(phone, gateway),
            Try::PingGateway => ping(phone, gateway, Seen::Answer),
            Try::NameAtGateway => name(phone, (gateway, 53).into()),
            Try::NameOverTcp => name_over_tcp(phone, (gateway, 53).into()),
            Try::NameAtWorld => name(phone, at(53)),
            Try::Web => web(phone, at(HTTP)),
            Try::PortalPort => web(phone, (gateway, 2080).into()),
            Try::Garden => connect(phone, (garden, ECHO).into()),
            Try::BesideGarden => connect(phone, (garden, 8080).into()),
            Try::Tcp => connect(phone, at(ECHO)),
            Try::Udp => datagram(phone, at(UDP_ECHO)),
            Try::PingWorld => ping(phone, at(0).ip(), Seen::Out),
            Try::Gre => self.gre(phone, at(0).ip()),
            Try::Administrator => connect(phone, (gateway, 22).into()),
        }
    }

    /// Whether a frame such as this comes to the phone in time.
    fn comes(&self, is: impl Fn(&Frame) -> bool) -> Seen {
        let from = Instant::now();
        while from.elapsed() < PATIENCE {
            if self.tap.frames().iter().any(&is) {
                return Seen::Answer;
            }
            thread::sleep(Duration::from_millis(5));
        }
        Seen::Nothing
    }

    fn address(&self, v6: bool) -> Seen {
        let phone = &self.lab.phones[0];
        if v6 {
            self.tap.forget(|frame| is_icmpv6(frame, 134));
            let from = link_local(&phone.mac);
            let ip = Ip::new(from, "ff02::2".parse().expect("an address")).hops(255);
            self.cable.send(&icmp(&ip, 133, 0, [0; 4], &[&[1, 1][..], &mac(&phone.mac)].concat()));
            return self.comes(|frame| is_icmpv6(frame, 134));
        }
        static NEXT: AtomicU32 = AtomicU32::new(0x4c61_6e00);
        let number = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let ip = Ip::new(phone.v4, "255.255.255.255".parse().expect("an address"));
        // RFC 2131: BOOTREQUEST over Ethernet from a client that has an address. For a new one the server
        // would look for seconds whether it is in use.
        let client = bytes(phone.v4);
        let mut inform = [&[1, 1, 6, 0][..], &number, &[0; 4], &client, &[0; 12], &mac(&phone.mac)].concat();
        inform.resize(236, 0);
        inform.extend([0x63, 0x82, 0x53, 0x63, 53, 1, 8, 255]);
        self.cable.send(&ip.carry(UDP, &udp(&ip, 68, 67, &inform)));
        self.comes(|frame| frame.holds(&number) && frame.parties().and_then(|it| it.ports) == Some((67, 68)))
    }

    fn neighbour(&self, phone: &Phone, gateway: IpAddr) -> Seen {
        let own = mac(&phone.mac);
        if gateway.is_ipv6() {
            let group = "ff02::1:ff00:1".parse().expect("an address");
            let ip = Ip::new(phone.v6, group).hops(255);
            let asked = [&bytes(gateway)[..], &[1, 1], &own].concat();
            self.cable.send(&icmp(&ip, 135, 0, [0; 4], &asked));
            return self.comes(|frame| is_icmpv6(frame, 136));
        }
        let head = [0, 1, 8, 0, 6, 4, 0, 1];
        let (sender, target) = (bytes(phone.v4), bytes(gateway));
        self.cable.frame([0xff; 6], ARP, &[&head[..], &own, &sender, &[0; 6], &target].concat());
        let answer = [&[0, 1, 8, 0, 6, 4, 0, 2][..], &mac(crate::harness::GATEWAY_MAC)].concat();
        self.comes(|frame| frame.holds(&answer))
    }

    fn gre(&self, phone: &Phone, to: IpAddr) -> Seen {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("GRE of the table {}|", NEXT.fetch_add(1, Ordering::Relaxed)).into_bytes();
        let ip = Ip::new(if to.is_ipv6() { phone.v6 } else { phone.v4 }, to);
        self.cable.send(&ip.carry(47, &[&[0, 0, 8, 0][..], &mark].concat()));
        let from = Instant::now();
        while from.elapsed() < PATIENCE {
            if self.outside.saw(&mark) {
                return Seen::Out;
            }
            // The refusal quotes what it refuses; so does the world's, which comes from there.
            let quotes =
                |frame: &Frame| frame.holds(&mark) && frame.parties().is_some_and(|it| it.from != to);
            if self.tap.frames().iter().any(quotes) {
                return Seen::Refused;
            }
            thread::sleep(Duration::from_millis(5));
        }
        Seen::Nothing
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.resolver.kill();
        let _ = self.resolver.wait();
    }
}

fn failed(error: &std::io::Error) -> Seen {
    let silent = [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::UnexpectedEof];
    if silent.contains(&error.kind()) { Seen::Nothing } else { Seen::Refused }
}

fn connect(phone: &Phone, to: SocketAddr) -> Seen {
    match phone.try_tcp(to).result {
        Ok(()) => Seen::Out,
        Err(error) => failed(&error),
    }
}

fn datagram(phone: &Phone, to: SocketAddr) -> Seen {
    match phone.try_udp(to).result {
        Ok(()) => Seen::Out,
        Err(error) => failed(&error),
    }
}

fn web(phone: &Phone, to: SocketAddr) -> Seen {
    match phone.get(to, &to.to_string(), "/") {
        Ok(page) if page.status == 302 => Seen::Portal,
        Ok(page) if page.body == GREETING => Seen::Out,
        Ok(page) if page.status == 200 => Seen::Page,
        Ok(page) if page.status == 403 && page.body.contains("This device is blocked") => Seen::Barred,
        Ok(page) => panic!("{page:?}"),
        Err(error) => failed(&error),
    }
}

fn ping(phone: &Phone, to: IpAddr, answered: Seen) -> Seen {
    let tried = phone.space.output("ping", &["-c", "1", "-W", "2", &to.to_string()]);
    let said = String::from_utf8_lossy(&tried.stdout).into_owned();
    if tried.status.success() {
        return answered;
    }
    if said.contains("nreachable") { Seen::Refused } else { Seen::Nothing }
}

/// A query for the address of `elsewhere.test`.
const QUERY: &[u8] = b"LG\x01\0\0\x01\0\0\0\0\0\0\x09elsewhere\x04test\0\0\x01\0\x01";

fn name(phone: &Phone, server: SocketAddr) -> Seen {
    let ask = || {
        let socket = phone.udp(server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send(QUERY)?;
        let mut answer = [0; 512];
        let count = socket.recv(&mut answer)?;
        Ok(answer[..count].to_vec())
    };
    ask().map_or_else(|error| failed(&error), |answer: Vec<u8>| meant(&answer))
}

fn name_over_tcp(phone: &Phone, server: SocketAddr) -> Seen {
    let ask = || {
        let mut stream = phone.tcp(server)?;
        let length = u16::try_from(QUERY.len()).expect("short").to_be_bytes();
        stream.write_all(&[&length, QUERY].concat())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    ask().map_or_else(|error| failed(&error), |answer: Vec<u8>| meant(&answer))
}

fn meant(answer: &[u8]) -> Seen {
    let holds = |address: [u8; 4]| answer.windows(6).any(|part| part == [&[0, 4][..], &address].concat());
    match (holds(CAPTIVE), holds(REAL)) {
        (true, false) => Seen::Captive,
        (false, true) => Seen::Real,
        _ => Seen::Nothing,
    }
}

fn is_icmpv6(frame: &Frame, kind: u8) -> bool {
    frame.parties().is_some_and(|it| it.from.is_ipv6() && it.protocol == 58) && frame.content()[40] == kind
}

/// The address that a device gives itself.
fn link_local(text: &str) -> IpAddr {
    let [a, b, c, d, e, f] = mac(text);
    std::net::Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f]).into()
}

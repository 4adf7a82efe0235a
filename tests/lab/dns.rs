//! DNS before login, for phones over both families: who answers, what, and what leaves the gateway.
//!
//! The resolver behind the gateway is the test's own: it notes what it is asked, and fails as it is told.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lango::wire::dns::{Code, Kind, Name, Received, Reply, question, read, read_response};

use crate::harness::{
    Browser, Daemon, GATEWAY_V4, GATEWAY_V6, HTTP, Lab, Phone, Settings, portal_v4, wait_until,
};

/// What leads to the portal.
const CAPTIVE: &str = "198.18.0.1";
const RESOLVER: &str = "127.0.0.1:5353";
const AT_ONCE: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(3);

fn settings() -> Settings {
    Settings::default().main("dns_upstream", RESOLVER).plan("hour", &[("metered", "1h")])
}

/// How a question travels.
#[derive(Clone, Copy, Debug)]
enum Over {
    Udp,
    Tcp,
}

/// What a phone hears to a question, and how soon.
#[derive(Debug)]
struct Heard {
    addresses: Vec<String>,
    denied: bool,
    took: Duration,
}

fn ask(phone: &Phone, server: SocketAddr, over: Over, name: &str, kind: Kind) -> Heard {
    let from = Instant::now();
    let label = Name::parse(name).unwrap();
    let message = question(0x4321, &label, kind);
    let answer = phone.space.enter(|| match over {
        Over::Udp => over_udp(phone, server, &message),
        Over::Tcp => over_tcp(phone, server, &message),
    });
    let answer = answer.unwrap_or_else(|error| panic!("{name} at {server} over {over:?}: {error}"));
    let response = read_response(&answer, 0x4321, &label, kind).expect("an answer to the question");
    let addresses = response.addresses.iter().map(ToString::to_string).collect();
    Heard { addresses, denied: response.denies(), took: from.elapsed() }
}

fn over_udp(phone: &Phone, server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    // Connected: an answer from another address is not heard.
    let socket = phone.udp_here(server)?;
    socket.send(message)?;
    let mut answer = vec![0; 4096];
    let length = socket.recv(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

fn over_tcp(phone: &Phone, server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = phone.tcp_here(server)?;
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, message].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// Every resolver that a phone may think it has: the gateway's two addresses and the world's.
fn servers(lab: &Lab) -> Vec<SocketAddr> {
    let gateway = [GATEWAY_V4, GATEWAY_V6.parse().unwrap()].map(|ip: IpAddr| SocketAddr::new(ip, 53));
    gateway.into_iter().chain(lab.world.both(53)).collect()
}

/// A resolver on the gateway's loopback, until it is dropped.
struct Resolver {
    asked: Arc<Mutex<Vec<Name>>>,
    silent: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Resolver {
    /// One that knows `zone` and nothing else.
    fn start(lab: &Lab, zone: &[(&str, &[&str])]) -> Self {
        let zone: BTreeMap<Name, Vec<IpAddr>> = zone
            .iter()
            .map(|(name, ips)| {
                (Name::parse(name).unwrap(), ips.iter().map(|ip| ip.parse().unwrap()).collect())
            })
            .collect();
        let (asked, silent, stop) = (Arc::<Mutex<Vec<Name>>>::default(), Arc::default(), Arc::default());
        let socket = lab.gateway.enter(|| UdpSocket::bind(RESOLVER).expect("a free port"));
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        let (notes, quiet, ended) = (Arc::clone(&asked), Arc::clone(&silent), Arc::clone(&stop));
        let server = thread::spawn(move || answer_all(&socket, &zone, &notes, &quiet, &ended));
        Self { asked, silent, stop, server: Some(server) }
    }

    fn was_asked(&self, name: &str) -> bool {
        self.asked.lock().unwrap().contains(&Name::parse(name).unwrap())
    }

    fn falls_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

fn answer_all(
    socket: &UdpSocket,
    zone: &BTreeMap<Name, Vec<IpAddr>>,
    asked: &Mutex<Vec<Name>>,
    silent: &AtomicBool,
    stop: &AtomicBool,
) {
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let Some(Received::Query(query)) = read(buffer[..length].to_vec()) else { continue };
        asked.lock().unwrap().push(query.name.clone());
        if silent.load(Ordering::Relaxed) {
            continue;
        }
        let of_kind = |ip: &IpAddr| query.kind == if ip.is_ipv4() { Kind::A } else { Kind::AAAA };
        let reply = match zone.get(&query.name) {
            Some(ips) => {
                let addresses = ips.iter().copied().filter(of_kind).collect();
                Reply { code: Code::Fine, addresses, ttl: 30 }
            }
            None => Reply { code: Code::NoSuchName, addresses: Vec::new(), ttl: 0 },
        };
        let _ = socket.send_to(&query.answer(&reply, 4096), from);
    }
}

#[test]
fn whatever_resolver_an_unpaid_phone_asks_every_name_leads_to_the_portal() {
    let lab = Lab::new(1);
    let resolver = Resolver::start(&lab, &[("shop.test", &["203.0.113.80"])]);
    let _daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    for server in servers(&lab) {
        for over in [Over::Udp, Over::Tcp] {
            let says = |name, kind| ask(phone, server, over, name, kind).addresses;
            assert_eq!(says("shop.test", Kind::A), [CAPTIVE], "{server} {over:?}");
            assert_eq!(says("shop.test", Kind::AAAA), [""; 0], "{server} {over:?}");
            assert_eq!(says("wifi.lango", Kind::A), [GATEWAY_V4.to_string()], "{server} {over:?}");
            assert_eq!(says("wifi.lango", Kind::AAAA), [GATEWAY_V6], "{server} {over:?}");
        }
        assert!(ask(phone, server, Over::Udp, "mask.icloud.com", Kind::A).denied, "{server}");
    }
    assert!(!resolver.was_asked("shop.test"));
    // With the program that a phone would use.
    let said = phone.space.must("busybox", &["nslookup", "-type=a", "shop.test"]);
    assert!(said.contains(CAPTIVE), "{said}");
}

#[test]
fn who_has_paid_asks_the_resolver_of_the_network_and_heals_from_what_was_answered_before() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    let gateway = SocketAddr::new(GATEWAY_V4, 53);
    assert_eq!(ask(phone, gateway, Over::Udp, "world.test", Kind::A).addresses, [CAPTIVE]);
    // What the name leads to is the portal, for every port that a page would use.
    let page = phone.get(SocketAddr::new(CAPTIVE.parse().unwrap(), HTTP), "world.test", "/").unwrap();
    assert_eq!(page.status, 302, "{page:?}");
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    for over in [Over::Udp, Over::Tcp] {
        wait_until("the flow from before to be forgotten", PATIENCE, || {
            ask(phone, gateway, over, "world.test", Kind::A).addresses == ["203.0.113.80"]
        });
    }
}

#[test]
fn a_phone_that_joins_when_the_uplink_has_just_died_sees_the_portal_at_once() {
    let lab = Lab::new(1);
    let resolver = Resolver::start(&lab, &[]);
    resolver.falls_silent();
    let _daemon = Daemon::start(&lab, &settings().section("garden", &[("name", "wa.me")]));
    lab.drop_default_routes();
    let phone = &lab.phones[0];
    for server in servers(&lab) {
        // A phone has a route to the gateway only by its resolver's address.
        for name in
            ["captive.apple.com", "connectivitycheck.gstatic.com", "www.msftconnecttest.com", "shop.test"]
        {
            let heard = ask(phone, server, Over::Udp, name, Kind::A);
            assert_eq!(heard.addresses, [CAPTIVE], "{name} at {server}");
            assert!(heard.took < AT_ONCE, "{name} at {server}: {heard:?}");
        }
    }
    let from = Instant::now();
    let curl = ["-s", "-m", "3", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"];
    let probe = ["http://captive.apple.com/hotspot-detect.html"];
    let said = phone.space.must("curl", &[&curl[..], &probe].concat());
    assert_eq!(said, format!("302 http://{}/", portal_v4()), "a probe is shown the way");
    assert!(from.elapsed() < Duration::from_secs(1), "after {:?}", from.elapsed());
}

#[test]
fn probes_carry_real_answers_while_the_uplink_works() {
    let lab = Lab::new(1);
    let real: &[&str] = &["203.0.113.80", "2001:db8:ffff::80"];
    let resolver = Resolver::start(&lab, &[("captive.apple.com", real), ("www.google.com", real)]);
    let _daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    let server = SocketAddr::new(GATEWAY_V6.parse().unwrap(), 53);
    let says = |kind| ask(phone, server, Over::Udp, "captive.apple.com", kind).addresses;
    wait_until("the gateway to know it", Duration::from_secs(10), || says(Kind::A) == real[..1]);
    assert_eq!(says(Kind::AAAA), real[1..]);
    // It is no way out.
    phone.assert_held(&lab.world);
    drop(resolver);
}

#[test]
fn names_of_the_garden_are_resolved_and_nothing_else_leaves() {
    let lab = Lab::new(2);
    let zone: &[(&str, &[&str])] =
        &[("wa.me", &["203.0.113.80", "2001:db8:ffff::80"]), ("cdn.whatsapp.net", &["203.0.113.80"])];
    let resolver = Resolver::start(&lab, zone);
    let garden = settings().section("garden", &[("name", "wa.me")]);
    let _daemon = Daemon::start(&lab, &garden.section("garden", &[("name", "*.whatsapp.net")]));
    for server in servers(&lab) {
        let says = |name, kind| ask(&lab.phones[0], server, Over::Udp, name, kind).addresses;
        assert_eq!(says("wa.me", Kind::A), ["203.0.113.80"], "{server}");
        assert_eq!(says("wa.me", Kind::AAAA), ["2001:db8:ffff::80"], "{server}");
        assert_eq!(says("cdn.whatsapp.net", Kind::A), ["203.0.113.80"], "{server}");
        for foreign in ["whatsapp.net", "secret.tunnel.test", "wa.me.tunnel.test"] {
            assert_eq!(says(foreign, Kind::A), [CAPTIVE], "{server}");
            assert!(!resolver.was_asked(foreign), "{foreign} left");
        }
    }
}

#[test]
fn while_the_uplink_is_dead_who_is_online_gets_the_portal_where_the_resolver_is_at_a_loss() {
    let lab = Lab::new(1);
    let _resolver = Resolver::start(&lab, &[("nas.test", &["192.168.8.10"])]);
    let daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    lab.drop_default_routes();
    wait_until("the uplink to be known for dead", Duration::from_secs(15), || {
        daemon.json(&["status"])["uplink"] == "down"
    });
    for server in servers(&lab) {
        let says = |name| ask(phone, server, Over::Udp, name, Kind::A).addresses;
        wait_until("the responder to take over", PATIENCE, || says("shop.test") == [CAPTIVE]);
        assert_eq!(says("nas.test"), ["192.168.8.10"], "{server}");
        assert_eq!(says("wifi.lango"), [GATEWAY_V4.to_string()], "{server}");
    }
}

#[test]
fn a_flood_of_questions_leaves_the_others_their_answers() {
    let lab = Lab::new(2);
    let _daemon = Daemon::start(&lab, &settings());
    let server = SocketAddr::new(GATEWAY_V4, 53);
    let flood = Flood::start(lab.phones[0].udp(server).unwrap());
    let slowest = (0..30).map(|_| {
        thread::sleep(Duration::from_millis(60));
        ask(&lab.phones[1], server, Over::Udp, "shop.test", Kind::A).took
    });
    assert!(slowest.max() < Some(Duration::from_secs(1)), "an answer waits for the flood");
    assert!(flood.sent() > 5_000, "no flood: {} questions", flood.sent());
}

/// Questions of one phone, some thousands a second, until it is dropped.
struct Flood {
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    sender: Option<JoinHandle<()>>,
}

impl Flood {
    fn start(socket: UdpSocket) -> Self {
        let (sent, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (count, ended) = (Arc::clone(&sent), Arc::clone(&stop));
        let message = question(1, &Name::parse("a.tunnel.test").unwrap(), Kind::A);
        let sender = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let gone = (0..20).filter(|_| socket.send(&message).is_ok()).count();
                count.fetch_add(gone as u64, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        Self { sent, stop, sender: Some(sender) }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(sender) = self.sender.take() {
            let _ = sender.join();
        }
    }
}

//! DNS before login, for phones over both families: who answers, what, and what leaves the gateway.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lango::wire::dns::{Kind, Name, question};

use crate::harness::{
    Browser, Daemon, GATEWAY_V4, GATEWAY_V6, HTTP, Lab, Over, RESOLVER, Resolver, Settings, ask, portal_v4,
    wait_until,
};

/// What leads to the portal.
const CAPTIVE: &str = "198.18.0.1";
const AT_ONCE: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(3);

fn settings() -> Settings {
    Settings::default().main("dns_upstream", RESOLVER).plan("hour", &[("metered", "1h")])
}

/// Every resolver that a phone may think it has: the gateway's two addresses and the world's.
fn servers(lab: &Lab) -> Vec<SocketAddr> {
    let gateway = [GATEWAY_V4, GATEWAY_V6.parse().unwrap()].map(|ip: IpAddr| SocketAddr::new(ip, 53));
    gateway.into_iter().chain(lab.world.both(53)).collect()
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

//! What a phone remembers of the time before its login: the captive address, for the hosts that it wants.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lango::wire::dns::Kind;

use crate::harness::packet::{ACK, FIN, Ip, SYN, TCP, UDP, tcp, udp};
use crate::harness::raw::Cable;
use crate::harness::tap::Tap;
use crate::harness::{
    Browser, Daemon, GATEWAY_V4, HTTP, Lab, Over, Phone, RESOLVER, Resolver, Settings, ask, portal_v4,
    wait_until,
};

const DEFAULT: &str = "198.18.0.1";
const NAME: &str = "world.test";
const AT_ONCE: Duration = Duration::from_millis(100);
/// Ports at which something of the gateway listens, or may, and others.
const PORTS: [u16; 8] = [22, 53, 443, 853, 2053, 2080, 2443, 5555];

fn settings() -> Settings {
    Settings::default().main("dns_upstream", RESOLVER).plan("hour", &[("metered", "1h")])
}

fn resolves(phone: &Phone) -> Vec<String> {
    ask(phone, SocketAddr::new(GATEWAY_V4, 53), Over::Udp, NAME, Kind::A).addresses
}

/// Where `phone` is sent that wants `path` of [`NAME`], and takes `captive` for it.
fn sent(phone: &Phone, captive: IpAddr, path: &str) -> String {
    let page = phone.get(SocketAddr::new(captive, HTTP), NAME, path).expect("an answer");
    assert_eq!(page.status, 302, "{page:?}");
    assert_eq!(page.header("connection"), Some("close"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    page.header("location").expect("a place to go").to_owned()
}

fn to_portal() -> String {
    format!("http://{}/", portal_v4())
}

/// Asserts that all but port 80 of `captive` is closed to `phone`, which is told at once.
fn assert_refused(phone: &Phone, captive: IpAddr) {
    for port in PORTS {
        let to = SocketAddr::new(captive, port);
        let outcome = phone.try_tcp(to);
        assert!(outcome.refused_fast() && outcome.took < AT_ONCE, "TCP to {to}: {outcome:?}");
    }
    for port in [443, 2053] {
        let to = SocketAddr::new(captive, port);
        let outcome = phone.try_udp(to);
        assert!(outcome.refused_fast() && outcome.took < AT_ONCE, "UDP to {to}: {outcome:?}");
    }
}

/// Asserts that what `phone` sends to `captive`, whether it makes sense or not, does not come out.
fn assert_nothing_leaves(phone: &Phone, captive: IpAddr, outside: &Tap) {
    let (cable, ip) = (Cable::of(phone), Ip::new(phone.v4, captive));
    for (n, port) in [80, 443, 2080, 5555].into_iter().enumerate() {
        let from = 4000 + u16::try_from(n).unwrap();
        for flags in [SYN, ACK, FIN, FIN | ACK, 0, 0xff] {
            cable.send(&ip.carry(TCP, &tcp(&ip, from, port, flags, b"stale")));
        }
        cable.send(&ip.carry(UDP, &udp(&ip, from, port, b"stale")));
    }
    cable.send(&ip.carry(47, b"\0\0\x08\0stale"));
    // What is sent after them to the world is seen after them.
    let there = Ip::new(phone.v4, "203.0.113.80".parse().unwrap());
    cable.send(&there.carry(UDP, &udp(&there, 4000, 9, b"the last of them")));
    outside.wait_for(b"the last of them");
    let such =
        |to: IpAddr| outside.frames().into_iter().find(|frame| frame.parties().is_some_and(|p| p.to == to));
    assert!(such(captive).is_none(), "{:?} came out", such(captive));
    assert!(!outside.saw(b"stale"));
}

fn heals(settings: &Settings, captive: &str) {
    let lab = Lab::new(2);
    let _resolver = Resolver::start(&lab, &[(NAME, &["203.0.113.80"])]);
    let daemon = Daemon::start(&lab, settings);
    let [phone, unpaid] = [&lab.phones[0], &lab.phones[1]];
    let outside = Tap::on(&lab.world.space, "eth0");
    assert_eq!(resolves(phone), [captive]);
    let captive: IpAddr = captive.parse().unwrap();
    assert_eq!(sent(phone, captive, "/a?b=c"), to_portal(), "before login");
    // A connection from before the login, whose end comes after it.
    let mut early = phone.tcp(SocketAddr::new(captive, HTTP)).unwrap();
    early.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    drop(early);
    for path in ["/a?b=c", "/", "//other.test/?x=http://y/"] {
        assert_eq!(sent(phone, captive, path), format!("http://{NAME}{path}"));
    }
    assert_refused(phone, captive);
    assert_nothing_leaves(phone, captive, &outside);
    assert_eq!(sent(unpaid, captive, "/"), to_portal(), "another phone has not paid");
    assert_refused(unpaid, captive);
    // The phone that asks for the name again is there.
    wait_until("the name to be asked of the resolver", Duration::from_secs(3), || {
        resolves(phone) == ["203.0.113.80"]
    });
    assert!(phone.is_open(&lab.world));
}

#[test]
fn who_has_paid_and_remembers_the_captive_address_is_sent_to_what_it_wanted() {
    heals(&settings(), DEFAULT);
}

#[test]
fn the_captive_address_is_the_one_that_is_configured() {
    const OTHER: &str = "203.0.113.99";
    heals(&settings().main("captive_address", OTHER), OTHER);
}

#[test]
fn a_phone_that_does_not_forget_is_told_that_its_page_opens_and_tries_again() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    let captive = DEFAULT.parse().unwrap();
    let to = SocketAddr::new(captive, HTTP);
    let stale = || phone.get(to, NAME, "/a?b=%22%3E%3Cc").unwrap();
    assert_eq!(sent(phone, captive, "/"), format!("http://{NAME}/"));
    // A browser follows twenty redirects; this one sees fewer of them.
    (0..9).for_each(|_| drop(stale()));
    let last = stale();
    // Neither a success nor a redirect: to a probe this is no portal.
    assert_eq!(last.status, 503, "{last:?}");
    for (name, value) in [("retry-after", "3"), ("connection", "close"), ("cache-control", "no-store")] {
        assert_eq!(last.header(name), Some(value), "{last:?}");
    }
    // It loads the very same URL again: no other is named, and no part of it is repeated but the host.
    assert!(last.body.contains("<meta http-equiv=\"refresh\" content=\"3\">"), "{last:?}");
    assert!(last.body.contains("You are online") && last.body.contains(&format!("{NAME} opens")), "{last:?}");
    assert!(!last.body.contains("b=") && !last.body.contains("<form"), "{last:?}");
    // All else leads to the portal, not to what passes for the host.
    let links = last.body.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for link in links.filter(|link| !link.starts_with("data:")) {
        assert!(link.starts_with(&to_portal()), "{link}");
    }
    wait_until("the phone to be trusted anew", Duration::from_secs(8), || stale().status == 302);
}

#[test]
fn only_to_host_names_of_the_world_is_anybody_sent() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    let captive = SocketAddr::new(DEFAULT.parse().unwrap(), HTTP);
    for host in [DEFAULT, "198.18.1", "shop.test:8080", "user@shop.test", "[::1]", "a/b", "", "wifi.lango"] {
        let page = phone.get(captive, host, "/").unwrap();
        assert_eq!((page.status, page.header("location")), (302, Some(to_portal().as_str())), "{host}");
    }
    let page = phone.get(captive, NAME, "/a\"{b}?c='d").unwrap();
    assert_eq!(page.header("location"), Some("http://world.test/a\"{b}?c='d"), "{page:?}");
    assert!(!page.body.contains(NAME), "{page:?}");
    // At the portal's own addresses nothing has changed for who is online.
    let page = phone.get(SocketAddr::new(GATEWAY_V4, HTTP), NAME, "/").unwrap();
    assert_eq!(page.header("location"), Some(to_portal().as_str()));
}

#[test]
fn while_the_uplink_is_dead_the_captive_address_is_the_portal_and_then_it_heals() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    let uplink = |state: &str| {
        let is = || daemon.json(&["status"])["uplink"] == state;
        wait_until(&format!("uplink {state}"), Duration::from_secs(15), is);
    };
    let captive = DEFAULT.parse().unwrap();
    lab.cut_uplink();
    uplink("down");
    assert_eq!(sent(phone, captive, "/"), to_portal());
    lab.restore_uplink();
    uplink("up");
    assert_eq!(sent(phone, captive, "/"), format!("http://{NAME}/"));
}

#[test]
fn a_trusted_phone_heals_too() {
    let lab = Lab::new(1);
    let phone = &lab.phones[0];
    let trusted = settings().section("device", &[("mac", &phone.mac), ("policy", "trusted")]);
    let _daemon = Daemon::start(&lab, &trusted);
    assert_eq!(sent(phone, DEFAULT.parse().unwrap(), "/"), format!("http://{NAME}/"));
}

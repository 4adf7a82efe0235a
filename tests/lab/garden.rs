//! The garden: what a phone reaches before it has paid, and how much of it.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use lango::wire::dns::Kind;
use serde_json::Value;

use crate::harness::{
    Browser, DOWNLOAD, Daemon, ECHO, GATEWAY_V4, GREETING, HTTP, Lab, Load, Meter, Over, Passed, Phone,
    RESOLVER, Resolver, SINK, SOURCE, Settings, UDP_ECHO, Way, ask, portal_v4, wait_until,
};

const NAME: &str = "world.test";
/// The largest packet that the gateway forwards in one piece: what a byte limit lets through at once.
const LONGEST_SEGMENT: u64 = 65_536;
/// The world by its addresses.
const WORLD: [(&str, &str); 2] = [("address", "203.0.113.0/24"), ("address", "2001:db8:ffff::80")];

fn settings() -> Settings {
    Settings::default().plan("hour", &[("metered", "1h")])
}

/// A garden of the whole world at the ports where it takes and gives without end.
fn streams(rate: &str, data: &str) -> Settings {
    let (up, down) = (SINK.to_string(), SOURCE.to_string());
    let options = [("port", up.as_str()), ("port", &down), ("rate", rate), ("data", data)];
    settings().section("garden", &[&WORLD[..], &options].concat())
}

/// Has `phone` ask for [`NAME`]; what it hears.
fn asks(phone: &Phone, kind: Kind) -> Vec<String> {
    ask(phone, SocketAddr::new(GATEWAY_V4, 53), Over::Udp, NAME, kind).addresses
}

/// Whether echo and page of the garden come from `at`.
fn reaches(phone: &Phone, at: IpAddr) -> bool {
    let page = phone.get(SocketAddr::new(at, HTTP), NAME, "/");
    phone.try_tcp(SocketAddr::new(at, ECHO)).result.is_ok() && page.is_ok_and(|page| page.body == GREETING)
}

/// The elements of a set of the table.
fn elements(lab: &Lab, set: &str) -> Vec<Value> {
    let listed = lab.gateway.nft_list(&["-j", "list", "set", "inet", "lango", set]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON of nft");
    let sets = listed["nftables"].as_array().expect("a list");
    sets.iter().find_map(|item| item["set"]["elem"].as_array()).cloned().unwrap_or_default()
}

#[test]
fn a_name_of_the_garden_is_open_to_the_phone_that_asked_and_to_no_other() {
    let lab = Lab::new(2);
    let _daemon = Daemon::start(&lab, &settings().section("garden", &[("name", NAME)]));
    let [curious, other] = [&lab.phones[0], &lab.phones[1]];
    let world = &lab.world;
    curious.assert_held(world);
    assert_eq!(asks(curious, Kind::A), [world.v4.to_string()]);
    assert!(reaches(curious, world.v4));
    assert!(curious.try_tcp(SocketAddr::new(world.v6, ECHO)).refused_fast(), "nobody asked for it");
    assert_eq!(asks(curious, Kind::AAAA), [world.v6.to_string()]);
    assert!(reaches(curious, world.v6));
    for at in world.addresses() {
        assert!(curious.try_tcp(SocketAddr::new(at, DOWNLOAD)).refused_fast(), "a port that is not open");
        assert!(curious.try_udp(SocketAddr::new(at, UDP_ECHO)).refused_fast(), "a port that is not open");
    }
    other.assert_held(world);
    // Port 80 elsewhere is the portal still.
    let elsewhere = curious.get("192.0.2.1:80".parse().unwrap(), "shop.test", "/").unwrap();
    assert_eq!(elsewhere.header("location"), Some(format!("http://{}/", portal_v4()).as_str()));
}

#[test]
fn an_address_of_the_garden_is_open_to_all_at_the_ports_of_the_garden() {
    let lab = Lab::new(2);
    let ports = [("port", "80"), ("port", "443")];
    let _daemon = Daemon::start(&lab, &settings().section("garden", &[&WORLD[..], &ports].concat()));
    for phone in &lab.phones {
        for at in lab.world.addresses() {
            assert!(reaches(phone, at), "{at}");
            assert!(phone.try_tcp(SocketAddr::new(at, DOWNLOAD)).refused_fast(), "{at}");
            assert!(phone.try_udp(SocketAddr::new(at, UDP_ECHO)).refused_fast(), "{at}");
        }
        let elsewhere = phone.get("192.0.2.1:80".parse().unwrap(), "shop.test", "/").unwrap();
        assert_eq!(elsewhere.status, 302, "{elsewhere:?}");
    }
}

#[test]
fn an_opening_ends_a_minute_after_the_last_question() {
    let lab = Lab::new(1);
    let _daemon = Daemon::start(&lab, &settings().section("garden", &[("name", NAME)]));
    for (set, kind) in [("asked4", Kind::A), ("asked6", Kind::AAAA)] {
        let left = || elements(&lab, set).iter().map(|e| e["elem"]["expires"].as_u64().unwrap()).max();
        // The name has a time to live of nothing.
        asks(&lab.phones[0], kind);
        let listed = elements(&lab, set);
        assert_eq!(listed.len(), 2, "one for each port: {listed:?}");
        for element in listed {
            assert_eq!(element["elem"]["timeout"], 60, "{element}");
        }
        wait_until("some of the minute to pass", Duration::from_secs(5), || left() < Some(59));
        asks(&lab.phones[0], kind);
        assert!(left() >= Some(59), "{:?}", left());
    }
}

/// What passed of `phone` and the world until nothing more did for `so_long`.
fn settled(lab: &Lab, meter: &Meter, phone: &Phone, so_long: Duration) -> Passed {
    let mut last = (meter.passed(phone, &lab.world.addresses()), Instant::now());
    wait_until("the traffic to end", Duration::from_secs(30), || {
        let passed = meter.passed(phone, &lab.world.addresses());
        if passed != last.0 {
            last = (passed, Instant::now());
        }
        last.1.elapsed() > so_long
    });
    last.0
}

/// What passes of a flow that moves as much as it can, until nothing more does.
fn until_dry(lab: &Lab, meter: &Meter, phone: &Phone, at: IpAddr, way: Way) -> u64 {
    let moved = |passed: Passed| if way == Way::Up { passed.up } else { passed.down };
    let before = moved(meter.passed(phone, &lab.world.addresses()));
    let load = Load::start(phone, &[at], way, 1);
    // Retransmissions come ever more seldom: in two seconds there are some.
    let after = settled(lab, meter, phone, Duration::from_secs(2));
    drop(load);
    moved(after) - before
}

#[test]
fn what_an_unpaid_phone_may_move_ends_with_its_amount_either_way_and_over_both_families() {
    const DATA: u64 = 200_000;
    let lab = Lab::new(3);
    let daemon = Daemon::start(&lab, &streams("4mbit", "200KB"));
    let meter = Meter::new(&lab.gateway);
    let within = |bytes: u64| (DATA - LONGEST_SEGMENT..=DATA).contains(&bytes);
    let [sender, receiver, other] = [&lab.phones[0], &lab.phones[1], &lab.phones[2]];
    let up = until_dry(&lab, &meter, sender, lab.world.v4, Way::Up);
    assert!(within(up), "{up} bytes went up");
    // The device's, whatever its address is.
    let to = SocketAddr::new(lab.world.v6, SINK);
    assert!(sender.tcp(to).is_err(), "an account of its own for IPv6");
    // What comes down is on the account of each address.
    for at in lab.world.addresses() {
        let down = until_dry(&lab, &meter, receiver, at, Way::Down);
        assert!(within(down), "{down} bytes came down from {at}");
    }
    assert!(other.tcp(SocketAddr::new(lab.world.v4, SINK)).is_ok(), "others have their own");
    Browser::of(sender).must_login(&daemon.voucher("hour"));
    assert!(sender.is_open(&lab.world), "what was bought does not know of it");
}

#[test]
fn the_garden_is_as_slow_as_its_rate_either_way() {
    const RATE: u64 = 100_000;
    let lab = Lab::new(2);
    let _daemon = Daemon::start(&lab, &streams("800kbit", "10MB"));
    let meter = Meter::new(&lab.gateway);
    for (phone, way) in lab.phones.iter().zip([Way::Up, Way::Down]) {
        let from = Instant::now();
        let load = Load::start(phone, &[lab.world.v4], way, 2);
        thread::sleep(Duration::from_secs(5));
        let passed = meter.passed(phone, &[lab.world.v4]);
        let seconds = from.elapsed().as_secs_f64();
        drop(load);
        let bytes = if way == Way::Up { passed.up } else { passed.down } as f64;
        // A bucket is full at first: a second's worth and a segment.
        let most = RATE as f64 * (seconds + 1.0) + LONGEST_SEGMENT as f64;
        assert!(bytes <= most, "{bytes} bytes {way:?} in {seconds} s");
        assert!(bytes > RATE as f64 * 2.0, "{bytes} bytes {way:?} in {seconds} s: the garden is of no use");
    }
}

#[test]
fn what_moves_in_the_garden_is_nobodys_and_after_login_all_is_counted() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &streams("400mbit", "1GB"));
    let meter = Meter::new(&lab.gateway);
    let [stroller, payer] = [&lab.phones[0], &lab.phones[1]];
    let bytes = |phone: &Phone| {
        let session = daemon.session(&phone.mac).expect("a session");
        ["bytes_up", "bytes_down"].map(|field| session[field].as_u64().expect("a number"))
    };
    Browser::of(payer).must_login(&daemon.voucher("hour"));
    let moves = |phone: &Phone, way| {
        for at in lab.world.addresses() {
            let load = Load::start(phone, &[at], way, 1);
            wait_until("a megabyte", Duration::from_secs(20), || load.bytes() > 1_000_000);
        }
    };
    for way in [Way::Up, Way::Down] {
        moves(stroller, way);
    }
    let before = settled(&lab, &meter, stroller, Duration::from_millis(300));
    assert!(daemon.session(&stroller.mac).is_none());
    Browser::of(stroller).must_login(&daemon.voucher("hour"));
    for way in [Way::Up, Way::Down] {
        moves(stroller, way);
    }
    assert!(stroller.is_open(&lab.world));
    wait_until("what was moved to be counted", Duration::from_secs(15), || {
        let after = meter.passed(stroller, &lab.world.addresses());
        bytes(stroller) == [after.up - before.up, after.down - before.down]
    });
    assert_eq!(bytes(payer), [0, 0], "what others moved is not the payer's");
}

#[test]
fn one_phone_that_asks_for_many_names_takes_no_places_of_others_and_a_crowd_fills_no_set() {
    const SIZE: usize = 16_384;
    const SHARE: usize = 1024;
    const PORTS: usize = 31;
    let mut lab = Lab::new(2);
    let crowd = lab.crowd(16);
    let names: Vec<String> = (0..4).map(|number| format!("n{number}.garden.test")).collect();
    let hosts: Vec<Vec<String>> =
        (0..4).map(|name| (0..16).map(|host| format!("198.51.{name}.{host}")).collect()).collect();
    let hosts: Vec<Vec<&str>> = hosts.iter().map(|all| all.iter().map(String::as_str).collect()).collect();
    let mut zone: Vec<(&str, &[&str])> =
        names.iter().zip(&hosts).map(|(name, hosts)| (name.as_str(), hosts.as_slice())).collect();
    zone.push((NAME, &["203.0.113.80"]));
    let _resolver = Resolver::start(&lab, &zone);
    let ports: Vec<String> = (400..430).map(|port: u16| port.to_string()).chain([ECHO.to_string()]).collect();
    let mut options = vec![("name", "*.garden.test"), ("name", NAME)];
    options.extend(ports.iter().map(|port| ("port", port.as_str())));
    let garden = settings().main("dns_upstream", RESOLVER).section("garden", &options);
    let daemon = Daemon::start(&lab, &garden);
    let [flooder, other] = [&lab.phones[0], &lab.phones[1]];
    // What `phone` hears of all the names: addresses of theirs, which are open then, or the captive one.
    let floods = |phone: &Phone| -> usize {
        let server = SocketAddr::new(GATEWAY_V4, 53);
        let heard: Vec<String> =
            names.iter().flat_map(|name| ask(phone, server, Over::Tcp, name, Kind::A).addresses).collect();
        let real: Vec<&String> = heard.iter().filter(|address| address.starts_with("198.51.")).collect();
        assert!(heard.iter().all(|address| address.starts_with("198.51.") || address == "198.18.0.1"));
        let open = lab.gateway.nft_list(&["list", "set", "inet", "lango", "asked4"]);
        for address in &real {
            let element = format!("{} . {address} . {ECHO} ", phone.mac);
            assert!(open.contains(&element), "{element} was answered and is not open");
        }
        real.len()
    };
    assert_eq!(floods(flooder), SHARE / PORTS);
    assert_eq!(elements(&lab, "asked4").len(), SHARE / PORTS * PORTS);
    let to = SocketAddr::new(lab.world.v4, ECHO);
    assert_eq!(asks(other, Kind::A), [lab.world.v4.to_string()]);
    assert!(other.try_tcp(to).result.is_ok(), "there is room for others");
    let filled: Vec<usize> = crowd.iter().map(floods).collect();
    assert!(filled.iter().any(|places| *places < SHARE / PORTS), "the crowd does not fill it: {filled:?}");
    let all = elements(&lab, "asked4").len();
    assert!((SIZE - 16 * PORTS..=SIZE).contains(&all), "{all} elements");
    assert!(other.try_tcp(to).result.is_ok(), "what is open stays open");
    Browser::of(flooder).must_login(&daemon.voucher("hour"));
    assert!(flooder.is_open(&lab.world), "a full garden keeps nobody from paying");
}

#[test]
fn a_trusted_phone_is_open_without_paying_and_a_blocked_one_reaches_the_portal_alone() {
    let lab = Lab::new(3);
    let device = |policy, phone: &Phone, settings: Settings| {
        settings.section("device", &[("mac", &phone.mac), ("policy", policy)])
    };
    let garden = settings().section("garden", &[&WORLD[..], &[("name", NAME)]].concat());
    let [usual, trusted, blocked] = [&lab.phones[0], &lab.phones[1], &lab.phones[2]];
    let daemon = Daemon::start(&lab, &device("trusted", trusted, device("blocked", blocked, garden)));
    assert!(trusted.is_open(&lab.world));
    assert_eq!(daemon.sessions().len(), 0, "nothing was bought");
    for at in lab.world.addresses() {
        assert!(reaches(usual, at), "{at}");
        assert!(blocked.try_tcp(SocketAddr::new(at, ECHO)).refused_fast(), "{at}");
        assert!(blocked.try_udp(SocketAddr::new(at, UDP_ECHO)).refused_fast(), "{at}");
    }
    let portal = Browser::of(blocked);
    for path in ["/", "/status"] {
        let page = portal.get(path);
        assert_eq!(page.status, 403, "{page:?}");
        assert!(page.body.contains("This device is blocked") && !page.body.contains("<form"), "{page:?}");
    }
    let code = daemon.voucher("hour");
    assert_eq!(portal.post("/login", &[("code", &code)]).status, 403);
    assert_eq!(daemon.json(&["voucher", "show", &code])["state"], "unused");
}

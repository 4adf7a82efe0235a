//! What a phone may do before it has paid: see the portal, and be told at once that all else is closed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use crate::harness::{
    Browser, Daemon, ECHO, Flows, GATEWAY_V4, GATEWAY_V6, HTTP, Lab, Request, Settings, portal_v4, portal_v6,
    wait_until,
};

fn settings() -> Settings {
    Settings::default().plan("hour", &[("metered", "1h")])
}

#[test]
fn a_phone_is_held_before_login_and_open_after_over_both_families() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings());
    let [paying, waiting] = [&lab.phones[0], &lab.phones[1]];
    paying.assert_held(&lab.world);
    waiting.assert_held(&lab.world);
    Browser::of(paying).must_login(&daemon.voucher("hour"));
    assert!(paying.is_open(&lab.world));
    waiting.assert_held(&lab.world);
    // The portal answers a phone that is online too.
    assert_eq!(Browser::of(paying).get("/").status, 200);
}

#[test]
fn a_login_over_ipv6_opens_both_families() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    Browser::at(&lab.phones[0], portal_v6()).must_login(&daemon.voucher("hour"));
    assert!(lab.phones[0].is_open(&lab.world));
}

#[test]
fn a_phone_with_addresses_from_dhcp_is_held_and_opened_by_its_mac() {
    let mut lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let phone = lab.add_phone_by_dhcp().clone();
    phone.assert_held(&lab.world);
    Browser::of(&phone).must_login(&daemon.voucher("hour"));
    assert!(phone.is_open(&lab.world));
    let session = daemon.session(&phone.mac).expect("a session of that mac");
    let addresses = session["addresses"].as_array().expect("an array");
    assert!(addresses.iter().any(|address| *address == phone.v4.to_string()), "{session}");
}

#[test]
fn port_80_of_any_host_leads_to_the_literal_address_of_the_portal() {
    let lab = Lab::new(1);
    let _daemon = Daemon::start(&lab, &settings());
    let [v4, v6] = lab.world.both(HTTP);
    let gateway: SocketAddr = SocketAddr::new(GATEWAY_V4, 80);
    for (to, portal) in [(v4, portal_v4()), (v6, portal_v6()), (gateway, portal_v4())] {
        for (host, path) in
            [("world.test", "/"), ("connectivitycheck.gstatic.com", "/generate_204"), ("x", "/a?b=%3Cc%3E")]
        {
            let page = lab.phones[0].get(to, host, path).unwrap();
            assert_eq!(page.status, 302, "{to} {host}{path}: {page:?}");
            assert_eq!(page.header("location"), Some(format!("http://{portal}/").as_str()));
            assert_eq!(page.header("connection"), Some("close"));
            assert_eq!(page.header("cache-control"), Some("no-store"));
            assert!(page.body.len() < 1024, "{}", page.body);
        }
    }
    let post = Request::form("world.test", "/login", &[("code", "1")]);
    assert_eq!(lab.phones[0].send(v4, &post).unwrap().status, 302);
}

#[test]
fn without_a_default_route_a_phone_is_refused_at_once_and_sees_the_portal() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    lab.drop_default_routes();
    // The daemon hears of it; a connection begun before that waits a second.
    wait_until("refusals before routing", Duration::from_secs(1), || {
        lab.gateway.nft_list(&["list", "table", "inet", "lango"]).contains("chain unrouted")
    });
    let from = Instant::now();
    lab.phones[0].assert_held(&lab.world);
    assert!(from.elapsed() < Duration::from_secs(1), "{:?}", from.elapsed());
    // A voucher is taken all the same, and is good when the uplink is back.
    Browser::of(&lab.phones[0]).must_login(&daemon.voucher("hour"));
    lab.restore_uplink();
    assert!(lab.phones[0].is_open(&lab.world));
}

#[test]
fn a_held_phone_still_pings_and_resolves_at_the_gateway() {
    let lab = Lab::new(1);
    let _daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    for gateway in [GATEWAY_V4.to_string(), GATEWAY_V6.to_owned()] {
        phone.space.must("ping", &["-c", "1", "-W", "2", &gateway]);
    }
    for outside in ["203.0.113.80", "2001:db8:ffff::80"] {
        let ping = phone.space.output("ping", &["-c", "1", "-W", "1", outside]);
        assert!(!ping.status.success(), "ping {outside} passed");
    }
    let shown = phone.space.must(
        "curl",
        &["-s", "-m", "3", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "http://world.test/"],
    );
    assert_eq!(shown, format!("302 http://{}/", portal_v4()));
}

#[test]
fn other_ports_of_the_gateway_are_closed_to_guests_online_or_not() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let listeners = lab.gateway.enter(|| ["0.0.0.0:22", "[::]:443"].map(|to| TcpListener::bind(to).unwrap()));
    let closed = || {
        for (address, port) in [("10.77.0.1", 22), ("192.0.2.2", 22), ("10.77.0.1", 443), (GATEWAY_V6, 443)] {
            let to = SocketAddr::new(address.parse().unwrap(), port);
            assert!(lab.phones[0].tcp(to).is_err(), "{to} is open to guests");
        }
    };
    closed();
    Browser::of(&lab.phones[0]).must_login(&daemon.voucher("hour"));
    closed();
    drop(listeners);
}

#[test]
fn an_intercepted_connection_kept_alive_is_gone_after_login() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    // A request that is not finished keeps the intercepted connection open.
    let mut intercepted = phone.tcp(lab.world.both(HTTP)[0]).unwrap();
    intercepted.write_all(b"GET / HTTP/1.1\r\nHost: world.test\r\n").unwrap();
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    // What it sends now goes to the world, which knows of no such connection.
    wait_until("its end", Duration::from_millis(500), || intercepted.write_all(b"X: y\r\n").is_err());
    assert!(phone.is_open(&lab.world));
    let mut answer = String::new();
    let _ = intercepted.read_to_string(&mut answer);
    assert!(!answer.contains("302"), "still led to the portal: {answer}");
}

/// What a login cuts is told by the mark. An answer that crosses the cut would go out untranslated, and be lost.
#[test]
fn a_page_at_port_80_of_the_gateway_is_not_among_what_a_login_cuts() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let (phone, portal) = (&lab.phones[0], SocketAddr::new(GATEWAY_V4, HTTP));
    let to_portal = ["-L", "-p", "tcp", "--orig-dst", "10.77.0.1", "--orig-port-dst", "80"];
    let flows = || lab.gateway.must("conntrack", &to_portal);
    let held = phone.tcp(portal).unwrap();
    assert!(flows().contains(" mark=0 "), "{}", flows());
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    let online = phone.tcp(portal).unwrap();
    assert!(flows().contains(&format!(" mark={} ", 0x0100_0000)), "{}", flows());
    drop((held, online));
}

#[test]
fn what_a_phone_opens_right_after_its_login_lives() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let (phone, browser) = (&lab.phones[0], Browser::of(&lab.phones[0]));
    for _ in 0..5 {
        browser.must_login(&daemon.voucher("hour"));
        let opened = Instant::now();
        let flows = Flows::open(phone, &lab.world);
        // Half a second is time enough for whatever the login left to be done.
        while opened.elapsed() < Duration::from_millis(500) {
            assert_eq!(browser.get("/status").status, 200);
        }
        let closed = Instant::now();
        assert_eq!(browser.logout().status, 303);
        for (end, version) in flows.ends().into_iter().zip([4, 6]) {
            assert!(end > closed, "IPv{version} was cut {:?} after it was opened", end - opened);
        }
    }
}

#[test]
fn a_program_that_died_leaves_the_gate_closed() {
    let lab = Lab::new(1);
    let mut daemon = Daemon::start(&lab, &settings());
    daemon.kill();
    for to in lab.world.both(ECHO) {
        assert!(lab.phones[0].try_tcp(to).refused_fast());
    }
    for to in lab.world.both(HTTP) {
        assert!(lab.phones[0].get(to, "world.test", "/").is_err());
    }
}

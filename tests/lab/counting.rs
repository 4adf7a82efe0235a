//! What a guest has used, as `lango sessions` tells it: what passed the gateway, per device and direction.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{
    Browser, Daemon, Lab, Load, Meter, Passed, Phone, Settings, UDP_ECHO, Way, echo_datagrams,
    echo_datagrams_here, wait_until,
};

fn settings() -> Settings {
    Settings::default().main("max_clients", "600").plan("hour", &[("metered", "1h")])
}

/// A phone online in a lab whose packets fit the cable.
fn online(phones: usize) -> (Lab, Daemon, Meter) {
    let lab = Lab::new(phones);
    lab.without_offloads();
    let daemon = Daemon::start(&lab, &settings());
    let meter = Meter::new(&lab.gateway);
    for phone in &lab.phones {
        Browser::of(phone).must_login(&daemon.voucher("hour"));
        lab.introduce(phone);
    }
    (lab, daemon, meter)
}

fn counted(session: &Value) -> Passed {
    let bytes = |field: &str| session[field].as_u64().expect("a number of bytes");
    Passed { up: bytes("bytes_up"), down: bytes("bytes_down") }
}

fn close(counted: Passed, passed: Passed) -> bool {
    let close = |one: u64, other: u64| one.abs_diff(other) <= other / 1000;
    close(counted.up, passed.up) && close(counted.down, passed.down)
}

/// Asserts that the program counts for `phone` what passed, and goes on saying so.
#[track_caller]
fn assert_counted(daemon: &Daemon, phone: &Phone, passed: Passed) {
    let now = || counted(&daemon.session(&phone.mac).expect("a session"));
    let from = std::time::Instant::now();
    while !close(now(), passed) && from.elapsed() < Duration::from_secs(3) {}
    for _ in 0..3 {
        let now = now();
        assert!(close(now, passed), "counted {now:?}, passed {passed:?}");
    }
}

/// Sizes of payload from nothing to the largest that is not cut.
fn mixed() -> impl Iterator<Item = usize> + Send {
    [1, 17, 64, 200, 512, 900, 1200, 1400, 1450].into_iter().cycle().take(500)
}

/// Some of everything, over both families.
fn mix(lab: &Lab, phone: &Phone) {
    for address in lab.world.addresses() {
        echo_datagrams(phone, address, mixed());
        for way in [Way::Up, Way::Down] {
            let load = Load::start(phone, &[address], way, 3);
            wait_until("five megabytes", Duration::from_secs(10), || load.bytes() > 5_000_000);
        }
    }
}

/// What passed, once nothing is on its way any more.
fn settled(meter: &Meter, lab: &Lab, addresses: &[IpAddr]) -> Passed {
    let read = || meter.counts().between(addresses, &lab.world.addresses());
    let mut last = read();
    wait_until("silence", Duration::from_secs(10), || {
        std::thread::sleep(Duration::from_millis(300));
        let before = std::mem::replace(&mut last, read());
        before == last
    });
    last
}

#[test]
fn what_passed_is_counted_in_both_families_and_directions() {
    let (lab, daemon, meter) = online(2);
    for phone in &lab.phones {
        mix(&lab, phone);
    }
    for phone in &lab.phones {
        let passed = settled(&meter, &lab, &[phone.v4, phone.v6]);
        assert!(passed.up > 10_000_000 && passed.down > 10_000_000, "{passed:?}");
        assert_counted(&daemon, phone, passed);
    }
}

#[test]
fn a_restart_or_a_kill_counts_nothing_twice_and_forgets_nothing() {
    let (lab, mut daemon, meter) = online(1);
    let phone = &lab.phones[0];
    for kill in [false, true, true] {
        mix(&lab, phone);
        if kill {
            daemon.kill();
        } else {
            assert_eq!(daemon.stop(), Some(0));
        }
        for address in lab.world.addresses() {
            echo_datagrams(phone, address, mixed());
        }
        daemon.run();
        assert_counted(&daemon, phone, settled(&meter, &lab, &[phone.v4, phone.v6]));
    }
}

#[test]
fn a_destroyed_table_forgets_nothing_that_was_told() {
    let (lab, daemon, meter) = online(1);
    let phone = &lab.phones[0];
    mix(&lab, phone);
    let before = settled(&meter, &lab, &[phone.v4, phone.v6]);
    assert_counted(&daemon, phone, before);
    lab.gateway.nft("delete table inet lango");
    let intact = || daemon.json(&["status"])["rules_intact"] == true;
    wait_until("the table to come back", Duration::from_secs(2), intact);
    mix(&lab, phone);
    assert_counted(&daemon, phone, settled(&meter, &lab, &[phone.v4, phone.v6]));
}

#[test]
fn five_hundred_devices_are_counted_each_for_itself() {
    let mut lab = Lab::new(1);
    let crowd = lab.crowd(500);
    lab.without_offloads();
    let daemon = Daemon::start(&lab, &settings());
    let codes = daemon.vouchers("hour", crowd.len());
    for (phone, code) in crowd.iter().zip(&codes) {
        Browser::of(phone).must_login(code);
    }
    let meter = Meter::new(&lab.gateway);
    let to = SocketAddr::new(lab.world.v4, UDP_ECHO);
    crowd[0].space.enter(|| {
        for (number, phone) in crowd.iter().enumerate() {
            echo_datagrams_here(phone, to, std::iter::repeat_n(100 + number, 10 + number % 40));
        }
    });
    let all = daemon.sessions();
    assert_eq!(all.len(), crowd.len());
    let passed = meter.counts();
    for (number, phone) in crowd.iter().enumerate() {
        let packets = 10 + number as u64 % 40;
        let sent = packets * (100 + number as u64 + 28);
        let mine = passed.between(&[phone.v4], &lab.world.addresses());
        assert_eq!(mine, Passed { up: sent, down: sent }, "{phone:?}");
        let session = all.iter().find(|session| session["mac"] == phone.mac.as_str()).unwrap();
        assert_eq!(counted(session), mine, "{phone:?}");
    }
}

#[test]
fn what_is_not_paid_for_counts_nowhere() {
    let lab = Lab::new(1);
    lab.without_offloads();
    let daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    phone.assert_held(&lab.world);
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    // Nor does what the gateway itself answers.
    phone.space.must("ping", &["-c", "3", "-i", "0.1", "-s", "1000", "10.77.0.1"]);
    for _ in 0..20 {
        assert_eq!(Browser::of(phone).get("/status").status, 200);
    }
    assert_eq!(counted(&daemon.session(&phone.mac).unwrap()), Passed::default());
    assert_eq!(Browser::of(phone).logout().status, 303);
    phone.assert_held(&lab.world);
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    assert_eq!(counted(&daemon.session(&phone.mac).unwrap()), Passed::default());
}

#[test]
fn a_trusted_device_is_not_counted() {
    let lab = Lab::new(2);
    lab.without_offloads();
    let trusted = [("mac", lab.phones[0].mac.as_str()), ("policy", "trusted")];
    let daemon = Daemon::start(&lab, &settings().section("device", &trusted));
    Browser::of(&lab.phones[1]).must_login(&daemon.voucher("hour"));
    lab.phones.iter().for_each(|phone| lab.introduce(phone));
    let meter = Meter::new(&lab.gateway);
    mix(&lab, &lab.phones[0]);
    echo_datagrams(&lab.phones[1], lab.world.v4, mixed());
    let passed = settled(&meter, &lab, &[lab.phones[1].v4]);
    assert_eq!(counted(&daemon.session(&lab.phones[1].mac).unwrap()), passed);
    assert_eq!(daemon.sessions().len(), 1);
}
#[test]
fn a_device_that_changes_its_addresses_loses_nothing_and_is_counted() {
    let (lab, daemon, meter) = online(1);
    let phone = lab.phones[0].clone();
    let mut addresses = vec![phone.v4, phone.v6];
    for address in lab.world.addresses() {
        echo_datagrams(&phone, address, mixed());
    }
    // Each echo must come at once: the first answer to a new address is not dropped.
    for number in 1..=3 {
        let (v4, v6) = (format!("10.77.3.{number}"), format!("fd77::3:{number}"));
        phone.space.ip(&format!(
            "addr flush dev eth0 scope global to 10.77.0.0/20\naddr add {v4}/20 dev eth0\n\
             route replace default via 10.77.0.1\naddr add {v6}/64 dev eth0 nodad"
        ));
        for (own, world) in [v4, v6].iter().zip(lab.world.addresses()) {
            let own: IpAddr = own.parse().unwrap();
            echo_from(&phone, own, SocketAddr::new(world, UDP_ECHO));
            addresses.push(own);
        }
    }
    assert_counted(&daemon, &phone, settled(&meter, &lab, &addresses));
    assert_eq!(daemon.sessions().len(), 1);
}

#[test]
fn a_download_to_an_address_that_nobody_has_seen_yet_is_counted() {
    let (mut lab, daemon, meter) = online(1);
    lab.phones[0].take_address("fd77::2:77".parse().unwrap());
    let phone = &lab.phones[0];
    let load = Load::start(phone, &[lab.world.v6], Way::Down, 4);
    wait_until("a megabyte", Duration::from_secs(10), || load.bytes() > 1_000_000);
    drop(load);
    let passed = settled(&meter, &lab, &[phone.v4, phone.v6]);
    assert!(passed.down > 1_000_000, "{passed:?}");
    assert_counted(&daemon, phone, passed);
}

/// A hundred datagrams of 1,000 bytes from the address `own`, each of which must come back.
fn echo_from(phone: &Phone, own: IpAddr, to: SocketAddr) {
    phone.space.enter(|| {
        let socket = UdpSocket::bind((own, 0)).unwrap();
        socket.connect(to).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        for number in 0..100 {
            socket.send(&[b'.'; 1000]).unwrap();
            let came = socket.recv(&mut [0; 1500]);
            assert_eq!(came.ok(), Some(1000), "datagram {number} from {own}");
        }
    });
}

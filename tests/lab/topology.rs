//! The lab itself: without the daemon everything passes, and a table of ours can hold it. If these fail, no
//! other test of the lab means anything.

use std::time::Duration;

use crate::harness::{
    ECHO, GREETING, HTTP, Lab, Load, Meter, Passed, Stream, UDP_ECHO, Way, ours, wait_until,
};

/// Holds a phone as the daemon would, in plain nft.
const HOLD: &str = "table inet stand_in { chain c { type filter hook prerouting priority -50;
    iifname br-guest ip daddr 10.77.0.0/20 accept
    iifname br-guest icmpv6 type != echo-request accept
    iifname br-guest meta l4proto tcp reject with tcp reset
    iifname br-guest reject with icmpx admin-prohibited; }; }";

#[test]
fn without_a_daemon_phones_reach_the_world() {
    let lab = Lab::new(2);
    for phone in &lab.phones {
        assert!(phone.is_open(&lab.world), "{phone:?}");
        phone.space.must("ping", &["-c", "1", "-W", "2", "203.0.113.80"]);
        phone.space.must("ping", &["-c", "1", "-W", "2", "2001:db8:ffff::80"]);
        assert_eq!(phone.space.must("curl", &["-s", "-m", "3", "http://world.test/"]), GREETING);
    }
}

#[test]
fn refusals_and_silence_are_told_apart() {
    let lab = Lab::new(1);
    let phone = &lab.phones[0];
    lab.gateway.nft(HOLD);
    for to in lab.world.both(ECHO) {
        assert!(phone.try_tcp(to).refused_fast(), "{:?}", phone.try_tcp(to));
    }
    for to in lab.world.both(UDP_ECHO) {
        assert!(phone.try_udp(to).refused_fast(), "{:?}", phone.try_udp(to));
    }
    lab.gateway.nft("flush table inet stand_in\ntable inet stand_in { chain c { drop; }; }");
    let outcome = phone.try_tcp(lab.world.both(ECHO)[0]);
    assert!(outcome.result.is_err() && !outcome.refused_fast(), "{outcome:?}");
}

#[test]
fn a_stream_shows_each_gap() {
    let lab = Lab::new(1);
    for version in [4, 6] {
        let stream = Stream::start(&lab.phones[0], &lab.world, version, Duration::from_millis(2));
        stream.flow(100);
        assert!(stream.arrivals(&lab.world).len() > 50);
        lab.gateway.nft(HOLD);
        stream.flow(50);
        lab.gateway.nft("delete table inet stand_in");
        stream.flow(50);
        let (sent, came) = stream.finish(&lab.world);
        let missing = sent - came.len() as u64;
        assert!((40..100).contains(&missing), "{missing} of {sent} over IPv{version}");
    }
}

#[test]
fn a_phone_gets_its_addresses_by_dhcp_and_advertisement() {
    let mut lab = Lab::new(0);
    let phone = lab.add_phone_by_dhcp().clone();
    assert!(phone.v4.to_string().starts_with("10.77.4.") || phone.v4.to_string().starts_with("10.77.5."));
    assert!(phone.is_open(&lab.world));
    assert_eq!(phone.space.must("curl", &["-s", "-m", "3", "http://world.test/"]), GREETING);
}

#[test]
fn a_crowd_has_a_mac_each() {
    let mut lab = Lab::new(0);
    let crowd = lab.crowd(300);
    let to = lab.world.both(HTTP)[0];
    for phone in &crowd {
        assert_eq!(phone.get(to, "world.test", "/").unwrap().body, GREETING, "{phone:?}");
    }
    let neighbours = lab.gateway.must("ip", &["-4", "neigh", "show", "dev", "br-guest"]);
    for phone in &crowd {
        let line = neighbours.lines().find(|line| line.starts_with(&format!("{} ", phone.v4)));
        assert!(line.is_some_and(|line| line.contains(&phone.mac)), "{phone:?}: {line:?}");
    }
}

#[test]
fn the_uplink_can_be_cut_and_joined() {
    let lab = Lab::new(1);
    let to = lab.world.both(HTTP)[0];
    lab.drop_default_routes();
    assert!(lab.phones[0].get(to, "world.test", "/").is_err());
    lab.cut_uplink();
    lab.restore_uplink();
    // Its neighbours on the uplink have to be found again.
    wait_until("the world", Duration::from_secs(5), || lab.phones[0].is_open(&lab.world));
}

#[test]
fn the_meter_agrees_with_the_frames_on_the_cable() {
    let lab = Lab::new(1);
    lab.without_offloads();
    let (phone, meter) = (&lab.phones[0], Meter::new(&lab.gateway));
    let frames = |name: &str| -> u64 {
        let path = format!("/sys/class/net/eth0/statistics/{name}");
        phone.space.must("cat", &[&path]).trim().parse().expect("a number")
    };
    // Ethernet puts 14 bytes before each packet.
    let cable = || Passed {
        up: frames("tx_bytes") - 14 * frames("tx_packets"),
        down: frames("rx_bytes") - 14 * frames("rx_packets"),
    };
    let before = cable();
    for (address, way) in lab.world.addresses().into_iter().zip([Way::Up, Way::Down]) {
        let load = Load::start(phone, &[address], way, 4);
        wait_until("ten megabytes", Duration::from_secs(10), || load.bytes() > 10_000_000);
    }
    let close = |one: u64, other: u64| one.abs_diff(other) < other / 1000;
    let agree = || {
        let (passed, now) = (meter.passed(phone, &lab.world.addresses()), cable());
        close(passed.up, now.up - before.up) && close(passed.down, now.down - before.down)
    };
    wait_until("the meter to agree", Duration::from_secs(2), agree);
}

#[test]
fn nothing_is_left_of_a_lab_also_after_a_panic() {
    let names = std::thread::spawn(|| {
        let lab = Lab::new(1);
        let names =
            [lab.gateway.name(), lab.world.space.name(), lab.phones[0].space.name()].map(str::to_owned);
        assert!(names.iter().all(|name| ours().contains(name)));
        std::panic::panic_any(names);
    });
    let names = *names.join().unwrap_err().downcast::<[String; 3]>().unwrap();
    assert!(names.iter().all(|name| !ours().contains(name)), "{names:?} in {:?}", ours());
}

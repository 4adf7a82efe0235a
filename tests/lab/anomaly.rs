//! What a guest network should not show is counted and, if so configured, answered; a flood of it harms
//! neither those who paid nor the daemon.

use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::harness::raw::Cable;
use crate::harness::world::RECORDER;
use crate::harness::{BRIDGE, Browser, Daemon, Lab, Phone, Settings, Stream, wait_until};

fn settings() -> Settings {
    Settings::default().plan("hour", &[("metered", "1h"), ("devices", "3")])
}

fn anomalies(daemon: &Daemon) -> [u64; 3] {
    let status = daemon.json(&["status"]);
    ["addresses", "ports", "new_devices"].map(|kind| status["anomalies"][kind].as_u64().expect("a count"))
}

/// The sample of that name and label in `lango metrics`.
fn metric(daemon: &Daemon, name: &str) -> f64 {
    let ended = daemon.cli(&["metrics"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let sample =
        ended.out.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{}", ended.out));
    sample.trim().parse().expect("a number")
}

fn eventually(what: &str, holds: impl FnMut() -> bool) {
    wait_until(what, Duration::from_secs(10), holds);
}

/// Has `phone` ask for the gateway in the name of `address`, until the kernel believes it.
fn claim(lab: &Lab, phone: &Phone, address: IpAddr) {
    let (prefix, version, gateway) = match address {
        IpAddr::V4(_) => (20, "-4", "10.77.0.1"),
        IpAddr::V6(_) => (64, "-6", "fd77::1"),
    };
    phone
        .space
        .ip(&format!("addr add {address}/{prefix} dev eth0{}", if version == "-6" { " nodad" } else { "" }));
    let address = address.to_string();
    eventually("the kernel to believe a claim", || {
        phone.space.ip("neigh flush dev eth0");
        phone.space.output("ping", &[version, "-c", "1", "-W", "1", "-I", &address, gateway]);
        lab.gateway.must("ip", &["neigh", "show", &address, "dev", BRIDGE]).contains(&phone.mac)
    });
}

/// Sends one frame from each of the two phones in turn, `rounds` times.
fn by_turns(phones: [&Phone; 2], lab: &Lab, rounds: usize) {
    let to = lab.world.both(RECORDER)[0];
    let sockets: [UdpSocket; 2] = phones.map(|phone| phone.udp(to).expect("a socket"));
    for _ in 0..rounds {
        for socket in &sockets {
            let _ = socket.send(b"here");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The MACs of who is online, with blanks between.
fn online(daemon: &Daemon) -> String {
    let macs =
        daemon.sessions().into_iter().map(|session| session["mac"].as_str().expect("a MAC").to_owned());
    macs.collect::<Vec<_>>().join(" ")
}

#[test]
fn an_address_with_two_devices_is_counted_and_nobody_loses_anything() {
    let lab = Lab::new(2);
    let [first, second] = [&lab.phones[0], &lab.phones[1]];
    let daemon = Daemon::start(&lab, &settings());
    let code = daemon.voucher("hour");
    Browser::of(first).must_login(&code);
    Browser::of(second).must_login(&code);
    assert!(first.is_open(&lab.world) && second.is_open(&lab.world));
    assert_eq!(anomalies(&daemon), [0, 0, 0]);
    for (count, address) in [(1, first.v4), (2, first.v6)] {
        claim(&lab, second, address);
        eventually("the claim to be counted", || anomalies(&daemon)[0] >= count);
    }
    assert!(metric(&daemon, "lango_anomalies_total{kind=\"address\"}") >= 2.0);
    assert_eq!(metric(&daemon, "lango_sessions"), 2.0);
    assert_eq!(daemon.sessions().len(), 2, "to report is all that was asked for");
    assert!(daemon.cli(&["status"]).out.contains("claimed by a second device"));
    let log = daemon.log();
    assert_eq!(log.matches("address_claimed_twice").count(), 1, "one line a minute\n{log}");
    assert!(!log.contains(&first.mac) && !log.contains(&second.mac), "{log}");
}

#[test]
fn the_session_of_who_claims_the_address_of_another_ends_and_the_victims_stays() {
    let lab = Lab::new(2);
    let [victim, thief] = [&lab.phones[0], &lab.phones[1]];
    let daemon = Daemon::start(&lab, &settings().main("anomaly", "end"));
    let codes = daemon.vouchers("hour", 2);
    Browser::of(victim).must_login(&codes[0]);
    Browser::of(thief).must_login(&codes[1]);
    assert!(victim.is_open(&lab.world));
    claim(&lab, thief, victim.v4);
    eventually("the session to end", || online(&daemon) == victim.mac);
    // Both use the address for a while; the first holder keeps its session.
    for _ in 0..3 {
        victim.space.ip("neigh flush dev eth0");
        victim.space.output("ping", &["-c", "1", "-W", "1", "10.77.0.1"]);
        thief.space.ip("neigh flush dev eth0");
        let v4 = victim.v4.to_string();
        thief.space.output("ping", &["-c", "1", "-W", "1", "-I", &v4, "10.77.0.1"]);
    }
    assert_eq!(online(&daemon), victim.mac);
    thief.space.ip(&format!("addr del {}/20 dev eth0", victim.v4));
    thief.assert_held(&lab.world);
    // Nothing of what was paid is lost.
    Browser::of(thief).must_login(&codes[1]);
    assert!(thief.is_open(&lab.world));
}

#[test]
fn a_device_at_two_ports_is_counted_and_its_session_ended_if_that_is_wanted() {
    let lab = Lab::new(2);
    let [first, second] = [&lab.phones[0], &lab.phones[1]];
    let mut daemon = Daemon::start(&lab, &settings());
    Browser::of(first).must_login(&daemon.voucher("hour"));
    second.space.ip(&format!("link set eth0 address {}", first.mac));
    by_turns([first, second], &lab, 1);
    assert_eq!(anomalies(&daemon)[1], 0, "one way and back is no anomaly");
    by_turns([first, second], &lab, 4);
    eventually("it to be counted", || anomalies(&daemon)[1] >= 1);
    assert!(metric(&daemon, "lango_anomalies_total{kind=\"ports\"}") >= 1.0);
    assert_eq!(online(&daemon), first.mac);

    daemon.stop();
    daemon.configure(&settings().main("anomaly", "end"));
    daemon.run();
    assert_eq!(online(&daemon), first.mac);
    by_turns([first, second], &lab, 4);
    eventually("its session to end", || online(&daemon).is_empty());
    assert_eq!(daemon.log().matches("suspect_ended").count(), 1);
}

/// A protocol for experiments: bridges learn of its sender, and that is all.
const EXPERIMENT: u16 = 0x88b5;

/// Has 20,000 devices that nobody has seen before send a frame to all, as fast as it goes.
fn flood(phone: &Phone, wave: u8) {
    let cable = Cable::of(phone);
    for number in 0..20_000_u16 {
        let [high, low] = number.to_be_bytes();
        cable.frame_of([2, 0xf0, 0, wave, high, low], [0xff; 6], EXPERIMENT, &[0; 46]);
    }
}

#[test]
fn a_flood_of_new_devices_harms_neither_who_paid_nor_the_daemon() {
    let lab = Lab::new(2);
    let [paying, flooding] = [&lab.phones[0], &lab.phones[1]];
    let daemon = Daemon::start(&lab, &settings().main("anomaly", "end"));
    Browser::of(paying).must_login(&daemon.voucher("hour"));
    let before = daemon.memory();
    let streams = [4, 6].map(|version| Stream::start(paying, &lab.world, version, Duration::from_millis(5)));
    let mut slowest = Duration::ZERO;
    for wave in 0..5 {
        flood(flooding, wave);
        let asked = Instant::now();
        assert_eq!(daemon.json(&["status"])["sessions"], 1);
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    eventually("them to be counted", || anomalies(&daemon)[2] >= 500);
    assert!(metric(&daemon, "lango_anomalies_total{kind=\"new_device\"}") >= 500.0);
    for stream in streams {
        let (sent, came) = stream.finish(&lab.world);
        assert_eq!(sent - came.len() as u64, 0, "of {sent}");
    }
    assert_eq!(daemon.log().matches("many_new_devices").count(), 1, "one line a minute");
    let grown = daemon.memory() - before;
    assert!(grown < 4.0, "{grown} MB");
    assert_eq!(online(&daemon), paying.mac);
}

//! Data that was bought: the kernel lets exactly that much through, with or without the program, and what
//! is left survives whatever happens to a gateway.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::harness::{
    Browser, Daemon, ECHO, Lab, Load, Meter, Passed, Phone, Settings, UDP_ECHO, Way, echo_datagrams,
    wait_until,
};

const CAP: u64 = 10_000_000;
/// A packet of the largest kind that offloads make may be refused just before the end.
const LEAST: u64 = 9_900_000;
/// Of IPv4 and UDP.
const HEADERS: usize = 28;

fn settings() -> Settings {
    Settings::default()
        .plan("ten", &[("data", "10MB")])
        .plan("shared", &[("data", "10MB"), ("devices", "2")])
        .plan("split", &[("data_up", "2MB"), ("data_down", "5MB")])
        .plan("hour", &[("metered", "1h")])
}

/// Phones online with one code of a plan, and what passes the gateway.
struct Capped {
    meter: Meter,
    // Before the lab, which it must be gone with.
    daemon: Daemon,
    lab: Lab,
    code: String,
}

impl Capped {
    fn new(plan: &str, phones: usize) -> Self {
        let lab = Lab::new(phones);
        let daemon = Daemon::start(&lab, &settings());
        let (meter, code) = (Meter::new(&lab.gateway), daemon.voucher(plan));
        lab.phones.iter().for_each(|phone| Browser::of(phone).must_login(&code));
        let capped = Self { meter, daemon, lab, code };
        capped.lab.phones.iter().for_each(|phone| capped.lab.introduce(phone));
        capped
    }

    fn phone(&self) -> &Phone {
        &self.lab.phones[0]
    }

    fn load(&self, phone: &Phone, way: Way) -> Load {
        Load::start(phone, &self.lab.world.addresses(), way, 1)
    }

    /// What passed of all phones.
    fn passed(&self) -> Passed {
        let addresses: Vec<_> = self.lab.phones.iter().flat_map(|phone| [phone.v4, phone.v6]).collect();
        self.meter.counts().between(&addresses, &self.lab.world.addresses())
    }

    fn bytes_left(&self) -> u64 {
        let session = self.daemon.session(&self.phone().mac).expect("a session");
        session["bytes_left"].as_u64().expect("a plan with a cap")
    }

    /// Sends packets of 1,000 bytes and gets them back.
    fn exchange(&self, packets: usize) {
        echo_datagrams(self.phone(), self.lab.world.v4, std::iter::repeat_n(1000 - HEADERS, packets));
    }

    /// Uses up the rest, and asserts that all together was what was bought.
    fn assert_ends_at_the_cap(&self) {
        let load = self.load(self.phone(), Way::Down);
        load.wait_for_silence(Duration::from_secs(1));
        self.assert_passed();
    }

    fn assert_passed(&self) {
        let passed = self.passed();
        assert!((LEAST..=CAP).contains(&passed.total()), "{passed:?} of {CAP} passed");
    }

    /// Whether conntrack knows of flows between `phone` and the world.
    fn has_flows(&self, phone: &Phone) -> bool {
        let listed = |family: &str, from: &IpAddr| {
            let listed = self.lab.gateway.output("conntrack", &["-L", "-f", family, "-s", &from.to_string()]);
            String::from_utf8_lossy(&listed.stdout).into_owned()
        };
        // Those to the portal do not end in the world.
        let ends = |listed: String, world: IpAddr| listed.contains(&format!("src={world}"));
        ends(listed("ipv4", &phone.v4), self.lab.world.v4)
            || ends(listed("ipv6", &phone.v6), self.lab.world.v6)
    }

    /// Asserts all that a guest and an operator notice of a cap that was reached.
    fn assert_spent(&self) {
        wait_until("the session to be closed", Duration::from_secs(2), || self.daemon.sessions().is_empty());
        for phone in &self.lab.phones {
            phone.assert_held(&self.lab.world);
            wait_until("its flows to be cut", Duration::from_secs(2), || !self.has_flows(phone));
        }
        let answer = Browser::of(self.phone()).login(&self.code);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.body.contains("This code is used up"), "{answer:?}");
        assert_eq!(self.daemon.json(&["voucher", "show", &self.code])["state"], "spent");
    }
}

/// One device at line rate.
fn one_device(way: Way, offloads: bool) {
    let capped = Capped::new("ten", 1);
    if !offloads {
        capped.lab.without_offloads();
    }
    let load = capped.load(capped.phone(), way);
    let last = load.wait_for_silence(Duration::from_secs(1));
    assert!(last.elapsed() < Duration::from_secs(10), "{last:?}");
    capped.assert_passed();
    capped.assert_spent();
    if way == Way::Up {
        wait_until("the phone to be told", Duration::from_secs(2), || load.alive() == 0);
    }
    capped.assert_passed();
}

#[test]
fn a_download_ends_at_the_cap() {
    one_device(Way::Down, false);
}

#[test]
fn an_upload_ends_at_the_cap() {
    one_device(Way::Up, false);
}

#[test]
fn a_download_with_offloads_ends_at_the_cap() {
    one_device(Way::Down, true);
}

#[test]
fn an_upload_with_offloads_ends_at_the_cap() {
    one_device(Way::Up, true);
}

#[test]
fn two_devices_share_a_cap() {
    for offloads in [false, true] {
        let capped = Capped::new("shared", 2);
        if !offloads {
            capped.lab.without_offloads();
        }
        let loads = [Way::Down, Way::Up].into_iter().zip(&capped.lab.phones);
        let loads: Vec<_> = loads.map(|(way, phone)| capped.load(phone, way)).collect();
        for load in &loads {
            load.wait_for_silence(Duration::from_secs(1));
            assert!(load.bytes() > 0);
        }
        capped.assert_passed();
        capped.assert_spent();
    }
}

#[test]
fn each_cap_of_a_split_plan_ends_it() {
    for (way, cap) in [(Way::Up, 2_000_000), (Way::Down, 5_000_000)] {
        let capped = Capped::new("split", 1);
        capped.lab.without_offloads();
        capped.load(capped.phone(), way).wait_for_silence(Duration::from_secs(1));
        let Passed { up, down } = capped.passed();
        let (used, other) = if way == Way::Up { (up, down) } else { (down, up) };
        assert!((cap / 100 * 99..=cap).contains(&used), "{way:?}: {used} of {cap} passed");
        assert!(other < cap / 10, "{way:?}: {other} passed the other way");
        capped.assert_spent();
    }
}

#[test]
fn the_cap_holds_while_the_program_is_dead() {
    for way in [Way::Down, Way::Up] {
        let mut capped = Capped::new("ten", 1);
        capped.daemon.kill();
        let load = capped.load(capped.phone(), way);
        load.wait_for_silence(Duration::from_secs(1));
        capped.assert_passed();
        for to in capped.lab.world.both(ECHO) {
            assert!(capped.phone().try_tcp(to).refused_fast(), "{to}");
        }
        capped.daemon.run();
        capped.assert_spent();
        capped.assert_passed();
    }
}

#[test]
fn the_cap_holds_when_the_program_dies_on_the_way() {
    let mut capped = Capped::new("ten", 1);
    capped.lab.without_offloads();
    capped.exchange(2000);
    let load = capped.load(capped.phone(), Way::Down);
    capped.daemon.kill();
    capped.daemon.run();
    load.wait_for_silence(Duration::from_secs(1));
    capped.assert_passed();
    capped.assert_spent();
}

#[test]
fn what_is_left_is_exact_after_a_kill_and_a_restart() {
    let mut capped = Capped::new("ten", 1);
    capped.lab.without_offloads();
    for round in 1..=4 {
        capped.exchange(500);
        if round % 2 == 0 {
            capped.daemon.kill();
        } else {
            assert_eq!(capped.daemon.stop(), Some(0));
        }
        // Also what passes while it is away is charged.
        capped.exchange(250);
        capped.daemon.run();
        assert_eq!(capped.bytes_left(), CAP - capped.passed().total(), "round {round}");
    }
    capped.assert_ends_at_the_cap();
    capped.assert_spent();
}

#[test]
fn what_is_left_is_exact_after_a_destroyed_table() {
    let capped = Capped::new("ten", 1);
    capped.lab.without_offloads();
    for destroyer in ["delete table inet lango", "flush table inet lango"] {
        capped.exchange(1000);
        assert_eq!(capped.bytes_left(), CAP - capped.passed().total());
        capped.lab.gateway.nft(destroyer);
        let intact = || capped.daemon.json(&["status"])["rules_intact"] == true;
        wait_until("the table to come back", Duration::from_secs(2), intact);
        capped.exchange(1000);
        assert_eq!(capped.bytes_left(), CAP - capped.passed().total(), "{destroyer}");
    }
    capped.assert_ends_at_the_cap();
    capped.assert_spent();
}

#[test]
fn an_orderly_restart_and_a_new_boot_keep_the_exact_rest() {
    let mut capped = Capped::new("ten", 1);
    capped.lab.without_offloads();
    capped.exchange(1000);
    assert_eq!(capped.daemon.stop(), Some(0));
    capped.lab.gateway.nft("delete table inet lango");
    capped.daemon.reboot("second", Duration::from_secs(20));
    capped.daemon.run();
    assert_eq!(capped.bytes_left(), CAP - capped.passed().total());
    capped.assert_ends_at_the_cap();
    capped.assert_spent();
}

#[test]
fn a_power_cut_gives_back_no_more_than_was_used_since_the_last_checkpoint() {
    let mut capped = Capped::new("ten", 1);
    capped.lab.without_offloads();
    capped.exchange(1000);
    assert_eq!(capped.daemon.stop(), Some(0));
    capped.daemon.run();
    capped.exchange(500);
    capped.daemon.power_cut();
    capped.daemon.reboot("second", Duration::from_secs(20));
    capped.daemon.run();
    let left = capped.bytes_left();
    let used = capped.passed().total();
    assert!((CAP - used..=CAP - used + 1_000_000).contains(&left), "{left} left, {used} used");
    let before = capped.passed().total();
    capped.load(capped.phone(), Way::Down).wait_for_silence(Duration::from_secs(1));
    let after = capped.passed().total() - before;
    assert!((left - 100_000..=left).contains(&after), "{after} passed of {left}");
    capped.assert_spent();
}

#[test]
fn data_that_is_left_goes_with_the_code() {
    let capped = Capped::new("ten", 1);
    capped.lab.without_offloads();
    capped.exchange(2000);
    assert_eq!(Browser::of(capped.phone()).logout().status, 303);
    Browser::of(capped.phone()).must_login(&capped.code);
    assert_eq!(capped.bytes_left(), CAP - capped.passed().total());
    capped.assert_ends_at_the_cap();
    capped.assert_spent();
}

#[test]
fn a_plan_without_a_cap_has_none() {
    let capped = Capped::new("hour", 1);
    let load = capped.load(capped.phone(), Way::Down);
    let from = Instant::now();
    wait_until("five caps", Duration::from_secs(20), || capped.passed().total() > 5 * CAP);
    assert!(load.alive() > 0, "after {:?}", from.elapsed());
}

/// Bytes that an address gets before anybody knows whose it is.
const UNKNOWN_GETS: u64 = 131_072;
/// Nobody has seen this address.
const NEW: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 2, 0x77);

#[test]
fn an_address_that_nobody_has_seen_yet_adds_nothing_to_a_cap() {
    for offloads in [false, true] {
        let mut capped = Capped::new("ten", 1);
        if !offloads {
            capped.lab.without_offloads();
        }
        capped.lab.phones[0].take_address(NEW);
        let load = Load::start(capped.phone(), &[capped.lab.world.v6], Way::Down, 1);
        load.wait_for_silence(Duration::from_secs(1));
        capped.assert_passed();
        capped.assert_spent();
    }
}

#[test]
fn an_address_that_is_new_while_the_program_is_dead_gets_little_and_that_is_charged() {
    let mut capped = Capped::new("ten", 1);
    capped.lab.without_offloads();
    capped.daemon.kill();
    capped.lab.phones[0].take_address(NEW);
    capped.phone().space.enter(|| {
        let to = SocketAddr::new(capped.lab.world.v6, UDP_ECHO);
        let socket = capped.phone().udp_here(to).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let echo = || socket.send(&[b'.'; 1000]).is_ok() && socket.recv(&mut [0; 1500]).is_ok();
        while echo() {}
    });
    let down = capped.passed().down;
    assert!((UNKNOWN_GETS - 2000..=UNKNOWN_GETS).contains(&down), "{down} bytes");
    capped.daemon.run();
    let is_charged = || capped.bytes_left() == CAP - capped.passed().total();
    wait_until("it to be charged", Duration::from_secs(2), is_charged);
    capped.assert_ends_at_the_cap();
    capped.assert_spent();
}

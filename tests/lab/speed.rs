//! The speed of a plan: what the kernel lets through per device and direction once the first seconds are
//! over, measured in IP bytes behind the gateway.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::{Browser, Daemon, Lab, Load, Meter, Passed, Phone, Settings, Way, wait_until};

/// The bucket of a limit is full at first; what it lets through early is no fault.
const FIRST: Duration = Duration::from_secs(3);
/// Long enough for the slowest plan to pass 200 packets of full size.
const WINDOW: Duration = Duration::from_secs(6);
const RATES: [u64; 4] = [500, 2000, 10_000, 50_000];

fn settings() -> Settings {
    let fast = Settings::default().plan("unlimited", &[("metered", "1h")]);
    let named = |settings: Settings, kilobits: u64| {
        let rate = format!("{kilobits}kbit");
        let options = [("metered", "1h"), ("devices", "2"), ("down", &rate), ("up", &rate)];
        settings.plan(&format!("k{kilobits}"), &options)
    };
    RATES.into_iter().fold(fast, named)
}

/// A lab whose packets fit the cable, with a phone for each of `plans`, online.
fn online(plans: &[String]) -> (Lab, Daemon) {
    let lab = Lab::new(plans.len());
    lab.without_offloads();
    let daemon = Daemon::start(&lab, &settings());
    for (phone, plan) in lab.phones.iter().zip(plans) {
        Browser::of(phone).must_login(&daemon.voucher(plan));
    }
    (lab, daemon)
}

fn plan(kilobits: u64) -> String {
    format!("k{kilobits}")
}

/// Bits a second that pass for each phone during [`WINDOW`], once `FIRST` is over.
fn rates(lab: &Lab, phones: &[&Phone]) -> Vec<[f64; 2]> {
    thread::sleep(FIRST);
    rates_now(lab, phones)
}

fn rates_now(lab: &Lab, phones: &[&Phone]) -> Vec<[f64; 2]> {
    let (meter, world) = (Meter::new(&lab.gateway), lab.world.addresses());
    let from = Instant::now();
    let read = || -> Vec<Passed> {
        let counts = meter.counts();
        phones.iter().map(|phone| counts.between(&[phone.v4, phone.v6], &world)).collect()
    };
    thread::sleep(WINDOW);
    let (passed, took) = (read(), from.elapsed().as_secs_f64());
    passed.into_iter().map(|Passed { up, down }| [up, down].map(|bytes| bytes as f64 * 8.0 / took)).collect()
}

fn pick(rates: [f64; 2], way: Way) -> f64 {
    rates[usize::from(way == Way::Down)]
}

#[track_caller]
fn assert_rate(what: &str, measured: f64, kilobits: u64) {
    let share = measured / (kilobits as f64 * 1000.0);
    assert!((0.90..=1.05).contains(&share), "{what}: {share:.3} of {kilobits} kbit/s");
}

/// A phone for each rate, all at the same time: together they need a hundredth of what the machine forwards.
fn each_rate(way: Way, flows: usize) {
    let (lab, _daemon) = online(&RATES.map(plan));
    let to = [lab.world.v4];
    let _loads: Vec<_> = lab.phones.iter().map(|phone| Load::start(phone, &to, way, flows)).collect();
    let phones: Vec<_> = lab.phones.iter().collect();
    for (rates, kilobits) in rates(&lab, &phones).into_iter().zip(RATES) {
        assert_rate(&format!("{flows} flows {way:?}"), pick(rates, way), kilobits);
    }
}

#[test]
fn one_download_gets_the_speed_of_the_plan() {
    each_rate(Way::Down, 1);
}

#[test]
fn eight_downloads_get_the_speed_of_the_plan() {
    each_rate(Way::Down, 8);
}

#[test]
fn one_upload_gets_the_speed_of_the_plan() {
    each_rate(Way::Up, 1);
}

#[test]
fn eight_uploads_get_the_speed_of_the_plan() {
    each_rate(Way::Up, 8);
}

#[test]
fn both_families_of_a_device_share_a_speed() {
    let (lab, _daemon) = online(&[plan(10_000), plan(10_000)]);
    let to: [IpAddr; 2] = lab.world.addresses();
    let ways = [Way::Down, Way::Up];
    let _loads: Vec<_> =
        lab.phones.iter().zip(ways).map(|(phone, way)| Load::start(phone, &to, way, 2)).collect();
    let phones: Vec<_> = lab.phones.iter().collect();
    for (rates, way) in rates(&lab, &phones).into_iter().zip(ways) {
        assert_rate(&format!("IPv4 and IPv6 {way:?}"), pick(rates, way), 10_000);
    }
}

#[test]
fn each_device_of_a_code_has_the_speed_for_itself() {
    let lab = Lab::new(2);
    lab.without_offloads();
    let daemon = Daemon::start(&lab, &settings());
    let code = daemon.voucher("k10000");
    lab.phones.iter().for_each(|phone| Browser::of(phone).must_login(&code));
    let to = [lab.world.v4];
    let _loads: Vec<_> = lab.phones.iter().map(|phone| Load::start(phone, &to, Way::Down, 2)).collect();
    let phones: Vec<_> = lab.phones.iter().collect();
    for rates in rates(&lab, &phones) {
        assert_rate("one of two devices", pick(rates, Way::Down), 10_000);
    }
}

#[test]
fn up_and_down_do_not_share_a_speed() {
    let (lab, _daemon) = online(&[plan(10_000)]);
    let phone = &lab.phones[0];
    let _loads = [Way::Up, Way::Down].map(|way| Load::start(phone, &[lab.world.v4], way, 4));
    let measured = rates(&lab, &[phone])[0];
    for way in [Way::Up, Way::Down] {
        assert_rate(&format!("{way:?} while both are full"), pick(measured, way), 10_000);
    }
}

#[test]
fn the_speed_holds_while_the_program_is_dead_and_when_it_comes_back() {
    let (lab, mut daemon) = online(&[plan(10_000)]);
    let phone = &lab.phones[0];
    lab.introduce(phone);
    let _load = Load::start(phone, &[lab.world.v6], Way::Down, 2);
    daemon.kill();
    assert_rate("dead", pick(rates(&lab, &[phone])[0], Way::Down), 10_000);
    daemon.run();
    // Coming back gives no second bucket.
    assert_rate("back", pick(rates_now(&lab, &[phone])[0], Way::Down), 10_000);
}

#[test]
fn a_changed_plan_changes_the_speed_of_who_is_online() {
    let lab = Lab::new(1);
    lab.without_offloads();
    let changed = |rate: &str| Settings::default().plan("change", &[("metered", "1h"), ("down", rate)]);
    let daemon = Daemon::start(&lab, &changed("2mbit"));
    let phone = &lab.phones[0];
    Browser::of(phone).must_login(&daemon.voucher("change"));
    let _load = Load::start(phone, &[lab.world.v4], Way::Down, 4);
    for (rate, kilobits) in [("2mbit", 2000), ("10mbit", 10_000), ("1mbit", 1000)] {
        daemon.configure(&changed(rate));
        daemon.signal(Signal::SIGHUP);
        wait_until("the new speed", Duration::from_secs(2), || {
            daemon.session(&phone.mac).expect("a session")["down_bps"] == kilobits * 1000
        });
        assert_rate(rate, pick(rates(&lab, &[phone])[0], Way::Down), kilobits);
    }
}

#[test]
fn a_plan_without_a_speed_is_not_slowed() {
    let (lab, _daemon) = online(&["unlimited".to_owned(), plan(2000)]);
    let to = [lab.world.v4];
    let _loads: Vec<_> = lab.phones.iter().map(|phone| Load::start(phone, &to, Way::Down, 1)).collect();
    let phones: Vec<_> = lab.phones.iter().collect();
    let measured = rates(&lab, &phones);
    let fast = pick(measured[0], Way::Down);
    assert!(fast > 300e6, "{fast} bit/s");
    assert_rate("beside it", pick(measured[1], Way::Down), 2000);
}

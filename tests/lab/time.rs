//! Time that was bought: it ends to the second, with or without the program, and survives what power and
//! clocks do to a gateway.

use std::fs;
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Browser, Daemon, Flows, HTTP, Lab, Phone, Settings, Stream, wait_until};

const SHORT: Duration = Duration::from_secs(3);

fn settings() -> Settings {
    Settings::default()
        .main("checkpoint", "10s")
        .plan("short", &[("metered", "3s")])
        .plan("hour", &[("metered", "1h")])
        .plan("day", &[("validity", "24h")])
}

/// Sends until the world hears no more; when that was.
fn last_heard(stream: Stream, lab: &Lab) -> Instant {
    let heard = || stream.arrivals(&lab.world).last().map(|(_, at)| *at);
    wait_until("the first datagram", Duration::from_secs(2), || heard().is_some());
    wait_until("the end of time", Duration::from_secs(15), || {
        heard().is_some_and(|at| at.elapsed() > Duration::from_secs(1))
    });
    let (_, came) = stream.finish(&lab.world);
    came.last().unwrap().1
}

fn assert_about(what: &str, took: Duration, expected: Duration) {
    assert!(took.abs_diff(expected) <= Duration::from_secs(1), "{what} after {took:?}, not {expected:?}");
}

#[test]
fn bought_time_ends_to_the_second() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    for version in [4, 6] {
        Browser::of(&lab.phones[0]).must_login(&daemon.voucher("short"));
        let from = Instant::now();
        let stream = Stream::start(&lab.phones[0], &lab.world, version, Duration::from_millis(5));
        assert_about(&format!("IPv{version} ended"), last_heard(stream, &lab) - from, SHORT);
        assert!(daemon.sessions().is_empty());
    }
    lab.phones[0].assert_held(&lab.world);
}

#[test]
fn bought_time_ends_to_the_second_when_the_program_is_dead() {
    let lab = Lab::new(1);
    let mut daemon = Daemon::start(&lab, &settings());
    Browser::of(&lab.phones[0]).must_login(&daemon.voucher("short"));
    let from = Instant::now();
    daemon.kill();
    let stream = Stream::start(&lab.phones[0], &lab.world, 4, Duration::from_millis(5));
    assert_about("ended", last_heard(stream, &lab) - from, SHORT);
    daemon.run();
    assert!(daemon.sessions().is_empty());
    lab.phones[0].assert_held(&lab.world);
}

#[test]
fn an_open_download_dies_within_two_seconds_of_the_end() {
    for dead in [false, true] {
        let lab = Lab::new(1);
        let mut daemon = Daemon::start(&lab, &settings());
        Browser::of(&lab.phones[0]).must_login(&daemon.voucher("short"));
        let from = Instant::now();
        let flows = Flows::open(&lab.phones[0], &lab.world);
        if dead {
            daemon.kill();
        }
        for last in flows.ends() {
            let took = last - from;
            assert!(took > SHORT - Duration::from_secs(1), "dead {dead}: cut after {took:?}");
            assert!(took < SHORT + Duration::from_secs(2), "dead {dead}: lived for {took:?}");
        }
    }
}

#[test]
fn a_restart_neither_gives_nor_takes_time() {
    let lab = Lab::new(1);
    let mut daemon = Daemon::start(&lab, &settings());
    Browser::of(&lab.phones[0]).must_login(&daemon.voucher("short"));
    let from = Instant::now();
    let stream = Stream::start(&lab.phones[0], &lab.world, 4, Duration::from_millis(5));
    daemon.kill();
    daemon.run();
    assert_eq!(daemon.stop(), Some(0));
    daemon.run();
    assert_about("ended", last_heard(stream, &lab) - from, SHORT);
}

#[test]
fn time_without_the_program_is_charged_within_a_boot() {
    let lab = Lab::new(1);
    let mut daemon = Daemon::prepare(&lab, &settings());
    daemon.reboot("one", Duration::from_secs(1000));
    daemon.run();
    Browser::of(&lab.phones[0]).must_login(&daemon.voucher("hour"));
    let from = Instant::now();
    let stream = Stream::start(&lab.phones[0], &lab.world, 4, Duration::from_millis(5));
    stream.flow(10);
    daemon.kill();
    // The kernel's table knows nothing of it, and still has almost an hour for the phone.
    daemon.skip(Duration::from_secs(3600) - SHORT);
    daemon.run();
    assert_about("ended", last_heard(stream, &lab) - from, SHORT);
    assert!(daemon.sessions().is_empty());
    lab.phones[0].assert_held(&lab.world);
}

fn login_all(crowd: &[Phone], codes: &[String]) {
    thread::scope(|scope| {
        for (phones, codes) in crowd.chunks(125).zip(codes.chunks(125)) {
            scope.spawn(move || {
                for (phone, code) in phones.iter().zip(codes) {
                    Browser::of(phone).must_login(code);
                }
            });
        }
    });
}

#[test]
fn a_reboot_brings_five_hundred_sessions_back_with_the_exact_rest() {
    let mut lab = Lab::new(1);
    let crowd = lab.crowd(500);
    let plans = ["10m", "20m", "1h", "5h", "30d"];
    let settings = plans.iter().fold(settings(), |s, time| s.plan(&format!("p{time}"), &[("metered", time)]));
    let mut daemon = Daemon::prepare(&lab, &settings);
    daemon.reboot("before-the-cut", Duration::from_secs(3 * 86_400));
    daemon.run();
    let codes: Vec<_> = plans.iter().flat_map(|plan| daemon.vouchers(&format!("p{plan}"), 100)).collect();
    login_all(&crowd, &codes);

    // A hundred seconds later, so that all have used something.
    let from = Instant::now();
    let full = rests(&daemon);
    assert_eq!(full.len(), 500);
    daemon.kill();
    daemon.skip(Duration::from_secs(100));
    daemon.run();
    assert_charged("a restart", &full, &rests(&daemon), 100..=100 + seconds(from.elapsed()));

    let checkpoint = next_checkpoint(&daemon);
    let before = rests(&daemon);
    let lost = seconds(checkpoint.elapsed());
    daemon.power_cut();
    daemon.reboot("after-the-cut", Duration::from_secs(9));
    let from = Instant::now();
    daemon.run();
    let after = rests(&daemon);
    // What was used since the checkpoint is in the guest's favour.
    assert_charged("a power cut", &before, &after, -lost..=seconds(from.elapsed()));
    // In the new boot, too, the meters run.
    daemon.kill();
    daemon.skip(Duration::from_secs(100));
    daemon.run();
    assert_charged("another restart", &after, &rests(&daemon), 100..=100 + seconds(from.elapsed()));
    let to = lab.world.both(HTTP)[0];
    for phone in &crowd {
        assert_eq!(phone.get(to, "world.test", "/").unwrap().status, 200, "{phone:?}");
    }
    lab.phones[0].assert_held(&lab.world);
}

/// MAC and seconds left, in the order of the MACs.
fn rests(daemon: &Daemon) -> Vec<(String, i64)> {
    let rest = |session: serde_json::Value| {
        (session["mac"].as_str().unwrap().to_owned(), session["seconds_left"].as_i64().unwrap())
    };
    let mut rests: Vec<_> = daemon.sessions().into_iter().map(rest).collect();
    rests.sort();
    rests
}

/// All sessions are there still, and `what` cost each of them so many seconds.
fn assert_charged(what: &str, had: &[(String, i64)], has: &[(String, i64)], cost: RangeInclusive<i64>) {
    assert_eq!(had.len(), has.len(), "after {what}");
    for ((mac, had), (same, has)) in had.iter().zip(has) {
        assert_eq!(mac, same, "after {what}");
        // Rests and spans are told in whole seconds.
        let about = cost.start() - 2..=cost.end() + 2;
        assert!(about.contains(&(had - has)), "{mac} had {had} s, and {has} s after {what}: {cost:?}");
    }
}

/// Waits until the daemon has written its meters down; when that was.
fn next_checkpoint(daemon: &Daemon) -> Instant {
    let journal = daemon.state().join("lango.db-wal");
    let written = || fs::metadata(&journal).and_then(|about| about.modified()).ok();
    let before = written();
    wait_until("a checkpoint", Duration::from_secs(20), || written() != before);
    Instant::now()
}

fn seconds(span: Duration) -> i64 {
    span.as_secs().cast_signed()
}

#[test]
fn time_without_power_is_not_charged_to_metered_time() {
    let lab = Lab::new(1);
    let mut daemon = Daemon::prepare(&lab, &settings());
    daemon.reboot("one", Duration::from_secs(20));
    daemon.run();
    Browser::of(&lab.phones[0]).must_login(&daemon.voucher("short"));
    let stream = Stream::start(&lab.phones[0], &lab.world, 4, Duration::from_millis(5));
    stream.flow(10);
    daemon.power_cut();
    drop(stream);
    // Off for longer than was left.
    thread::sleep(SHORT);
    // By its clock alone it could be the same boot, forty seconds on.
    daemon.reboot("two", Duration::from_secs(60));
    daemon.run();
    let from = Instant::now();
    let stream = Stream::start(&lab.phones[0], &lab.world, 4, Duration::from_millis(5));
    // There was no checkpoint yet, so in the guest's favour all of it is left.
    assert_about("ended", last_heard(stream, &lab) - from, SHORT);
}

const JUMPS: [(&str, i64); 4] =
    [("1970", -1_795_305_600), ("a day back", -86_400), ("a minute back", -60), ("a year ahead", 31_536_000)];

#[test]
fn jumps_of_the_wall_clock_over_a_restart_move_no_metered_end() {
    let lab = Lab::new(1);
    let mut daemon = Daemon::prepare(&lab, &settings());
    daemon.wall_step(0);
    daemon.run();
    let phone = &lab.phones[0];
    for (jump, step) in JUMPS {
        Browser::of(phone).must_login(&daemon.voucher("short"));
        let from = Instant::now();
        let stream = Stream::start(phone, &lab.world, 4, Duration::from_millis(5));
        daemon.kill();
        daemon.wall_step(step);
        daemon.run();
        assert_about(jump, last_heard(stream, &lab) - from, SHORT);
        assert!(daemon.sessions().is_empty(), "after {jump}");
        daemon.wall_step(0);
    }
}

#[test]
fn jumps_of_the_wall_clock_under_the_running_program_move_no_metered_end() {
    // Longer than it takes the program to look at the wall clock again.
    let long = Duration::from_secs(14);
    // A minute is a correction, which it says nothing of.
    let jumps = JUMPS.into_iter().filter(|(_, step)| step.abs() > 60);
    let watch = |jump: &str, step| {
        let lab = Lab::new(1);
        let mut daemon = Daemon::prepare(&lab, &settings().plan("long", &[("metered", "14s")]));
        daemon.wall_step(0);
        daemon.run();
        Browser::of(&lab.phones[0]).must_login(&daemon.voucher("long"));
        let from = Instant::now();
        let stream = Stream::start(&lab.phones[0], &lab.world, 4, Duration::from_millis(5));
        daemon.wall_step(step);
        wait_until("the program to see the jump", long, || daemon.log().contains("clock_disbelieved"));
        assert!(!daemon.sessions().is_empty(), "{jump} ended it");
        assert_about(jump, last_heard(stream, &lab) - from, long);
        assert!(daemon.sessions().is_empty(), "after {jump}");
    };
    thread::scope(|scope| {
        for (jump, step) in jumps {
            scope.spawn(move || watch(jump, step));
        }
    });
}

#[test]
fn a_clock_that_goes_back_revives_nothing_and_shortens_no_day() {
    let lab = Lab::new(1);
    let mut daemon = Daemon::prepare(&lab, &settings());
    daemon.wall_step(0);
    daemon.run();
    let phone = &lab.phones[0];
    let past = daemon.json(&["status"])["clock"]["now"].as_str().unwrap().to_owned();
    thread::sleep(Duration::from_millis(1100));
    Browser::of(phone).must_login(&daemon.voucher("day"));
    let left = || daemon_left(&daemon, phone);
    let before = left();
    assert!((86_390..=86_400).contains(&before), "{before}");
    let old = lab.folder().join("old.csv");
    fs::write(&old, format!("code,plan,batch,activate_by\n7310552196,hour,old,{past}\n")).unwrap();
    daemon.json(&["voucher", "import", old.to_str().unwrap()]);
    // Writes down how late it is at least; a kill instead would cost one checkpoint of that.
    assert_eq!(daemon.stop(), Some(0));
    daemon.run();
    // Forwards it would be a trusted clock that says that the day is over; a minute back is a correction.
    for (jump, step) in JUMPS.into_iter().filter(|(_, step)| *step <= -86_400) {
        daemon.wall_step(step);
        daemon.kill();
        daemon.run();
        let after = daemon_left(&daemon, phone);
        assert!((before - 60..=before).contains(&after), "{jump}: {before} s became {after} s");
        assert_eq!(daemon.json(&["voucher", "show", "7310552196"])["state"], "expired", "{jump}");
    }
}

fn daemon_left(daemon: &Daemon, phone: &Phone) -> i64 {
    let session = daemon.session(&phone.mac).expect("still online");
    session["seconds_left"].as_i64().unwrap()
}

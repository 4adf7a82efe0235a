//! Time that was bought: it ends to the second, with or without the program, and survives what power and
//! clocks do to a gateway.

use std::fs;
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

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
        let lab = Lab::new(2);
        let mut daemon = Daemon::prepare(&lab, &settings().plan("long", &[("metered", "14s")]));
        daemon.wall_step(0);
        daemon.run();
        Browser::of(&lab.phones[1]).must_login(&daemon.voucher("day"));
        Browser::of(&lab.phones[0]).must_login(&daemon.voucher("long"));
        let from = Instant::now();
        let stream = Stream::start(&lab.phones[0], &lab.world, 4, Duration::from_millis(5));
        daemon.wall_step(step);
        wait_until("the program to see the jump", long, || daemon.log().contains("clock_disbelieved"));
        assert!(daemon.session(&lab.phones[0].mac).is_some(), "{jump} ended it");
        assert_about(jump, last_heard(stream, &lab) - from, long);
        assert!(daemon.session(&lab.phones[0].mac).is_none(), "after {jump}");
        let left = daemon_left(&daemon, &lab.phones[1]);
        assert!((DAY - 60..=DAY).contains(&left), "{jump}: {left} s of a day are left");
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

const DAY: i64 = 86_400;

/// What `lango doctor` says of the clock: state, message, remedy.
fn doctor(daemon: &Daemon) -> [String; 3] {
    daemon.doctor("clock")
}

/// Seconds by which the daemon's clock is ahead of this machine's.
fn ahead(daemon: &Daemon) -> i64 {
    let now = daemon.json(&["clock"])["now"].as_str().unwrap().to_owned();
    let real = clock_gettime(ClockId::CLOCK_REALTIME).unwrap().tv_sec();
    lango::domain::Wall::parse(&now).unwrap().as_secs() - real
}

#[test]
fn without_the_time_a_gateway_sells_all_the_same_and_says_what_to_do() {
    let lab = Lab::new(1);
    let mut daemon = Daemon::prepare(&lab, &settings());
    daemon.wall_step(0);
    daemon.run();
    assert_eq!(doctor(&daemon)[0], "ok");
    assert_eq!(daemon.json(&["clock"])["source"], "ntp");
    assert_eq!(daemon.stop(), Some(0));
    for (clock, step, says) in [
        ("none", None, ["warn", "nobody has told the time yet", "let sysntpd reach a server"]),
        ("1970", Some(-1_795_305_600), ["warn", "NTP says 1970", "lango clock reset"]),
        ("last month", Some(-30 * DAY), ["warn", "or later already", "lango clock reset"]),
    ] {
        match step {
            Some(step) => daemon.wall_step(step),
            None => daemon.wall_unknown(),
        }
        daemon.run();
        for (said, word) in doctor(&daemon).iter().zip(says) {
            assert!(said.contains(word), "{clock}: {said}");
        }
        let shown = daemon.json(&["clock"]);
        assert_eq!((shown["trusted"].as_bool(), shown["source"].as_str()), (Some(false), None), "{clock}");
        assert!((-60..=0).contains(&ahead(&daemon)), "{clock}: {shown}");
        Browser::of(&lab.phones[0]).must_login(&daemon.voucher("short"));
        let from = Instant::now();
        let stream = Stream::start(&lab.phones[0], &lab.world, 4, Duration::from_millis(5));
        assert_about(clock, last_heard(stream, &lab) - from, SHORT);
        daemon.kill();
    }
}

#[test]
fn time_without_power_is_charged_to_validity_once_the_clock_is_trusted() {
    let lab = Lab::new(2);
    let mut daemon = Daemon::prepare(&lab, &settings());
    daemon.reboot("one", Duration::from_secs(1000));
    daemon.wall_step(0);
    daemon.run();
    let [valid, metered] = [&lab.phones[0], &lab.phones[1]];
    Browser::of(valid).must_login(&daemon.voucher("day"));
    Browser::of(metered).must_login(&daemon.voucher("hour"));
    let from = Instant::now();
    assert_eq!(daemon.stop(), Some(0));
    daemon.power_cut();

    daemon.reboot("two", Duration::from_secs(20));
    daemon.wall_unknown();
    daemon.run();
    assert_eq!(daemon.json(&["clock"])["trusted"], false);
    let spent = || seconds(from.elapsed()) + 2;
    let frozen = daemon_left(&daemon, valid);
    assert!((DAY - spent()..=DAY).contains(&frozen), "nobody knows how long it was off: {frozen}");

    // Off for two hours, it turns out.
    daemon.wall_step(7200);
    wait_until("trust", Duration::from_secs(15), || daemon.json(&["clock"])["trusted"] == true);
    let charged = DAY - 7200 - spent()..=DAY - 7200;
    wait_until("the charge", Duration::from_secs(5), || charged.contains(&daemon_left(&daemon, valid)));
    let left = daemon_left(&daemon, metered);
    assert!((3600 - spent()..=3600).contains(&left), "of metered time {left} s are left");
    // It is in the kernel as well, and on flash.
    daemon.kill();
    daemon.run();
    assert!((DAY - 7200 - spent()..=DAY - 7200).contains(&daemon_left(&daemon, valid)));
}

#[test]
fn a_clock_reset_repairs_a_floor_that_is_wrong_and_revives_nothing() {
    let lab = Lab::new(2);
    let mut daemon = Daemon::prepare(&lab, &settings());
    daemon.wall_step(0);
    daemon.run();
    let [early, late] = [&lab.phones[0], &lab.phones[1]];
    let over = daemon.voucher("day");
    Browser::of(early).must_login(&over);
    let real = clock_gettime(ClockId::CLOCK_REALTIME).unwrap().tv_sec();
    let soon = lango::domain::Wall::from_secs(real + 30 * DAY);
    let file = lab.folder().join("soon.csv");
    fs::write(&file, format!("code,plan,batch,activate_by\n7310552196,hour,soon,{soon}\n")).unwrap();
    daemon.json(&["voucher", "import", file.to_str().unwrap()]);
    let state =
        |daemon: &Daemon, code| daemon.json(&["voucher", "show", code])["state"].as_str().unwrap().to_owned();
    assert_eq!(daemon.stop(), Some(0));

    // A broken server of time: five years ahead, when nothing is trusted yet.
    let five_years = 5 * 365 * DAY;
    daemon.wall_step(five_years);
    daemon.run();
    wait_until("the day to be over", Duration::from_secs(5), || daemon.session(&early.mac).is_none());
    assert_eq!((state(&daemon, "7310552196"), state(&daemon, &over)), ("expired".into(), "expired".into()));
    Browser::of(late).must_login(&daemon.voucher("day"));
    let from = Instant::now();
    assert_eq!(daemon.stop(), Some(0));

    // It is mended, but the floor is not.
    daemon.wall_step(0);
    daemon.run();
    assert!(ahead(&daemon) >= five_years - 60);
    let [state_of_clock, message, remedy] = doctor(&daemon);
    assert!(state_of_clock == "warn" && message.contains("NTP says") && remedy.contains("lango clock reset"));
    let shown = daemon.json(&["clock", "reset"]);
    assert_eq!((shown["trusted"].as_bool(), shown["source"].as_str()), (Some(true), Some("ntp")), "{shown}");
    assert!(ahead(&daemon).abs() <= 5 && doctor(&daemon)[0] == "ok");
    assert!(daemon.log().contains("clock_reset"));
    assert_eq!((state(&daemon, "7310552196"), state(&daemon, &over)), ("unused".into(), "expired".into()));
    assert!(daemon.session(&early.mac).is_none(), "what was over stays so");
    let left = || DAY - 2 - seconds(from.elapsed())..=DAY;
    assert!(left().contains(&daemon_left(&daemon, late)));

    // The floor on flash is right again, and so are the ends.
    daemon.kill();
    daemon.wall_unknown();
    daemon.run();
    assert!((-60..=5).contains(&ahead(&daemon)), "{}", ahead(&daemon));
    daemon.wall_step(3600);
    wait_until("an hour to be charged", Duration::from_secs(15), || {
        (left().start() - 3600..=DAY - 3600).contains(&daemon_left(&daemon, late))
    });
}

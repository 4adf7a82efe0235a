//! Whether the internet can be reached: known within 10 s from real evidence, and without flapping.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::harness::{Browser, Daemon, Lab, Netns, Phone, Settings, UDP_ECHO, wait_until};

/// From the evidence to `lango status`.
const KNOWN: Duration = Duration::from_secs(10);

const NO_INTERNET: &str = "No internet at the moment";

fn settings() -> Settings {
    let going_on = [("metered", "1h"), ("count_while_uplink_down", "1")];
    Settings::default().plan("hour", &[("metered", "1h")]).plan("going_on", &going_on)
}

/// A daemon whose uplink is up, and known to be.
fn started(lab: &Lab) -> Daemon {
    let daemon = Daemon::start(lab, &settings());
    until(&daemon, "up");
    daemon
}

/// Waits until `lango status` says so.
fn until(daemon: &Daemon, uplink: &str) {
    wait_until(uplink, KNOWN, || status(daemon) == uplink);
}

/// Looks for a while whether `lango status` says nothing else.
fn stays(daemon: &Daemon, uplink: &str, span: Duration) {
    let from = Instant::now();
    while from.elapsed() < span {
        assert_eq!(status(daemon), uplink, "after {:?}", from.elapsed());
        thread::sleep(Duration::from_millis(100));
    }
}

fn status(daemon: &Daemon) -> String {
    daemon.json(&["status"])["uplink"].as_str().expect("a word").to_owned()
}

/// What `lango doctor` says is wrong with the uplink.
fn complaint(daemon: &Daemon) -> String {
    let [state, message, _] = daemon.doctor("uplink");
    if state == "fail" { message } else { String::new() }
}

/// How often the log tells of `event`.
fn times(daemon: &Daemon, event: &str) -> usize {
    daemon.log().lines().filter(|line| line.contains(event)).count()
}

/// Somebody who sends a datagram every 50 ms, answered or not.
struct Chatter {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Chatter {
    fn from(space: &Arc<Netns>, source: &str, to: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, source) = (Arc::clone(&stop), format!("{source}:0"));
        let thread = space.spawn(move || {
            let socket = UdpSocket::bind(source).expect("an address of this host");
            socket.set_broadcast(true).expect("a socket");
            while !stopped.load(Ordering::Relaxed) {
                let _ = socket.send_to(b"hello", to);
                thread::sleep(Duration::from_millis(50));
            }
        });
        Self { stop, thread: Some(thread) }
    }

    /// A guest who uses the internet.
    fn of(phone: &Phone, lab: &Lab) -> Self {
        Self::from(&phone.space, "0.0.0.0", lab.world.both(UDP_ECHO)[0])
    }
}

impl Drop for Chatter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

/// Has the world do this with every IP packet that comes to it; ARP is none.
fn have_the_world(lab: &Lab, rules: &str) {
    lab.world.space.nft(&format!(
        "table inet mood\ndelete table inet mood\n\
         table inet mood {{ chain in {{ type filter hook input priority 0; {rules} }}; }}"
    ));
}

#[test]
fn a_cable_that_is_pulled_and_plugged_is_known_within_10_s() {
    let lab = Lab::new(1);
    let daemon = started(&lab);
    lab.pull_cable();
    until(&daemon, "down");
    assert!(complaint(&daemon).contains("no carrier"), "{}", complaint(&daemon));
    lab.plug_cable();
    until(&daemon, "up");
    assert_eq!(complaint(&daemon), "");
    assert_eq!((times(&daemon, "event=uplink_down"), times(&daemon, "event=uplink_up")), (1, 2));
}

#[test]
fn a_default_route_that_goes_and_comes_is_known_within_10_s() {
    let lab = Lab::new(1);
    let daemon = started(&lab);
    lab.drop_default_routes();
    until(&daemon, "down");
    assert!(complaint(&daemon).contains("no default route"), "{}", complaint(&daemon));
    lab.restore_uplink();
    until(&daemon, "up");
}

#[test]
fn a_dead_line_behind_a_modem_that_chatters_is_known_within_10_s_of_a_guests_first_unanswered_packet() {
    let lab = Lab::new(1);
    let daemon = started(&lab);
    Browser::of(&lab.phones[0]).must_login(&daemon.voucher("hour"));
    // Neither the modem's own packets nor what it sends to all say that its line is alive.
    let modem = &lab.world.space;
    let noise = ["192.0.2.2:9", "192.0.2.255:9", "224.0.0.251:5353"];
    let noise = noise.map(|to| Chatter::from(modem, "192.0.2.1", to.parse().unwrap()));
    let guest = Chatter::of(&lab.phones[0], &lab);
    have_the_world(&lab, "policy drop;");
    until(&daemon, "down");
    stays(&daemon, "down", Duration::from_secs(8));
    assert!(complaint(&daemon).contains("nobody answers"), "{}", complaint(&daemon));
    have_the_world(&lab, "policy accept;");
    until(&daemon, "up");
    drop((noise, guest));
}

#[test]
fn who_refuses_answers_too() {
    let lab = Lab::new(1);
    have_the_world(&lab, "policy drop; ip protocol tcp reject with tcp reset;");
    let daemon = started(&lab);
    have_the_world(&lab, "policy drop;");
    // Nobody uses the line: it is found dead by the next probe only, and mended within 10 s again.
    wait_until("down", Duration::from_secs(75), || status(&daemon) == "down");
    have_the_world(&lab, "policy drop; ip protocol tcp reject with tcp reset;");
    until(&daemon, "up");
}

#[test]
fn what_guests_receive_is_evidence_enough_where_no_probe_is_answered() {
    let lab = Lab::new(1);
    have_the_world(&lab, "policy accept; tcp dport 80 drop;");
    let daemon = Daemon::start(&lab, &settings());
    Browser::of(&lab.phones[0]).must_login(&daemon.voucher("hour"));
    let guest = Chatter::of(&lab.phones[0], &lab);
    until(&daemon, "up");
    stays(&daemon, "up", Duration::from_secs(15));
    drop(guest);
    assert_eq!(times(&daemon, "event=uplink_down"), 0, "{}", daemon.log());
}

#[test]
fn a_link_that_toggles_every_2_s_does_not_flap() {
    let lab = Lab::new(1);
    let daemon = started(&lab);
    for _ in 0..5 {
        lab.cut_uplink();
        thread::sleep(Duration::from_secs(2));
        lab.restore_uplink();
        thread::sleep(Duration::from_secs(2));
    }
    until(&daemon, "up");
    assert!(times(&daemon, "event=uplink_down") <= 1, "{}", daemon.log());
}

#[test]
fn guests_are_told_that_there_is_no_internet_and_what_becomes_of_their_time() {
    let lab = Lab::new(3);
    let daemon = started(&lab);
    let [paused, going_on, unpaid] = [0, 1, 2].map(|phone| Browser::of(&lab.phones[phone]));
    paused.must_login(&daemon.voucher("hour"));
    going_on.must_login(&daemon.voucher("going_on"));
    assert!(!paused.get("/status").body.contains(NO_INTERNET));
    lab.cut_uplink();
    until(&daemon, "down");
    for (browser, effect) in [(&paused, "Your time is paused"), (&going_on, "Your time keeps running")] {
        for path in ["/status", "/"] {
            let page = browser.get(path).body;
            assert!(page.contains(NO_INTERNET) && page.contains(effect), "{path}: {page}");
        }
    }
    assert!(paused.get("/status?lang=sw").body.contains("Muda wako umesimamishwa"));
    assert!(!paused.get("/").body.contains("You are online"));
    // It sells all the same.
    let page = unpaid.get("/").body;
    assert!(page.contains(NO_INTERNET) && page.contains("You can use your code all the same"), "{page}");
    unpaid.must_login(&daemon.voucher("hour"));
    assert!(unpaid.get("/status").body.contains("Your time is paused"));

    let left =
        |phone: usize| daemon.session(&lab.phones[phone].mac).unwrap()["seconds_left"].as_u64().unwrap();
    let before = [0, 1, 2].map(left);
    wait_until("3 s of the one whose time goes on", Duration::from_secs(5), || left(1) + 3 <= before[1]);
    assert_eq!([left(0), left(2)], [before[0], before[2]], "paused");

    lab.restore_uplink();
    until(&daemon, "up");
    for browser in [&paused, &going_on, &unpaid] {
        assert!(!browser.get("/status").body.contains(NO_INTERNET));
    }
    let before = left(0);
    wait_until("time to go on", Duration::from_secs(4), || left(0) < before);
}

#[test]
fn a_daemon_that_starts_in_an_outage_knows_of_it() {
    let lab = Lab::new(1);
    let mut daemon = started(&lab);
    lab.cut_uplink();
    until(&daemon, "down");
    daemon.kill();
    daemon.run();
    assert_eq!(status(&daemon), "down");
    stays(&daemon, "down", Duration::from_secs(7));
    lab.restore_uplink();
    until(&daemon, "up");
}

//! The seal over the running daemon: on every thread, wide enough for a busy day, and no wider than its list says.
//! What an intruder gets is tried in `tests/sealed.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use lango::wire::dns::Kind;
use nix::sys::signal::Signal;

use crate::harness::{Authority, Browser, Daemon, GATEWAY_V4, Key, Lab, Over, Settings, ask, wait_until};

/// Where the lists stand, as text: a call's name is nowhere in the program.
const LISTS: &str = include_str!("../../src/process/calls.rs");

/// glibc tries these first, and is told that there are none.
const TRIED: &[&str] = &["clone3"];

fn settings(authority: &Authority) -> Settings {
    let [certificate, key] = authority.files();
    Settings::default()
        .main("certificate", &certificate)
        .main("key", &key)
        .main("checkpoint", "10s")
        .plan("hour", &[("metered", "1h")])
}

/// The names in the list called so, in all its forms.
fn listed(list: &str) -> BTreeSet<String> {
    let begin = format!("const {list}:");
    let texts = LISTS.split(&begin).skip(1).filter_map(|text| text.split("\n\n").next());
    let words = texts.flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    words.filter_map(|word| word.strip_prefix("SYS_")).map(str::to_owned).collect()
}

/// What is called from the moment of the seal on.
fn called(trace: &str) -> BTreeSet<String> {
    let sealed = trace.split_once(" seccomp(SECCOMP_SET_MODE_FILTER").expect("the daemon sealed itself").1;
    let lines = sealed.lines().skip(1).filter_map(|line| line.split_once(' '));
    let calls = lines.filter_map(|(_, rest)| {
        let rest = rest.trim_start();
        rest.strip_prefix("<... ").unwrap_or(rest).split(['(', ' ']).next()
    });
    let is_call = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
    calls.filter(is_call).map(str::to_owned).collect()
}

/// A little of all that a daemon does.
fn spend_a_day(lab: &Lab, daemon: &mut Daemon, authority: &Authority) {
    let phone = &lab.phones[0];
    phone.assert_held(&lab.world);
    assert!(!ask(phone, (GATEWAY_V4, 53).into(), Over::Udp, "world.test", Kind::A).addresses.is_empty());
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    assert!(phone.is_open(&lab.world));
    daemon.wall_step(0);
    wait_until("the portal over TLS", Duration::from_secs(25), || {
        authority.fetch(phone, "", "https://wifi.lango:2443/").is_ok()
    });
    daemon.configure(&settings(authority).plan("day", &[("validity", "24h")]));
    daemon.signal(Signal::SIGHUP);
    wait_until("the new plan", Duration::from_secs(10), || {
        daemon.json(&["plan", "list"]).to_string().contains("day")
    });
    lab.gateway.nft("delete table inet lango");
    wait_until("the table to be rebuilt", Duration::from_secs(10), || phone.is_open(&lab.world));
    daemon.json(&["doctor"]);
    daemon.json(&["logout", &phone.mac]);
    phone.assert_held(&lab.world);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_busy_day_takes_what_is_listed_and_no_less() {
    let lab = Lab::new(1);
    let authority = Authority::new(lab.folder());
    authority.issue("wifi.lango", Key::Ecdsa);
    let trace = lab.folder().join("trace");
    let mut daemon = Daemon::prepare(&lab, &settings(&authority));
    daemon.wall_unknown();
    // As its own grandchild, strace leaves the daemon its process number.
    daemon.started_by(["strace", "-D", "-f", "-q", "-o", trace.to_str().unwrap()]);
    daemon.run();
    spend_a_day(&lab, &mut daemon, &authority);
    let read = || fs::read_to_string(&trace).unwrap();
    wait_until("strace to have written all", Duration::from_secs(10), || {
        read().contains("+++ exited with 0")
    });

    let seen = called(&read());
    let lists = ["SEEN", "GLIBC", "RARE", "NAMED", "MMAP", "ASKED"].map(listed);
    let allowed: BTreeSet<_> =
        lists.iter().flatten().map(String::as_str).chain(TRIED.iter().copied()).collect();
    let missed: Vec<_> = seen.iter().filter(|call| !allowed.contains(call.as_str())).collect();
    assert!(missed.is_empty(), "called, and in no list: {missed:?}");
    let idle: Vec<_> = lists[0].difference(&seen).collect();
    assert!(idle.is_empty(), "in the list of what a day takes, and not called: {idle:?}");
}

#[test]
fn every_thread_is_sealed_and_stays_without_new_privileges() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &Settings::default().plan("hour", &[("metered", "1h")]));
    Browser::of(&lab.phones[0]).must_login(&daemon.voucher("hour"));
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap();
    let states = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap());
    let states: Vec<_> = states.collect();
    assert!(states.len() > 1, "the store has a thread of its own");
    for state in states {
        assert!(state.contains("\nSeccomp:\t2\n") && state.contains("\nNoNewPrivs:\t1\n"), "{state}");
    }
    assert!(!daemon.log().contains("not_sealed"), "{}", daemon.log());
}

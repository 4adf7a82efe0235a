//! What is stored of guests is sealed: a new key costs nobody anything, a wrong one is said, and one that the cloud
//! keeps is waited for.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Browser, Cloud, Daemon, Lab, Settings, wait_until};

#[test]
fn a_new_key_ends_no_session_and_a_wrong_one_is_told_with_what_to_do() {
    let lab = Lab::new(2);
    let mut daemon = Daemon::start(&lab, &Settings::default().plan("hour", &[("metered", "1h")]));
    let code = daemon.voucher("hour");
    Browser::of(&lab.phones[0]).must_login(&code);
    let key = daemon.state().join("device.key");
    let before = fs::read(&key).unwrap();
    assert!(daemon.json(&["key", "rotate"])["days"].as_u64() >= Some(1));
    let after = fs::read(&key).unwrap();
    assert!(after.len() == 64 && after.starts_with(&before), "codes are hashed by what it was");
    let row = daemon.json(&["audit"]).as_array().unwrap().last().unwrap().clone();
    assert_eq!(row["action"], "key_rotate");
    assert!(row["who"].as_str().unwrap().starts_with("uid 0"), "{row}");
    assert!(lab.phones[0].is_open(&lab.world));
    daemon.kill();
    fs::remove_file(daemon.state().join("lango.db")).unwrap();
    daemon.run();
    assert!(lab.phones[0].is_open(&lab.world), "the copy opens as well");
    let rows = daemon.json(&["audit"]);
    let start = rows.as_array().unwrap().iter().rfind(|row| row["action"] == "start").unwrap();
    assert!(start["detail"].as_str().unwrap().ends_with("missing: its last good copy serves"), "{start}");
    assert_eq!(daemon.sessions().len(), 1);
    assert!(!daemon.log().contains("sealed_unreadable"));

    // The key of an old backup: nobody knows who was online, and what was bought is there.
    daemon.kill();
    fs::write(&key, &before).unwrap();
    daemon.run();
    let told = daemon.log();
    let lines: Vec<_> = told.lines().filter(|line| line.contains("event=sealed_unreadable")).collect();
    assert!(lines.len() == 1 && lines[0].starts_with("error: "), "{told}");
    assert!(lines[0].contains("put back"), "{told}");
    let found = daemon.json(&["doctor"]);
    let storage = found.as_array().unwrap().iter().find(|check| check["check"] == "storage").unwrap();
    assert_eq!(storage["state"], "warn", "{storage}");
    assert!(storage["remedy"].as_str().unwrap().contains("device.key that belongs"), "{storage}");
    lab.phones[0].assert_held(&lab.world);
    Browser::of(&lab.phones[0]).must_login(&code);
    assert!(lab.phones[0].is_open(&lab.world));
    lab.phones[1].assert_held(&lab.world);
}

/// What the doctor says of the key.
fn key_check(daemon: &Daemon) -> [String; 3] {
    let ended = daemon.cli(&["doctor", "--json"]);
    let checks: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    let check = checks.as_array().unwrap().iter().find(|check| check["check"] == "key").unwrap().clone();
    ["state", "message", "remedy"].map(|field| check[field].as_str().unwrap().to_owned())
}

fn is_told(daemon: &Daemon, state: &str, what: &str, advice: &str) {
    let mut found = Default::default();
    wait_until(&format!("key: {state}: {what}"), Duration::from_secs(40), || {
        found = key_check(daemon);
        found[0] == state && found[1].contains(what)
    });
    assert!(found[2].contains(advice), "{found:?}");
}

#[test]
fn a_store_whose_key_the_cloud_keeps_lets_nobody_in_before_it_comes() {
    let lab = Lab::new(2);
    let cloud = Cloud::start(&lab);
    let settings = |key: &str| cloud.polled(Settings::default().main("key_from_cloud", key), "2s", &[]);
    let mut daemon = Daemon::start(&lab, &settings("1"));
    let codes = cloud.vouchers(2);
    cloud.is_read();
    let (guest, stranger) = (&lab.phones[0], &lab.phones[1]);
    Browser::of(guest).must_login(&codes[0]);
    is_told(&daemon, "ok", "kept by the cloud", "");
    assert_eq!(fs::metadata(daemon.state().join("device.key")).unwrap().len(), 128);

    // The power is cut, and the cloud is away.
    cloud.fault("refuse", json!(true), "all");
    daemon.power_cut();
    daemon.run();
    let answer = Browser::of(stranger).get("/");
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("Not open yet"), "{}", answer.body);
    assert_eq!(Browser::of(stranger).login(&codes[1]).status, 503);
    guest.assert_held(&lab.world);
    is_told(&daemon, "fail", "until the cloud hands out the key", "");
    let status = daemon.cli(&["status"]);
    assert!(status.code == 1 && status.err.contains("until the cloud hands out the key"), "{status:?}");
    let found = daemon.without_it(&["voucher", "list", "--offline"]);
    assert!(found.code != 0 && found.err.contains("under a key that the cloud keeps"), "{found:?}");
    // Somebody takes the table away.
    lab.gateway.nft("table inet lango\ndelete table inet lango");
    wait_until("a closed table", Duration::from_secs(10), || !stranger.is_open(&lab.world));
    stranger.assert_held(&lab.world);
    lab.gateway.nft("flush table inet lango");
    wait_until("a closed table", Duration::from_secs(10), || !stranger.is_open(&lab.world));
    stranger.assert_held(&lab.world);

    cloud.mend();
    cloud.fault("other_key", json!(true), "key");
    is_told(&daemon, "fail", "under another key than the cloud's", "that it handed out before");
    cloud.mend();
    wait_until("the guest to be online again", Duration::from_secs(40), || guest.is_open(&lab.world));
    assert!(daemon.log().contains("event=key_came"), "{}", daemon.log());
    is_told(&daemon, "ok", "kept by the cloud", "");
    Browser::of(stranger).must_login(&codes[1]);
    assert!(stranger.is_open(&lab.world));
    assert_eq!(daemon.sessions().len(), 2);

    // The copy opens as well, however late.
    daemon.json(&["key", "rotate"]);
    cloud.fault("refuse", json!(true), "all");
    daemon.kill();
    fs::remove_file(daemon.state().join("lango.db")).unwrap();
    daemon.run();
    assert!(guest.is_open(&lab.world), "who was online stays so without the daemon");
    is_told(&daemon, "fail", "until the cloud hands out the key", "");
    cloud.mend();
    is_told(&daemon, "ok", "kept by the cloud", "");
    assert_eq!(daemon.sessions().len(), 2);

    // And home again.
    daemon.configure(&settings("0"));
    daemon.signal(Signal::SIGHUP);
    is_told(&daemon, "warn", "still kept by the cloud", "restart");
    daemon.kill();
    daemon.run();
    is_told(&daemon, "ok", "kept on this flash", "");
    assert_eq!(daemon.sessions().len(), 2);
    assert_eq!(fs::metadata(daemon.state().join("device.key")).unwrap().len(), 64);
}

#[test]
fn a_gateway_that_has_no_cloud_to_ask_says_so_and_opens_when_told_otherwise() {
    let lab = Lab::new(1);
    let settings =
        |key: &str| Settings::default().main("key_from_cloud", key).plan("hour", &[("metered", "1h")]);
    let daemon = Daemon::start(&lab, &settings("1"));
    is_told(&daemon, "fail", "no cloud is configured", "take option key_from_cloud out");
    lab.phones[0].assert_held(&lab.world);
    daemon.configure_text("config gateway\n\toption interface 'x' 'y'\n");
    daemon.signal(Signal::SIGHUP);
    wait_until("a refusal", Duration::from_secs(10), || daemon.log().contains("event=reload_refused"));
    daemon.configure(&settings("0"));
    daemon.signal(Signal::SIGHUP);
    wait_until("an open store", Duration::from_secs(10), || daemon.log().contains("event=started"));
    let code = daemon.voucher("hour");
    Browser::of(&lab.phones[0]).must_login(&code);
    assert!(lab.phones[0].is_open(&lab.world));
}

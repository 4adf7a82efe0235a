//! What is stored of guests is sealed: a new key costs nobody anything, a wrong one is said.

use std::fs;

use crate::harness::{Browser, Daemon, Lab, Settings};

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
    daemon.run();
    assert!(lab.phones[0].is_open(&lab.world));
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

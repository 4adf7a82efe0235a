//! What operators do to what was bought: the phones notice at once, and no kill takes it back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Browser, Daemon, Lab, Load, Meter, Phone, Settings, Way, wait_until};

const MB: u64 = 1_000_000;
/// A packet of the largest kind that offloads make may be refused just before the end of a cap.
const PACKET: u64 = 100_000;
const PATIENCE: Duration = Duration::from_secs(5);

fn settings() -> Settings {
    Settings::default()
        .plan("small", &[("data", "2MB"), ("validity", "1d"), ("price", "500"), ("currency", "TZS")])
        .plan("hour", &[("metered", "1h"), ("validity", "1d")])
        .plan("one", &[("metered", "1h"), ("bound_devices", "1")])
}

struct Counter {
    meter: Meter,
    // Before the lab, which it must be gone with.
    daemon: Daemon,
    lab: Lab,
}

impl Counter {
    fn new(phones: usize) -> Self {
        let lab = Lab::new(phones);
        let daemon = Daemon::start(&lab, &settings());
        Self { meter: Meter::new(&lab.gateway), daemon, lab }
    }

    fn phone(&self, number: usize) -> &Phone {
        &self.lab.phones[number]
    }

    /// Has `phone` use a code of `plan`.
    fn sold(&self, phone: usize, plan: &str) -> String {
        let code = self.daemon.voucher(plan);
        Browser::of(self.phone(phone)).must_login(&code);
        self.lab.introduce(self.phone(phone));
        code
    }

    /// Downloads until nothing comes any more; what `phone` ever got and sent.
    fn uses_up(&self, phone: usize) -> u64 {
        let phone = self.phone(phone);
        Load::start(phone, &self.lab.world.addresses(), Way::Down, 1)
            .wait_for_silence(Duration::from_secs(1));
        wait_until("the session to be closed", PATIENCE, || self.daemon.session(&phone.mac).is_none());
        phone.assert_held(&self.lab.world);
        self.meter.passed(phone, &self.lab.world.addresses()).total()
    }

    fn assert_open(&self, phone: usize) {
        wait_until("the phone to be open", PATIENCE, || self.phone(phone).is_open(&self.lab.world));
    }

    fn killed(&mut self) {
        self.daemon.kill();
        self.daemon.run();
    }

    fn is_refused(&self, arguments: &[&str], why: &str) {
        let ended = self.daemon.cli(arguments);
        assert_eq!((ended.code, &*ended.out), (1, ""), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains(why) && ended.err.contains("; "), "{arguments:?}: {ended:?}");
    }

    /// The details that the trail has of `action`.
    fn noted(&self, action: &str) -> Vec<String> {
        let rows = self.daemon.json(&["audit"]);
        let rows = rows.as_array().unwrap().iter().filter(|row| row["action"] == action);
        rows.map(|row| row["detail"].as_str().unwrap().to_owned()).collect()
    }
}

fn seconds(held: &Value, field: &str) -> u64 {
    held[field].as_u64().unwrap_or_else(|| panic!("{field} of {held}"))
}

#[test]
fn what_is_used_up_goes_on_after_a_top_up_and_what_runs_runs_longer() {
    let mut counter = Counter::new(2);
    let code = counter.sold(0, "small");
    let passed = counter.uses_up(0);
    assert!((2 * MB - PACKET..=2 * MB).contains(&passed), "{passed} of 2 MB");

    let held = counter.daemon.json(&["topup", &code, "--data", "1MB"]);
    assert_eq!(
        (&held["state"], &held["bytes_left"], &held["bytes"]),
        (&json!("active"), &json!(MB), &json!(3 * MB))
    );
    assert_eq!(held["devices"], json!([counter.phone(0).mac]), "nobody has to type it again");
    counter.assert_open(0);
    counter.killed();
    counter.assert_open(0);
    let passed = counter.uses_up(0);
    assert!((3 * MB - 2 * PACKET..=3 * MB).contains(&passed), "{passed} of 3 MB");
    assert_eq!(counter.daemon.json(&["voucher", "show", &code])["state"], "spent");
    // By the device, as a guest without a code in hand is helped.
    counter.daemon.json(&["topup", "--mac", &counter.phone(0).mac, "--data", "1MB"]);
    counter.assert_open(0);

    counter.sold(1, "hour");
    let session = counter.daemon.session(&counter.phone(1).mac).unwrap()["id"].as_str().unwrap().to_owned();
    let held = counter.daemon.json(&["topup", "--session", &session, "--time", "1h"]);
    assert!((7170..7200).contains(&seconds(&held, "metered_left_s")), "{held}");
    let held = counter.daemon.json(&["extend", "--session", &session, "--by", "24h"]);
    assert!((172_770..=172_800).contains(&seconds(&held, "validity_left_s")), "{held}");
    assert_eq!(counter.daemon.session(&counter.phone(1).mac).unwrap()["id"], session.as_str(), "it goes on");
    let status = Browser::of(counter.phone(1)).get("/status");
    assert!(status.body.contains("of 2 hours"), "{}", status.body);
    counter.killed();
    let left = seconds(&counter.daemon.session(&counter.phone(1).mac).unwrap(), "seconds_left");
    assert!((7100..7200).contains(&left), "{left}");
    assert_eq!(counter.daemon.json(&["status"])["rules_intact"], true);

    let unused = counter.daemon.voucher("hour");
    counter.is_refused(&["topup", &unused, "--time", "1h"], "nobody has used it yet");
    counter.is_refused(&["topup", "0000000000", "--time", "1h"], "there is no voucher with this code");
    counter.is_refused(&["topup", "--mac", "02:00:00:00:00:99", "--time", "1h"], "is not online");
    counter.is_refused(&["topup", &code, "--time", "1h"], "its time online has no limit");
    counter.is_refused(&["topup", &code, "--data", "8000000TB"], "more than can be counted");
    assert_eq!(
        counter.noted("topup"),
        ["s-2 e-1, 1000000 bytes more", "s-3 e-1, 1000000 bytes more", "e-2, 3600 s online more"]
    );
    assert_eq!(counter.noted("extend"), ["e-2, 86400 s of validity more"]);
}

#[test]
fn who_is_paid_back_is_cut_and_stays_so() {
    let mut counter = Counter::new(1);
    let code = counter.sold(0, "small");
    counter.assert_open(0);
    let held = counter.daemon.json(&["refund", &code, "--reason", "no signal"]);
    counter.phone(0).assert_held(&counter.lab.world);
    assert_eq!(
        (&held["state"], &held["price"], &held["currency"]),
        (&json!("revoked"), &json!("500"), &json!("TZS"))
    );
    assert!((2 * MB - PACKET..2 * MB).contains(&seconds(&held, "bytes_left")), "{held}");
    let noted = counter.noted("refund");
    assert!(
        noted[0].starts_with("e-1 of plan small, left 86") && noted[0].ends_with("no signal"),
        "{noted:?}"
    );
    counter.killed();
    counter.phone(0).assert_held(&counter.lab.world);
    let answer = Browser::of(counter.phone(0)).login(&code);
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(counter.daemon.json(&["voucher", "show", &code])["state"], "revoked");
    counter.is_refused(&["refund", &code], "nothing is left of e-1");
    counter.is_refused(&["topup", &code, "--data", "1MB"], "withdrawn");

    let unused = counter.daemon.voucher("hour");
    let held = counter.daemon.json(&["refund", &unused]);
    assert_eq!((&held["entitlement"], &held["metered_left_s"]), (&json!(null), &json!(3600)));
    assert_eq!(counter.daemon.json(&["voucher", "show", &unused])["state"], "revoked");
    assert_eq!(counter.noted("refund").len(), 2);
}

#[test]
fn what_opened_the_wrong_phone_opens_the_right_one_and_the_wrong_one_is_cut() {
    let mut counter = Counter::new(2);
    let (wrong, right) = (counter.phone(0).mac.clone(), counter.phone(1).mac.clone());
    let code = counter.sold(0, "one");
    counter.assert_open(0);
    counter.phone(1).assert_held(&counter.lab.world);
    let held = counter.daemon.json(&["move", &code, &right]);
    assert_eq!(held["devices"], json!([right]));
    counter.phone(0).assert_held(&counter.lab.world);
    counter.assert_open(1);
    counter.killed();
    counter.phone(0).assert_held(&counter.lab.world);
    counter.assert_open(1);
    let answer = Browser::of(counter.phone(0)).login(&code);
    assert_eq!(answer.status, 403, "the wrong one no longer counts: {answer:?}");
    assert_eq!(counter.daemon.json(&["move", &code, &right])["devices"], json!([right]), "again");

    // One that is not here yet is open when it comes.
    let away = "02:00:00:00:00:0a";
    counter.daemon.json(&["move", "--mac", &right, away]);
    counter.phone(1).assert_held(&counter.lab.world);
    assert!(counter.daemon.session(away).is_some());
    counter.daemon.json(&["move", &code, &wrong]);
    counter.assert_open(0);
    counter.sold(1, "hour");
    counter.is_refused(&["move", &code, &right], "online with something else");
    counter.is_refused(&["move", "--mac", away, &right], "nothing is stored of what it used");
    assert_eq!(counter.noted("move").len(), 4);
}

#[test]
fn what_was_bought_twice_becomes_one_and_who_is_online_stays_so() {
    let mut counter = Counter::new(2);
    let macs = [0, 1].map(|number| counter.phone(number).mac.clone());
    let first = counter.sold(0, "small");
    counter.daemon.json(&["logout", &macs[0]]);
    let second = counter.sold(1, "small");
    counter.assert_open(1);
    let held = counter.daemon.json(&["merge", &first, &macs[1]]);
    assert!(counter.phone(1).is_open(&counter.lab.world), "it goes on");
    assert_eq!((&held["entitlement"], &held["devices"]), (&json!("e-1"), &json!([macs[1]])));
    assert!((172_770..=172_800).contains(&seconds(&held, "validity_left_s")), "{held}");
    assert!((4 * MB - PACKET..=4 * MB).contains(&seconds(&held, "bytes_left")), "{held}");
    let vouchers = counter.daemon.json(&["status"])["vouchers"].clone();
    assert_eq!(vouchers, json!({"unused": 0, "active": 2, "spent": 0}));
    counter.is_refused(&["merge", &first, &second], "both are e-1");

    counter.killed();
    counter.assert_open(1);
    counter.daemon.json(&["logout", &macs[1]]);
    counter.phone(1).assert_held(&counter.lab.world);
    let hour = counter.sold(1, "hour");
    counter.is_refused(&["merge", &first, &macs[1]], "one is of plan small, the other one of plan hour");
    Browser::of(counter.phone(0)).must_login(&second);
    let others = counter.meter.passed(counter.phone(1), &counter.lab.world.addresses()).total();
    let passed = counter.uses_up(0) + others;
    assert!((4 * MB - 2 * PACKET..=4 * MB).contains(&passed), "{passed} of 4 MB");
    for code in [&first, &second] {
        assert_eq!(counter.daemon.json(&["voucher", "show", code])["state"], "spent");
    }
    let unused = counter.daemon.voucher("hour");
    counter.is_refused(&["merge", &hour, &unused], "nobody has used it yet");
    counter.is_refused(&["merge", &hour, &first], "nothing is left of e-1");
    // By a phone whose last purchase went into an earlier one.
    counter.daemon.json(&["logout", &macs[1]]);
    let later = counter.sold(1, "hour");
    counter.daemon.json(&["logout", &macs[1]]);
    let held = counter.daemon.json(&["merge", &hour, &later]);
    assert!((7170..7200).contains(&seconds(&held, "metered_left_s")), "{held}");
    let more = counter.daemon.json(&["topup", "--mac", &macs[1], "--time", "1h"]);
    assert_eq!(more["entitlement"], held["entitlement"]);

    let noted = counter.noted("merge");
    assert!(noted.len() == 2 && noted[0].starts_with("e-2, left 86"), "{noted:?}");
    assert!(noted[0].contains(" bytes, into e-1, left 86"), "{noted:?}");
}

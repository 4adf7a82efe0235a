//! In step with a cloud that issues, gets paid and commands, and selling on while it cannot be reached: the
//! real program, the cloud of `tests/cloud` behind its uplink, and phones.

mod backups;
mod commands;
mod ledger;
mod payments;
mod persons;
mod schedules;
mod traffic;
mod trail;
mod written;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Browser, Cloud, Daemon, Lab, Road, Settings, pin_hash, wait_until};

/// A lab whose gateway has read all that its cloud has.
struct Site {
    daemon: Daemon,
    cloud: Cloud,
    lab: Lab,
}

impl Site {
    /// `prepare`: what the cloud has before the gateway asks for the first time.
    fn new(phones: usize, prepare: impl FnOnce(&Cloud)) -> Self {
        Self::with(phones, &[], prepare)
    }

    /// With further options of section `cloud`.
    fn with(phones: usize, options: &[(&str, &str)], prepare: impl FnOnce(&Cloud)) -> Self {
        let lab = Lab::new(phones);
        let cloud = Cloud::start(&lab);
        prepare(&cloud);
        let settings = cloud.polled(settings(), "1s", options);
        let daemon = Daemon::start(&lab, &settings);
        cloud.is_read();
        Self { daemon, cloud, lab }
    }

    fn browser(&self, phone: usize) -> Browser<'_> {
        Browser::of(&self.lab.phones[phone])
    }

    fn opens(&self, phone: usize) {
        wait_until("the phone to be let through", Duration::from_secs(15), || {
            self.lab.phones[phone].try_tcp(self.lab.world.both(crate::harness::ECHO)[0]).result.is_ok()
        });
        assert!(self.lab.phones[phone].is_open(&self.lab.world));
    }

    fn holds(&self, phone: usize) {
        wait_until("the phone to be held", Duration::from_secs(15), || {
            self.lab.phones[phone].try_tcp(self.lab.world.both(crate::harness::ECHO)[0]).refused_fast()
        });
        self.lab.phones[phone].assert_held(&self.lab.world);
    }

    /// Pages that the gateway was given so far.
    fn pages(&self) -> usize {
        self.cloud.requests("/feed").iter().filter(|one| one["status"] == 200).count()
    }

    fn seconds_left(&self, phone: usize) -> i64 {
        let session = self.daemon.session(&self.lab.phones[phone].mac).expect("a session");
        session["seconds_left"].as_i64().expect("a plan with time")
    }
}

fn settings() -> Settings {
    Settings::default().main("checkpoint", "10s").plan("bridge", &[("metered", "5m")])
}

fn field<'a>(fact: &'a Value, name: &str) -> &'a str {
    fact[name].as_str().unwrap_or_else(|| panic!("no {name} in {fact}"))
}

#[test]
fn a_voucher_of_the_cloud_opens_and_the_cloud_hears_of_it() {
    let mut codes = Vec::new();
    let site = Site::new(2, |cloud| codes = cloud.vouchers(2));
    site.browser(0).must_login(&codes[0]);
    site.opens(0);
    site.lab.phones[1].assert_held(&site.lab.world);
    let mac = &*site.lab.phones[0].mac;
    let redeemed = site.cloud.hears("redeemed", 1).remove(0);
    assert_eq!((field(&redeemed, "mac"), field(&redeemed, "plan")), (mac, "hour"));
    let opened = site.cloud.hears("session_opened", 1).remove(0);
    assert_eq!((field(&opened, "mac"), &opened["entitlement"]), (mac, &redeemed["entitlement"]));

    assert_eq!(site.browser(0).logout().status, 303);
    site.lab.phones[0].assert_held(&site.lab.world);
    let closed = site.cloud.hears("session_closed", 1).remove(0);
    assert_eq!((&closed["session"], field(&closed, "why")), (&opened["session"], "logout"));
    assert!(closed["bytes_down"].as_u64() > Some(0) && closed["bytes_up"].as_u64() > Some(0), "{closed}");

    // The same code again is the same entitlement.
    site.browser(0).must_login(&codes[0]);
    site.opens(0);
    assert_eq!(site.cloud.hears("session_opened", 2)[1]["entitlement"], redeemed["entitlement"]);
    site.cloud.hears("redeemed", 1);
    site.cloud.assert_no_trouble();
}

#[test]
fn a_site_that_is_cut_off_from_before_boot_goes_on_selling() {
    let mut codes = Vec::new();
    let mut site = Site::new(3, |cloud| {
        cloud.plan("day", json!({ "metered_s": 86_400, "number": 3 }));
        codes = cloud.vouchers(1);
    });
    let proves_itself = site.cloud.list("self-verifying", json!([3, 4711]), json!({})).remove(0);
    let proves_itself = proves_itself.as_str().unwrap();
    site.daemon.power_cut();
    site.lab.cut_uplink();
    site.daemon.reboot("a-power-cut-later", Duration::from_secs(20));
    site.daemon.run();
    site.browser(0).must_login(&codes[0]);
    site.browser(1).must_login(proves_itself);
    assert_eq!(site.browser(2).login(proves_itself).status, 409, "it is one code for one device");
    let left = site.seconds_left(1);
    assert!((86_390..=86_400).contains(&left), "{left}");
    assert_eq!(site.cloud.heard("redeemed").len(), 0);
    let told = site.cloud.requests("/events").len();

    site.lab.restore_uplink();
    site.opens(0);
    site.opens(1);
    let redeemed = site.cloud.hears("redeemed", 2);
    let plans: Vec<_> = redeemed.iter().map(|fact| field(fact, "plan")).collect();
    assert_eq!(plans, ["hour", "day"]);
    let told = site.cloud.requests("/events").len() - told;
    assert_eq!(told, 1, "what waited is told in one go");
    site.cloud.assert_no_trouble();
}

#[test]
fn an_account_opens_with_its_pin_only() {
    let hash = pin_hash("2468");
    let site = Site::new(2, |cloud| {
        cloud.tell("account", json!(["Asha", "hour", hash]), json!({}));
    });
    let asked = site.browser(0).login("asha");
    assert_eq!((asked.status, asked.field("code")), (403, Some("asha")), "{asked:?}");
    assert!(asked.field("pin").is_none() && asked.body.contains("name=\"pin\""), "{asked:?}");
    assert_eq!(site.browser(0).submit(&[("code", "asha"), ("pin", "2469")]).status, 403);
    site.lab.phones[0].assert_held(&site.lab.world);
    assert_eq!(site.browser(0).submit(&[("code", " ASHA "), ("pin", "2468")]).status, 303);
    site.opens(0);
    assert_eq!(field(&site.cloud.hears("redeemed", 1)[0], "kind"), "account");
}

#[test]
fn a_phone_gets_a_code_once_and_hears_when_the_cloud_is_away() {
    const PHONE: &str = "+255700000417";
    let site = Site::new(2, |cloud| {
        cloud.tell("phone", json!([PHONE, "hour"]), json!({}));
    });
    let otp = || site.cloud.tell("otp", json!([PHONE]), json!({}));
    let asked = site.browser(0).submit(&[("phone", PHONE)]);
    assert_eq!((asked.status, asked.body.contains("name=\"otp\"")), (403, true), "{asked:?}");
    let code = otp().as_str().expect("a code was sent").to_owned();
    let wrong = if code == "123456" { "123457" } else { "123456" };
    assert_eq!(site.browser(0).submit(&[("phone", PHONE), ("otp", wrong)]).status, 403);
    site.lab.phones[0].assert_held(&site.lab.world);
    assert_eq!(site.browser(0).submit(&[("phone", PHONE), ("otp", &code)]).status, 303);
    site.opens(0);
    // It was for once.
    assert_eq!(site.browser(1).submit(&[("phone", PHONE), ("otp", &code)]).status, 403);
    site.lab.phones[1].assert_held(&site.lab.world);

    site.lab.road(Road::Silent);
    let away = site.browser(1).submit(&[("phone", PHONE)]);
    assert_eq!(away.status, 503, "{away:?}");
    site.lab.road(Road::Good);
}

/// A gateway without a battery wakes up in another year.
#[test]
fn the_time_of_the_cloud_makes_the_clock_trusted() {
    let lab = Lab::new(1);
    let cloud = Cloud::start(&lab);
    let mut daemon = Daemon::prepare(&lab, &cloud.polled(settings(), "1s", &[]));
    daemon.wall_unknown();
    lab.road(Road::Silent);
    daemon.run();
    assert_eq!(daemon.json(&["clock"])["trusted"], false);
    lab.road(Road::Good);
    wait_until("a clock that is trusted", Duration::from_secs(20), || {
        daemon.json(&["clock"])["trusted"] == true
    });
    assert_eq!(daemon.json(&["clock"])["source"], "cloud");
    let codes = cloud.vouchers(1);
    cloud.is_read();
    Browser::of(&lab.phones[0]).must_login(&codes[0]);
    assert_eq!(field(&cloud.hears("redeemed", 1)[0], "clock"), "trusted");
}

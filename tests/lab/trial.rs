//! The free trial, on a phone: what it opens, when it ends, and that there is no second one that day.

use std::time::Duration;

use crate::harness::{Browser, Daemon, Lab, Response, Settings, wait_until};

fn settings() -> Settings {
    Settings::default().plan("free", &[("metered", "3s")]).section("trial", &[("plan", "free")])
}

/// With a clock of its own, which says what is true.
fn started(lab: &Lab) -> Daemon {
    let mut daemon = Daemon::prepare(lab, &settings());
    daemon.wall_step(0);
    daemon.run();
    daemon
}

/// Taps "start the free trial".
fn try_free(browser: &Browser<'_>) -> Response {
    let token = browser.token();
    browser.post("/trial", &[("token", &token)])
}

#[test]
fn a_trial_opens_the_phone_for_its_time_and_once_a_day_whatever_the_power_does() {
    let lab = Lab::new(2);
    let mut daemon = started(&lab);
    let [phone, other] = [&lab.phones[0], &lab.phones[1]];
    let browser = Browser::of(phone);
    assert!(browser.get("/").body.contains("action=\"/trial\""));
    assert_eq!(try_free(&browser).status, 303);
    assert!(phone.is_open(&lab.world));
    assert!(!other.is_open(&lab.world));
    assert_eq!(daemon.session(&phone.mac).expect("it is online")["origin"], "trial");
    wait_until("the end of the trial", Duration::from_secs(10), || !phone.is_open(&lab.world));

    let had = |when: &str| {
        let answer = try_free(&browser);
        assert_eq!(answer.status, 429, "{when}: {answer:?}");
        assert!(answer.body.contains("The next one in"), "{when}: {answer:?}");
        assert!(!browser.get("/").body.contains("action=\"/trial\""), "{when}");
        assert!(!phone.is_open(&lab.world), "{when}");
    };
    wait_until("the end in the books", Duration::from_secs(10), || daemon.session(&phone.mac).is_none());
    had("on the same day");
    daemon.kill();
    daemon.run();
    had("after a crash");
    daemon.kill();
    daemon.wall_unknown();
    daemon.reboot("another", Duration::from_secs(100));
    daemon.run();
    had("after a power cut, without a clock");
    daemon.kill();
    daemon.wall_step(23 * 3600);
    daemon.reboot("third", Duration::from_secs(100));
    daemon.run();
    had("23 hours later");
    assert_eq!(try_free(&Browser::of(other)).status, 303, "another phone has its own");
}

#[test]
fn to_be_forgotten_makes_no_trial_free_again() {
    let lab = Lab::new(1);
    let mut daemon = started(&lab);
    let (phone, browser) = (&lab.phones[0], Browser::of(&lab.phones[0]));
    assert_eq!(try_free(&browser).status, 303);
    assert_eq!(browser.post("/forget", &[("token", &browser.token())]).status, 303);
    phone.assert_held(&lab.world);
    assert_eq!(try_free(&browser).status, 429);
    daemon.kill();
    daemon.run();
    assert_eq!(try_free(&browser).status, 429, "after a crash");
}

#[test]
fn on_the_next_day_there_is_another_one() {
    let lab = Lab::new(1);
    let mut daemon = started(&lab);
    let (phone, browser) = (&lab.phones[0], Browser::of(&lab.phones[0]));
    assert_eq!(try_free(&browser).status, 303);
    wait_until("the end of the trial", Duration::from_secs(10), || daemon.session(&phone.mac).is_none());
    assert_eq!(try_free(&browser).status, 429);
    daemon.stop();
    daemon.wall_step(24 * 3600 + 60);
    daemon.reboot("another", Duration::from_secs(100));
    daemon.run();
    wait_until("the next day", Duration::from_secs(10), || try_free(&browser).status == 303);
    assert!(phone.is_open(&lab.world));
}

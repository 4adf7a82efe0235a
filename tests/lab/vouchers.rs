//! Vouchers through the real form: what opens, what is refused, and to whom the time belongs.

use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Browser, Daemon, Flows, HTTP, Lab, Response, Settings, portal_v4, wait_until};

fn settings() -> Settings {
    Settings::default()
        .plan("hour", &[("metered", "1h")])
        .plan("pair", &[("metered", "1h"), ("devices", "2")])
        .plan("blink", &[("metered", "1s")])
}

fn assert_refused(answer: &Response, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{answer:?}");
    assert!(answer.field("code").is_some() || answer.body.contains("name=\"code\""), "no form: {answer:?}");
}

#[test]
fn a_phone_that_has_itself_forgotten_is_cut_and_its_code_keeps_the_rest() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings());
    let ([phone, other], codes) = ([&lab.phones[0], &lab.phones[1]], daemon.vouchers("hour", 2));
    let browser = Browser::of(phone);
    browser.must_login(&codes[0]);
    Browser::of(other).must_login(&codes[1]);
    assert!(phone.is_open(&lab.world));
    let flows = Flows::open(phone, &lab.world);
    let answer = browser.post("/forget", &[("token", &browser.token())]);
    let closed = Instant::now();
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{answer:?}");
    flows.die_before(closed + Duration::from_secs(2));
    phone.assert_held(&lab.world);
    assert!(other.is_open(&lab.world));
    let export = |mac: &str| daemon.cli(&["export", "--mac", mac]).code;
    assert_eq!((export(&phone.mac), export(&other.mac)), (1, 0), "nothing is stored of the one");
    // The files are written anew within the hour, or with whoever the operator has forgotten.
    daemon.json(&["forget", "--mac", &other.mac]);
    assert_eq!(daemon.files_with(&phone.mac), [""; 0]);
    browser.must_login(&codes[0]);
    assert!(phone.is_open(&lab.world));
}

#[test]
fn the_status_page_shows_what_is_left_and_logout_closes() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let (phone, code) = (&lab.phones[0], daemon.voucher("hour"));
    let browser = Browser::of(phone);
    browser.must_login(&code);
    let status = browser.get("/status");
    assert_eq!(status.status, 200);
    assert!(["59", "60", "1 h", "hour"].iter().any(|left| status.body.contains(left)), "{}", status.body);
    let session = daemon.session(&phone.mac).unwrap();
    let left = session["seconds_left"].as_u64().unwrap();
    assert!((3590..=3600).contains(&left), "{session}");
    assert_eq!((session["plan"].as_str(), session["origin"].as_str()), (Some("hour"), Some("voucher")));

    let flows = Flows::open(&lab.phones[0], &lab.world);
    let answer = browser.logout();
    let closed = Instant::now();
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(answer.header("location").is_some_and(|to| to.ends_with('/')), "{answer:?}");
    flows.die_before(closed + Duration::from_secs(2));
    phone.assert_held(&lab.world);
    assert!(daemon.sessions().is_empty());
    // The rest belongs to the code.
    let shown = daemon.json(&["voucher", "show", &code]);
    assert!(shown["seconds_left"].as_u64().is_some_and(|left| (3580..3600).contains(&left)), "{shown}");
    browser.must_login(&code);
    assert!(phone.is_open(&lab.world));
}

#[test]
fn a_second_phone_is_asked_and_its_tap_cuts_the_first() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings());
    let (first, second, code) = (&lab.phones[0], &lab.phones[1], daemon.voucher("hour"));
    Browser::of(first).must_login(&code);
    let flows = Flows::open(&lab.phones[0], &lab.world);
    let asked = Browser::of(second).login(&code);
    assert_eq!(asked.status, 409, "{asked:?}");
    assert!(first.is_open(&lab.world), "asking takes nothing away");
    second.assert_held(&lab.world);

    let answer = Browser::of(second).move_here(&asked);
    let moved = Instant::now();
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(second.is_open(&lab.world));
    flows.die_before(moved + Duration::from_secs(2));
    first.assert_held(&lab.world);
    let sessions = daemon.sessions();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["mac"], second.mac.as_str());
}

#[test]
fn a_voucher_for_two_devices_takes_two_and_asks_the_third() {
    let lab = Lab::new(3);
    let daemon = Daemon::start(&lab, &settings());
    let code = daemon.voucher("pair");
    Browser::of(&lab.phones[0]).must_login(&code);
    Browser::of(&lab.phones[1]).must_login(&code);
    assert_eq!(Browser::of(&lab.phones[2]).login(&code).status, 409);
    assert!(lab.phones[0].is_open(&lab.world) && lab.phones[1].is_open(&lab.world));
    lab.phones[2].assert_held(&lab.world);
}

#[test]
fn the_device_that_holds_the_code_may_type_it_again() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let code = daemon.voucher("hour");
    let browser = Browser::of(&lab.phones[0]);
    browser.must_login(&code);
    browser.must_login(&code.to_lowercase().replace(' ', "-"));
    assert_eq!(daemon.sessions().len(), 1);
    assert_eq!(daemon.json(&["status"])["vouchers"]["active"], 1);
}

#[test]
fn wrong_spent_expired_and_revoked_codes_are_refused_with_the_form() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let (phone, browser) = (&lab.phones[0], Browser::of(&lab.phones[0]));
    assert_refused(&browser.login("4821993705"), 403);

    let revoked = daemon.voucher("hour");
    assert_eq!(daemon.cli(&["voucher", "revoke", &revoked]).code, 0);
    assert_refused(&browser.login(&revoked), 403);

    let list = lab.folder().join("old.csv");
    fs::write(&list, "code,plan,batch,activate_by\n7310 5521 96,hour,old,2020-01-01T00:00:00Z\n").unwrap();
    let imported = daemon.json(&["voucher", "import", list.to_str().unwrap()]);
    assert_eq!((imported["added"].as_u64(), imported["skipped"].as_u64()), (Some(1), Some(0)), "{imported}");
    assert_refused(&browser.login("7310552196"), 403);

    let spent = daemon.voucher("blink");
    browser.must_login(&spent);
    wait_until("its second to pass", Duration::from_secs(4), || daemon.sessions().is_empty());
    assert_refused(&browser.login(&spent), 403);
    phone.assert_held(&lab.world);
    for (code, state) in [(&spent, "spent"), (&revoked, "revoked"), (&"7310552196".to_owned(), "expired")] {
        assert_eq!(daemon.json(&["voucher", "show", code])["state"], state, "{code}");
    }
}

#[test]
fn revoking_a_voucher_in_use_cuts_its_phone() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let code = daemon.voucher("hour");
    Browser::of(&lab.phones[0]).must_login(&code);
    let flows = Flows::open(&lab.phones[0], &lab.world);
    assert_eq!(daemon.cli(&["voucher", "revoke", &code]).code, 0);
    flows.die_before(Instant::now() + Duration::from_secs(2));
    lab.phones[0].assert_held(&lab.world);
}

#[test]
fn of_twenty_parallel_logins_with_one_code_exactly_one_wins() {
    let mut lab = Lab::new(1);
    let crowd = lab.crowd(20);
    let daemon = Daemon::start(&lab, &settings());
    for round in 0..3 {
        let (code, start) = (daemon.voucher("hour"), Barrier::new(crowd.len()));
        let tokens: Vec<String> = crowd.iter().map(|phone| Browser::of(phone).token()).collect();
        let answers: Vec<u16> = thread::scope(|scope| {
            let mut all = Vec::new();
            for (phone, token) in crowd.iter().zip(&tokens) {
                let (code, start) = (&code, &start);
                all.push(scope.spawn(move || {
                    start.wait();
                    Browser::of(phone).post("/login", &[("code", code), ("token", token)]).status
                }));
            }
            all.into_iter().map(|login| login.join().unwrap()).collect()
        });
        let count = |wanted| answers.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(303), count(409)), (1, crowd.len() - 1), "round {round}: {answers:?}");
        let to = lab.world.both(HTTP)[0];
        let open = crowd.iter().map(|phone| phone.get(to, "world.test", "/").unwrap().status == 200);
        let won = answers.iter().map(|status| *status == 303);
        assert!(open.eq(won), "round {round}: {answers:?}");
        assert_eq!(daemon.sessions().len(), 1);
        let id = daemon.sessions()[0]["mac"].as_str().unwrap().to_owned();
        assert_eq!(daemon.cli(&["logout", &id]).code, 0);
    }
}

#[test]
fn a_login_by_hand_opens_and_a_logout_by_hand_cuts() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[0];
    let session = daemon.json(&["login", &phone.mac, "--plan", "hour"]);
    assert_eq!(
        (session["mac"].as_str(), session["origin"].as_str()),
        (Some(phone.mac.as_str()), Some("manual"))
    );
    wait_until("the world", Duration::from_secs(1), || phone.is_open(&lab.world));
    let flows = Flows::open(&lab.phones[0], &lab.world);
    let session = daemon.json(&["logout", &phone.mac]);
    assert_eq!(session["mac"], phone.mac.as_str());
    flows.die_before(Instant::now() + Duration::from_secs(2));
    phone.assert_held(&lab.world);
    let again = daemon.cli(&["logout", &phone.mac]);
    assert!(
        again.code == 1 && again.out.is_empty() && !again.err.is_empty(),
        "not online any more: {again:?}"
    );
}

#[test]
fn the_first_page_fills_in_the_code_of_a_printed_link() {
    let lab = Lab::new(1);
    let _daemon = Daemon::start(&lab, &settings());
    let browser = Browser::at(&lab.phones[0], portal_v4());
    assert_eq!(browser.get("/?code=4821%209937%2005").field("code"), Some("4821 9937 05"));
}

//! Terms that guests have to accept: what a phone is asked, what is kept of it, and what another text changes.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Browser, Daemon, Lab, Phone, Settings, wait_until};

/// What `lango export` has of the sessions of a phone: version, and whether there is a time.
fn accepted(daemon: &Daemon, phone: &Phone) -> Vec<(String, bool)> {
    let export = daemon.json(&["export", "--mac", &phone.mac]);
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let sessions = export["sessions"].as_array().unwrap().iter();
    sessions.map(|one| (text(&one["terms"]), one["accepted"].is_string())).collect()
}

#[test]
fn who_accepts_the_terms_is_let_in_and_it_is_kept_with_the_session() {
    let lab = Lab::new(2);
    let folder = lab.folder().join("portal");
    fs::create_dir(&folder).unwrap();
    let settings =
        Settings::default().main("portal_dir", folder.to_str().unwrap()).main("terms_required", "1");
    let mut daemon = Daemon::start(&lab, &settings.plan("hour", &[("metered", "1h")]));
    let (browser, code) = (Browser::of(&lab.phones[0]), daemon.voucher("hour"));
    let version = |browser: &Browser| browser.get("/").field("terms").unwrap().to_owned();
    let built_in = version(&browser);
    assert!(browser.get("/terms").body.contains(&built_in), "the page tells which text it is");

    let token = browser.token();
    let refused = browser.post("/login", &[("code", &code), ("token", &token)]);
    assert_eq!((refused.status, refused.field("terms")), (403, Some(built_in.as_str())), "{refused:?}");
    lab.phones[0].assert_held(&lab.world);
    assert_eq!(daemon.json(&["voucher", "show", &code])["state"], "unused");
    browser.must_login(&code);
    assert!(lab.phones[0].is_open(&lab.world));
    assert_eq!(accepted(&daemon, &lab.phones[0]), [(built_in.clone(), true)]);

    // Another text is another version: who has the old page open is asked again.
    let other = Browser::of(&lab.phones[1]);
    let (token, code) = (other.token(), daemon.voucher("hour"));
    fs::write(folder.join("terms.sw.html"), "<p>Masharti yetu</p>").unwrap();
    daemon.signal(Signal::SIGHUP);
    wait_until("the new text", Duration::from_secs(5), || version(&other) != built_in);
    let stale = other.post("/login", &[("code", &code), ("token", &token), ("terms", &built_in)]);
    assert_eq!(stale.status, 403);
    other.must_login(&code);
    daemon.kill();
    daemon.run();
    assert_eq!(accepted(&daemon, &lab.phones[0]), [(built_in, true)], "over a crash as well");
    assert_eq!(accepted(&daemon, &lab.phones[1]), [(version(&other), true)]);
}

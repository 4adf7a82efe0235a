//! Who may say what to the portal: tokens, origins, guesses, and devices that hide.

use std::io::Write;
use std::time::Duration;

use crate::harness::{Browser, Daemon, Lab, Request, Settings, portal_v4, read_response};

fn settings() -> Settings {
    Settings::default().plan("hour", &[("metered", "1h")])
}

#[test]
fn a_form_needs_the_token_of_its_device_and_no_foreign_origin() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings());
    let (browser, code) = (Browser::of(&lab.phones[0]), daemon.voucher("hour"));
    let (token, other) = (browser.token(), Browser::of(&lab.phones[1]).token());
    assert_ne!(token, other);
    let stale = token.replace(|symbol: char| symbol.is_ascii_digit(), "0");
    for wrong in ["", "x", &other, &stale, &format!("{token}0")] {
        let answer = browser.post("/login", &[("code", &code), ("token", wrong)]);
        assert_eq!(answer.status, 403, "token {wrong:?}: {answer:?}");
    }
    assert_eq!(browser.post("/login", &[("code", &code)]).status, 403, "no token");
    let form = browser.form("/login", &[("code", &code), ("token", &token)]);
    for origin in [
        "null",
        "http://evil.example",
        "http://10.77.0.1",
        "https://10.77.0.1:2080",
        "http://10.77.0.1:2080.evil",
    ] {
        let answer = browser.send(&form.clone().with("Origin", origin));
        assert_eq!(answer.status, 403, "origin {origin}: {answer:?}");
    }
    lab.phones[0].assert_held(&lab.world);
    assert!(daemon.sessions().is_empty());
    assert_eq!(daemon.json(&["voucher", "show", &code])["state"], "unused");

    // Without an origin, as old browsers do, it is good; and a logout needs its token too.
    assert_eq!(browser.send(&form).status, 303);
    assert_eq!(browser.post("/logout", &[("token", &other)]).status, 403);
    assert_eq!(
        browser.send(&browser.form("/logout", &[("token", &token)]).with("Origin", "null")).status,
        403
    );
    assert!(lab.phones[0].is_open(&lab.world));
}

#[test]
fn a_token_survives_a_restart() {
    let lab = Lab::new(1);
    let mut daemon = Daemon::start(&lab, &settings());
    let (browser, code) = (Browser::of(&lab.phones[0]), daemon.voucher("hour"));
    let token = browser.token();
    daemon.kill();
    daemon.run();
    assert_eq!(browser.post("/login", &[("code", &code), ("token", &token)]).status, 303);
}

#[test]
fn nothing_in_a_request_says_which_device_asks() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings());
    let (liar, victim, code) = (&lab.phones[0], &lab.phones[1], daemon.voucher("hour"));
    let browser = Browser::of(liar);
    let form = browser.form("/login", &[("code", &code), ("token", &browser.token()), ("mac", &victim.mac)]);
    let form = form.with("X-Forwarded-For", &victim.v4.to_string()).with("X-Real-IP", &victim.v4.to_string());
    assert_eq!(browser.send(&form.with("Forwarded", &format!("for={}", victim.v4))).status, 303);
    assert!(liar.is_open(&lab.world));
    victim.assert_held(&lab.world);
}

#[test]
fn a_neighbour_that_the_kernel_forgot_is_asked_for() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let (browser, code) = (Browser::of(&lab.phones[0]), daemon.voucher("hour"));
    let token = browser.token();
    // Connected, then forgotten, then the request.
    let mut stream = lab.phones[0].tcp(portal_v4()).unwrap();
    let request = browser.form("/login", &[("code", &code), ("token", &token)]);
    lab.gateway.must("ip", &["neigh", "flush", "dev", "br-guest"]);
    stream.write_all(&request.bytes()).unwrap();
    assert_eq!(read_response(&mut stream).unwrap().status, 303);
    assert!(lab.phones[0].is_open(&lab.world));
}

#[test]
fn after_five_wrong_codes_a_device_waits_and_others_do_not() {
    let lab = Lab::new(2);
    let daemon = Daemon::start(&lab, &settings());
    let (guesser, guest) = (Browser::of(&lab.phones[0]), Browser::of(&lab.phones[1]));
    for guess in 0..5 {
        assert_eq!(guesser.login(&format!("482199370{guess}")).status, 403);
    }
    let answer = guesser.login("4821993709");
    assert_eq!(answer.status, 429, "{answer:?}");
    let wait: u64 = answer.header("retry-after").and_then(|wait| wait.parse().ok()).unwrap();
    assert!((5..=10).contains(&wait), "{wait}");
    let [state, message, remedy] = daemon.doctor_of(&lab.phones[0].mac);
    assert!(state == "warn" && message.contains("too many wrong codes"), "{message}");
    assert!(remedy.contains("a right one opens it after that"), "{remedy}");
    let [_, message, remedy] = daemon.doctor_of(&lab.phones[1].mac);
    assert!(message.contains("has no session") && remedy.contains("a voucher typed"), "{message}: {remedy}");
    guest.must_login(&daemon.voucher("hour"));
}

#[test]
fn a_fresh_mac_for_each_guess_meets_the_limit_of_the_site() {
    let mut lab = Lab::new(1);
    let crowd = lab.crowd(40);
    let daemon = Daemon::start(&lab, &settings());
    let paying = Browser::of(&lab.phones[0]);
    paying.must_login(&daemon.voucher("hour"));
    let guess = |(number, phone)| Browser::of(phone).login(&format!("48219937{number:02}"));
    let answers: Vec<_> = crowd.iter().enumerate().map(guess).collect();
    let refused = answers.iter().take_while(|answer| answer.status == 403).count();
    // Ten a minute flow back meanwhile.
    assert!((30..=32).contains(&refused), "{refused}");
    for answer in &answers[34..] {
        assert_eq!(answer.status, 429);
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    // Who has paid is not locked out by it.
    assert_eq!(paying.login("4821993799").status, 403);
    paying.must_login(&daemon.voucher("hour"));
}

#[test]
fn what_the_portal_does_not_know_it_says_so() {
    let lab = Lab::new(1);
    let _daemon = Daemon::start(&lab, &settings());
    let browser = Browser::of(&lab.phones[0]);
    assert_eq!(browser.get("/nowhere").status, 404);
    assert_eq!(browser.get("/login").status, 405);
    assert_eq!(browser.post("/", &[]).status, 405);
    let long = "1".repeat(8 * 1024);
    assert_eq!(browser.post("/login", &[("code", &long)]).status, 413);
    for path in ["/", "/status", "/nowhere"] {
        let page = browser.get(path);
        for (header, part) in [
            ("content-security-policy", "default-src 'none'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert!(
                page.header(header).is_some_and(|value| value.contains(part)),
                "{header} of {path}: {page:?}"
            );
        }
        assert!(page.body.len() < 14 * 1024);
    }
}

#[test]
fn pages_come_in_the_language_of_the_phone() {
    let lab = Lab::new(1);
    let _daemon = Daemon::start(&lab, &settings());
    let browser = Browser::of(&lab.phones[0]);
    let ask =
        |languages| browser.send(&Request::get(&browser.host(), "/").with("Accept-Language", languages));
    assert!(ask("sw-TZ,sw;q=0.9,en;q=0.8").body.contains("lang=\"sw\""));
    assert!(ask("en-GB,en;q=0.9").body.contains("lang=\"en\""));
    assert!(ask("xx").body.contains("lang=\"en\""));
}

#[test]
fn a_slow_guest_does_not_keep_another_waiting() {
    let lab = Lab::new(2);
    let _daemon = Daemon::start(&lab, &settings());
    let mut slow: Vec<_> = (0..12).map(|_| lab.phones[0].tcp(portal_v4()).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
    }
    let from = std::time::Instant::now();
    assert_eq!(Browser::of(&lab.phones[1]).get("/").status, 200);
    assert!(from.elapsed() < Duration::from_millis(500), "{:?}", from.elapsed());
}

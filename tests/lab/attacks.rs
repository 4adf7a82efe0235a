//! Attacks on the guests of the portal, and on what it sells: none gets anywhere, and none shows in the log.
//!
//! `attacks/table.rs` has them, `attacks/judge.rs` looks at the bytes that come back.

mod judge;
mod table;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::handshakes::client;
use crate::harness::{
    Authority, Browser, Daemon, GATEWAY_V4, Key, Lab, Phone, Settings, portal_v4, wait_until,
};
use judge::{MARK, complaints};
use table::{Attack, Prey};

/// An operator's words may look like markup.
const TITLE: &str = "<script>zq7x()</script>\"><zq7x x=";

fn settings() -> Settings {
    Settings::default()
        .main("title", TITLE)
        .main("controller", TITLE)
        .plan("hour", &[("title", "\"><img src=x onerror=zq7x()>"), ("metered", "1h")])
}

/// All that comes back for `bytes`.
fn answer(mut stream: impl Read + Write, bytes: &[u8]) -> Vec<u8> {
    let mut heard = Vec::new();
    // What is refused early may be cut off: what counts is what came.
    let _ = stream.write_all(bytes);
    let _ = stream.read_to_end(&mut heard);
    heard
}

fn in_plain(phone: &Phone, bytes: &[u8]) -> Vec<u8> {
    phone.space.enter(|| {
        let stream = phone.tcp_here(portal_v4()).unwrap();
        // What keeps the connection open has been answered by then.
        stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        answer(stream, bytes)
    })
}

fn over_tls(phone: &Phone, client: &Arc<ClientConfig>, bytes: &[u8]) -> Vec<u8> {
    phone.space.enter(|| {
        let stream = phone.tcp_here(SocketAddr::new(GATEWAY_V4, 2443)).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        let name = "wifi.lango".try_into().unwrap();
        answer(StreamOwned::new(ClientConnection::new(Arc::clone(client), name).unwrap(), stream), bytes)
    })
}

/// Asserts that none of `attacks` gets anywhere, as `send` sends them.
fn assert_repelled(attacks: &[Attack], origin: &str, mut send: impl FnMut(&[u8]) -> Vec<u8>) {
    let mut wrong = Vec::new();
    for (name, bytes) in attacks {
        let found = complaints(&send(bytes), origin);
        wrong.extend(found.into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(wrong.is_empty(), "of {}: {wrong:#?}", attacks.len());
}

/// Asserts that nothing of what was sent is in the log, and no sign in it that a terminal would obey.
fn assert_clean(log: &str) {
    assert!(!log.is_empty());
    let told = log.lines().find(|line| line.contains(MARK) || line.contains("DROP TABLE"));
    assert_eq!(told, None);
    let signs = |c: char| c.is_control() && c != '\n';
    assert_eq!(log.lines().find(|line| line.contains(signs)), None);
}

#[test]
fn no_attack_on_the_portal_gets_anywhere_and_none_shows_in_the_log() {
    let lab = Lab::new(3);
    let mut daemon = Daemon::prepare(&lab, &settings());
    daemon.logs_everything();
    daemon.run();
    let [attacker, victim, guest] = [0, 1, 2].map(|n| &lab.phones[n]);
    let (code, origin) = (daemon.voucher("hour"), format!("http://{}", portal_v4()));
    let (token, other) = (Browser::of(attacker).token(), Browser::of(victim).token());
    let host = portal_v4().to_string();
    let prey = Prey { host: &host, origin: &origin, code: &code, token: &token, other: &other };
    let attacks = prey.attacks();
    println!("{} attacks in plain HTTP", attacks.len());
    assert!(attacks.len() >= 200, "{}", attacks.len());
    assert_repelled(&attacks, &origin, |bytes| in_plain(attacker, bytes));

    assert!(daemon.is_alive() && !Path::new("/tmp/zq7x").exists());
    assert_eq!(daemon.json(&["voucher", "show", &code])["state"], "unused");
    assert!(daemon.sessions().is_empty());
    for phone in &lab.phones {
        phone.assert_held(&lab.world);
    }
    // The voucher was good all the while, and so is the form.
    Browser::of(guest).must_login(&code);
    assert!(guest.is_open(&lab.world));
    assert_clean(&daemon.log());
}

#[test]
fn no_forged_form_and_nothing_that_is_smuggled_gets_in_over_tls() {
    let lab = Lab::new(2);
    let authority = Authority::new(lab.folder());
    authority.issue("wifi.lango", Key::Ecdsa);
    let [certificate, key] = authority.files();
    let mut daemon = Daemon::prepare(&lab, &settings().main("certificate", &certificate).main("key", &key));
    daemon.wall_step(0);
    daemon.logs_everything();
    daemon.run();
    let (client, origin) = (client(&authority.root()), "https://wifi.lango:2443");
    let [attacker, victim] = [0, 1].map(|n| {
        let phone = &lab.phones[n];
        wait_until("the certificate", Duration::from_secs(10), || {
            authority.fetch(phone, "", &format!("{origin}/")).is_ok()
        });
        phone
    });
    let token = |phone| {
        let page = authority.fetch(phone, "", &format!("{origin}/")).unwrap();
        page.field("token").unwrap().to_owned()
    };
    let (code, token, other) = (daemon.voucher("hour"), token(attacker), token(victim));
    let prey = Prey { host: "wifi.lango:2443", origin, code: &code, token: &token, other: &other };
    let mut attacks = prey.attacks();
    attacks.truncate(45);
    println!("{} attacks over TLS", attacks.len());
    assert!(
        attacks.iter().any(|(name, _)| name.starts_with("script")),
        "all that would redeem are among them"
    );
    assert_repelled(&attacks, origin, |bytes| {
        // A device may begin two handshakes a second.
        thread::sleep(Duration::from_millis(500));
        let heard = over_tls(attacker, &client, bytes);
        assert!(!heard.is_empty(), "no answer");
        heard
    });
    assert_eq!(daemon.json(&["voucher", "show", &code])["state"], "unused");
    attacker.assert_held(&lab.world);
    let form = format!("-d code={} -d token={token}", code.replace(' ', ""));
    assert_eq!(authority.fetch(attacker, &form, &format!("{origin}/login")).unwrap().status, 303);
    assert_clean(&daemon.log());
}

#[test]
fn a_token_is_worth_nothing_thirteen_hours_later() {
    let lab = Lab::new(1);
    let mut daemon = Daemon::prepare(&lab, &settings());
    daemon.wall_step(0);
    daemon.run();
    let (browser, code) = (Browser::of(&lab.phones[0]), daemon.voucher("hour"));
    let fields = [("code", code.as_str()), ("token", &browser.token())];
    for (hours, status) in [(11, 303), (13, 403)] {
        daemon.kill();
        // A start believes it.
        daemon.wall_step(hours * 3600);
        daemon.run();
        assert_eq!(browser.post("/logout", &fields).status, status, "{hours} hours later");
    }
    assert_eq!(browser.post("/login", &fields).status, 403);
    browser.must_login(&code);
}

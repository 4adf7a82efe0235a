//! The log under hostile text: whatever guests, the cloud and files say stays on its line, is short, and steers no
//! terminal. At its most talkative, where most of it could get there.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{Browser, Cloud, Daemon, GATEWAY_V4, Lab, Request, Settings, portal_v4, wait_until};

/// Ends the line, forges one, paints it, and turns its direction.
const HOSTILE: &str = "x\r\nerror: forged event=started\u{1b}[31m\u{9b}2J\u{202e}";
const SOON: Duration = Duration::from_secs(20);

/// A question for a name of one label, whose bytes are no name's.
fn question() -> Vec<u8> {
    let label = b"x\nerror: forged\x1b[31m";
    let mut query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    query.push(u8::try_from(label.len()).unwrap());
    query.extend(label);
    query.extend(b"\0\0\x01\0\x01");
    query
}

/// All that a guest can say, as a guest who means no good.
fn say_all(lab: &Lab) {
    let phone = &lab.phones[0];
    let browser = Browser::of(phone);
    // Some of it is refused before it is read to its end.
    let send = |request: &Request| drop(phone.send(portal_v4(), request));
    let long = HOSTILE.repeat(10_000 / HOSTILE.len());
    for code in [HOSTILE, &long] {
        let form = browser.form("/login", &[("code", code), ("phone", code), ("token", code)]);
        send(&form);
        for header in ["User-Agent", "Accept-Language", "Origin", "Cookie"] {
            let value: String = code.chars().filter(|c| !c.is_control()).collect();
            send(&form.clone().with(header, &value));
        }
    }
    for path in ["/%0d%0aerror:%20forged%1b[31m", "/?code=%0aerror:%20forged%1b[31m&lang=%1b"] {
        send(&Request::get("wifi.lango\u{1b}[31m", path));
    }
    phone.space.enter(|| {
        let socket = phone.udp_here(SocketAddr::from((GATEWAY_V4, 53))).unwrap();
        socket.send(&question()).unwrap();
        let _ = socket.recv(&mut [0; 512]);
    });
}

#[test]
fn hostile_text_from_guests_the_cloud_and_files_stays_on_its_line() {
    let mut lab = Lab::new(1);
    let cloud = Cloud::start(&lab);
    // The name of this folder is said as it stands: only the log itself can keep it from turning the line.
    let pages = lab.folder().join("pages\u{202e}");
    fs::create_dir(&pages).unwrap();
    fs::write(pages.join("strings.en.txt"), format!("{HOSTILE} = of a file\n")).unwrap();
    fs::write(pages.join("strings.x\n\u{1b}[31m.txt"), "").unwrap();
    let settings = cloud.polled(
        Settings::default().main("portal_dir", pages.to_str().unwrap()).plan("hour", &[("metered", "1h")]),
        "1s",
        &[],
    );
    let mut daemon = Daemon::prepare(&lab, &settings);
    daemon.logs_everything();
    daemon.run();
    cloud.plan("week", json!({ "metered_s": 3600, "title": HOSTILE }));
    // It is read, and passed over; the cloud and the gateway differ from then on.
    wait_until("the feed to be read", SOON, || daemon.json(&["sync"])["last_error"].is_string());
    say_all(&lab);
    lab.add_phone_by_dhcp_as(HOSTILE);
    let text = fs::read_to_string(daemon.config()).unwrap();
    let value = HOSTILE.lines().last().unwrap().repeat(300);
    daemon.configure_text(&format!("{text}\nconfig plan 'odd'\n\toption metered '{value}'\n"));
    daemon.signal(Signal::SIGHUP);
    wait_until("the refusal", SOON, || daemon.log().contains("the running configuration stays in force"));

    let log = daemon.log();
    assert!(log.contains(r"\u{1b}[31m\u{9b}2J\u{202e}"), "nothing of it was said: {log}");
    for line in log.lines() {
        let level = line.split(": ").next().unwrap();
        assert!(["error", "warning", "info", "debug", "trace"].contains(&level), "{line}");
        assert!(!line.starts_with("error: forged"), "{line}");
        assert!(line.len() <= 1024 + "warning: ".len(), "{} bytes: {line}", line.len());
        assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
}

//! The portal over TLS: in force while its certificate is good, withdrawn when it is not, and what phones are
//! told of it by DHCP. The clocks are moved as in `time.rs`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{
    Authority, Browser, Daemon, GATEWAY_V4, HTTP, Key, Lab, Phone, Settings, VALID_DAYS, portal_v4,
    portal_v6, wait_until,
};

const PORTAL: &str = "https://wifi.lango:2443/";
const API: &str = "https://wifi.lango:2443/captive-portal/api";
const DAY: i64 = 86_400;
/// Longer than the daemon leaves a change unseen.
const SOON: Duration = Duration::from_secs(25);

struct Site {
    daemon: Daemon,
    authority: Authority,
    lab: Lab,
}

impl Site {
    /// A gateway with a certificate of `key` for its name, under a clock that is right.
    fn new(phones: usize, key: Key) -> Self {
        let mut site = Self::prepare(phones);
        site.authority.issue("wifi.lango", key);
        site.daemon.wall_step(0);
        site.daemon.run();
        site
    }

    fn prepare(phones: usize) -> Self {
        let lab = Lab::new(phones);
        let authority = Authority::new(lab.folder());
        let [certificate, key] = authority.files();
        let settings = Settings::default()
            .main("certificate", &certificate)
            .main("key", &key)
            .plan("hour", &[("metered", "1h"), ("data", "100MB")])
            .plan("short", &[("metered", "3s")]);
        let daemon = Daemon::prepare(&lab, &settings);
        Self { daemon, authority, lab }
    }

    fn phone(&self) -> &Phone {
        &self.lab.phones[0]
    }

    fn fetch(&self, options: &str, url: &str) -> Result<crate::harness::Response, i32> {
        self.authority.fetch(self.phone(), options, url)
    }

    /// Where a probe of a phone is sent.
    fn redirect(&self) -> String {
        let probe =
            self.phone().get(self.lab.world.both(HTTP)[0], "captive.apple.com", "/hotspot-detect.html");
        probe.unwrap().header("location").unwrap().to_owned()
    }

    /// What `lango doctor` says of the certificate: state and message.
    fn doctor(&self) -> [String; 2] {
        let [state, message, _] = self.daemon.doctor("certificate");
        [state, message]
    }

    fn api(&self) -> Value {
        let answer = self.fetch("", API).unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/captive+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.body.chars().count() <= 4096);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Option 114 as a DHCP client of the first phone gets it.
    fn option_114(&self) -> Option<String> {
        let script = self.lab.folder().join("show.sh");
        fs::write(&script, "#!/bin/sh\nif [ \"$1\" = bound ]; then echo \"lease <$opt114>\"; fi\n").unwrap();
        let script = script.to_str().unwrap();
        self.phone().space.must("chmod", &["755", script]);
        let words =
            ["udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-O", "114", "-s", script];
        let said = self.phone().space.must("busybox", &words);
        let (_, rest) = said.split_once("lease <").expect("a lease");
        let hex = rest.split('>').next().unwrap();
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        Some(String::from_utf8(bytes.collect()).unwrap()).filter(|text| !text.is_empty())
    }

    fn assert_withdrawn(&self, why: &str) {
        assert_eq!(self.redirect(), format!("http://{}/", portal_v4()), "{why}");
        assert_eq!(self.fetch("", PORTAL).err(), Some(7), "{why}: 2443 does not refuse");
        assert_eq!(Browser::of(self.phone()).get("/").status, 200, "{why}");
        assert_eq!(self.option_114(), None, "{why}");
        assert_eq!(self.odhcpd(), "", "{why}");
    }

    fn assert_in_force(&self, why: &str) {
        assert_eq!(self.redirect(), PORTAL, "{why}");
        assert_eq!(self.fetch("", PORTAL).map(|page| page.status), Ok(200), "{why}");
        assert_eq!(self.option_114().as_deref(), Some(API), "{why}");
        assert_eq!(self.odhcpd(), format!("{API}\n"), "{why}");
    }

    /// The certificate that a new connection is shown; not more often than a device may ask.
    fn shown(&self) -> String {
        thread::sleep(Duration::from_millis(600));
        Line::open(self).certificate()
    }

    fn odhcpd(&self) -> String {
        fs::read_to_string(self.lab.folder().join("run/captive-portal-uri")).unwrap_or_default()
    }
}

#[test]
fn with_a_certificate_guests_are_led_to_https_and_log_in_there() {
    for key in [Key::Ecdsa, Key::Rsa] {
        let site = Site::new(1, key);
        site.assert_in_force("with a certificate");
        assert_eq!(site.doctor()[0], "ok");
        let [_, key_file] = site.authority.files();
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).unwrap();
        let [state, message, _] = site.daemon.doctor("permissions");
        assert!(state == "warn" && message.contains(&key_file), "{message}");
        for options in ["--tlsv1.2 --tls-max 1.2", "--tlsv1.3", "-4", "-6", "--no-alpn --http1.0"] {
            let page = site.fetch(options, PORTAL).unwrap_or_else(|code| panic!("{options}: {code}"));
            assert_eq!(page.status, 200, "{options}");
        }
        assert_eq!(site.fetch("--tls-max 1.1", PORTAL).err(), Some(35));
        assert_eq!(site.fetch("", "https://wifi.lango/").err(), Some(7), "443 stays closed");

        // By the plain door: what is looked at leads on, what was typed is taken.
        let browser = Browser::of(site.phone());
        let led = browser.get("/?code=12&lang=sw");
        assert_eq!((led.status, led.header("location")), (302, Some(&*format!("{PORTAL}?code=12&lang=sw"))));
        let led = Browser::at(site.phone(), portal_v6()).get("/status");
        assert_eq!((led.status, led.header("location")), (302, Some(&*format!("{PORTAL}status"))));

        let code = site.daemon.voucher("hour").replace(' ', "");
        let page = site.fetch("", PORTAL).unwrap();
        let token = page.field("token").unwrap();
        let form = format!("-d code={code} -d token={token} -H Origin:");
        for (origin, status) in
            [("null", 403), ("http://wifi.lango:2080", 403), ("https://wifi.lango:2443", 303)]
        {
            let answer = site.fetch(&format!("{form}{origin}"), &format!("{PORTAL}login")).unwrap();
            assert_eq!(answer.status, status, "{origin}: {answer:?}");
        }
        assert!(site.phone().is_open(&site.lab.world));
        // The gateway's resolver now answers for the name.
        assert_eq!(site.fetch("", &format!("{PORTAL}status")).unwrap().status, 200);
        let answer = browser.post("/logout", &[("token", token)]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")));
        assert!(site.daemon.sessions().is_empty());
    }
}

#[test]
fn heads_are_watched_over_tls_too() {
    let site = Site::new(1, Key::Ecdsa);
    for (request, status) in [
        (
            "POST /login HTTP/1.1\r\nHost: wifi.lango:2443\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\nHost: wifi.lango:2443\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: captive.apple.com\r\n\r\n", 302),
        ("hello\r\n\r\n", 400),
    ] {
        let mut line = Line::open(&site);
        assert_eq!(line.ask(request), status, "{request}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: wifi.lango:2443\r\nA: {}\r\n\r\n", "x".repeat(9000));
    assert_eq!(Line::open(&site).ask(&long), 413);
}

#[test]
fn the_api_tells_each_state_over_https() {
    let mut site = Site::new(1, Key::Ecdsa);
    let browser = |site: &Site, code: &str| {
        let page = site.fetch("", PORTAL).unwrap();
        let code = code.replace(' ', "");
        let form = format!("-d code={code} -d token={}", page.field("token").unwrap());
        let answer = site.fetch(&form, &format!("{PORTAL}login")).unwrap();
        assert_eq!(answer.status, 303, "{answer:?}");
    };
    let held = json!({ "captive": true, "user-portal-url": PORTAL });
    assert_eq!(site.api(), held);
    // Plain HTTP is answered alike.
    assert_eq!(
        serde_json::from_str::<Value>(&Browser::of(site.phone()).get("/captive-portal/api").body).unwrap(),
        held
    );

    browser(&site, &site.daemon.voucher("short"));
    let short = site.api();
    assert_eq!((&short["captive"], &short["can-extend-session"]), (&json!(false), &json!(true)));
    assert!(
        short["seconds-remaining"].as_u64().unwrap() <= 3 && short["bytes-remaining"].is_null(),
        "{short}"
    );
    wait_until("the end", Duration::from_secs(10), || {
        // Not more often than a device may begin handshakes.
        thread::sleep(Duration::from_millis(600));
        site.api() == held
    });

    browser(&site, &site.daemon.voucher("hour"));
    let before = site.api()["seconds-remaining"].as_u64().unwrap();
    assert!((3590..=3600).contains(&before));
    assert!(site.api()["bytes-remaining"].as_u64().unwrap() <= 100_000_000);
    site.lab.cut_uplink();
    wait_until("the outage to be known", Duration::from_secs(20), || {
        site.daemon.json(&["status"])["uplink"] == "down"
    });
    // Paid, and the time stands still.
    let [first, second] = [0, 2].map(|seconds| {
        thread::sleep(Duration::from_secs(seconds));
        site.api()
    });
    assert_eq!(first["captive"], false);
    assert_eq!(first, second);

    site.lab.restore_uplink();
    site.daemon.stop();
    let mac = site.phone().mac.clone();
    let [certificate, key] = site.authority.files();
    let settings = Settings::default().main("certificate", &certificate).main("key", &key);
    site.daemon.configure(&settings.section("device", &[("mac", &mac), ("policy", "trusted")]));
    site.daemon.run();
    assert_eq!(site.api()["captive"], false, "a trusted device");
}

#[test]
fn a_certificate_that_is_no_good_is_withdrawn_and_it_is_said() {
    let mut site = Site::prepare(1);
    let [certificate, key] = site.authority.files();
    let line = |file: &str| format!("{}:", file);
    for case in ["unreadable", "mismatch", "wrong name", "expired", "not yet", "no clock"] {
        site.authority.issue(if case == "wrong name" { "other.lango" } else { "wifi.lango" }, Key::Ecdsa);
        let (state, says, checked) = match case {
            "unreadable" => {
                fs::remove_file(&certificate).unwrap();
                ("fail", "No such file", Some("certificate: "))
            }
            "mismatch" => {
                fs::copy(site.authority.root().replace("ca.pem", "ca.key"), &key).unwrap();
                ("fail", "not the key", Some("key: "))
            }
            "wrong name" => ("fail", "not one for wifi.lango", Some("certificate: ")),
            "expired" => ("fail", "has expired at", None),
            "not yet" => ("fail", "not valid before", None),
            _ => ("warn", "nobody has told the time", None),
        };
        match case {
            "expired" => site.daemon.wall_step((VALID_DAYS + 1) * DAY),
            "not yet" => site.daemon.wall_step(-3600),
            "no clock" => site.daemon.wall_unknown(),
            _ => site.daemon.wall_step(0),
        }
        if case == "not yet" {
            // The daemon before has seen a later time, and would not believe this one.
            fs::remove_dir_all(site.daemon.state()).unwrap();
            fs::create_dir(site.daemon.state()).unwrap();
        }
        site.daemon.run();
        site.assert_withdrawn(case);
        let [found, message] = site.doctor();
        assert_eq!(found, state, "{case}: {message}");
        assert!(message.contains(says), "{case}: {message}");
        let said = site.daemon.log().matches(says).count();
        assert_eq!(said, 1, "{case}: {}", site.daemon.log());
        let config = site.daemon.config().display().to_string();
        let check = site.daemon.check();
        match checked {
            Some(option) => {
                assert_eq!(check.code, 78, "{case}: {check:?}");
                assert!(
                    check.out.contains(&line(&config)) && check.out.contains(option),
                    "{case}: {check:?}"
                );
            }
            None => assert_eq!(check.code, 0, "{case}: {check:?}"),
        }
        site.daemon.kill();
        let _ = fs::remove_file(site.lab.folder().join("log"));
    }
}

#[test]
fn it_is_withdrawn_when_it_ends_and_comes_back_when_it_is_renewed() {
    let mut site = Site::prepare(1);
    site.authority.issue("wifi.lango", Key::Ecdsa);
    // It ends some seconds after the start.
    site.daemon.wall_step(VALID_DAYS * DAY - 12);
    site.daemon.run();
    site.assert_in_force("before the end");
    let [state, message] = site.doctor();
    assert!(state == "warn" && message.contains("in 0 days"), "{state}: {message}");
    let mut line = Line::open(&site);
    assert_eq!(line.ask(GET), 200);
    let pid = site.daemon.pid();
    wait_until("the end", SOON, || site.redirect() != PORTAL);
    site.assert_withdrawn("expired while running");
    assert_eq!(site.doctor()[0], "fail");
    assert_eq!(site.daemon.log().matches("has expired").count(), 1);

    // Nothing made here is valid at that time: the clock is brought back by an operator.
    site.daemon.wall_unknown();
    site.daemon.cli(&["clock", "reset"]);
    site.assert_withdrawn("the clock is not trusted");
    site.daemon.wall_step(0);
    wait_until("the clock to be trusted", SOON, || site.redirect() == PORTAL);
    site.assert_in_force("trusted again");
    assert_eq!(site.daemon.pid(), pid);
    assert_eq!(site.daemon.stop(), Some(0));
    assert_eq!(site.option_114(), None, "a daemon that has ended offers nothing");
}

#[test]
fn a_renewed_certificate_is_taken_without_a_cut_and_a_broken_one_is_not() {
    let site = Site::new(1, Key::Rsa);
    let mut line = Line::open(&site);
    let first = line.certificate();
    assert_eq!(line.ask(GET), 200);
    let [certificate, key] = site.authority.files();

    // By a signal, and by itself.
    site.authority.issue("wifi.lango", Key::Ecdsa);
    site.daemon.signal(Signal::SIGHUP);
    wait_until("the second certificate", SOON, || {
        assert_eq!(line.ask(GET), 200, "the connection under the first certificate");
        site.shown() != first
    });
    assert_eq!(line.ask(GET), 200, "the connection under the first certificate");
    let second = site.shown();
    site.authority.issue("wifi.lango", Key::Ecdsa);
    wait_until("the third certificate", SOON, || site.shown() != second);
    let third = site.shown();

    for (file, broken) in [(&key, "nothing"), (&certificate, "-----BEGIN CERTIFICATE-----")] {
        fs::write(file, broken).unwrap();
        site.daemon.signal(Signal::SIGHUP);
        wait_until("the trouble to be known", SOON, || site.doctor()[0] == "warn");
        site.assert_in_force("the former certificate");
        assert_eq!(site.shown(), third);
    }
    assert!(site.daemon.log().contains("certificate_refused"));
    assert_eq!(site.lab.phones[0].get(portal_v4(), &format!("{GATEWAY_V4}"), "/").unwrap().status, 302);
}

const GET: &str = "GET /status HTTP/1.1\r\nHost: wifi.lango:2443\r\n\r\n";

/// A connection over TLS that stays open, by openssl.
struct Line {
    client: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl Line {
    fn open(site: &Site) -> Self {
        let root = site.authority.root();
        let mut client = site.phone().space.enter(|| {
            Command::new("openssl")
                .args([
                    "s_client",
                    "-connect",
                    "10.77.0.1:2443",
                    "-servername",
                    "wifi.lango",
                    "-CAfile",
                    &root,
                ])
                .args(["-verify_hostname", "wifi.lango", "-verify_return_error", "-nocommands"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        });
        let input = client.stdin.take().unwrap();
        let output = BufReader::new(client.stdout.take().unwrap());
        Self { client, input, output }
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.output.read_until(b'\n', &mut line).unwrap();
        assert!(!line.is_empty(), "the connection has ended");
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// Sends `request`; the status of the answer.
    fn ask(&mut self, request: &str) -> u16 {
        self.input.write_all(request.as_bytes()).unwrap();
        loop {
            let line = self.line();
            if let Some((_, rest)) = line.split_once("HTTP/1.1 ") {
                return rest[..3].parse().unwrap();
            }
        }
    }

    /// The certificate that it was shown; to be asked first.
    fn certificate(&mut self) -> String {
        let mut pem = String::new();
        while !pem.ends_with("-----END CERTIFICATE-----\n") {
            let line = self.line();
            if !pem.is_empty() || line == "-----BEGIN CERTIFICATE-----" {
                pem += &line;
                pem.push('\n');
            }
        }
        pem
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

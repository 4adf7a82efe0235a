//! Firefox in a phone, driven through Marionette: its own protocol for tests, JSON over TCP.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::chromium::end_all;
use crate::harness::{Daemon, GREETING, Lab, Phone, Resolver, portal_v4, wait_until};
use crate::{settings, text};

const MARIONETTE: (&str, u16) = ("127.0.0.1", 2828);
const SOON: Duration = Duration::from_secs(30);
/// No first-run page, no reports; the service that looks for portals stays as it is for everybody.
const PREFERENCES: &str = r#"
user_pref("remote.prefs.recommended", false);
user_pref("network.captive-portal-service.enabled", true);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.normandy.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("termsofuse.bypassNotification", true);
"#;
/// What its service may think (nsICaptivePortalService).
const UNLOCKED: u64 = 2;
const LOCKED: u64 = 3;

/// A window; gone with this value.
struct Firefox<'a> {
    phone: &'a Phone,
    program: Child,
    stream: Option<RefCell<TcpStream>>,
    asked: Cell<u32>,
}

impl<'a> Firefox<'a> {
    fn on(lab: &Lab, phone: &'a Phone) -> Self {
        let home = lab.folder().join("firefox");
        let profile = home.join("profile");
        std::fs::create_dir_all(&profile).unwrap();
        std::fs::write(profile.join("user.js"), PREFERENCES).unwrap();
        let program = (phone.space.command("firefox-esr"))
            .args(["--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile"])
            .arg(&profile)
            .env("HOME", &home)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut window = Self { phone, program, stream: None, asked: Cell::new(0) };
        wait_until("firefox-esr", SOON, || {
            let stream = phone.space.enter(|| TcpStream::connect(MARIONETTE));
            window.stream = stream.ok().map(RefCell::new);
            window.stream.is_some()
        });
        window.hear();
        window.ask("WebDriver:NewSession", &json!({}));
        window
    }

    fn go(&self, url: &str) {
        self.ask("WebDriver:Navigate", &json!({ "url": url }));
    }

    fn url(&self) -> String {
        self.ask("WebDriver:GetCurrentURL", &json!({}))["value"].as_str().unwrap().to_owned()
    }

    fn run(&self, script: &str) -> Value {
        self.ask("WebDriver:ExecuteScript", &json!({ "script": script, "args": [] }))["value"].clone()
    }

    /// What a script returns that may see the browser itself.
    fn run_inside(&self, script: &str) -> Value {
        self.ask("Marionette:SetContext", &json!({ "value": "chrome" }));
        let value = self.run(script);
        self.ask("Marionette:SetContext", &json!({ "value": "content" }));
        value
    }

    fn element(&self, selector: &str) -> Value {
        let found = self.ask("WebDriver:FindElement", &json!({ "using": "css selector", "value": selector }));
        found["value"].as_object().unwrap().values().next().unwrap().clone()
    }

    /// What its own service believes of the network.
    fn believes(&self) -> u64 {
        let state = self.run_inside(
            "const service = Cc['@mozilla.org/network/captive-portal-service;1'].getService(Ci.nsICaptivePortalService);
             service.recheckCaptivePortal();
             return service.state;",
        );
        state.as_u64().unwrap()
    }

    fn ask(&self, command: &str, what: &Value) -> Value {
        let number = self.asked.get() + 1;
        self.asked.set(number);
        let message = json!([0, number, command, what]).to_string();
        let stream = self.stream.as_ref().unwrap();
        stream.borrow_mut().write_all(format!("{}:{message}", message.len()).as_bytes()).unwrap();
        let answer = self.hear();
        assert!(answer[2].is_null(), "{command} {what}: {answer}");
        answer[3].clone()
    }

    fn hear(&self) -> Value {
        let mut stream = self.stream.as_ref().unwrap().borrow_mut();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut length = 0;
        loop {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            match byte[0] {
                b':' => break,
                digit => length = length * 10 + usize::from(digit - b'0'),
            }
        }
        let mut message = vec![0; length];
        stream.read_exact(&mut message).unwrap();
        serde_json::from_slice(&message).unwrap()
    }
}

impl Drop for Firefox<'_> {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
        end_all(self.phone);
    }
}

#[test]
fn firefox_finds_the_portal_by_itself_and_the_internet_after_a_voucher() {
    let mut lab = Lab::new(1);
    let _resolver = Resolver::of_the_internet(&mut lab);
    let daemon = Daemon::start(&lab, &settings());
    let window = Firefox::on(&lab, &lab.phones[0]);
    wait_until("Firefox to find a portal", SOON, || window.believes() == LOCKED);
    window.go("http://detectportal.firefox.com/canonical.html");
    assert!(window.url().starts_with(&format!("http://{}/", portal_v4())), "{}", window.url());
    let field = window.element("#code");
    window.ask("WebDriver:ElementSendKeys", &json!({ "id": field, "text": daemon.voucher("hour") }));
    window.ask(
        "WebDriver:ElementClick",
        &json!({ "id": window.element("form:has(#code) button:not([type=button])") }),
    );
    let says = || window.run("return document.body.innerText").as_str().unwrap().to_owned();
    wait_until("the page of who is online", SOON, || says().contains(&text("en", "online")));
    wait_until("Firefox to find the internet", SOON, || window.believes() == UNLOCKED);
    window.go("http://world.test/");
    assert_eq!(says(), GREETING);
}

//! Chromium in a phone, driven through its driver: WebDriver, which is JSON over HTTP.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Lab, Phone, read_response, wait_until};
use crate::text;

/// Where the driver listens, in the namespace of its phone.
const DRIVER: (&str, u16) = ("127.0.0.1", 9515);
/// Under which name WebDriver gives an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// For a page to come.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A window; gone with this value.
pub(crate) struct Chromium<'a> {
    pub(crate) phone: &'a Phone,
    driver: Child,
    session: String,
}

impl<'a> Chromium<'a> {
    /// Opens a window, as small as that of a phone, on `phone`.
    pub(crate) fn on(lab: &Lab, phone: &'a Phone) -> Self {
        let home = lab.folder().join(format!("chromium-{}", phone.space.name()));
        std::fs::create_dir_all(&home).unwrap();
        let driver = (phone.space.command("chromedriver"))
            .arg(format!("--port={}", DRIVER.1))
            .env("HOME", &home)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut window = Self { phone, driver, session: String::new() };
        wait_until("chromedriver (package chromium-driver)", SOON, || {
            window.try_ask("GET", "/status", &json!({})).is_some()
        });
        let profile = format!("--user-data-dir={}", home.join("profile").display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--window-size=390,844",
            &profile,
        ];
        let asked = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments, "binary": "/usr/bin/chromium" },
            "goog:loggingPrefs": { "performance": "ALL" },
        } } });
        let session = window.ask("POST", "/session", &asked);
        window.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        window
    }

    /// Types a URL, and waits until its page is loaded.
    pub(crate) fn go(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Where the page is that is shown.
    pub(crate) fn url(&self) -> String {
        self.get("/url").as_str().unwrap().to_owned()
    }

    /// The tab that is spoken to.
    pub(crate) fn tab(&self) -> String {
        self.get("/window").as_str().unwrap().to_owned()
    }

    /// One more tab, empty and shown; to be spoken to from now on.
    pub(crate) fn open_tab(&self) -> String {
        let opened = self.post("/window/new", &json!({ "type": "tab" }));
        let tab = opened["handle"].as_str().unwrap();
        self.speak_to(tab);
        tab.to_owned()
    }

    /// Speaks to another tab, shown or not.
    pub(crate) fn speak_to(&self, tab: &str) {
        self.post("/window", &json!({ "handle": tab }));
    }

    /// Puts the window away, as another app does that is opened: what it shows is hidden.
    pub(crate) fn hide(&self) {
        self.post("/window/minimize", &json!({}));
    }

    /// Brings it back.
    pub(crate) fn show(&self) {
        self.post("/window/rect", &json!({ "width": 390, "height": 844 }));
    }

    /// Types into a field, in place of what is there.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.on_element(selector, "clear", &json!({}));
        self.on_element(selector, "value", &json!({ "text": text }));
    }

    /// Taps a button or a link, and waits until what it leads to is loaded.
    pub(crate) fn tap(&self, selector: &str) {
        self.on_element(selector, "click", &json!({}));
    }

    /// Types `value` into the field `name`, and taps the button of its form.
    pub(crate) fn submit(&self, name: &str, value: &str) {
        let field = format!("[name={name}]:not([type=hidden])");
        self.reveal(&field);
        self.fill(&field, value);
        self.tap(&format!("form:has({field}) button:not([type=button])"));
    }

    /// Taps the button of the form that goes to `action`.
    pub(crate) fn press(&self, action: &str) {
        let form = format!("form[action*='{action}']");
        self.reveal(&form);
        self.tap(&format!("{form} button"));
    }

    /// Unfolds what hides this.
    fn reveal(&self, selector: &str) {
        let folded = format!("details:not([open]):has({selector})");
        if self.run(&format!("return document.querySelector(`{folded}`) !== null")) == true {
            self.tap(&format!("{folded} > summary"));
        }
    }

    /// What the page says.
    pub(crate) fn says(&self) -> String {
        self.run("return document.body ? document.body.innerText : ''").as_str().unwrap().to_owned()
    }

    /// Waits until the page says this text of the portal.
    pub(crate) fn sees(&self, language: &str, key: &str) {
        let (text, from) = (text(language, key), Instant::now());
        while !self.says().contains(&text) {
            assert!(from.elapsed() < SOON, "not \u{201c}{text}\u{201d} at {}: {}", self.url(), self.says());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the page says this text of the portal, or that the cloud is away: whether it is not.
    pub(crate) fn sees_unless_away(&self, language: &str, key: &str) -> bool {
        let (wanted, away) = (text(language, key), text(language, "cloud_away_title"));
        let mut said = String::new();
        wait_until(&wanted, SOON, || {
            said = self.says();
            said.contains(&wanted) || said.contains(&away)
        });
        said.contains(&wanted)
    }

    /// What a script in the page returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// As [`Self::run`], where the script calls its last argument when it is done.
    pub(crate) fn run_slowly(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// A command of the protocol for debugging.
    pub(crate) fn debug(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// The requests that went out since this was last asked.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({ "type": "performance" }));
        let urls = log.as_array().unwrap().iter().filter_map(|entry| {
            let entry: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let is_request = entry["message"]["method"] == "Network.requestWillBeSent";
            let url = entry["message"]["params"]["request"]["url"].as_str()?;
            (is_request && url.starts_with("http")).then(|| url.to_owned())
        });
        urls.collect()
    }

    /// Does something with the first element that there is. A page may be followed by another one before it is found,
    /// or between finding it and that: then it is looked for again.
    fn on_element(&self, selector: &str, action: &str, what: &Value) {
        let from = Instant::now();
        loop {
            let sought = json!({ "using": "css selector", "value": selector });
            let elements = format!("{}/element", self.session);
            let found = self.try_ask("POST", &elements, &sought).expect("an answer");
            if found["error"] == "no such element" && from.elapsed() < SOON {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            let element = found[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector}: {found}"));
            let path = format!("{elements}/{element}/{action}");
            let answer = self.try_ask("POST", &path, what).unwrap_or_else(|| panic!("{path}: no answer"));
            let is_of_page_before = answer["error"] == "stale element reference"
                || answer["message"]
                    .as_str()
                    .is_some_and(|why| why.contains("does not belong to the document"));
            if !is_of_page_before || from.elapsed() > SOON {
                assert!(answer["error"].is_null(), "{action} {selector}: {answer}");
                return;
            }
        }
    }

    fn get(&self, path: &str) -> Value {
        self.ask("GET", &format!("{}{path}", self.session), &json!({}))
    }

    fn post(&self, path: &str, what: &Value) -> Value {
        self.ask("POST", &format!("{}{path}", self.session), what)
    }

    fn ask(&self, method: &str, path: &str, what: &Value) -> Value {
        let answer = self.try_ask(method, path, what).unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert!(answer["error"].is_null(), "{method} {path} {:.200}: {answer}", what.to_string());
        answer
    }

    fn try_ask(&self, method: &str, path: &str, what: &Value) -> Option<Value> {
        use std::io::Write;
        let body = if method == "GET" { String::new() } else { what.to_string() };
        let (host, port) = DRIVER;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = self.phone.space.enter(|| {
            let mut stream = std::net::TcpStream::connect(DRIVER)?;
            stream.set_read_timeout(Some(Duration::from_secs(60)))?;
            stream.write_all(head.as_bytes())?;
            stream.write_all(body.as_bytes())?;
            read_response(&mut stream)
        });
        let answer: Value = serde_json::from_str(&answer.ok()?.body).ok()?;
        Some(answer["value"].clone())
    }
}

impl Drop for Chromium<'_> {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.try_ask("DELETE", &self.session, &json!({}));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        end_all(self.phone);
    }
}

/// Ends what a browser has left on `phone`, such as what looks after its crashes.
pub(crate) fn end_all(phone: &Phone) {
    let from = Instant::now();
    while !phone.space.processes().is_empty() && from.elapsed() < SOON {
        thread::sleep(Duration::from_millis(20));
    }
}

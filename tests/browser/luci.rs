//! The pages in LuCI, in an operator's browser, before a stand-in of the access point's web server.
//!
//! Owns: that server and the window of the operator, in a namespace of their own. The server is
//! `tests/openwrt/luci/stand_in.py`: it calls the real plugin, which asks the real daemon of the lab, and grants what
//! the ACL files of the package grant. `LANGO_LUCI` names the resources of a real LuCI, to be used instead of the
//! stand-in of the framework. Neighbours: `pages` and `form` hold what an operator sees and does.

mod form;
mod pages;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::harness::{Lab, Netns, Phone, lango, wait_until};
use crate::review::{picture, screens};

/// Who is allowed everything, only the vouchers, or only to look.
const ROOT: &str = "0000000000000000000000000000000a";
const CASHIER: &str = "0000000000000000000000000000000b";
const GUARD: &str = "0000000000000000000000000000000c";
const PORT: u16 = 8080;
/// For a page to show something, also one that asks again by itself only every five seconds.
const SOON: Duration = Duration::from_secs(30);

/// A place for a browser that is no guest.
fn desk() -> Phone {
    let space = Netns::new("operator");
    let [v4, v6] = ["127.0.0.1", "::1"].map(|text| text.parse().unwrap());
    Phone { space, device: "lo".to_owned(), mac: String::new(), v4, v6 }
}

/// The web server; gone with this value, which has to go before the window.
struct Point {
    server: Child,
    folder: PathBuf,
}

impl Point {
    /// Serves the configuration `text` and the daemon behind `socket`.
    fn start(lab: &Lab, desk: &Phone, text: &str, socket: &Path) -> Self {
        let folder = lab.folder().join("point");
        let plugin = folder.join("rpcd/lango");
        fs::create_dir_all(plugin.parent().unwrap()).unwrap();
        if !plugin.exists() {
            std::os::unix::fs::symlink(lango(), &plugin).unwrap();
        }
        for (name, content) in [("lango", text), ("log", "")] {
            fs::write(folder.join(name), content).unwrap();
        }
        let mut command = desk.space.command("python3");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openwrt/luci/stand_in.py"))
            .args(["--port", &PORT.to_string(), "--session", &format!("{ROOT}=*")])
            .args(["--session", &format!("{CASHIER}=luci-app-lango-vouchers")])
            .args(["--session", &format!("{GUARD}=luci-app-lango:r,luci-app-lango-vouchers:r")])
            .arg("--etc")
            .arg(&folder)
            .arg("--plugin")
            .arg(plugin)
            .arg("--socket")
            .arg(socket)
            .arg("--log")
            .arg(folder.join("log"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::null());
        if let Some(real) = std::env::var_os("LANGO_LUCI") {
            command.arg("--luci").arg(real);
        }
        let point = Self { server: command.spawn().unwrap(), folder };
        wait_until("the web server", SOON, || {
            desk.space.enter(|| std::net::TcpStream::connect(("127.0.0.1", PORT)).is_ok())
        });
        point
    }

    /// What /etc/config/lango holds.
    fn config(&self) -> String {
        fs::read_to_string(self.folder.join("lango")).unwrap()
    }

    /// Replaces what logd remembers: the priority and the text of each line.
    fn remember(&self, lines: &[(u8, String)]) {
        let entry = |(priority, msg): &(u8, String)| json!({"msg": msg, "priority": 24 + priority, "time": 1_795_000_000_000_u64, "id": 1, "source": 1});
        let text: String = lines.iter().map(|line| format!("{}\n", entry(line))).collect();
        fs::write(self.folder.join("log"), text).unwrap();
    }
}

impl Drop for Point {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The window of somebody who uses the pages.
struct Operator<'a> {
    window: Chromium<'a>,
}

impl<'a> Operator<'a> {
    fn at(lab: &Lab, desk: &'a Phone) -> Self {
        let window = Chromium::on(lab, desk);
        let screen = json!({ "width": 1100, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        window.debug("Emulation.setDeviceMetricsOverride", &screen);
        Self { window }
    }

    /// Opens a page, and waits until its view is there.
    fn open(&self, session: &str, page: &str, language: &str) {
        self.go(session, page, language);
        self.sees("document.querySelector('#view h2')");
        assert_eq!(self.window.run("return document.querySelector('#broken')"), Value::Null);
    }

    fn go(&self, session: &str, page: &str, language: &str) {
        let path = format!("cgi-bin/luci/admin/services/lango/{page}");
        self.window.go(&format!("http://127.0.0.1:{PORT}/{path}?session={session}&lang={language}"));
    }

    /// Waits until an expression in the page is true.
    fn sees(&self, expression: &str) {
        let from = Instant::now();
        while self.window.run(&format!("return !!({expression})")) != true {
            assert!(from.elapsed() < SOON, "{expression} at {}: {}", self.window.url(), self.window.says());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the page, or what `selector` names of it, says `text`.
    fn reads(&self, selector: &str, text: &str) {
        let text = json!(text);
        self.sees(&format!("document.querySelector(`{selector}`)?.innerText.includes({text})"));
    }

    /// What an element says.
    fn text(&self, selector: &str) -> String {
        let text = self.window.run(&format!("return document.querySelector(`{selector}`).innerText"));
        text.as_str().unwrap().to_owned()
    }

    /// Presses a button that may still be coming.
    fn press(&self, selector: &str) {
        self.sees(&format!("(it => it && !it.disabled)(document.querySelector(`{selector}`))"));
        self.window.tap(selector);
    }

    /// Nothing that was shown has run.
    fn is_unharmed(&self) {
        let found =
            self.window.run("return [typeof owned, document.querySelectorAll('#view [onerror]').length]");
        assert_eq!(found, json!(["undefined", 0]), "at {}", self.window.url());
    }

    fn picture(&self, name: &str) {
        picture(&self.window, &screens().join("luci").join(format!("{name}.png")));
    }
}

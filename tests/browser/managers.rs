//! NetworkManager and ConnMan, as Debian has them, in a phone: it gets an address, looks for the internet, and
//! says what it found. Nothing of the machine's own network is its.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::chromium::end_all;
use crate::harness::{BRIDGE, Browser, Daemon, GATEWAY_V4, Lab, Phone, Resolver, portal_v4};
use crate::{fetched, settings};

/// They take their time to get an address.
const SOON: Duration = Duration::from_secs(40);

/// One that runs; gone with this value.
struct Manager<'a> {
    phone: &'a Phone,
    folder: PathBuf,
    program: Child,
}

impl<'a> Manager<'a> {
    /// `words`: of the package `package`, its program and what it is told.
    fn on(lab: &Lab, phone: &'a Phone, package: &str, words: &[&str], files: &[(&str, &str)]) -> Self {
        let folder = lab.folder().join(package);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/manager.sh");
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let program = (phone.space.command("unshare"))
            .args(["--mount", "--uts", "sh"])
            .args([script.as_os_str(), folder.as_os_str(), tool(words[0]).as_os_str()])
            .args(&words[1..])
            .current_dir(&folder)
            // ConnMan writes down what it is answered.
            .env("CONNMAN_WEB_DEBUG", "1")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { phone, folder, program }
    }

    /// Where it is spoken to.
    fn bus(&self) -> String {
        format!("unix:path={}", self.folder.join("bus").display())
    }

    /// What one of its commands prints.
    fn says(&self, words: &[&str]) -> String {
        let output = Command::new(tool(words[0]))
            .args(&words[1..])
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.bus())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until it says so.
    fn finds(&self, words: &[&str], what: &str) {
        let from = Instant::now();
        while !self.says(words).lines().any(|line| line.trim() == what) {
            assert!(from.elapsed() < SOON, "{words:?}: {}, not {what}\n{}", self.says(words), self.log());
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Manager<'_> {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
        end_all(self.phone);
    }
}

/// A program of what `tests/setup` has unpacked; installed, it would look after the machine's network.
fn tool(name: &str) -> OsString {
    let unpacked = fetched().join("unpacked/usr");
    let found =
        ["sbin", "bin"].map(|place| unpacked.join(place).join(name)).into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("no {name} in {}", unpacked.display())).into()
}

/// One more phone, which is to join and to find its addresses by itself.
fn add_phone(lab: &mut Lab) {
    let phone = lab.plug_phone(BRIDGE, lab.phones.len() + 1, "0.0.0.0", "::", "1");
    phone.space.ip("link set eth0 down");
    phone.space.set_resolver(&GATEWAY_V4.to_string());
    lab.phones.push(phone);
}

/// What is bought on `phone`.
fn buy(daemon: &Daemon, phone: &Phone) {
    Browser::of(phone).must_login(&daemon.voucher("hour"));
}

#[test]
fn network_manager_reports_a_portal_then_the_internet() {
    let mut lab = Lab::new(1);
    let _resolver = Resolver::of_the_internet(&mut lab);
    add_phone(&mut lab);
    let daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[1];
    let configured = "[main]\nplugins=keyfile\nauth-polkit=false\ndns=none\nrc-manager=unmanaged\ndhcp=internal\n\
        [connectivity]\nuri=http://nmcheck.gnome.org/check_network_status.txt\n";
    let words = [
        "NetworkManager",
        "--no-daemon",
        "--config=nm.conf",
        "--config-dir=none",
        "--system-config-dir=none",
        "--intern-config=intern.conf",
        "--state-file=state",
    ];
    let manager = Manager::on(&lab, phone, "network-manager", &words, &[("nm.conf", configured)]);
    let check = ["nmcli", "networking", "connectivity", "check"];
    manager.finds(&check, "portal");
    buy(&daemon, phone);
    manager.finds(&check, "full");
    assert_eq!(Browser::of(phone).logout().status, 303);
    manager.finds(&check, "portal");
}

const CONNMAN_STATE: [&str; 2] = ["connmanctl", "state"];

/// Joins again: ConnMan looks for the internet once, when it has joined, unless a desktop tells it to look again.
fn rejoin(manager: &Manager) {
    let service = format!("ethernet_{}_cable", manager.phone.mac.replace(':', ""));
    manager.says(&["connmanctl", "disconnect", &service]);
    manager.finds(&CONNMAN_STATE, "State = idle");
    manager.says(&["connmanctl", "connect", &service]);
}

/// How often ConnMan was sent to the portal when it looked for the internet, over IPv4.
fn sent_to_portal(manager: &Manager) -> usize {
    manager.log().matches(&format!("[header] location: http://{}/", portal_v4())).count()
}

/// Waits until ConnMan was sent to the portal more than `before` times; it has an address then, and no more.
fn is_held(manager: &Manager, before: usize) {
    let from = Instant::now();
    while sent_to_portal(manager) == before {
        assert!(from.elapsed() < SOON, "sent to the portal {before} times\n{}", manager.log());
        thread::sleep(Duration::from_millis(100));
    }
    manager.finds(&CONNMAN_STATE, "State = ready");
}

#[test]
fn connman_is_held_at_the_portal_then_online() {
    let mut lab = Lab::new(1);
    let _resolver = Resolver::of_the_internet(&mut lab);
    add_phone(&mut lab);
    // It checks the checksums of an offer itself, which over a cable of the lab are left to be filled in.
    lab.gateway.must("ethtool", &["-K", BRIDGE, "tx", "off"]);
    let daemon = Daemon::start(&lab, &settings());
    let phone = &lab.phones[1];
    let configured = "[General]\nEnableOnlineCheck=true\n";
    let words =
        ["connmand", "--nodaemon", "--config=main.conf", "--device=eth0", "--plugin=ethernet,loopback"];
    let manager = Manager::on(&lab, phone, "connman", &words, &[("main.conf", configured)]);
    is_held(&manager, 0);
    buy(&daemon, phone);
    rejoin(&manager);
    manager.finds(&CONNMAN_STATE, "State = online");
    assert_eq!(Browser::of(phone).logout().status, 303);
    let before = sent_to_portal(&manager);
    rejoin(&manager);
    is_held(&manager, before);
}

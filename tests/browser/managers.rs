//! NetworkManager, as Debian has it, in a phone: it gets an address, looks for the internet, and says what it
//! found. Nothing of the machine's own network is its.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::chromium::end_all;
use crate::harness::{BRIDGE, Browser, Daemon, GATEWAY_V4, Lab, Phone, Resolver};
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
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/network-manager.sh");
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let program = Command::new("ip")
            .args(["netns", "exec", phone.space.name()])
            .args(["unshare", "--mount", "--uts", "sh"])
            .args([script.as_os_str(), folder.as_os_str(), tool(words[0]).as_os_str()])
            .args(&words[1..])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { phone, folder, program }
    }

    /// What one of its commands prints.
    fn says(&self, words: &[&str]) -> String {
        let output = Command::new(tool(words[0]))
            .args(&words[1..])
            .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", self.folder.join("bus").display()))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits until it says so.
    fn finds(&self, words: &[&str], what: &str) {
        let from = Instant::now();
        while !self.says(words).lines().any(|line| line.trim() == what) {
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(from.elapsed() < SOON, "{words:?}: {}, not {what}\n{}", self.says(words), log());
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

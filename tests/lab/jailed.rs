//! The daemon as procd and ujail start it: another user from its first instruction on, with three powers, in a file
//! system that has no program but it. `jail.py` reads from the init script what that is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{Authority, Browser, Daemon, Key, Lab, Settings, wait_until};
use crate::service::assert_confined;

const NOBODY: u32 = 65_534;
const JAIL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/jail.py");
const SOON: Duration = Duration::from_secs(25);

fn settings(authority: &Authority) -> Settings {
    let [certificate, key] = authority.files();
    Settings::default()
        .main("user", "nobody")
        .main("certificate", &certificate)
        .main("key", &key)
        .plan("hour", &[("metered", "1h")])
}

/// Makes a certificate that the user can read.
fn issue(authority: &Authority) {
    authority.issue("wifi.lango", Key::Ecdsa);
    for file in authority.files() {
        fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    }
}

/// What /proc says of the jailed process itself; it is the only child of its jailer.
fn proc(daemon: &Daemon) -> PathBuf {
    let jailer = daemon.pid();
    let children = fs::read_to_string(format!("/proc/{jailer}/task/{jailer}/children")).unwrap();
    Path::new("/proc").join(children.trim())
}

fn assert_jailed(daemon: &Daemon) {
    let proc = proc(daemon);
    assert_confined(&proc);
    let status = fs::read_to_string(proc.join("status")).unwrap();
    // Its first process, so what ends itself or is asked to end has to work there.
    assert!(status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")), "{status}");
    let root = proc.join("root");
    // The folder of the program is there, wherever it was built.
    for program in ["bin", "sbin", "usr/bin", "usr/sbin", "proc/self", "sys"] {
        assert!(!root.join(program).exists(), "{program} is in the jail");
    }
}

fn assert_https(lab: &Lab, authority: &Authority) {
    wait_until("the portal over TLS", SOON, || {
        authority.fetch(&lab.phones[0], "", "https://wifi.lango:2443/").is_ok()
    });
}

#[test]
fn in_the_jail_of_procd_the_daemon_needs_no_other_program_and_no_more_files() {
    let lab = Lab::new(2);
    fs::set_permissions(lab.folder(), Permissions::from_mode(0o755)).unwrap();
    let authority = Authority::new(lab.folder());
    issue(&authority);
    let mut daemon = Daemon::prepare(&lab, &settings(&authority));
    // The init script does it first; it makes the folders the user's.
    assert_eq!(daemon.without_it(&["hold"]).code, 0);
    daemon.started_by(["python3", JAIL, daemon.config().to_str().unwrap()]);
    daemon.wall_unknown();
    daemon.run();
    assert_jailed(&daemon);

    let [first, second] = [&lab.phones[0], &lab.phones[1]];
    first.assert_held(&lab.world);
    let codes = daemon.vouchers("hour", 2);
    Browser::of(first).must_login(&codes[0]);
    assert!(first.is_open(&lab.world));
    daemon.wall_step(0);
    assert_https(&lab, &authority);
    let checks = daemon.json(&["doctor"]);
    let failed: Vec<_> = checks.as_array().unwrap().iter().filter(|check| check["state"] == "fail").collect();
    assert!(failed.is_empty(), "{failed:?}");

    // Files that are replaced are seen: what is in the jail are their folders.
    issue(&authority);
    fs::write(lab.folder().join("new"), "").unwrap();
    daemon.configure(&settings(&authority).plan("day", &[("validity", "24h")]));
    daemon.signal(Signal::SIGHUP);
    wait_until("the new plan", SOON, || daemon.json(&["plan", "list"]).to_string().contains("day"));
    assert!(first.is_open(&lab.world), "a reload cut a session");
    lab.gateway.nft("delete table inet lango");
    wait_until("the table to be rebuilt", SOON, || first.is_open(&lab.world));

    // It ends when asked, comes back, and knows what it sold.
    assert_eq!(daemon.stop(), Some(0));
    assert!(first.is_open(&lab.world));
    daemon.wall_unknown();
    daemon.run();
    assert_jailed(&daemon);
    assert_eq!(daemon.sessions().len(), 1);
    Browser::of(second).must_login(&codes[1]);
    assert!(first.is_open(&lab.world) && second.is_open(&lab.world));
    let database = fs::metadata(daemon.state().join("lango.db")).unwrap();
    assert_eq!((database.uid(), database.mode() & 0o7777), (NOBODY, 0o600));
}

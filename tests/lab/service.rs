//! Lango as a service of the system: guests held from boot on, and a daemon that is nobody in particular.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{
    Browser, Daemon, ECHO, GATEWAY_V4, GATEWAY_V6, HTTP, Lab, Phone, Settings, Stream, UDP_ECHO, lango,
    wait_until,
};

const NOBODY: u32 = 65_534;
const STEP: Duration = Duration::from_millis(2);

fn settings() -> Settings {
    Settings::default().plan("hour", &[("metered", "1h")])
}

/// Asserts that nothing of the world is reached while there is no portal either.
fn assert_shut_out(phone: &Phone, lab: &Lab) {
    for to in lab.world.both(ECHO) {
        let outcome = phone.try_tcp(to);
        assert!(outcome.refused_fast(), "TCP to {to}: {outcome:?}");
    }
    for to in lab.world.both(UDP_ECHO) {
        let outcome = phone.try_udp(to);
        assert!(outcome.refused_fast(), "UDP to {to}: {outcome:?}");
    }
    for to in lab.world.both(HTTP) {
        assert!(phone.get(to, "world.test", "/").is_err(), "port 80 of {to}");
    }
}

#[test]
fn guests_are_held_from_before_their_network_is_there_until_the_daemon_has_begun() {
    let lab = Lab::new(1);
    lab.tell_of_every_refusal();
    let mut daemon = Daemon::prepare(&lab, &settings());
    let phone = &lab.phones[0];
    assert!(phone.is_open(&lab.world), "without Lango the gateway of the lab lets everybody through");
    lab.gateway.ip("link set br-guest down\nlink set br-guest name br-later");
    let held = daemon.without_it(&["hold"]);
    assert_eq!(held.code, 0, "{held:?}");
    lab.gateway.ip(
        "link set br-later name br-guest\nlink set br-guest up\naddr replace fd77::1/64 dev br-guest nodad",
    );
    for gateway in [GATEWAY_V4.to_string(), GATEWAY_V6.to_owned()] {
        let answers = || phone.space.output("ping", &["-c", "1", "-W", "1", &gateway]).status.success();
        wait_until("the gateway to be there again", Duration::from_secs(10), answers);
    }
    assert_shut_out(phone, &lab);
    let unpaid = Stream::start(phone, &lab.world, 4, STEP);
    daemon.run();
    unpaid.flow(50);
    let (_, leaked) = unpaid.finish(&lab.world);
    assert_eq!(leaked.len(), 0, "datagrams passed while the daemon took over");
    assert!(daemon.log().contains("table=adopted"), "{}", daemon.log());
    phone.assert_held(&lab.world);
    Browser::of(phone).must_login(&daemon.voucher("hour"));
    assert!(phone.is_open(&lab.world));
}

#[test]
fn who_has_paid_stays_online_when_guests_are_held_anew() {
    let lab = Lab::new(2);
    let mut daemon = Daemon::start(&lab, &settings());
    Browser::of(&lab.phones[0]).must_login(&daemon.voucher("hour"));
    let paid = Stream::start(&lab.phones[0], &lab.world, 4, STEP);
    paid.flow(20);
    daemon.kill();
    assert_eq!(daemon.without_it(&["hold"]).code, 0);
    paid.flow(50);
    daemon.run();
    assert_eq!(daemon.without_it(&["hold"]).code, 0);
    paid.flow(50);
    let (sent, came) = paid.finish(&lab.world);
    assert_eq!(came.len() as u64, sent, "datagrams of the paid phone were lost");
    lab.phones[1].assert_held(&lab.world);
}

#[test]
fn guests_are_held_also_by_a_configuration_with_errors() {
    let lab = Lab::new(1);
    let daemon = Daemon::prepare(&lab, &settings().main("portal_port", "eighty").main("frob", "1"));
    let held = daemon.without_it(&["hold"]);
    assert_eq!(held.code, 78, "{held:?}");
    assert!(held.err.contains("portal_port"), "{held:?}");
    assert_shut_out(&lab.phones[0], &lab);
}

#[test]
fn nobody_is_held_by_a_lango_that_is_switched_off() {
    let lab = Lab::new(1);
    for settings in [settings(), settings().main("frob", "1")] {
        let daemon = Daemon::prepare(&lab, &settings.main("enabled", "0"));
        daemon.without_it(&["hold"]);
        assert!(lab.phones[0].is_open(&lab.world));
    }
}

/// What rpcd gets from the plugin for a call, which is an object.
fn called(lab: &Lab, daemon: &Daemon, method: &str, arguments: &Value) -> Value {
    let folder = lab.folder().join("rpcd");
    let path = folder.join("lango");
    if !path.exists() {
        fs::create_dir_all(&folder).unwrap();
        symlink(lango(), &path).unwrap();
        // Of ubus itself this is the one call that the plugin makes.
        let script = "#!/bin/sh\n[ \"$*\" = '-S -t 2 call session get {\"keys\":[\"username\"],\"ubus_rpc_session\":\"5e55\"}' ] &&
            echo '{\"values\":{\"username\":\"juma (root), admin\"}}'\n";
        fs::write(folder.join("ubus"), script).unwrap();
        fs::set_permissions(folder.join("ubus"), Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(path);
    command.env("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()));
    command.args(["call", method, "--socket"]).arg(daemon.socket());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    // It looks at the network that it runs in.
    let mut plugin = lab.gateway.enter(move || command.spawn().unwrap());
    plugin.stdin.take().unwrap().write_all(arguments.to_string().as_bytes()).unwrap();
    let said = plugin.wait_with_output().unwrap().stdout;
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert!(said.is_object() && said["error"].is_null(), "{method} {arguments}: {said}");
    said
}

#[test]
fn all_methods_of_ubus_do_what_they_say() {
    let lab = Lab::new(1);
    let daemon = Daemon::start(&lab, &settings());
    let call = |method: &str, arguments: Value| called(&lab, &daemon, method, &arguments);
    let phone = &lab.phones[0];
    assert_eq!(call("status", json!({}))["running"], true);
    assert_eq!(call("plans", json!({}))["plans"][0]["id"], "hour");

    let session = call("login", json!({"mac": phone.mac, "plan": "hour", "ubus_rpc_session": "5e55"}));
    assert!(phone.is_open(&lab.world));
    assert_eq!(call("sessions", json!({}))["sessions"][0]["id"], session["id"]);
    assert_eq!(call("status", json!({}))["sessions"], 1);
    assert_eq!(call("logout", json!({"session": session["id"]}))["id"], session["id"]);
    phone.assert_held(&lab.world);

    let made = call("voucher_new", json!({"plan": "hour", "count": 2, "print": true}));
    assert_eq!(made["html"].as_str().unwrap().matches("<svg ").count(), 2);
    let code = made["vouchers"][0]["code"].as_str().unwrap();
    assert_eq!(call("voucher_show", json!({"code": code}))["state"], "unused");
    Browser::of(phone).must_login(code);
    assert_eq!(call("voucher_show", json!({"code": code}))["devices"], json!([phone.mac]));
    let listed = call("voucher_list", json!({"batch": made["vouchers"][0]["batch"]}));
    assert_eq!(listed["vouchers"].as_array().unwrap().len(), 2);
    assert_eq!(call("voucher_revoke", json!({"code": code}))["state"], "revoked");
    phone.assert_held(&lab.world);

    let failed =
        |checks: &Value| checks["checks"].as_array().unwrap().iter().any(|check| check["state"] == "fail");
    assert!(!failed(&call("doctor", json!({}))), "{}", call("doctor", json!({})));
    assert!(!call("doctor", json!({"mac": phone.mac}))["checks"].as_array().unwrap().is_empty());

    // The trail tells whose session of ubus it was, as far as that is known, and never the session.
    let trail = daemon.json(&["audit"]);
    let who = |action: &str| {
        let row = trail.as_array().unwrap().iter().find(|row| row["action"] == action);
        row.unwrap_or_else(|| panic!("no {action}: {trail}"))["who"].as_str().unwrap().to_owned()
    };
    assert_eq!(who("login"), "uid 0 (root), admin, by ubus (jumarootadmin)");
    assert_eq!(who("voucher_revoke"), "uid 0 (root), admin, by ubus");
    assert!(!trail.to_string().contains("5e55"), "{trail}");
}

/// The value of a line of the status in `proc`, which is /proc/PID.
fn status(proc: &Path, name: &str) -> String {
    let text = fs::read_to_string(proc.join("status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in: {text}")).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Asserts that a process is nobody, has three powers, can gain none, and is sealed.
pub(crate) fn assert_confined(proc: &Path) {
    // CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW.
    let (three, none) = ("0000000000003400", "0000000000000000");
    for (name, expected) in [
        ("Uid", "65534 65534 65534 65534"),
        ("Gid", "65534 65534 65534 65534"),
        ("CapEff", three),
        ("CapPrm", three),
        ("CapBnd", three),
        ("CapInh", none),
        ("CapAmb", none),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
    ] {
        assert_eq!(status(proc, name), expected, "{name}");
    }
}

fn assert_is_nobody(daemon: &Daemon) {
    let proc = Path::new("/proc").join(daemon.pid().to_string());
    assert_confined(&proc);
    assert_eq!(status(&proc, "Groups"), "65534");
    let state = daemon.state();
    let kept = ["lango.db", "lango.db-wal", "device.key"].map(|name| (state.join(name), 0o600));
    for (path, mode) in kept.into_iter().chain([(state, 0o755), (daemon.socket(), 0o660)]) {
        let about = fs::metadata(&path).unwrap();
        let found = (about.uid(), about.gid(), about.mode() & 0o7777);
        assert_eq!(found, (NOBODY, NOBODY, mode), "{}", path.display());
    }
}

#[test]
fn a_daemon_that_is_nobody_does_all_that_roots_does() {
    let lab = Lab::new(2);
    fs::set_permissions(lab.folder(), Permissions::from_mode(0o755)).unwrap();
    // What a root without the option has made, it takes over.
    let mut daemon = Daemon::start(&lab, &settings());
    let codes = daemon.vouchers("hour", 3);
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(fs::metadata(daemon.state().join("lango.db")).unwrap().uid(), 0);
    let nobody = settings().main("user", "nobody").main("checkpoint", "10s");
    daemon.configure(&nobody);
    assert_eq!(daemon.check().code, 0);
    daemon.run();
    assert_is_nobody(&daemon);

    let [first, second] = [&lab.phones[0], &lab.phones[1]];
    Browser::of(first).must_login(&codes[0]);
    Browser::of(second).must_login(&codes[1]);
    assert!(first.is_open(&lab.world) && second.is_open(&lab.world));
    daemon.json(&["logout", &second.mac]);
    second.assert_held(&lab.world);
    let checks = daemon.json(&["doctor"]);
    let failed: Vec<_> = checks.as_array().unwrap().iter().filter(|check| check["state"] == "fail").collect();
    assert!(failed.is_empty(), "{failed:?}");

    daemon.configure(&nobody.clone().plan("day", &[("validity", "24h")]));
    daemon.signal(Signal::SIGHUP);
    wait_until("the new plan", Duration::from_secs(5), || {
        daemon.json(&["plan", "list"]).to_string().contains("day")
    });
    assert_eq!(daemon.stop(), Some(0));
    // A command of root's leaves nothing behind that the daemon cannot write.
    let made = daemon.without_it(&["voucher", "new", "--plan", "hour", "--offline"]);
    assert_eq!(made.code, 0, "{made:?}");
    daemon.run();
    assert_is_nobody(&daemon);
    assert_eq!(daemon.sessions().len(), 1);
    Browser::of(second).must_login(&codes[2]);
    lab.gateway.nft("delete table inet lango");
    wait_until("the table to be rebuilt", Duration::from_secs(5), || second.is_open(&lab.world));
}

#[test]
fn a_user_that_does_not_exist_is_an_error_with_its_line() {
    let lab = Lab::new(1);
    let daemon = Daemon::prepare(&lab, &settings().main("user", "no-such-user"));
    let checked = daemon.check();
    assert_eq!(checked.code, 78, "{checked:?}");
    assert!(checked.out.contains(": user: there is no user 'no-such-user'"), "{checked:?}");
}

//! Roles: every command by every role, over the real socket.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Daemon, Ended, Lab, Settings, wait_until};

/// What each command needs, the deadly ones last.
const COMMANDS: &[(&str, &[&str])] = &[
    (
        "viewer",
        &[
            "status",
            "sessions",
            "plan list",
            "doctor",
            "doctor 02:00:00:00:00:01",
            "metrics",
            "clock",
            "sync",
        ],
    ),
    (
        "cashier",
        &[
            "voucher new --plan hour",
            "voucher show 1",
            "voucher list",
            "voucher report",
            "voucher reprint --batch B1",
            "voucher revoke 1",
            "topup 1 --time 1h",
            "extend 1 --by 1h",
        ],
    ),
    (
        "support",
        &[
            "login 02:00:00:00:00:01 --plan hour",
            "logout 02:00:00:00:00:01",
            "move 1 02:00:00:00:00:02",
            "merge 1 2",
        ],
    ),
    (
        "admin",
        &[
            "backup /nonexistent/lango.backup",
            "audit",
            "audit --verify",
            "sync --now",
            "clock reset",
            "key rotate",
            "enrol https://127.0.0.1:1 claim",
            "refund 1",
            "export --all",
            "forget --mac 02:00:00:00:00:01",
            "voucher import FILE",
        ],
    ),
];
const ROLES: [&str; 4] = ["viewer", "cashier", "support", "admin"];

/// A user without a name on this system, by its number, in no further group.
fn becoming(uid: &str, groups: &str) -> [String; 4] {
    let groups = if groups.is_empty() { "--clear-groups".to_owned() } else { format!("--groups={groups}") };
    ["setpriv".to_owned(), format!("--reuid={uid}"), format!("--regid={uid}"), groups]
}

/// A daemon whose socket everybody may open, so that only roles count.
fn open_to_all(lab: &Lab, settings: &Settings) -> Daemon {
    let daemon = Daemon::start(lab, settings);
    for path in [lab.folder().to_owned(), daemon.socket().parent().unwrap().to_owned()] {
        set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    set_permissions(daemon.socket(), Permissions::from_mode(0o666)).unwrap();
    std::fs::write(lab.folder().join("vouchers.csv"), "code,plan\nABCD1234,hour\n").unwrap();
    daemon
}

fn settings() -> Settings {
    Settings::default().plan("hour", &[("metered", "1h")])
}

fn with_roles() -> Settings {
    let mut settings = settings();
    for (role, uid, group) in [
        ("viewer", "60001", "60009"),
        ("cashier", "60002", "60010"),
        ("support", "60003", "60011"),
        ("admin", "60004", "60013"),
    ] {
        let members = [("user", uid), ("user", "60099"), ("group", group)];
        settings = settings.lists(&format!("role '{role}'"), &members, &[]);
    }
    settings
}

fn ask(daemon: &Daemon, lab: &Lab, uid: &str, groups: &str, line: &str) -> Ended {
    let file = lab.folder().join("vouchers.csv").display().to_string();
    let words: Vec<_> = line.split(' ').map(|word| if word == "FILE" { &*file } else { word }).collect();
    let by = becoming(uid, groups);
    daemon.cli_by(&by.each_ref().map(String::as_str), &words)
}

/// Exit code 77, and who could do it.
fn assert_refused(ended: &Ended, least: &str, role: &str, about: &str) {
    assert_eq!((ended.code, &*ended.out), (77, ""), "{about}: {ended:?}");
    let said = [format!("needs the role {least}"), format!("is {role}"), format!("section role '{least}'")];
    assert!(said.iter().all(|part| ended.err.contains(part)), "{about}: {ended:?}");
}

#[test]
fn every_command_is_for_its_least_role_and_those_above() {
    let lab = Lab::new(1);
    let daemon = open_to_all(&lab, &with_roles());
    for (rank, role) in ROLES.into_iter().enumerate() {
        let uid = format!("6000{}", rank + 1);
        for (needed, (least, lines)) in COMMANDS.iter().enumerate() {
            for line in *lines {
                let ended = ask(&daemon, &lab, &uid, "", line);
                let about = format!("{role}: {line}");
                if rank < needed {
                    assert_refused(&ended, least, role, &about);
                } else {
                    assert!([0, 1].contains(&ended.code), "{about}: {ended:?}");
                }
            }
        }
    }
    // By a group, also one that is not the first; the highest counts; whoever is not named looks only.
    for (uid, groups, line, least, role) in [
        ("60010", "", "login 02:00:00:00:00:01 --plan hour", "support", "cashier"),
        ("60020", "60012,60010", "logout 02:00:00:00:00:01", "support", "cashier"),
        ("60002", "60011", "export --all", "admin", "support"),
        ("60050", "", "voucher list", "cashier", "viewer"),
    ] {
        assert_refused(&ask(&daemon, &lab, uid, groups, line), least, role, line);
    }
    assert_eq!(ask(&daemon, &lab, "60099", "", "audit").code, 0, "the highest of all");
    assert_eq!(ask(&daemon, &lab, "60020", "60011", "voucher list").code, 0);
    assert_eq!(daemon.cli(&["audit", "--verify"]).code, 0, "root, which nobody has to name");
    let json = ask(&daemon, &lab, "60001", "", "forget --all --json");
    let error = &serde_json::from_str::<Value>(&json.out).unwrap()["error"];
    assert_eq!((json.code, &error["code"]), (77, &json!("no_permission")), "{json:?}");

    // The trail has who did it in which role; who was refused a hundred times stands there once, and in the log.
    let rows = daemon.json(&["audit"]);
    let count = |who: &str, action: &str| {
        rows.as_array().unwrap().iter().filter(|row| row["who"] == who && row["action"] == action).count()
    };
    assert_eq!((count("uid 60002, cashier", "voucher_new"), count("uid 60002, cashier", "refused")), (1, 1));
    assert_eq!(count("uid 60001, viewer", "refused"), 1, "{rows}");
    assert_eq!(count("uid 60004, admin", "refused"), 0, "{rows}");
    let log = daemon.log();
    let told =
        |uid: &str| log.lines().filter(|line| line.contains("not_permitted") && line.contains(uid)).count();
    assert_eq!((told("uid=60001"), told("uid=60002"), told("uid=60004")), (1, 1, 0), "{log}");

    // Read anew, while the daemon goes on.
    daemon.configure(&settings().section("role 'admin'", &[("user", "60001")]));
    daemon.signal(Signal::SIGHUP);
    wait_until("the roles to be read anew", std::time::Duration::from_secs(10), || {
        ask(&daemon, &lab, "60001", "", "audit").code == 0
    });
    assert_eq!(ask(&daemon, &lab, "60004", "", "audit").code, 77);
}

/// As it was before there were roles: the mode of the socket alone decides.
#[test]
fn without_a_section_whoever_can_open_the_socket_may_do_all() {
    let lab = Lab::new(1);
    let daemon = open_to_all(&lab, &settings());
    for line in ["status", "voucher new --plan hour", "export --all", "audit", "clock reset"] {
        let ended = ask(&daemon, &lab, "60001", "", line);
        assert!([0, 1].contains(&ended.code), "{line}: {ended:?}");
    }
    set_permissions(daemon.socket(), Permissions::from_mode(0o660)).unwrap();
    assert_eq!(ask(&daemon, &lab, "60001", "", "status").code, 77, "the file is the first door");
}

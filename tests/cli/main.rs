//! The real program against a daemon that gives prepared answers over a real socket: what is printed where,
//! and how the program ends.
#![expect(clippy::disallowed_methods, reason = "starts the program")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backup;
mod daemon;
mod place;
mod roles;
mod rpcd;
mod setup;
mod stock;
mod trail;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use lango::wire::control::{
    Answer, ClockShown, Cloud, Code, Erased, Failure, Imported, Joined, Request, Response, RowError, Sheet,
    VoucherMade, VouchersMade, Whose,
};
use serde_json::json;

use self::daemon::{Daemon, code, lango, printed, stderr, stdout};

fn answer(request: Request) -> Response {
    match request {
        Request::Sessions => Response::Ok(Answer::Sessions(Vec::new())),
        Request::VoucherNew(wish) => Response::Ok(Answer::VoucherNew(vouchers(wish.count))),
        Request::VoucherImport { rows, .. } => Response::Ok(Answer::VoucherImport(Imported {
            added: rows.iter().filter(|row| row.plan == "hour").count() as u64,
            errors: (rows.iter().filter(|row| row.plan != "hour"))
                .map(|row| RowError { line: row.line, message: format!("plan: there is no {}", row.plan) })
                .collect(),
            ..Imported::default()
        })),
        Request::VoucherShow { .. } => fail(Code::NoSuchVoucher),
        Request::Metrics => Response::Ok(Answer::Metrics("lango_sessions 3\n".to_owned())),
        Request::Status => fail(Code::Internal),
        Request::Sync => Response::Ok(Answer::Sync(Cloud {
            configured: true,
            last_success: Some("2026-11-22T22:17:31Z".to_owned()),
            cursor: Some("7.1042".to_owned()),
            ..Cloud::default()
        })),
        Request::Enrol(wish) if wish.claim.reveal() == "used" => fail(Code::Refused),
        Request::Enrol(wish) => Response::Ok(Answer::Enrol(Joined {
            site: "kariakoo-01".to_owned(),
            url: wish.url,
            restart_needed: true,
            warnings: vec!["3 vouchers".to_owned()],
        })),
        Request::SyncNow => fail(Code::Refused),
        Request::PlanList => fail(Code::Configuration),
        Request::Doctor { .. } => fail(Code::NoPermission),
        Request::Clock => Response::Ok(Answer::Clock(clock())),
        Request::ClockReset | Request::KeyRotate => fail(Code::NotStored),
        Request::Export { .. } => Response::Ok(Answer::Export(Box::default())),
        Request::Forget { whose: Whose::All } => {
            Response::Ok(Answer::Forget(Erased { devices: 2, entitlements: 3, sessions: 5, claims: 1 }))
        }
        Request::Forget { .. } => fail(Code::NoSuchPerson),
        Request::Backup => fail(Code::NotStored),
        Request::Audit => Response::Ok(Answer::Audit(Vec::new())),
        Request::AuditVerify => fail(Code::TrailBroken),
        Request::Login { .. }
        | Request::Logout(_)
        | Request::Topup { .. }
        | Request::Extend { .. }
        | Request::Refund { .. }
        | Request::Move { .. }
        | Request::Merge { .. }
        | Request::VoucherRevoke { .. }
        | Request::VoucherReprint(_)
        | Request::VoucherReport { .. }
        | Request::VoucherList { .. } => fail(Code::Refused),
    }
}

fn clock() -> ClockShown {
    ClockShown {
        trusted: false,
        now: "2026-11-22T22:17:31Z".to_owned(),
        source: None,
        since: None,
        floor: "2026-11-22T22:17:00Z".to_owned(),
        disbelieved: Vec::new(),
        good_for: Vec::new(),
    }
}

fn fail(code: Code) -> Response {
    Response::Error(Failure::new(code, "it failed", "do this"))
}

fn vouchers(count: u32) -> VouchersMade {
    let voucher = |number| VoucherMade {
        code: format!("4821 9937 {number:02}"),
        plan: "hour".to_owned(),
        batch: "B20261122-2217".to_owned(),
    };
    VouchersMade {
        vouchers: (0..count).map(voucher).collect(),
        sheet: Sheet {
            portal_name: "wifi.lango".to_owned(),
            title: "Kariakoo <Wi-Fi>".to_owned(),
            plan_title: "Saa 1".to_owned(),
            price: "500".to_owned(),
            currency: "TZS".to_owned(),
            support_phone: "+255700000000".to_owned(),
        },
    }
}

#[test]
fn answers_go_to_stdout_and_failures_to_stderr_with_their_exit_code() {
    let daemon = Daemon::start(answer);
    let output = daemon.run(&["sessions"]);
    assert_eq!((code(&output), stdout(&output), stderr(&output)), (0, "nobody is online\n", ""));
    let output = daemon.run(&["clock"]);
    assert!(code(&output) == 0 && stdout(&output).contains("NOT TRUSTED"), "{output:?}");
    for (args, exit) in [
        (["voucher", "show", "1"].as_slice(), 1),
        (&["logout", "02:00:00:00:00:01"], 1),
        (&["forget", "--code", "4821 9937 05"], 1),
        (&["status"], 70),
        (&["doctor"], 77),
        (&["plan", "list"], 78),
        (&["clock", "reset"], 70),
        (&["sync", "--now"], 1),
        (&["enrol", "https://a.b", "used"], 1),
    ] {
        let output = daemon.run(args);
        assert_eq!((code(&output), stdout(&output)), (exit, ""), "{args:?}");
        assert_eq!(stderr(&output), "lango: it failed; do this\n", "{args:?}");
    }
}

#[test]
fn the_sync_and_an_enrolment_have_the_fields_of_the_interface() {
    let daemon = Daemon::start(answer);
    let output = daemon.run(&["sync", "--json"]);
    let expected = json!({"configured": true, "last_success": "2026-11-22T22:17:31Z", "cursor": "7.1042",
        "outbox": 0, "last_error": null, "since": null, "remedy": null});
    assert_eq!((code(&output), printed(&output)), (0, expected));
    let output = daemon.run(&["enrol", "https://bos.example.net", "c", "--json"]);
    let expected = json!({"site": "kariakoo-01", "url": "https://bos.example.net", "restart_needed": true,
        "warnings": ["3 vouchers"]});
    assert_eq!((code(&output), printed(&output)), (0, expected));
    let said = daemon.run(&["enrol", "https://bos.example.net", "c"]);
    for line in
        ["joined https://bos.example.net as site kariakoo-01", "warning: 3 vouchers", "restart the daemon"]
    {
        assert!(stdout(&said).contains(line), "{}", stdout(&said));
    }
    let output = daemon.run(&["enrol", "https://a.b", "c", "--ca", "/nonexistent", "--json"]);
    assert_eq!((code(&output), printed(&output)["error"]["code"].as_str()), (1, Some("bad_file")));
}

#[test]
fn a_persons_data_is_five_lists_or_a_table_and_what_was_forgotten_is_counted() {
    let daemon = Daemon::start(answer);
    let lists = json!({"devices": [], "entitlements": [], "sessions": [], "claims": [], "audit": []});
    for args in [["export", "--all", "--json"].as_slice(), &["export", "--all"]] {
        let output = daemon.run(args);
        assert_eq!((code(&output), printed(&output)), (0, lists.clone()), "{args:?}");
    }
    let output = daemon.run(&["export", "--mac", "02:00:00:00:00:01", "--format", "csv"]);
    assert!(code(&output) == 0 && stdout(&output).starts_with("kind,id,entitlement,mac,"), "{output:?}");
    let said = "forgotten: devices 2, entitlements 3, sessions 5, claims 1\n";
    let output = daemon.run(&["forget", "--all"]);
    assert_eq!((code(&output), stdout(&output)), (0, said));
    let counts = json!({"devices": 2, "entitlements": 3, "sessions": 5, "claims": 1});
    assert_eq!(printed(&daemon.run(&["forget", "--all", "--json"])), counts);
}

#[test]
fn with_json_a_failure_is_an_object_on_stdout() {
    let daemon = Daemon::start(answer);
    let output = daemon.run(&["voucher", "show", "4821993705", "--json"]);
    let expected = json!({"error": {"code": "no_such_voucher", "message": "it failed", "remedy": "do this"}});
    assert_eq!((code(&output), printed(&output), stderr(&output)), (1, expected, ""));
    for (args, exit, word) in [
        (["status", "--json", "--frob"].as_slice(), 2, "usage"),
        (&["status", "--json", "--socket", "/nonexistent/lango.sock"], 69, "unreachable"),
        (&["check", "--json", "--config", "/nonexistent"], 78, "configuration"),
        (&["voucher", "import", "/nonexistent", "--json", "--offline"], 1, "bad_file"),
    ] {
        let output = lango(args);
        assert_eq!(code(&output), exit, "{args:?}");
        assert_eq!(printed(&output)["error"]["code"], word, "{args:?}");
    }
}

#[test]
fn without_a_daemon_the_user_is_told_how_to_start_it() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("lango.sock");
    let socket = socket.to_str().unwrap();
    for prepare in [|_: &str| (), |path: &str| drop(std::os::unix::net::UnixListener::bind(path).unwrap())] {
        prepare(socket);
        let output = lango(&["status", "--socket", socket]);
        assert_eq!((code(&output), stdout(&output)), (69, ""));
        assert!(stderr(&output).contains("start it with '/etc/init.d/lango start'"), "{}", stderr(&output));
    }
}

/// Needs root, to become somebody else.
#[test]
fn a_socket_of_somebody_else_is_no_permission() {
    let daemon = Daemon::start(answer);
    // The build may lie where only its owner can go. Copied by another process, since a file that this one
    // writes stays busy while some other test is between fork and exec.
    let program = daemon.dir().join("lango");
    let copied =
        Command::new("cp").args([env!("CARGO_BIN_EXE_lango").as_ref(), program.as_os_str()]).status();
    assert!(copied.unwrap().success());
    std::fs::set_permissions(daemon.dir(), Permissions::from_mode(0o755)).unwrap();
    let socket = daemon.dir().join("lango.sock");
    let mut command = Command::new(program);
    command.args(["status", "--socket", socket.to_str().unwrap()]).uid(65_534).gid(65_534);
    let output = command.output().unwrap();
    assert_eq!(code(&output), 77, "{}", stderr(&output));
    assert!(stderr(&output).contains("no permission to use"), "{}", stderr(&output));
}

#[test]
fn vouchers_are_made_as_csv_json_or_sheet() {
    let daemon = Daemon::start(answer);
    let new = ["voucher", "new", "--plan", "hour", "--count", "30"];
    let csv = daemon.run(&new);
    assert_eq!(stdout(&csv).lines().count(), 31);
    assert!(stdout(&csv).starts_with("code,plan,batch\n4821 9937 00,hour,B20261122-2217\n"));
    let output = daemon.run(&[new.as_slice(), &["--json"]].concat());
    assert_eq!(
        printed(&output)[29],
        json!({"code": "4821 9937 29", "plan": "hour", "batch": "B20261122-2217"})
    );
    let sheet = daemon.run(&[new.as_slice(), &["--print"]].concat());
    assert_eq!(stdout(&sheet).matches("<svg ").count(), 30);
    assert!(!stdout(&sheet).contains("<Wi-Fi>") && stdout(&sheet).contains("Kariakoo &lt;Wi-Fi&gt;"));
}

#[test]
fn large_files_are_imported_in_parts_and_errors_come_in_the_order_of_lines() {
    let daemon = Daemon::start(answer);
    let rows = (2..=20_001).map(|line| match line {
        700 => "1,day,B1,\r\n".to_owned(),
        20 => "no plan\r\n".to_owned(),
        line => format!("{line:010},hour,B1,\r\n"),
    });
    let text = format!("\u{feff}code,plan,batch,activate_by\r\n{}", rows.collect::<String>());
    let path = daemon.file("vouchers.csv", &text);
    let output = daemon.run(&["voucher", "import", path.to_str().unwrap(), "--json"]);
    let errors = json!([
        {"line": 20, "message": "row: 1 fields instead of 4; quote a field that holds a comma"},
        {"line": 700, "message": "plan: there is no day"}]);
    let expected = json!({"added": 19_998, "skipped": 0, "errors": errors, "wrong": 2, "dry_run": false,
        "file": path.display().to_string()});
    assert_eq!((code(&output), printed(&output)), (0, expected));
}

#[test]
fn check_prints_every_error_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lango");
    let file = path.to_str().unwrap();
    for (text, exit, lines) in [
        ("config gateway 'main'\n\tlist interface 'br-guest'\n", 0, vec![": no errors"]),
        (
            "config gateway 'main'\n\tlist interface 'br-guest'\n\toption portal_port 'x'\n\toption frob '1'\n",
            78,
            vec![":3: portal_port: ", ":4: frob: "],
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let output = lango(&["check", "--config", file]);
        assert_eq!(code(&output), exit, "{}", stdout(&output));
        let said = stdout(&output).lines().collect::<Vec<_>>();
        let good = said.len() == lines.len()
            && said.iter().zip(lines).all(|(said, line)| said.starts_with(&format!("{file}{line}")));
        assert!(good, "{said:?}");
    }
}

#[test]
fn the_version_is_said() {
    let output = lango(&["--version"]);
    assert_eq!((code(&output), stdout(&output)), (0, "lango 0.1.0\n"));
}

#[test]
fn usage_errors_are_told_on_stderr_with_the_way_to_help() {
    let output = lango(&["login", "02:00:00:00:00:01"]);
    assert_eq!((code(&output), stdout(&output)), (2, ""));
    assert_eq!(stderr(&output), "lango: --plan is missing; see 'lango login --help'\n");
}

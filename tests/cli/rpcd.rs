//! The plugin as rpcd runs it: by its path, with a verb, arguments on stdin, and nobody who looks at the exit code.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lango::wire::control::{
    Answer, Check, Code, Examined, Failure, Health, Request, Response, VoucherListed, VoucherShown,
};
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::vouchers;

/// The longest message of ubus.
const MESSAGE: usize = 1 << 20;

/// What the plugin prints, started as rpcd starts it, for the daemon whose socket is in `dir`.
fn said(dir: &Path, words: &[&str], stdin: &[u8]) -> String {
    let folder = dir.join("libexec/rpcd");
    let path = folder.join("lango");
    std::fs::create_dir_all(&folder).unwrap();
    if !path.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lango"), &path).unwrap();
    }
    let mut plugin = Command::new(path)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It may have ended without reading all of it.
    let _ = plugin.stdin.take().unwrap().write_all(stdin);
    String::from_utf8(plugin.wait_with_output().unwrap().stdout).unwrap()
}

/// The answer to a call: one JSON object, or rpcd would not pass it on.
fn call_raw(dir: &Path, method: &str, stdin: &[u8]) -> Value {
    let socket = dir.join("lango.sock");
    let said = said(dir, &["call", method, "--socket", socket.to_str().unwrap()], stdin);
    let object: Value =
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{method}: {error}: {said}"));
    assert!(object.is_object(), "{method}: {said}");
    assert!(said.len() < MESSAGE, "{method}: {} bytes", said.len());
    object
}

fn call(daemon: &Daemon, method: &str, arguments: &Value) -> Value {
    let mut arguments = arguments.clone();
    arguments["ubus_rpc_session"] = json!("00000000000000000000000000000000");
    call_raw(daemon.dir(), method, arguments.to_string().as_bytes())
}

fn signature() -> Value {
    let dir = tempfile::tempdir().unwrap();
    serde_json::from_str(&said(dir.path(), &["list"], b"")).unwrap()
}

fn lost() -> Check {
    let [check, message, remedy] = ["rules", "gone", "wait"].map(str::to_owned);
    Check { check, state: Health::Fail, message, remedy }
}

fn answer(request: Request) -> Response {
    Response::Ok(match request {
        Request::Sessions => Answer::Sessions(Vec::new()),
        Request::VoucherNew(wish) => Answer::VoucherNew(vouchers(wish.count)),
        Request::VoucherList { batch: _ } => Answer::VoucherList((0..10_000).map(listed).collect()),
        Request::VoucherShow { code } if code.reveal() == "4821" => Answer::VoucherShow(shown("unused")),
        Request::VoucherRevoke { .. } => Answer::VoucherRevoke(shown("revoked")),
        Request::PlanList => Answer::PlanList(Vec::new()),
        Request::Doctor { .. } => {
            Answer::Doctor(Box::new(Examined { checks: vec![lost()], surroundings: None }))
        }
        Request::VoucherShow { .. }
        | Request::Status
        | Request::Login { .. }
        | Request::Logout(_)
        | Request::VoucherReprint(_)
        | Request::Backup
        | Request::VoucherReport { .. }
        | Request::Topup { .. }
        | Request::Extend { .. }
        | Request::Refund { .. }
        | Request::Move { .. }
        | Request::Merge { .. }
        | Request::VoucherImport { .. }
        | Request::Clock
        | Request::ClockReset
        | Request::KeyRotate
        | Request::Metrics
        | Request::Sync
        | Request::SyncNow
        | Request::Enrol(_)
        | Request::Export { .. }
        | Request::Forget { .. }
        | Request::Audit
        | Request::AuditVerify => {
            return Response::Error(Failure::new(Code::NoSuchVoucher, "it failed", "do this"));
        }
    })
}

fn listed(number: u32) -> VoucherListed {
    VoucherListed {
        id: format!("{number:032x}"),
        plan: "hour".to_owned(),
        batch: Some("B20261122-2217".to_owned()),
        state: "unused".to_owned(),
        made: "2026-11-22T22:17:31Z".to_owned(),
        hint: "705".to_owned(),
    }
}

fn shown(state: &str) -> VoucherShown {
    VoucherShown {
        plan: "hour".to_owned(),
        batch: None,
        state: state.to_owned(),
        seconds_left: Some(3600),
        bytes_left: None,
        devices: Vec::new(),
    }
}

#[test]
fn the_methods_are_told_without_a_daemon() {
    let expected = json!({
        "status": {}, "sessions": {}, "plans": {},
        "login": {"mac": "", "plan": ""},
        "logout": {"mac": "", "session": ""},
        "voucher_new": {"plan": "", "count": 0, "prefix": "", "form": "", "weak": false, "self_verifying": false,
            "print": false},
        "voucher_show": {"code": ""}, "voucher_revoke": {"code": ""}, "voucher_list": {"batch": ""},
        "doctor": {"mac": ""},
    });
    assert_eq!(signature(), expected);
}

#[test]
fn who_may_use_luci_may_call_every_method() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/openwrt/luci-app-lango/root/usr/share/rpcd/acl.d/luci-app-lango.json"
    );
    let acl: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let names = |group: &str, right: &str| -> BTreeSet<String> {
        let names = acl[group][right]["ubus"]["lango"].as_array().into_iter().flatten();
        names.map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let groups: Vec<_> = acl.as_object().unwrap().keys().collect();
    let all_of = |right: &str| groups.iter().flat_map(|group| names(group, right)).collect::<BTreeSet<_>>();
    let (read, write) = (all_of("read"), all_of("write"));
    let changes = ["login", "logout", "voucher_new", "voucher_revoke"].map(str::to_owned);
    assert_eq!(write, BTreeSet::from(changes));
    assert!(read.is_disjoint(&write));
    let all: BTreeSet<_> = signature().as_object().unwrap().keys().cloned().collect();
    assert_eq!(&read | &write, all);
    let cashier = &names("luci-app-lango-vouchers", "read") | &names("luci-app-lango-vouchers", "write");
    assert!(cashier.iter().all(|name| name.starts_with("voucher_") || name == "plans"), "{cashier:?}");
}

#[test]
fn answers_are_objects_and_failures_stand_in_them() {
    let daemon = Daemon::start(answer);
    for (method, arguments, expected) in [
        ("sessions", json!({}), json!({"sessions": [], "left_out": 0})),
        ("plans", json!({}), json!({"plans": [], "left_out": 0})),
        (
            "doctor",
            json!({}),
            json!({"checks": [{"check": "rules", "state": "fail", "message": "gone", "remedy": "wait"}],
                "left_out": 0}),
        ),
        (
            "voucher_show",
            json!({"code": "4821"}),
            json!({"plan": "hour", "batch": null, "state": "unused", "seconds_left": 3600, "bytes_left": null,
                "devices": []}),
        ),
        (
            "voucher_new",
            json!({"plan": "hour", "count": 2, "print": false}),
            json!({"vouchers": [
                {"code": "4821 9937 00", "plan": "hour", "batch": "B20261122-2217"},
                {"code": "4821 9937 01", "plan": "hour", "batch": "B20261122-2217"}], "left_out": 0}),
        ),
        (
            "voucher_show",
            json!({"code": "9"}),
            json!({"error": {"code": "no_such_voucher", "message": "it failed", "remedy": "do this"}}),
        ),
    ] {
        assert_eq!(call(&daemon, method, &arguments), expected, "{method} {arguments}");
    }
    assert_eq!(call(&daemon, "voucher_revoke", &json!({"code": "1"}))["state"], "revoked");
    for (method, arguments) in [
        ("login", json!({"mac": "02:00:00:00:00:01"})),
        ("frobnicate", json!({})),
        ("call", json!({})),
        ("status", json!({"frob": 1})),
    ] {
        assert_eq!(call(&daemon, method, &arguments)["error"]["code"], "usage", "{method} {arguments}");
    }
}

#[test]
fn answers_fit_a_message_of_ubus() {
    let daemon = Daemon::start(answer);
    let list = call(&daemon, "voucher_list", &json!({}));
    let rows = list["vouchers"].as_array().unwrap();
    assert_eq!((rows.len(), &list["left_out"]), (1000, &json!(9000)));
    assert_eq!(rows[999]["id"], format!("{:032x}", 9999));
    let made = call(&daemon, "voucher_new", &json!({"plan": "hour", "count": 1000}));
    assert_eq!(made["vouchers"].as_array().unwrap().len(), 1000);
    let sheet = call(&daemon, "voucher_new", &json!({"plan": "hour", "count": 96, "print": true}));
    assert_eq!(sheet["html"].as_str().unwrap().matches("<svg ").count(), 96);
    assert_eq!(sheet["vouchers"].as_array().unwrap().len(), 96);
    for arguments in
        [json!({"plan": "hour", "count": 1001}), json!({"plan": "hour", "count": 97, "print": true})]
    {
        assert_eq!(call(&daemon, "voucher_new", &arguments)["error"]["code"], "usage", "{arguments}");
    }
}

#[test]
fn garbage_on_stdin_is_refused_in_an_object() {
    let daemon = Daemon::start(answer);
    for garbage in [b"[]".as_slice(), b"nonsense", b"{\"a\":", b"\xff\xfe", b"4821993705", &[b'['; 100_000]] {
        let said = call_raw(daemon.dir(), "sessions", garbage);
        assert_eq!(said["error"]["code"], "usage", "{said}");
        assert!(!said.to_string().contains("4821"), "{said}");
    }
    assert_eq!(call_raw(daemon.dir(), "sessions", b"")["left_out"], 0, "nothing at all is no arguments");
}

#[test]
fn without_a_daemon_the_status_says_so_and_all_else_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let status = call_raw(dir.path(), "status", b"{}");
    assert_eq!((&status["running"], &status["error"]), (&json!(false), &Value::Null), "{status}");
    assert!(status["remedy"].as_str().unwrap().contains("/etc/init.d/lango start"), "{status}");
    for (method, arguments) in [("sessions", "{}"), ("voucher_show", "{\"code\":\"1\"}")] {
        let said = call_raw(dir.path(), method, arguments.as_bytes());
        assert_eq!(said["error"]["code"], "unreachable", "{said}");
    }
}

#[test]
fn a_daemon_that_is_silent_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let _silent = UnixListener::bind(dir.path().join("lango.sock")).unwrap();
    let from = Instant::now();
    let said = call_raw(dir.path(), "status", b"{}");
    assert_eq!(said["error"]["code"], "unreachable", "{said}");
    let took = from.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&took), "{took:?}");
}

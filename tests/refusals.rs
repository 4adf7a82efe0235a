//! Wrong command lines and wrong configurations, given to the real program: each is a clear error with its
//! exit code, and changes nothing. Wrong requests are the portal's tests, `src/portal/tests/hostile.rs`.
#![expect(clippy::disallowed_methods, reason = "starts the program")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// A configuration and the store it names, without a daemon.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.configure("");
        place
    }

    /// `more` begins in line 5.
    fn configure(&self, more: &str) {
        let dir = self.0.path().display();
        let text = format!(
            "config gateway 'main'\n\tlist interface 'br-guest'\n\toption state_dir '{dir}/state'\n\
             \toption run_dir '{dir}/run'\n{more}\nconfig plan 'hour'\n\toption metered '1h'\n"
        );
        std::fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("conf")
    }

    /// Runs a command line; `CONF` in it is the configuration, and `VOUCHERS` a CSV file.
    fn lango(&self, args: &[&str]) -> Output {
        let config = self.config().display().to_string();
        let vouchers = self.0.path().join("vouchers.csv").display().to_string();
        let args = args.iter().map(|arg| match *arg {
            "CONF" => config.as_str(),
            "VOUCHERS" => vouchers.as_str(),
            other => other,
        });
        Command::new(env!("CARGO_BIN_EXE_lango")).args(args).output().unwrap()
    }

    /// The command line, in words, that works on the store.
    fn offline(&self, line: &str) -> Output {
        self.lango(
            &[line.split(' ').collect::<Vec<_>>().as_slice(), &["--offline", "--config", "CONF"]].concat(),
        )
    }

    /// All vouchers there are, with their states.
    fn vouchers(&self) -> Value {
        serde_json::from_slice(&self.offline("voucher list --json").stdout).unwrap()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// Exit code 2: the line makes no sense.
const USAGE: &[&str] = &[
    "voucher",
    "voucher frob",
    "vouchers list",
    "voucher new",
    "voucher new --plan",
    "voucher new --plan hour --plan hour",
    "voucher new --plan hour extra",
    "voucher new --plan a/b",
    "voucher new --plan hour --count",
    "voucher new --plan hour --count 0",
    "voucher new --plan hour --count -1",
    "voucher new --plan hour --count +1",
    "voucher new --plan hour --count 10001",
    "voucher new --plan hour --count 99999999999999999999",
    "voucher new --plan hour --count 1.5",
    "voucher new --plan hour --form roman",
    "voucher new --plan hour --prefix a/b",
    "voucher new --plan hour --prefix LONGPREFIX",
    "voucher new --plan hour --weak=yes",
    "voucher new --plan hour --print --json",
    "voucher new --plan hour --batch B1",
    "voucher new --plan hour --socket /nowhere",
    "voucher new --plan hour --frob",
    "voucher new -plan hour",
    "voucher show",
    "voucher show 4821 9937 05",
    "voucher revoke",
    "voucher revoke 1 2",
    "voucher revoke 4821993705 --all",
    "voucher list --batch",
    "voucher list --batch a/b",
    "voucher list B1",
    "voucher import",
    "voucher import VOUCHERS VOUCHERS",
    "voucher import VOUCHERS --dry",
    "plan",
    "plan list hour",
    "plan remove hour",
    "login 02:00:00:00:00:01 --plan hour",
    "logout 02:00:00:00:00:01",
    "sessions",
    "clock set",
    "clock reset reset",
    "clock reset",
    "key",
    "key rotate now",
    "key rotate",
    "sync",
    "sync --now",
    "sync now",
    "enrol",
    "enrol https://bos.example.net",
    "enrol https://bos.example.net a b",
    "enrol ftp://bos.example.net c",
    "enrol http://bos.example.net c",
    "voucher new --plan hour --self-verifying --weak",
    "voucher new --plan hour --self-verifying --form letters",
    "voucher new --plan hour --self-verifying --prefix A",
    "export",
    "export 02:00:00:00:00:01",
    "export --mac 02:00",
    "export --all --format xml",
    "export --all --format csv --json",
    "forget",
    "forget --all --mac 02:00:00:00:00:01",
    "forget --phone 41",
    "forget --code=",
    "merge e-1",
];

/// Exit code 1: understood, and refused.
const REFUSED: &[&str] = &[
    "voucher new --plan day",
    "voucher new --plan HOUR",
    "voucher new --plan hour --self-verifying",
    "voucher show 0000000000",
    "voucher show ???",
    "voucher revoke 0000000000",
    "voucher import /nonexistent",
    "voucher import VOUCHERS",
    "voucher import VOUCHERS --dry-run",
    "enrol https://127.0.0.1:1 c",
    "enrol https://bos.example.net c --ca /nonexistent",
    "export --all",
    "export --mac 02:00:00:00:00:01 --format csv",
    "export --code 0000000000",
    "export --phone 0417",
    "forget --mac 02:00:00:00:00:01",
    "forget --code ???",
    "forget --phone 0417",
];

#[test]
fn wrong_command_lines_are_clear_errors_and_change_nothing() {
    let place = Place::new();
    std::fs::write(place.0.path().join("vouchers.csv"), "plan,kode\nhour,ABCD1234\n").unwrap();
    assert_eq!(code(&place.offline("voucher new --plan hour --count 3")), 0);
    let before = place.vouchers();
    assert_eq!(before.as_array().unwrap().len(), 3);
    let cases = USAGE.iter().map(|line| (line, 2)).chain(REFUSED.iter().map(|line| (line, 1)));
    for (line, exit) in cases {
        let output = place.offline(line);
        assert_eq!(code(&output), exit, "{line}");
        assert_eq!(stdout(&output).is_empty(), !line.contains("--json"), "{line}");
        let said = stderr(&output);
        assert!(said.starts_with("lango: ") && said.lines().count() == 1, "{line}: {said}");
        assert_eq!(place.vouchers(), before, "{line}");
    }
}

#[test]
fn with_json_every_refusal_is_an_object_too() {
    let place = Place::new();
    std::fs::write(place.0.path().join("vouchers.csv"), "plan,kode\nhour,ABCD1234\n").unwrap();
    for line in USAGE.iter().chain(REFUSED).filter(|line| !line.contains("--json")) {
        let output = place.offline(&format!("{line} --json"));
        assert!([1, 2].contains(&code(&output)), "{line}");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{line}"));
        for field in ["code", "message", "remedy"] {
            assert!(said["error"][field].as_str().is_some_and(|text| !text.is_empty()), "{line}: {said}");
        }
    }
}

/// Codes that nobody has used are nobody's, so they stay.
#[test]
fn to_forget_everybody_where_nobody_was_is_done_and_takes_no_code_away() {
    let place = Place::new();
    assert_eq!(code(&place.offline("voucher new --plan hour --count 3")), 0);
    let before = place.vouchers();
    let output = place.offline("forget --all --json");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let nothing = serde_json::json!({"devices": 0, "entitlements": 0, "sessions": 0, "claims": 0});
    assert_eq!((code(&output), said), (0, nothing));
    assert_eq!(place.vouchers(), before);
}

/// What stands from line 5 on, the line that is wrong, and the option that is named.
const CONFIGURATIONS: &[(&str, u32, &str)] = &[
    ("\toption frob '1'", 5, "frob"),
    ("\toption portal_prot '2080'", 5, "portal_prot"),
    ("\toption portal_port '0'", 5, "portal_port"),
    ("\toption portal_port '65536'", 5, "portal_port"),
    ("\toption portal_port '80a'", 5, "portal_port"),
    ("\toption https_port '2080'", 5, "https_port"),
    ("\toption enabled 'maybe'", 5, "enabled"),
    ("\toption checkpoint '5'", 5, "checkpoint"),
    ("\toption max_clients '-1'", 5, "max_clients"),
    ("\toption mark '0x3'", 5, "mark"),
    ("\toption mark 'red'", 5, "mark"),
    ("\toption colour 'blue'", 5, "colour"),
    ("\toption language 'xx'", 5, "language"),
    ("\toption captive_address '300.1.1.1'", 5, "captive_address"),
    ("\toption certificate '/c.pem'", 5, "certificate"),
    ("\toption uplink_probe 'tcp:203.0.113.80'", 5, "uplink_probe"),
    ("\toption anomaly 'shout'", 5, "anomaly"),
    ("\tlist interface 'br/guest'", 5, "interface"),
    ("\toption title 'two' 'words'", 5, "title"),
    ("\toption title", 5, "title"),
    ("\toption title 'never ends", 5, "title"),
    ("frob 'x'", 5, "syntax"),
    ("config gateway 'other'\n\tlist interface 'br2'", 5, "gateway"),
    ("config frob 'x'", 5, "frob"),
    ("config plan", 5, "plan"),
    ("config plan 'a b'", 5, "plan"),
    ("config plan 'p'\n\toption metered 'soon'", 6, "metered"),
    ("config plan 'p'\n\toption metered '-1h'", 6, "metered"),
    ("config plan 'p'\n\toption data '5'", 6, "data"),
    ("config plan 'p'\n\toption down '4'", 6, "down"),
    ("config plan 'p'\n\toption data '1MB'\n\toption data_up '1MB'", 7, "data_up"),
    ("config plan 'p'\n\toption devices '0'", 6, "devices"),
    ("config plan 'p'\n\toption activate_by 'tomorrow'", 6, "activate_by"),
    ("config plan 'p'\n\toption price 'free'", 6, "price"),
    ("config device\n\toption mac '02:00'", 6, "mac"),
    ("config trial\n\toption plan 'nosuch'", 6, "plan"),
    ("config cloud\n\toption url 'http://bos.example.net'", 6, "url"),
    ("config cloud\n\toption url 'ftp://bos.example.net'", 6, "url"),
    ("config cloud\n\toption url 'http://127.0.0.1'", 6, "url"),
    ("config cloud\n\toption url 'https://bos.example.net'\n\toption poll '0s'", 7, "poll"),
    ("config cloud\n\toption signing_key 'x'", 6, "signing_key"),
    ("config cloud\n\toption provisional_plan 'a/b'", 6, "provisional_plan"),
    ("config retention\n\toption sessions 'long'", 6, "sessions"),
    ("config retention\n\toption minimum '180d'\n\toption sessions '90d'", 7, "sessions"),
];

#[test]
fn wrong_configurations_are_told_with_their_line_and_nothing_begins() {
    let place = Place::new();
    for (more, line, option) in CONFIGURATIONS {
        place.configure(more);
        let place_of_error = format!("{}:{line}: {option}: ", place.config().display());
        let check = place.lango(&["check", "--config", "CONF"]);
        assert_eq!((code(&check), stderr(&check)), (78, ""), "{more}");
        let said = stdout(&check);
        assert!(said.lines().any(|said| said.starts_with(&place_of_error)), "{more}: {said}");
        for doing in [["run"].as_slice(), &["voucher", "new", "--plan", "hour", "--offline"]] {
            let output = place.lango(&[doing, &["--config", "CONF"]].concat());
            assert_eq!((code(&output), stdout(&output)), (78, ""), "{more}: {doing:?}");
            assert!(stderr(&output).contains(&place_of_error), "{more}: {}", stderr(&output));
        }
        let left = std::fs::read_dir(place.0.path()).unwrap().count();
        assert_eq!(left, 1, "{more}: neither a store nor a socket was made");
    }
    place.configure("");
    assert_eq!(code(&place.lango(&["check", "--config", "CONF"])), 0, "the rest of it is right");
}

//! `lango backup` and `lango restore`, by the real program: what comes back, what is refused, and what a power cut leaves.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};

use lango::backup::Manifest;
use serde_json::{Value, json};

use super::daemon::{code, lango, printed, stderr, stdout};
use super::place::Place;

/// A place with a voucher, and its code.
fn with_a_voucher() -> (Place, String) {
    let place = Place::new();
    let made = printed(&place.offline(&["voucher", "new", "--plan", "hour", "--json"]));
    let code = made[0]["code"].as_str().unwrap().to_owned();
    (place, code)
}

fn backup(place: &Place, more: &[&str]) -> String {
    let file = place.path().join("backup").display().to_string();
    let done = place.offline(&[&["backup", &file], more].concat());
    assert_eq!(code(&done), 0, "{done:?}");
    file
}

fn restore(place: &Place, file: &str, more: &[&str]) -> Output {
    lango(&[&["restore", file, "--config", place.config().to_str().unwrap()], more].concat())
}

fn state_of(place: &Place, code: &str) -> Value {
    printed(&place.offline(&["voucher", "show", code, "--json"]))["state"].clone()
}

fn device(place: &Place) -> String {
    let conn = rusqlite::Connection::open(place.database()).unwrap();
    conn.query_row("SELECT device FROM meta", [], |row| row.get(0)).unwrap()
}

/// All files of a folder and those below, with what is in them.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}

#[test]
fn another_device_goes_on_from_a_backup_under_a_name_of_its_own() {
    let (from, sold) = with_a_voucher();
    let file = backup(&from, &[]);
    let whole = fs::read(&file).unwrap();
    let key = fs::read(from.path().join("state/device.key")).unwrap();
    assert!(whole.windows(32).any(|part| part == key), "it holds the key of the device");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
    let again = from.offline(&["backup", &file]);
    assert!(code(&again) == 1 && stderr(&again).contains("is there already; "), "{again:?}");
    assert_eq!(code(&from.offline(&["backup", &file, "--force"])), 0);

    let (to, lost) = with_a_voucher();
    let replaced = printed(&to.offline(&["audit", "--json"]))[0]["hash"].as_str().unwrap()[..16].to_owned();
    let done = printed(&restore(&to, &file, &["--json"]));
    assert_eq!(done["unreadable_days"], 0);
    assert_eq!(fs::read(to.path().join("state/device.key")).unwrap(), key);
    assert_eq!(state_of(&to, &sold), "unused");
    assert_eq!(code(&to.offline(&["voucher", "show", &lost])), 1, "what was there before is gone");
    assert_eq!(done["device"], device(&to));
    assert_ne!(device(&to), device(&from));
    let trail = printed(&to.offline(&["audit", "--json"]));
    let rows: Vec<_> = trail.as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(rows, ["voucher_new", "backup", "backup", "restore"]);
    let head = trail[2]["hash"].as_str().unwrap();
    let detail = trail[3]["detail"].as_str().unwrap();
    let ends = format!("trail 3 {}, in place of trail 1 {replaced}", &head[..16]);
    assert!(detail.ends_with(&ends), "{detail}");
    assert_eq!(code(&to.offline(&["audit", "--verify"])), 0);
    // The state before stays until a daemon has started with this one; and no second one takes its place.
    assert!(to.path().join("state/lango.before/lango.db").exists());
    let twice = restore(&to, &file, &[]);
    assert!(code(&twice) != 0 && stderr(&twice).contains("lango.before"), "{twice:?}");
    assert_eq!(code(&to.offline(&["forget", "--all"])), 0);
    assert!(!to.path().join("state/lango.before").exists(), "whoever is forgotten is not left in it");
    let names: Vec<_> =
        files(&to.path().join("state")).into_keys().filter(|name| !name.contains('/')).collect();
    assert_eq!(names, ["device.key", "lango.db", "lango.db.good"]);
}

#[test]
fn a_passphrase_seals_all_of_it() {
    let (from, sold) = with_a_voucher();
    let secret = from.file("secret", "correct horse battery\n");
    let file = backup(&from, &["--passphrase-file", &secret]);
    let whole = fs::read(&file).unwrap();
    let key = fs::read(from.path().join("state/device.key")).unwrap();
    assert!(!whole.windows(16).any(|part| part == &key[..16] || part == b"SQLite format 3\0"));
    let to = Place::new();
    let other = to.file("other", "wrong horse battery");
    for (more, said) in [
        ([].as_slice(), "it is sealed by a passphrase; name the file that holds it"),
        (&["--passphrase-file", &other], "the passphrase does not open it; "),
        (
            &["--passphrase-file", "/nonexistent"],
            "--passphrase-file takes a file with a line of 8 to 1024 bytes",
        ),
    ] {
        let refused = restore(&to, &file, more);
        assert!(code(&refused) == 1 && stderr(&refused).contains(said), "{refused:?}");
        assert_eq!(files(&to.path().join("state")), BTreeMap::new());
    }
    assert_eq!(code(&restore(&to, &file, &["--passphrase-file", &secret])), 0);
    assert_eq!(state_of(&to, &sold), "unused");
}

#[test]
fn a_backup_that_is_not_as_it_was_written_changes_nothing() {
    let (from, _) = with_a_voucher();
    let whole = fs::read(backup(&from, &[])).unwrap();
    let (to, there) = with_a_voucher();
    let before = files(&to.path().join("state"));
    let refused = |bytes: Vec<u8>, exit: i32, said: &str, about: String| {
        let done = restore(&to, &to.file("tampered", bytes), &[]);
        assert!(code(&done) == exit && stderr(&done).contains(said), "{about}: {done:?}");
        assert!(stderr(&done).contains("; "), "{about}: what to do: {done:?}");
        assert_eq!(files(&to.path().join("state")), before, "{about}");
    };
    let damaged = "it is damaged: it does not read as it was written; take another copy of it";
    for at in [9, 10, 20, 33, 40, 400, whole.len() / 2, whole.len() - 36, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        refused(bytes, 1, damaged, format!("a byte at {at} of {}", whole.len()));
    }
    for length in [32, 63, 64, 500, whole.len() / 2, whole.len() - 1] {
        refused(whole[..length].to_vec(), 1, damaged, format!("cut to {length}"));
    }
    refused([&whole[..], b"more"].concat(), 1, damaged, "longer".to_owned());
    for bytes in [b"".to_vec(), b"LANGO".to_vec(), vec![0; 5000]] {
        refused(
            bytes,
            1,
            "it is no backup of Lango; name a file that lango backup has written",
            "another".to_owned(),
        );
    }
    let mut newer = whole;
    newer[8] = 2;
    refused(newer, 70, "it has the form 2 of a newer Lango", "newer".to_owned());
    assert_eq!(state_of(&to, &there), "unused");
}

#[test]
fn a_key_that_is_of_another_state_is_said() {
    let ((from, sold), (other, _), to) = (with_a_voucher(), with_a_voucher(), Place::new());
    let parts = [("lango.db", &from), ("device.key", &other)]
        .map(|(name, place)| (name.to_owned(), place.path().join("state").join(name)));
    let file = to.path().join("mixed");
    let [made, version, site] = ["2026-11-22T00:00:00Z", "0.1.0", "main"].map(str::to_owned);
    lango::backup::write(&file, Manifest { made, version, site, parts: Vec::new() }, &parts, None).unwrap();
    let done = restore(&to, file.to_str().unwrap(), &[]);
    assert_eq!(code(&done), 0, "{done:?}");
    assert!(
        stdout(&done).contains("its device.key opens nothing of 1 day(s), whose guests count as forgotten; "),
        "{done:?}"
    );
    assert_eq!(code(&to.offline(&["voucher", "show", &sold])), 1, "it is hashed by that key");
}

#[test]
fn a_schema_that_is_newer_is_refused() {
    let (newer, _) = with_a_voucher();
    let file = backup(&newer, &[]);
    // The file is made anew around a database of a newer program.
    let bytes = fs::read(&file).unwrap();
    let at = bytes.windows(16).position(|part| part == b"SQLite format 3\0").unwrap();
    let mut changed = bytes[..bytes.len() - 32].to_vec();
    changed[at + 60..at + 64].copy_from_slice(&999_u32.to_be_bytes());
    let hash = ring::digest::digest(&ring::digest::SHA256, &changed);
    changed.extend(hash.as_ref());
    let to = Place::new();
    let refused = restore(&to, &to.file("newer", changed), &[]);
    assert!(
        code(&refused) == 70 && stderr(&refused).contains("was written by a newer Lango (schema 999"),
        "{refused:?}"
    );
    assert_eq!(files(&to.path().join("state")), BTreeMap::new());
}

/// Killed before each call by which it changes a folder or waits for the flash.
#[test]
fn a_power_cut_amid_a_restore_leaves_the_old_state_or_the_new_one_whole() {
    let ((from, _), (to, _)) = (with_a_voucher(), with_a_voucher());
    let (file, config, state) =
        (backup(&from, &[]), to.config().display().to_string(), to.path().join("state"));
    let (before, key) = (files(&state), fs::read(from.path().join("state/device.key")).unwrap());
    let ids = |place: &Place| printed(&place.offline(&["voucher", "list", "--json"]))[0]["id"].clone();
    let (old, new) = (ids(&to), ids(&from));
    let (mut olds, mut news) = (0, 0);
    for call in ["mkdir", "rename", "fsync", "unlink", "unlinkat", "rmdir"] {
        for number in 1..100 {
            fs::remove_dir_all(&state).unwrap();
            fs::create_dir(&state).unwrap();
            before.iter().for_each(|(name, bytes)| fs::write(state.join(name), bytes).unwrap());
            fs::set_permissions(state.join("device.key"), Permissions::from_mode(0o600)).unwrap();
            let inject = format!("inject={call}:signal=SIGKILL:when={number}");
            let done = Command::new("strace")
                .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject])
                .args([env!("CARGO_BIN_EXE_lango"), "restore", &file, "--config", &config])
                .output()
                .unwrap();
            let there = ids(&to);
            let is_new = there == new;
            assert!(is_new || there == old, "{call} {number}: {there} {done:?}");
            assert_eq!(code(&to.offline(&["audit", "--verify"])), 0, "{call} {number}");
            let has_key = fs::read(state.join("device.key")).unwrap() == key;
            assert_eq!(has_key, is_new, "{call} {number}: the key of the other state");
            if done.status.code() == Some(0) {
                assert!(is_new);
                break;
            }
            (olds, news) = if is_new { (olds, news + 1) } else { (olds + 1, news) };
            // Another try goes through, or what is done is done.
            let again = restore(&to, &file, &[]);
            assert_eq!(code(&again) == 0, !is_new, "{call} {number}: {again:?}");
        }
    }
    assert!(olds > 5 && news > 5, "{olds} cuts before, {news} after");
}

#[test]
fn a_store_that_is_open_is_not_replaced() {
    let (from, _) = with_a_voucher();
    let file = backup(&from, &[]);
    let conn = rusqlite::Connection::open(from.database()).unwrap();
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE").unwrap();
    let refused = restore(&from, &file, &["--json"]);
    assert_eq!(code(&refused), 1);
    assert_eq!(printed(&refused)["error"]["code"], json!("refused"), "{}", stdout(&refused));
    assert!(stdout(&refused).contains("stop the daemon first"), "{refused:?}");
}

//! Media that are full or can only be read. Needs root: each test mounts a small tmpfs of its own.
#![expect(clippy::disallowed_methods, reason = "a test mounts file systems")]

use std::fs;
use std::path::Path;
use std::process::Command;

use lango::domain::Record;
use lango::store::{Found, OpenError, StoreError};

use super::sales::{commit, key, login, open, stamp, voucher, wait};

/// A file system of `kib` KiB; gone with the value.
struct Medium(tempfile::TempDir);

impl Medium {
    fn of(kib: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={kib}k"), "lango-test"], dir.path());
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn make_read_only(&self) {
        run("mount", &["-o", "remount,ro"], self.path());
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        run("umount", &["--lazy"], self.0.path());
    }
}

fn run(program: &str, options: &[&str], path: &Path) {
    let status = Command::new(program).args(options).arg(path).status().unwrap();
    assert!(status.success(), "{program} {options:?} {}: {status}; this test needs root", path.display());
}

#[test]
fn a_full_disk_refuses_commits_until_there_is_room() {
    let medium = Medium::of(2048);
    let state = medium.path().join("state");
    let store = open(&state).store;
    let ballast = medium.path().join("ballast");
    fs::write(&ballast, vec![7; 1024 * 1024]).unwrap();
    let mut stored = 0;
    let error = loop {
        match commit(&store, login(stored + 1)) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 20_000);
    };
    assert_eq!(error, StoreError::Full);
    assert!(stored > 50, "{stored}");
    assert_eq!(commit(&store, login(stored + 1)), Err(StoreError::Full), "still");
    let found = wait(store.find((1..=stored + 1).map(key).collect())).unwrap();
    assert_eq!(found.iter().flatten().count() as u64, stored, "all that is stored is readable");
    fs::remove_file(&ballast).unwrap();
    commit(&store, login(stored + 1)).unwrap();
    drop(store);
    let opened = open(&state);
    assert_eq!(opened.restored.entitlements.len() as u64, stored + 1);
    assert_eq!(opened.restored.sessions.len() as u64, stored + 1);
}

#[test]
fn a_full_disk_gives_the_room_of_the_journal_back() {
    let medium = Medium::of(1024);
    let store = open(medium.path()).store;
    (1..=3).for_each(|number| commit(&store, login(number)).unwrap());
    drop(store);
    let store = open(medium.path()).store;
    for used in 1..=200 {
        commit(&store, vec![Record::EntitlementStamped(stamp(1, used))]).unwrap();
    }
    // As much as there is.
    drop(fs::write(medium.path().join("ballast"), vec![7; 1024 * 1024]));
    for used in 201..=400 {
        commit(&store, vec![Record::EntitlementStamped(stamp(1, used))]).unwrap();
    }
    drop(store);
    assert_eq!(open(medium.path()).restored.entitlements[0].last_stamp(), &stamp(1, 400));
}

#[test]
fn a_commit_too_large_for_the_disk_leaves_nothing_behind() {
    let medium = Medium::of(1024);
    let store = open(medium.path()).store;
    commit(&store, login(1)).unwrap();
    let many = vec![Record::VouchersMade((2..60_000).map(voucher).collect())];
    assert_eq!(commit(&store, many), Err(StoreError::Full));
    assert_eq!(wait(store.list(None)).unwrap().len(), 1);
    commit(&store, login(2)).unwrap();
}

#[test]
fn a_copy_that_does_not_fit_leaves_the_old_one() {
    let medium = Medium::of(1024);
    let store = open(medium.path()).store;
    let noon = lango::domain::Wall::from_secs(super::sales::NOON);
    commit(&store, login(1)).unwrap();
    wait(store.keep_copy(noon)).unwrap();
    let before = fs::read(medium.path().join("lango.db.good")).unwrap();
    commit(&store, vec![Record::VouchersMade((2..5000).map(voucher).collect())]).unwrap();
    let room = vec![7; 1024 * 1024];
    // As much as there is.
    drop(fs::write(medium.path().join("ballast"), room));
    let later = noon.plus(std::time::Duration::from_secs(1_000_000));
    assert_eq!(wait(store.keep_copy(later)), Err(StoreError::Full));
    assert_eq!(fs::read(medium.path().join("lango.db.good")).unwrap(), before);
    assert!(!medium.path().join("lango.db.new").exists());
}

#[test]
fn a_first_start_on_a_full_disk_says_so_and_leaves_nothing() {
    let medium = Medium::of(64);
    drop(fs::write(medium.path().join("ballast"), vec![7; 1024 * 1024]));
    let error = lango::store::open(medium.path()).err().unwrap();
    assert!(matches!(error, OpenError::Full { .. }), "{error:?}");
    assert!(!medium.path().join("lango.db").exists());
    fs::remove_file(medium.path().join("ballast")).unwrap();
    assert_eq!(open(medium.path()).report.found, Found::Nothing);
}

#[test]
fn guests_who_paid_are_served_from_a_medium_that_can_only_be_read() {
    let live = tempfile::tempdir().unwrap();
    let store = open(live.path()).store;
    (1..=3).for_each(|number| commit(&store, login(number)).unwrap());
    let medium = Medium::of(4096);
    for name in ["lango.db", "lango.db-wal", "device.key"] {
        fs::copy(live.path().join(name), medium.path().join(name)).unwrap();
    }
    medium.make_read_only();
    let opened = open(medium.path());
    assert_eq!(opened.report.found, Found::ReadOnly);
    assert!(opened.report.to_string().contains("remount"), "{}", opened.report);
    assert_eq!(opened.restored.sessions.len(), 3);
    assert_eq!(opened.restored.entitlements.len(), 3, "also those that were only in the journal");
    assert_eq!(commit(&opened.store, login(4)), Err(StoreError::ReadOnly));
    assert_eq!(wait(opened.store.find(vec![key(3)])).unwrap().iter().flatten().count(), 1);
    assert_eq!(wait(opened.store.keep_copy(lango::domain::Wall::from_secs(1))), Err(StoreError::ReadOnly));
}

#[test]
fn an_empty_medium_that_can_only_be_read_is_refused() {
    let medium = Medium::of(64);
    medium.make_read_only();
    for path in [medium.path().to_owned(), medium.path().join("state")] {
        let error = lango::store::open(&path).err().unwrap();
        assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
    }
}

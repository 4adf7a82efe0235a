//! Databases that are damaged, missing, of another program, of a newer one, or no databases.

use std::fs;
use std::path::Path;

use lango::domain::{Record, Wall};
use lango::store::{Found, Instead, OpenError, StoreError};

use super::sales::{NOON, commit, key, login, open, voucher, wait};

const PAGE: usize = 1024;

/// A state directory as a power cut leaves it: `guests` logged in, not closed.
fn unclosed(guests: u64) -> tempfile::TempDir {
    let (dir, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path()).store;
    commit(&store, vec![Record::VouchersMade((1..=3000).map(voucher).collect())]).unwrap();
    drop(store);
    let store = open(dir.path()).store;
    for number in 1..=guests {
        commit(&store, login(number)).unwrap();
    }
    for name in ["lango.db", "lango.db-wal", "device.key"] {
        fs::copy(dir.path().join(name), cut.path().join(name)).unwrap();
    }
    cut
}

fn closed(guests: u64) -> tempfile::TempDir {
    let dir = unclosed(guests);
    drop(open(dir.path()));
    dir
}

/// Overwrites `length` bytes from `from` on by their complement.
fn flip(file: &Path, from: usize, length: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[from..from + length].iter_mut().for_each(|byte| *byte = !*byte);
    fs::write(file, bytes).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_that_was_cut_off_loses_nothing() {
    let dir = unclosed(40);
    let opened = open(dir.path());
    assert_eq!(opened.report.found, Found::Unclosed);
    assert_eq!(opened.restored.entitlements.len(), 40);
}

#[test]
fn a_torn_journal_keeps_what_came_before_the_tear() {
    let dir = unclosed(40);
    let journal = dir.path().join("lango.db-wal");
    let length = fs::metadata(&journal).unwrap().len();
    fs::File::options().write(true).open(&journal).unwrap().set_len(length - 100).unwrap();
    let opened = open(dir.path());
    assert_eq!(opened.report.found, Found::Unclosed);
    assert_eq!(opened.restored.entitlements.len(), 39);
    assert_eq!(opened.restored.sessions.len(), 39);
}

#[test]
fn a_broken_header_is_moved_aside_and_the_good_copy_serves() {
    let dir = closed(5);
    let store = open(dir.path()).store;
    wait(store.keep_copy(Wall::from_secs(NOON))).unwrap();
    commit(&store, login(6)).unwrap();
    drop(store);
    let db = dir.path().join("lango.db");
    flip(&db, 0, 16);
    let broken = fs::read(&db).unwrap();
    let opened = open(dir.path());
    let aside = dir.path().join("lango.db.corrupt-1");
    let Found::Damaged { why: _, aside: told, instead: Instead::Copy } = &opened.report.found else {
        panic!("{:?}", opened.report)
    };
    assert_eq!((told, fs::read(told).unwrap()), (&aside, broken));
    assert_eq!(opened.restored.entitlements.len(), 5, "the sixth came after the copy");
    commit(&opened.store, login(7)).unwrap();
    let report = opened.report.to_string();
    for part in ["lango.db: damaged", "lango.db.corrupt-1", "good copy serves: check"] {
        assert!(report.contains(part), "{report}");
    }
    drop(opened);
    assert_eq!(open(dir.path()).report.found, Found::Clean);
}

#[test]
fn a_broken_page_is_found_after_a_power_cut_and_without_a_copy_an_empty_database_serves() {
    let dir = unclosed(40);
    let db = dir.path().join("lango.db");
    let pages = fs::metadata(&db).unwrap().len() as usize / PAGE;
    // More than the journal replaces.
    (pages / 4..pages * 3 / 4).for_each(|page| flip(&db, page * PAGE, 12));
    let opened = open(dir.path());
    let Found::Damaged { aside, instead: Instead::Empty, .. } = &opened.report.found else {
        panic!("{:?}", opened.report)
    };
    assert_eq!(aside, &dir.path().join("lango.db.corrupt-1"));
    assert!(opened.restored.entitlements.is_empty(), "closed, and serving");
    commit(&opened.store, login(1)).unwrap();
    let kept = ["device.key", "lango.db", "lango.db-wal", "lango.db.corrupt-1", "lango.db.corrupt-1-wal"];
    assert_eq!(names(dir.path()), kept);
    assert!(opened.report.to_string().contains("import the vouchers again"), "{}", opened.report);
}

#[test]
fn damage_met_at_run_time_is_repaired_at_the_next_start() {
    let dir = closed(5);
    let store = open(dir.path()).store;
    wait(store.keep_copy(Wall::from_secs(NOON))).unwrap();
    drop(store);
    let db = dir.path().join("lango.db");
    let pages = fs::metadata(&db).unwrap().len() as usize / PAGE;
    // Pages of the vouchers; those of the other tables lie before and after them.
    (pages / 3..pages * 3 / 4).for_each(|page| flip(&db, page * PAGE, 12));
    let opened = open(dir.path());
    assert_eq!(opened.report.found, Found::Clean, "not looked at after a clean end");
    let asked = wait(opened.store.find((1..=3000).map(key).collect()));
    assert!(matches!(asked, Err(StoreError::Damaged(_))), "{asked:?}");
    assert!(matches!(wait(opened.store.keep_copy(Wall::from_secs(NOON * 2))), Err(StoreError::Damaged(_))));
    drop(opened);
    let opened = open(dir.path());
    assert!(
        matches!(opened.report.found, Found::Damaged { instead: Instead::Copy, .. }),
        "{}",
        opened.report
    );
    assert_eq!(opened.restored.entitlements.len(), 5);
}

#[test]
fn a_damaged_copy_does_not_serve() {
    let dir = closed(5);
    let store = open(dir.path()).store;
    wait(store.keep_copy(Wall::from_secs(NOON))).unwrap();
    drop(store);
    flip(&dir.path().join("lango.db"), 0, 16);
    flip(&dir.path().join("lango.db.good"), 30 * PAGE, 12);
    let opened = open(dir.path());
    assert!(
        matches!(opened.report.found, Found::Damaged { instead: Instead::Empty, .. }),
        "{}",
        opened.report
    );
    commit(&opened.store, login(1)).unwrap();
}

#[test]
fn a_missing_database_is_restored_from_its_copy() {
    let dir = closed(5);
    let store = open(dir.path()).store;
    wait(store.keep_copy(Wall::from_secs(NOON))).unwrap();
    drop(store);
    fs::remove_file(dir.path().join("lango.db")).unwrap();
    let opened = open(dir.path());
    assert_eq!((opened.report.found, opened.restored.entitlements.len()), (Found::Missing, 5));
}

#[test]
fn two_damaged_databases_are_kept_at_most() {
    let dir = tempfile::tempdir().unwrap();
    for number in 1..=4 {
        fs::write(dir.path().join("lango.db"), format!("not a database, but number {number}")).unwrap();
        fs::write(dir.path().join("lango.db-wal"), "nor a journal").unwrap();
        assert!(matches!(open(dir.path()).report.found, Found::Damaged { .. }));
    }
    let corrupt = |n: u32| format!("lango.db.corrupt-{n}");
    let kept = [
        "device.key".to_owned(),
        "lango.db".to_owned(),
        corrupt(3),
        corrupt(3) + "-wal",
        corrupt(4),
        corrupt(4) + "-wal",
    ];
    assert_eq!(names(dir.path()), kept);
    assert!(fs::read_to_string(dir.path().join(corrupt(4))).unwrap().ends_with("number 4"));
}

#[test]
fn tables_of_another_program_are_moved_aside_whole() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("lango.db");
    rusqlite::Connection::open(&db).unwrap().execute_batch("CREATE TABLE voucher (theirs)").unwrap();
    let before = fs::read(&db).unwrap();
    let opened = open(dir.path());
    let Found::Damaged { aside, .. } = &opened.report.found else { panic!("{:?}", opened.report) };
    assert_eq!(fs::read(aside).unwrap(), before);
}

#[test]
fn a_table_that_is_not_as_it_was_made_is_damage() {
    let dir = closed(1);
    let db = rusqlite::Connection::open(dir.path().join("lango.db")).unwrap();
    db.execute_batch("DROP TABLE voucher").unwrap();
    drop(db);
    let opened = open(dir.path());
    assert!(matches!(opened.report.found, Found::Damaged { .. }), "{}", opened.report);
}

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    let dir = closed(1);
    let db = dir.path().join("lango.db");
    rusqlite::Connection::open(&db).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&db).unwrap();
    let error = lango::store::open(dir.path()).err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error:?}");
    assert!(error.to_string().contains("schema 99"), "{error}");
    assert_eq!(fs::read(&db).unwrap(), before);
    assert!(!dir.path().join("lango.db.corrupt-1").exists());
}

#[test]
fn what_is_no_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"mine").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = lango::store::open(&path).err().unwrap();
        assert!(matches!(error, OpenError::NotADirectory { .. }), "{error:?}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    fs::create_dir_all(dir.path().join("state/lango.db")).unwrap();
    let error = lango::store::open(&dir.path().join("state")).err().unwrap();
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
}

/// Whatever bytes flip: the daemon starts, and after at most one more start it sells.
#[test]
fn any_damage_ends_in_a_database_that_serves() {
    // The number of the schema lies at 60: a flip there reads as a newer program's.
    let header = (0..32).chain((64..100).step_by(4)).map(|place| (place, 1));
    let mut repaired = 0;
    for (whole, header) in [(closed(40), Some(header)), (unclosed(40), None)] {
        let pages = fs::metadata(whole.path().join("lango.db")).unwrap().len() as usize / PAGE;
        let body = (1..pages).step_by(6).map(|page| (page * PAGE + page % 7, 4));
        for (place, length) in header.into_iter().flatten().chain(body) {
            let dir = tempfile::tempdir().unwrap();
            for name in names(whole.path()) {
                fs::copy(whole.path().join(&name), dir.path().join(&name)).unwrap();
            }
            flip(&dir.path().join("lango.db"), place, length);
            let opened = open(dir.path());
            repaired += usize::from(matches!(opened.report.found, Found::Damaged { .. }));
            if commit(&opened.store, login(5000)).is_err() {
                drop(opened);
                let opened = open(dir.path());
                assert!(
                    matches!(opened.report.found, Found::Damaged { .. }),
                    "at {place}: {}",
                    opened.report
                );
                commit(&opened.store, login(5000)).unwrap();
                repaired += 1;
            }
        }
    }
    assert!(repaired > 10, "{repaired}");
}

//! The trail of what was done: kept, and found out when somebody writes into it.

use std::path::Path;

use lango::domain::{Action, Actor, Boot, Broken, End, Noted, Now, Record, Trust, Wall};
use lango::store::Store;

use super::sales::{NOON, commit, open, wait};

const ROWS: u64 = 5;

/// The next row after `end`, which it becomes.
fn note(store: &Store, end: &mut End) {
    let seq = end.seq + 1;
    let at = i64::try_from(seq).unwrap();
    let now = Now { boot: Boot::from_millis(seq), wall: Wall::from_secs(NOON + at), trust: Trust::Trusted };
    let row = Noted::after(end, &Actor::Gateway, Action::Login, &format!("s-{seq} of plan hour"), now);
    *end = row.end();
    commit(store, vec![Record::Noted(Box::new(row))]).unwrap();
}

fn written(dir: &Path) -> End {
    let opened = open(dir);
    let mut end = opened.restored.trail.clone();
    (0..ROWS).for_each(|_| note(&opened.store, &mut end));
    wait(opened.store.close()).unwrap();
    end
}

fn tampered(dir: &Path, sql: &str) {
    let conn = rusqlite::Connection::open(dir.join("lango.db")).unwrap();
    conn.execute_batch(sql).unwrap();
}

fn verified(dir: &Path) -> Result<u64, Broken> {
    wait(open(dir).store.verify_trail()).unwrap().map(|(rows, _)| rows)
}

#[test]
fn a_trail_is_kept_over_restarts_and_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let first = written(dir.path());
    let opened = open(dir.path());
    assert_eq!(opened.restored.trail, first);
    let shown = wait(opened.store.trail(2)).unwrap();
    assert_eq!(shown.iter().map(|row| row.seq).collect::<Vec<_>>(), [ROWS - 1, ROWS], "the latest, in order");
    drop(opened);
    written(dir.path());
    assert_eq!(verified(dir.path()), Ok(2 * ROWS));
}

#[test]
fn every_change_of_a_row_is_found() {
    for change in [
        "at = at + 1",
        "clock = 'floor'",
        "who = 'uid 1000'",
        "action = 'logout'",
        "detail = 's-9'",
        "hash = (SELECT hash FROM audit WHERE seq = 2)",
    ] {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path());
        tampered(dir.path(), &format!("UPDATE audit SET {change} WHERE seq = 3"));
        assert_eq!(verified(dir.path()), Err(Broken::Changed { seq: 3 }), "{change}");
    }
}

#[test]
fn rows_that_are_gone_added_or_moved_are_found() {
    let swap = "UPDATE audit SET seq = 99 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3;
                UPDATE audit SET seq = 3 WHERE seq = 99;";
    let again = "INSERT INTO audit SELECT 6, at, clock, who, action, detail, hash FROM audit WHERE seq = 5";
    for (sql, broken) in [
        ("DELETE FROM audit WHERE seq = 1", Broken::Missing { from: 1, to: 1 }),
        ("DELETE FROM audit WHERE seq IN (2, 3)", Broken::Missing { from: 2, to: 3 }),
        ("DELETE FROM audit WHERE seq = 5", Broken::Missing { from: 5, to: 5 }),
        ("DELETE FROM audit", Broken::Missing { from: 1, to: 5 }),
        (again, Broken::Changed { seq: 6 }),
        (swap, Broken::Changed { seq: 2 }),
    ] {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path());
        tampered(dir.path(), sql);
        assert_eq!(verified(dir.path()), Err(broken), "{sql}");
    }
}

#[test]
fn a_row_that_fits_behind_the_last_is_found_by_where_the_trail_ends() {
    let dir = tempfile::tempdir().unwrap();
    let end = written(dir.path());
    let opened = open(dir.path());
    let mut further = end.clone();
    note(&opened.store, &mut further);
    wait(opened.store.close()).unwrap();
    tampered(
        dir.path(),
        &format!("UPDATE meta SET audit_end = {}, audit_end_hash = '{}'", end.seq, end.hash),
    );
    assert_eq!(verified(dir.path()), Err(Broken::Added { after: ROWS }));
}

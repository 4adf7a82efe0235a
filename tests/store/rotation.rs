//! Another key for the store: whatever of it a power cut leaves, or a medium that does not take it, opens all there is.

use std::fs;
use std::path::Path;

use lango::domain::{Record, SessionId, Wall};
use lango::store::Store;

use super::persons::found_in;
use super::sales::{NOON, commit, mac, open, session, wait};
use super::sealed::{busy, change, cut, fields};

/// Opens a store in which everybody is known.
fn known(dir: &Path, when: &str) -> Store {
    let opened = open(dir);
    assert_eq!((opened.report.unreadable, opened.report.foreign_days), (0, 0), "{when}");
    assert_eq!(opened.restored.sessions.len(), 5, "{when}");
    assert_eq!(opened.restored.blocked, [mac(4)], "{when}");
    opened.store
}

fn secret(dir: &Path) -> Vec<u8> {
    fs::read(dir.join("device.key")).unwrap()
}

/// Whatever of it the power cut leaves: the secret that is to be, the days wrapped anew, the copy, the one secret left.
#[test]
fn a_new_key_may_be_cut_short_anywhere_and_everybody_is_still_known() {
    let dir = tempfile::tempdir().unwrap();
    busy(dir.path());
    let store = known(dir.path(), "before");
    let before = cut(dir.path());
    fs::copy(dir.path().join("lango.db.good"), before.path().join("lango.db.good")).unwrap();
    let old = fields(dir.path(), "SELECT wrapped FROM day_key");
    assert_eq!(wait(store.rotate_key(Wall::from_secs(NOON))), Ok(1));
    let first = cut(dir.path());
    let new = secret(dir.path());
    assert_eq!((secret(before.path()).len(), new.len()), (32, 64));
    assert_eq!(new[..32], secret(before.path()), "codes are hashed by it");
    assert_eq!(found_in(dir.path(), &old[0]), [""; 0]);
    commit(
        &store,
        vec![Record::SessionClosed {
            session: SessionId(6),
            at: Wall::from_secs(NOON),
            why: lango::domain::Closing::Idle,
            used: lango::domain::Traffic::default(),
        }],
    )
    .unwrap();
    commit(&store, vec![Record::SessionOpened(session(60, 2))]).unwrap();
    drop(store);
    drop(known(dir.path(), "after"));
    drop(known(first.path(), "at once"));

    // Both secrets, and the days under the one or the other; and a database that is gone, with its copy of before.
    let both = [&new[..32], &[0; 32], &new[32..]].concat();
    for (state, when) in [(&before, "not wrapped anew yet"), (&first, "wrapped anew")] {
        fs::write(state.path().join("device.key"), &both).unwrap();
        let store = known(state.path(), when);
        assert_eq!(secret(state.path()).len(), 96, "{when}: a copy may need either");
        wait(store.rotate_key(Wall::from_secs(NOON))).unwrap();
        assert_eq!(secret(state.path()).len(), 64, "{when}");
        drop(store);
        drop(known(state.path(), when));
        fs::remove_file(state.path().join("lango.db")).unwrap();
        drop(known(state.path(), "from the copy"));
    }
    // The stolen device key of before opens nothing.
    fs::write(dir.path().join("device.key"), &new[..32]).unwrap();
    assert!(open(dir.path()).restored.sessions.is_empty());
}

/// A commit that failed may be on flash all the same: the secret that it is sealed under is kept until one succeeds.
#[test]
fn a_new_key_that_is_not_taken_stays_the_one_that_is_to_be() {
    let dir = tempfile::tempdir().unwrap();
    busy(dir.path());
    let refused = "CREATE TRIGGER refused BEFORE UPDATE ON day_key BEGIN SELECT RAISE(ABORT, 'refused'); END";
    change(dir.path(), refused);
    let store = known(dir.path(), "before");
    wait(store.rotate_key(Wall::from_secs(NOON))).unwrap_err();
    let both = secret(dir.path());
    assert_eq!(both.len(), 96);
    wait(store.rotate_key(Wall::from_secs(NOON))).unwrap_err();
    assert_eq!(secret(dir.path()), both);
    drop(store);
    change(dir.path(), "DROP TRIGGER refused");
    let store = known(dir.path(), "not taken");
    assert_eq!(wait(store.rotate_key(Wall::from_secs(NOON))), Ok(1));
    assert_eq!(secret(dir.path()), [&both[..32], &both[64..]].concat());
    // Taken, and the copy is not made: the next one waits for it.
    fs::create_dir(dir.path().join("lango.db.new")).unwrap();
    wait(store.rotate_key(Wall::from_secs(NOON))).unwrap_err();
    let both = secret(dir.path());
    wait(store.rotate_key(Wall::from_secs(NOON))).unwrap_err();
    assert_eq!(secret(dir.path()), both, "the copy needs the one, the database the other");
    fs::remove_dir(dir.path().join("lango.db.new")).unwrap();
    assert_eq!(wait(store.rotate_key(Wall::from_secs(NOON))), Ok(1));
    let new = secret(dir.path());
    assert!(new.len() == 64 && new[32..] != both[64..]);
    drop(store);
    drop(known(dir.path(), "taken"));
    fs::remove_file(dir.path().join("lango.db")).unwrap();
    drop(known(dir.path(), "from the copy"));
}

//! A store whose key the cloud keeps: what lies on the flash opens nothing, wherever a power cut leaves the move.

use std::fs;
use std::path::Path;

use lango::domain::{Record, Wall};
use lango::store::{CloudKey, KeyPlace, OpenError, Opened, Staging, Store, open_under};

use super::outbox::redeemed;
use super::sales::{NOON, commit, open, wait};
use super::sealed::{busy, cut};

const KEY: CloudKey = CloudKey::new([7; 32]);
const OTHER: CloudKey = CloudKey::new([8; 32]);

fn known(opened: Opened, when: &str) -> Store {
    assert_eq!((opened.report.unreadable, opened.report.foreign_days), (0, 0), "{when}");
    assert_eq!((opened.restored.sessions.len(), opened.restored.blocked.len()), (5, 1), "{when}");
    opened.store
}

fn refusal(opened: Result<Opened, OpenError>) -> OpenError {
    opened.err().unwrap()
}

fn secret(dir: &Path) -> Vec<u8> {
    fs::read(dir.join("device.key")).unwrap()
}

fn moved(store: &Store, key: Option<CloudKey>) -> u64 {
    wait(store.seal_under(key, Wall::from_secs(NOON))).unwrap()
}

/// The directory with the copy, as a power cut leaves it now.
fn all(dir: &Path) -> tempfile::TempDir {
    let to = cut(dir);
    fs::copy(dir.join("lango.db.good"), to.path().join("lango.db.good")).unwrap();
    to
}

#[test]
fn what_lies_on_the_flash_does_not_open_a_store_whose_key_the_cloud_keeps() {
    let dir = tempfile::tempdir().unwrap();
    busy(dir.path());
    let store = known(open_under(dir.path(), KEY).unwrap(), "not moved yet");
    assert_eq!(wait(store.key_place()), Ok(KeyPlace::Flash));
    assert_eq!((moved(&store, Some(KEY)), moved(&store, Some(KEY))), (1, 0));
    assert_eq!(wait(store.key_place()), Ok(KeyPlace::Cloud));
    drop(store);
    for file in [&secret(dir.path()), &fs::read(dir.path().join("lango.db")).unwrap()] {
        assert!(!file.windows(32).any(|bytes| bytes == [7; 32]), "the key itself is on the flash");
    }
    let before = secret(dir.path());
    assert!(matches!(refusal(lango::store::open(dir.path())), OpenError::KeyAtCloud { .. }));
    assert!(matches!(refusal(open_under(dir.path(), OTHER)), OpenError::OtherKey { .. }));
    assert_eq!(secret(dir.path()), before);
    // Whoever takes the mark of the key off has what the flash has, and nothing more.
    let thief = cut(dir.path());
    fs::write(thief.path().join("device.key"), &before[..64]).unwrap();
    let opened = open(thief.path());
    assert_eq!((opened.report.foreign_days, opened.restored.sessions.len()), (1, 0));

    let store = known(open_under(dir.path(), KEY).unwrap(), "with the key");
    wait(store.rotate_key(Wall::from_secs(NOON))).unwrap();
    drop(store);
    assert!(matches!(refusal(lango::store::open(dir.path())), OpenError::KeyAtCloud { .. }), "renewed");
    fs::remove_file(dir.path().join("lango.db")).unwrap();
    let store = known(open_under(dir.path(), KEY).unwrap(), "from the copy");
    assert_eq!(moved(&store, None), 1);
    drop(store);
    assert_eq!(secret(dir.path()).len(), 64);
    drop(known(open(dir.path()), "moved back"));
}

/// Either way: the secret that is to be, the days wrapped anew, the copy, the one secret left.
#[test]
fn a_key_that_moves_may_be_cut_short_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    busy(dir.path());
    let store = known(open_under(dir.path(), KEY).unwrap(), "before");
    let here = all(dir.path());
    moved(&store, Some(KEY));
    let there = all(dir.path());
    moved(&store, None);
    let back = all(dir.path());
    drop(store);
    let [none, first, second] = [&here, &there, &back].map(|state| secret(state.path()));
    assert_eq!([none.len(), first.len(), second.len()], [32, 128, 64]);
    let moving = [&none[..32], &[0; 32], &first[32..64], &first[96..]].concat();
    let returning = [&first[..64], &second[32..64], &first[96..]].concat();
    for (both, states) in [(moving, [&here, &there]), (returning, [&there, &back])] {
        for (state, to) in states.into_iter().flat_map(|state| [(state, Some(KEY)), (state, None)]) {
            let dir = all(state.path());
            fs::write(dir.path().join("device.key"), &both).unwrap();
            let store = known(open_under(dir.path(), KEY).unwrap(), "cut short");
            moved(&store, to);
            wait(store.rotate_key(Wall::from_secs(NOON))).unwrap();
            drop(store);
            for gone in [None, Some("lango.db")] {
                gone.into_iter().for_each(|name| fs::remove_file(dir.path().join(name)).unwrap());
                let opened =
                    if to.is_some() { open_under(dir.path(), KEY) } else { lango::store::open(dir.path()) };
                drop(known(opened.unwrap(), "moved after all"));
            }
        }
    }
}

#[test]
fn what_is_restored_of_such_a_store_is_sealed_until_the_key_comes() {
    let dir = tempfile::tempdir().unwrap();
    busy(dir.path());
    let store = known(open_under(dir.path(), KEY).unwrap(), "before");
    moved(&store, Some(KEY));
    drop(store);
    let new = tempfile::tempdir().unwrap();
    let staging = Staging::begin(new.path()).unwrap();
    for name in ["lango.db", "device.key"] {
        fs::copy(dir.path().join(name), staging.dir.join(name)).unwrap();
    }
    let staged = staging.open().unwrap();
    assert_eq!(staged.report.foreign_days, 0, "nothing is lost");
    commit(&staged.store, vec![Record::Queued(redeemed(9))]).unwrap();
    drop(staged.store);
    staging.commit().unwrap();
    assert!(matches!(refusal(lango::store::open(new.path())), OpenError::KeyAtCloud { .. }));
    let store = known(open_under(new.path(), KEY).unwrap(), "the key came");
    assert_eq!(wait(store.outbox(usize::MAX)).unwrap().events.len(), 5, "what was written meanwhile as well");
    assert_eq!(moved(&store, Some(KEY)), 2, "the day of that was under the key that lies here");
    assert_eq!(moved(&store, Some(KEY)), 0);
}

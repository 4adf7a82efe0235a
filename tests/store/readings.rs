//! Meters of many guests are written as one reading. Nobody outside can tell: what was read last is what comes back.

use std::path::Path;
use std::time::Duration;

use lango::domain::{
    Boot, BootId, Bytes, Ending, EntitlementId, Record, Restored, SessionId, Stamp, Terms, Usage, Wall,
};

use super::sales::{NOON, commit, entitlement, login, open, stamp, wait};

/// A checkpoint of those guests: so much is used of each.
fn checkpoint(guests: &[u64], used: u64) -> Vec<Record> {
    let stamps = guests.iter().map(|n| Record::EntitlementStamped(stamp(*n, used)));
    let counts = guests.iter().map(|n| Record::SessionStamped(count(*n, used)));
    stamps.chain(counts).collect()
}

fn count(session: u64, used: u64) -> Usage {
    Usage { session: SessionId(session), up: Bytes(used), down: Bytes(used * 7) }
}

/// What a new start finds.
fn restored(dir: &Path) -> Restored {
    open(dir).restored
}

fn stamps(restored: &Restored) -> Vec<Stamp> {
    restored.entitlements.iter().map(|kept| kept.last_stamp().clone()).collect()
}

fn with_guests(dir: &Path, guests: u64) {
    commit(&open(dir).store, (1..=guests).flat_map(login).collect()).unwrap();
}

#[test]
fn what_a_checkpoint_read_comes_back_and_what_it_did_not_read_stays() {
    let dir = tempfile::tempdir().unwrap();
    with_guests(dir.path(), 4);
    let store = open(dir.path()).store;
    commit(&store, checkpoint(&[1, 2, 3], 1000)).unwrap();
    commit(&store, checkpoint(&[1, 3], 2000)).unwrap();
    drop(store);
    let found = restored(dir.path());
    let untouched = entitlement(4).last_stamp().clone();
    assert_eq!(stamps(&found), [stamp(1, 2000), stamp(2, 1000), stamp(3, 2000), untouched]);
    let used: Vec<_> = found.sessions.iter().map(|session| session.used.up).collect();
    assert_eq!(used, [2000, 1000, 2000, 0].map(Bytes));
}

#[test]
fn one_meter_that_is_read_by_itself_is_not_set_back_by_a_reading_of_the_same_instant() {
    let dir = tempfile::tempdir().unwrap();
    with_guests(dir.path(), 3);
    let store = open(dir.path()).store;
    commit(&store, checkpoint(&[1, 2, 3], 1000)).unwrap();
    let same_instant = Stamp { bytes_up: Bytes(123_456), ..stamp(1, 1000) };
    commit(&store, vec![Record::EntitlementStamped(same_instant.clone())]).unwrap();
    commit(&store, vec![Record::EntitlementStamped(stamp(2, 1500))]).unwrap();
    drop(store);
    assert_eq!(stamps(&restored(dir.path())), [same_instant.clone(), stamp(2, 1500), stamp(3, 1000)]);
    // Nor by the one after it, which moves what it does not read into the rows.
    commit(&open(dir.path()).store, checkpoint(&[3], 1000)).unwrap();
    assert_eq!(stamps(&restored(dir.path())), [same_instant, stamp(2, 1500), stamp(3, 1000)]);
}

#[test]
fn a_top_up_grows_what_was_read() {
    let dir = tempfile::tempdir().unwrap();
    with_guests(dir.path(), 2);
    let store = open(dir.path()).store;
    commit(&store, checkpoint(&[1, 2], 1000)).unwrap();
    let bought = entitlement(1);
    let day = Duration::from_secs(86_400);
    let terms = Terms { validity: bought.terms.validity.map(|whole| whole + day), ..bought.terms };
    let topped_up = Record::ToppedUp {
        entitlement: EntitlementId(1),
        mac: super::sales::mac(1),
        code: super::sales::key(9),
        terms: Box::new(terms),
    };
    let made = Record::VouchersMade(vec![super::sales::voucher(9)]);
    commit(&store, vec![made, topped_up]).unwrap();
    drop(store);
    let read = stamp(1, 1000);
    let grown = Stamp { validity_left: read.validity_left.map(|left| left + day), ..read };
    assert_eq!(stamps(&restored(dir.path())), [grown, stamp(2, 1000)]);
}

#[test]
fn who_has_ended_stays_ended_as_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    with_guests(dir.path(), 2);
    let store = open(dir.path()).store;
    commit(&store, checkpoint(&[1, 2], 1000)).unwrap();
    let end = Record::EntitlementEnded { stamp: stamp(1, 900), how: Ending::Revoked };
    commit(&store, vec![end]).unwrap();
    let (ended, _) = wait(store.entitlement(EntitlementId(1))).unwrap().unwrap();
    assert_eq!(ended.last_stamp().used, Duration::from_millis(900));
    let (open_still, _) = wait(store.entitlement(EntitlementId(2))).unwrap().unwrap();
    assert_eq!(open_still.last_stamp(), &stamp(2, 1000));
    drop(store);
    assert_eq!(stamps(&restored(dir.path())), [stamp(2, 1000)]);
}

#[test]
fn a_new_boot_and_a_clock_that_was_wrong_begin_with_what_was_read() {
    let dir = tempfile::tempdir().unwrap();
    with_guests(dir.path(), 2);
    let dated = |n| Stamp { expires: Some(Wall::from_secs(NOON + 60)), ..stamp(n, 1000) };
    let store = open(dir.path()).store;
    commit(&store, [1, 2].map(|n| Record::EntitlementStamped(dated(n))).into()).unwrap();
    commit(&store, vec![Record::BootReached(dated(1).at), Record::FloorReset(Wall::from_secs(NOON))])
        .unwrap();
    drop(store);
    assert_eq!(stamps(&restored(dir.path())), [1, 2].map(|n| stamp(n, 1000)));

    let store = open(dir.path()).store;
    let (boot, at): (BootId, _) = ("2f1c".parse().unwrap(), Boot::from_millis(20));
    commit(&store, checkpoint(&[1, 2], 1000)).unwrap();
    commit(&store, vec![Record::BootChanged { boot, at }]).unwrap();
    drop(store);
    let redated = |n| Stamp { at, downtime: Duration::ZERO, ..stamp(n, 1000) };
    assert_eq!(stamps(&restored(dir.path())), [1, 2].map(redated));
    // A stamp of this boot counts, though its clock shows less than that reading's did.
    let first = Stamp { at: Boot::from_millis(5000), used: Duration::from_millis(1500), ..stamp(1, 1000) };
    commit(&open(dir.path()).store, vec![Record::EntitlementStamped(first.clone())]).unwrap();
    assert_eq!(stamps(&restored(dir.path())), [first, redated(2)]);
}

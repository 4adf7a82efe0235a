//! What waits for the cloud: its numbers, its order, its bound; and the name of the database, which makes numbers
//! of facts mean something.

use std::fs;
use std::path::Path;

use lango::domain::{
    Bytes, Closing, CloudId, EntitlementId, Fact, Outcome, Record, Reported, RowName, Seq, SessionId,
    Traffic, Trust, Wall,
};
use lango::store::{Found, Instead, OutboxSize, Store};
use lango::wire::events;

use super::sales::{NOON, commit, key, login, mac, open, wait};

/// As much as the outbox holds of what can be said again.
const MOST: u64 = 8 * 1024 * 1024;

fn fact(n: u64, fact: Fact) -> Reported {
    Reported { at: Wall::from_secs(NOON + n.cast_signed()), clock: Trust::Trusted, fact }
}

pub(crate) fn redeemed(n: u64) -> Reported {
    let id = Some(format!("v-{n}").parse::<CloudId>().unwrap());
    let (plan, entitlement) = ("hour".parse().unwrap(), EntitlementId(n));
    fact(n, Fact::Redeemed { id, name: RowName::Voucher(key(n)), plan, entitlement, mac: mac(n) })
}

pub(crate) fn opened(n: u64) -> Reported {
    fact(n, Fact::SessionOpened { session: SessionId(n), entitlement: EntitlementId(n), mac: mac(n) })
}

fn used(n: u64) -> Traffic {
    Traffic { up: Bytes(n), down: Bytes(2 * n) }
}

fn usage(n: u64, seconds: u64) -> Reported {
    fact(n, Fact::Usage { session: SessionId(n), seconds, used: used(seconds) })
}

pub(crate) fn closed(n: u64) -> Reported {
    let (why, seconds, used) = (Closing::Spent, 3600, used(5_000_000_000));
    fact(n, Fact::SessionClosed { session: SessionId(n), why, seconds, used })
}

/// A fact of about `bytes` bytes that nothing says again.
fn long(n: u64, bytes: usize) -> Reported {
    let result = Outcome::Failed("é".repeat(bytes / 2));
    fact(n, Fact::Done { command: format!("c-{n}").parse().unwrap(), result })
}

fn queue(store: &Store, facts: Vec<Reported>) {
    commit(store, facts.into_iter().map(Record::Queued).collect()).unwrap();
}

fn waiting(store: &Store) -> Vec<(Seq, String)> {
    wait(store.outbox(usize::MAX)).unwrap().events
}

fn numbers(store: &Store) -> Vec<u64> {
    waiting(store).into_iter().map(|(Seq(seq), _)| seq).collect()
}

/// What it says of itself is what a look into it says.
fn size(store: &Store) -> OutboxSize {
    let size = wait(store.outbox_size()).unwrap();
    let all = waiting(store);
    let bytes: usize = all.iter().map(|(_, event)| event.len()).sum();
    assert_eq!((size.facts, size.bytes), (all.len() as u64, bytes as u64));
    size
}

#[test]
fn facts_wait_in_their_order_until_the_cloud_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    assert_eq!(size(&store), OutboxSize::default());
    queue(&store, vec![redeemed(1), opened(1), closed(1)]);
    let expected: Vec<_> = [redeemed(1), opened(1), closed(1)].iter().map(events::write).collect();
    drop(store);
    let store = open(dir.path()).store;
    let all = waiting(&store);
    assert!(all.iter().map(|(_, event)| event).eq(&expected));
    assert_eq!(numbers(&store), [1, 2, 3]);
    let two = expected[0].len() + expected[1].len();
    for (most, count) in [(0, 1), (two - 1, 1), (two, 2), (two + 1, 2), (1_000_000, 3)] {
        assert_eq!(wait(store.outbox(most)).unwrap().events, all[..count], "{most}");
    }
    assert_eq!(size(&store).oldest, Some(redeemed(1).at));
    commit(&store, vec![Record::Acked(Seq(2))]).unwrap();
    assert_eq!((numbers(&store), size(&store).oldest), (vec![3], Some(closed(1).at)));
}

#[test]
fn a_number_is_never_given_out_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..4 {
        let store = open(dir.path()).store;
        queue(&store, vec![redeemed(round), usage(round, 1), usage(round, 2)]);
        let now = numbers(&store);
        assert!(now.is_sorted() && now[0] > last, "{now:?} after {last}");
        last = now[now.len() - 1];
        commit(&store, vec![Record::Acked(Seq(last))]).unwrap();
        assert_eq!(size(&store), OutboxSize::default());
        assert_eq!(wait(store.outbox(1)).unwrap().newest, Seq(last), "what the cloud may have is known");
    }
}

#[test]
fn usage_goes_when_it_is_said_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    queue(&store, vec![opened(1), usage(1, 300), opened(2), usage(2, 300)]);
    queue(&store, vec![usage(1, 600), usage(2, 600)]);
    assert_eq!(numbers(&store), [1, 3, 5, 6]);
    queue(&store, vec![closed(2)]);
    assert_eq!(numbers(&store), [1, 3, 5, 7]);
    queue(&store, vec![usage(1, 900)]);
    assert_eq!(waiting(&store)[3], (Seq(8), events::write(&usage(1, 900))));
    assert_eq!(size(&store).facts, 4);
}

#[test]
fn what_was_not_committed_does_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, login(1)).unwrap();
    queue(&store, vec![redeemed(1), usage(7, 1)]);
    let refused = [vec![Record::Queued(usage(7, 2)), Record::Acked(Seq(1))], login(1)].concat();
    assert!(commit(&store, refused).is_err(), "the code is sold");
    assert_eq!(numbers(&store), [1, 2]);
    assert_eq!(size(&store).facts, 2);
}

#[test]
fn a_redemption_is_unreported_until_it_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    queue(&store, vec![redeemed(1), opened(1), redeemed(2)]);
    let asked = |keys: &[u64]| wait(store.is_unreported(keys.iter().map(|n| key(*n)).collect())).unwrap();
    assert!(asked(&[9, 1]) && asked(&[2]) && !asked(&[9]) && !asked(&[]));
    commit(&store, vec![Record::Acked(Seq(2))]).unwrap();
    assert!(!asked(&[1]) && asked(&[1, 2]));
}

#[test]
fn a_full_outbox_drops_usage_first_and_facts_never() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let usages = 200;
    queue(&store, (0..usages).map(|n| usage(n, 300)).collect());
    let piece = 256 * 1024;
    queue(&store, (0..31).map(|n| long(n, piece)).collect());
    assert_eq!(size(&store).facts, 31 + usages, "there is room");
    // A little more than fits: some of the usage goes, the oldest first.
    let room = (MOST - size(&store).bytes) as usize;
    queue(&store, vec![long(100, room)]);
    let left = numbers(&store);
    assert!(size(&store).bytes <= MOST);
    assert!(left[0] > 1 && left[0] < 10, "{:?}", &left[..3]);
    // Facts alone are more than fits.
    queue(&store, vec![long(101, piece), long(102, piece), usage(7, 600)]);
    assert_eq!(size(&store).facts, 34);
    assert!(size(&store).bytes > MOST);
    commit(&store, login(1)).unwrap();
    commit(&store, vec![Record::Acked(Seq(10_000))]).unwrap();
    queue(&store, vec![usage(7, 900)]);
    assert_eq!(size(&store).facts, 1, "there is room again");
}

fn named(dir: &Path) -> String {
    let name = open(dir).device;
    let digits = name.strip_prefix("gw-").unwrap();
    assert!(digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
    name
}

#[test]
fn each_database_has_a_name_of_its_own() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_eq!(named(one.path()), named(one.path()));
    assert_ne!(named(one.path()), named(two.path()));
    fs::remove_file(one.path().join("lango.db")).unwrap();
    assert_ne!(named(one.path()), named(one.path().join("elsewhere").as_path()));
}

/// A copy gives the numbers of facts that were sent since it was made to others.
#[test]
fn a_copy_that_takes_the_place_of_a_database_has_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path());
    let (store, name) = (opened.store, opened.device);
    queue(&store, vec![redeemed(1)]);
    wait(store.keep_copy(Wall::from_secs(NOON))).unwrap();
    queue(&store, vec![redeemed(2)]);
    drop(store);
    assert_eq!(named(dir.path()), name, "making a copy changes nothing");
    fs::write(dir.path().join("lango.db"), "not a database any more").unwrap();
    let copy = open(dir.path());
    assert!(matches!(copy.report.found, Found::Damaged { instead: Instead::Copy, .. }), "{}", copy.report);
    assert_ne!(copy.device, name);
    queue(&copy.store, vec![redeemed(3)]);
    assert_eq!(numbers(&copy.store), [1, 2], "the second is not the second of the other name");
    let renamed = copy.device;
    drop(copy.store);
    assert_eq!(named(dir.path()), renamed, "and keeps it");
    // Power fails when the copy is in its place, before it was opened.
    fs::copy(dir.path().join("lango.db.good"), dir.path().join("lango.db")).unwrap();
    let cut_short = open(dir.path());
    assert_eq!(cut_short.report.found, Found::Clean);
    assert!(cut_short.device != name && cut_short.device != renamed);
    drop(cut_short);
    fs::remove_file(dir.path().join("lango.db")).unwrap();
    let missing = open(dir.path());
    assert_eq!(missing.report.found, Found::Missing);
    assert!(missing.device != name && missing.device != renamed);
}

//! Retention: what is too old goes, what is not stays, and what went is in no file any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use lango::domain::{
    Action, Actor, Boot, Bound, Closing, End, Ending, EntitlementId, Hint, Limit, Noted, Now, Origin,
    Overdue, Record, Session, SessionId, Traffic, Trust, VoucherState, Wall, Whom,
};
use lango::store::{Kept, Store};
use proptest::prelude::*;

use super::persons::{begun, found_in, paid, traces};
use super::sales::{NOON, commit, entitlement, key, login, mac, open, session, stamp, wait};
use super::sealed::fields;

const DAY: i64 = 86_400;
const NOW: Wall = Wall::from_secs(NOON + 200 * DAY);

pub(crate) fn at(days: i64) -> Wall {
    Wall::from_secs(NOON + days * DAY)
}

/// Sessions are kept 90 days, the trail is kept 120.
fn by_age(at_once: u64) -> Bound {
    Bound { limit: Limit::Age { sessions: at(110), trail: at(80), claims: at(150) }, at_once }
}

pub(crate) fn overdue(store: &Store, bound: Bound) -> Overdue {
    wait(store.overdue(bound, Duration::ZERO, NOW)).unwrap()
}

pub(crate) fn purge(store: &Store, bound: Bound) -> usize {
    let mut steps = 0;
    loop {
        let next = overdue(store, bound);
        if next.is_empty() {
            return steps;
        }
        commit(store, vec![Record::Purged(Box::new(next))]).unwrap();
        steps += 1;
        assert!(steps < 1000, "it comes to an end");
    }
}

fn close(id: u64, day: i64) -> Record {
    let used = Traffic::default();
    Record::SessionClosed { session: SessionId(id), at: at(day), why: Closing::Spent, used }
}

fn end(id: u64) -> Record {
    Record::EntitlementEnded { stamp: stamp(id, 500), how: Ending::Spent }
}

/// What guest `n` bought is used up on that day.
fn used_up(store: &Store, n: u64, day: i64) {
    commit(store, login(n)).unwrap();
    commit(store, ended(n, day)).unwrap();
}

pub(crate) fn ended(n: u64, day: i64) -> Vec<Record> {
    vec![close(n, day), end(n)]
}

fn note(store: &Store, end: &mut End, day: i64, trust: Trust) {
    let now = Now { boot: Boot::from_millis(1), wall: at(day), trust };
    let row = Noted::after(end, &Actor::Gateway, Action::Start, &format!("day {day}"), now);
    *end = row.end();
    commit(store, vec![Record::Noted(Box::new(row))]).unwrap();
}

fn sessions(dir: &Path) -> BTreeSet<u64> {
    let conn = rusqlite::Connection::open(dir.join("lango.db")).unwrap();
    let mut ids = conn.prepare("SELECT id FROM session WHERE forgotten = 0").unwrap();
    ids.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(|id| id.unwrap().unsigned_abs()).collect()
}

#[test]
fn nothing_of_what_is_too_old_is_in_any_file_but_that_its_code_is_used_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    for n in 1..=60 {
        used_up(&store, n, i64::try_from(n).unwrap() * 3);
    }
    commit(&store, vec![paid(70, "0417"), paid(71, "9999")]).unwrap();
    commit(&store, begun(70)).unwrap();
    commit(&store, vec![close(70, 10), end(70)]).unwrap();
    wait(store.keep_copy(at(150))).unwrap();
    // A database that was damaged once.
    fs::write(dir.path().join("lango.db.corrupt-1"), mac(1).bytes()).unwrap();
    let of = |n: u64| fields(dir.path(), &format!("SELECT mac FROM session WHERE id = {n}")).remove(0);
    let guests: BTreeMap<u64, Vec<u8>> = (1..=60).chain([70]).map(|n| (n, of(n))).collect();
    assert!(found_in(dir.path(), &guests[&1]).len() >= 2, "in the database or its journal, in the copy");
    let phone =
        fields(dir.path(), "SELECT phone FROM proof p JOIN voucher v USING (key) WHERE entitlement = 70");
    let rests = wait(store.overdue(by_age(5), Duration::from_secs(60), at(150))).unwrap();
    assert!(rests.is_empty(), "the last copy is too new");

    let counts = wait(store.counts()).unwrap();
    assert!(purge(&store, by_age(5)) >= 8, "in steps");
    assert_eq!(wait(store.keep_copy(at(150))), Ok(Kept::Made), "however recent the last one is");
    for n in (1..=36).chain([70]) {
        assert_eq!(found_in(dir.path(), &guests[&n]), [""; 0], "guest {n}");
    }
    assert_eq!(found_in(dir.path(), &phone[0]), [""; 0]);
    assert_eq!(found_in(dir.path(), &mac(1).bytes()), [""; 0], "what was moved aside is gone");
    for n in 37..=60 {
        assert!(!found_in(dir.path(), &guests[&n]).is_empty(), "guest {n}");
    }
    assert_eq!(wait(store.counts()), Ok(counts), "totals stay");
    let all = traces(&store, Whom::Everybody);
    assert_eq!(all.entitlements.iter().map(|id| id.0).collect::<Vec<_>>(), (37..=60).collect::<Vec<_>>());
    for voucher in wait(store.find(vec![key(1), key(36), key(70)])).unwrap() {
        let voucher = voucher.unwrap();
        assert_eq!(
            (voucher.state, voucher.hint, voucher.proof),
            (VoucherState::Spent, Hint::default(), None)
        );
    }
    assert_eq!(wait(store.keep_copy(at(150))), Ok(Kept::Recent), "nothing to purge writes nothing");
    // The cloud says it once more.
    commit(&store, vec![paid(70, "0417")]).unwrap();
    let payment = wait(store.find(vec![key(70)])).unwrap().remove(0).unwrap();
    assert_eq!((payment.state, payment.proof), (VoucherState::Spent, None));
    wait(store.close()).unwrap();
    let again = open(dir.path());
    assert_eq!((again.restored.last_entitlement, again.restored.last_session), (70, 70), "ids do not repeat");
}

#[test]
fn what_is_open_runs_or_was_used_of_late_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    // Still running; ended, with a session of late; ended, with one that is open.
    for n in 1..=3 {
        commit(&store, login(n)).unwrap();
        commit(&store, vec![close(n, 1)]).unwrap();
    }
    commit(&store, vec![end(2), Record::SessionOpened(session(12, 2)), close(12, 150)]).unwrap();
    commit(&store, vec![Record::SessionOpened(session(13, 3)), end(3)]).unwrap();
    // Had for free within a day, as far as a clock can tell.
    let mut trial = entitlement(4);
    (trial.origin, trial.code) = (Origin::Trial, None);
    let bound = Record::DeviceBound { entitlement: EntitlementId(4), mac: mac(14) };
    let had = vec![Record::EntitlementOpened(Box::new(trial)), bound, Record::SessionOpened(session(14, 4))];
    commit(&store, [had, vec![close(14, 0), end(4)]].concat()).unwrap();
    commit(&store, vec![Record::SessionOpened(session(20, 1))]).unwrap();
    // The one with the highest number is never deleted.
    commit(&store, vec![Record::EntitlementOpened(Box::new(entitlement(5)))]).unwrap();

    assert_eq!(purge(&store, by_age(64)), 1);
    let found = |id| wait(store.entitlement(EntitlementId(id))).unwrap().unwrap().1;
    assert_eq!(found(1), [mac(1), mac(20)], "bound to what still has something left");
    assert_eq!(found(2), [mac(2), mac(12)]);
    assert_eq!(found(3), [mac(3), mac(13)]);
    assert_eq!(found(4), [mac(14)]);
    commit(&store, vec![Record::FloorRaised(at(3))]).unwrap();
    assert_eq!(purge(&store, by_age(64)), 1);
    assert_eq!(wait(store.entitlement(EntitlementId(4))), Ok(None), "a day is over, and no code led to it");
    wait(store.close()).unwrap();
    assert_eq!(sessions(dir.path()), [12, 13, 20].into());
}

#[test]
fn the_trail_goes_from_its_beginning_and_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path());
    let (store, mut end) = (opened.store, End::default());
    for (day, trust) in [
        (1, Trust::Trusted),
        (2, Trust::Floor),
        (70, Trust::Trusted),
        // A clock that stood still: written on day 90 at the earliest, or nobody knows when.
        (71, Trust::Floor),
        (90, Trust::Trusted),
        (72, Trust::Trusted),
    ] {
        note(&store, &mut end, day, trust);
    }
    let old = overdue(&store, by_age(64)).trail.unwrap();
    assert_eq!((old.rows, old.until.seq), (3, 3));
    assert!(purge(&store, by_age(2)) >= 2);
    let kept: Vec<u64> = wait(store.trail(100)).unwrap().iter().map(|row| row.seq).collect();
    assert_eq!(kept, [4, 5, 6]);
    assert_eq!(wait(store.verify_trail()).unwrap().unwrap(), (3, end.clone()));
    wait(store.close()).unwrap();
    let store = open(dir.path()).store;
    note(&store, &mut end, 100, Trust::Trusted);
    assert_eq!(wait(store.verify_trail()).unwrap().unwrap().0, 4);
}

/// Or a gateway that loses its power every day, and learns the time seldom, would fill its flash.
#[test]
fn however_many_rows_nobody_could_date_they_go_with_the_old_one_after_them() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut end) = (open(dir.path()).store, End::default());
    for _ in 0..64 {
        note(&store, &mut end, 1, Trust::Floor);
    }
    assert_eq!(overdue(&store, by_age(64)).trail, None, "nobody knows how old they are");
    note(&store, &mut end, 5000, Trust::Trusted);
    assert_eq!(overdue(&store, by_age(64)).trail, None, "nor does a clock that is far ahead");
    note(&store, &mut end, 70, Trust::Trusted);
    note(&store, &mut end, 71, Trust::Floor);
    note(&store, &mut end, 90, Trust::Trusted);
    note(&store, &mut end, 75, Trust::Trusted);
    let first = overdue(&store, by_age(64)).trail.unwrap();
    assert_eq!((first.rows, first.until.seq), (64, 64), "no more than that at once");
    assert_eq!(purge(&store, by_age(64)), 2);
    let kept: Vec<u64> = wait(store.trail(100)).unwrap().iter().map(|row| row.seq).collect();
    assert_eq!(kept, [67, 68, 69], "what is after it may be young");
    assert_eq!(wait(store.verify_trail()).unwrap().unwrap(), (3, end));
}

#[test]
fn without_a_clock_the_oldest_beyond_a_bound_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let mut trail = End::default();
    for n in 1..=30 {
        // Each boot begins at the same time again.
        used_up(&store, n, i64::try_from(n % 4).unwrap());
        note(&store, &mut trail, 0, Trust::Floor);
    }
    commit(&store, login(31)).unwrap();
    let bound = Bound { limit: Limit::Count { sessions: 10, trail: 12 }, at_once: 4 };
    assert!(purge(&store, bound) >= 5);
    assert_eq!(purge(&store, bound), 0);
    assert_eq!(wait(store.verify_trail()).unwrap().unwrap(), (12, trail));
    let left: Vec<u64> = traces(&store, Whom::Everybody).entitlements.iter().map(|id| id.0).collect();
    assert_eq!(left, (21..=31).collect::<Vec<_>>());
    wait(store.close()).unwrap();
    assert_eq!(sessions(dir.path()), (21..=31).collect());
}

#[test]
fn what_a_clock_nobody_trusted_has_dated_is_as_young_as_the_clock_that_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    used_up(&store, 1, 0);
    commit(&store, vec![Record::FloorRaised(at(1))]).unwrap();
    // It began at the floor, whatever the day was.
    used_up(&store, 2, 1);
    used_up(&store, 3, 4);
    commit(&store, login(4)).unwrap();
    commit(&store, vec![Record::SessionsDated { from: at(1), to: at(199) }]).unwrap();
    purge(&store, by_age(64));
    // A clock that was far ahead and is set back keeps nothing for longer.
    used_up(&store, 5, 5000);
    commit(&store, vec![Record::FloorReset(at(100))]).unwrap();
    wait(store.close()).unwrap();
    assert_eq!(sessions(dir.path()), [2, 3, 4, 5].into());
    let store = open(dir.path()).store;
    purge(&store, by_age(64));
    wait(store.close()).unwrap();
    assert_eq!(sessions(dir.path()), [4].into());
}

#[test]
fn a_purge_that_was_cut_short_goes_on_and_leaves_no_trace_either() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    for n in 1..=20 {
        used_up(&store, n, 1);
    }
    wait(store.keep_copy(at(150))).unwrap();
    let guests = fields(dir.path(), "SELECT mac FROM session UNION SELECT mac FROM device");
    let first = overdue(&store, by_age(7));
    commit(&store, vec![Record::Purged(Box::new(first))]).unwrap();
    drop(store);
    let store = open(dir.path()).store;
    let apart = Duration::from_secs(20 * 3600);
    let next = wait(store.overdue(by_age(7), apart, at(150))).unwrap();
    assert_eq!(next.sessions.len(), 7, "at once, though a copy was made of late");
    purge(&store, by_age(7));
    assert_eq!(wait(store.keep_copy(at(150))), Ok(Kept::Made));
    // The last one is not deleted, but emptied.
    assert_eq!(guests.len(), 40);
    for guest in guests {
        assert_eq!(found_in(dir.path(), &guest), [""; 0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Sessions of what was bought, in any order, each used up or not.
    #[test]
    fn nothing_younger_goes_and_nothing_older_stays(
        visits in prop::collection::vec((1_u64..8, prop::option::of(0_i64..200)), 1..40),
        over in prop::collection::btree_set(1_u64..8, 0..8),
        at_once in 1_u64..6,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).store;
        let bought: BTreeSet<u64> = visits.iter().map(|(of, _)| *of).collect();
        for of in &bought {
            let all = login(*of).into_iter().filter(|record| !matches!(record, Record::SessionOpened(_)));
            commit(&store, all.collect()).unwrap();
        }
        for (number, (of, closed)) in visits.iter().enumerate() {
            let id = number as u64 + 100;
            commit(&store, vec![Record::SessionOpened(Session { mac: mac(id), ..session(id, *of) })]).unwrap();
            if let Some(day) = closed {
                commit(&store, vec![close(id, *day)]).unwrap();
            }
        }
        let over: BTreeSet<u64> = over.intersection(&bought).copied().collect();
        commit(&store, over.iter().map(|id| end(*id)).collect()).unwrap();
        purge(&store, by_age(at_once));
        let is_old = |closed: &Option<i64>| closed.is_some_and(|day| day < 110);
        let kept_purchases: BTreeSet<u64> = bought
            .iter()
            .filter(|of| !over.contains(of) || visits.iter().any(|(by, closed)| by == *of && !is_old(closed)))
            .copied()
            .collect();
        let found = traces(&store, Whom::Everybody).entitlements.iter().map(|id| id.0).collect::<BTreeSet<_>>();
        prop_assert_eq!(found, kept_purchases);
        wait(store.close()).unwrap();
        let kept: BTreeSet<u64> = visits
            .iter()
            .enumerate()
            .filter(|(_, (_, closed))| !is_old(closed))
            .map(|(number, _)| number as u64 + 100)
            .collect();
        prop_assert_eq!(sessions(dir.path()), kept);
    }
}

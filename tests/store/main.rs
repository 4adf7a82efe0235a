//! The store as `app` uses it: what is committed is there again, whatever happens in between.
//!
//! `crash` kills processes, `damage` breaks files, `media` fills disks and takes away their writability
//! (needs root, for tmpfs), `schema` opens older databases, `rows`, `cloud` and `outbox` are about the cloud,
//! `persons` about guests, `sealed` about what nobody reads without the device key, `rotation` about another one, `at_cloud` about one that the cloud keeps, `readings` about meters, `restore` about another state in its place, `retention` about what is too old, `inventory` about what is stored
//! of whom, `size` measures, `sales` makes the records.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod at_cloud;
mod cloud;
mod crash;
mod damage;
mod inventory;
mod media;
mod orders;
mod outbox;
mod persons;
mod readings;
mod restore;
mod retention;
mod rotation;
mod rows;
mod sales;
mod schema;
mod sealed;
mod size;
mod trail;

use std::time::Duration;

use lango::domain::{
    Boot, BootId, Bps, Bytes, Closing, DataCap, Downtime, Ending, Entitlement, EntitlementId, Mac, Origin,
    Record, Session, SessionId, Stamp, Terms, Traffic, Uplink, UplinkState, Usage, VoucherState, Wall,
};
use lango::ordered::OrdSet;
use lango::store::{Found, Kept, StoreError, VoucherCounts};
use sales::{NOON, commit, key, login, mac, open, stamp, voucher, wait};

/// An entitlement of which every field says something.
fn rich(id: u64) -> Entitlement {
    let terms = Terms {
        metered: Some(Duration::from_millis(3_600_500)),
        validity: Some(Duration::from_secs(86_400)),
        data: DataCap { total: Some(Bytes(5_000_000_000)), up: Some(Bytes(7)), down: None },
        down: Some(Bps(4_000_000)),
        up: Some(Bps(512_000)),
        devices: 3,
        bound_devices: 9,
        idle_timeout: Some(Duration::from_secs(900)),
        count_while_uplink_down: true,
    };
    let mut rich = sales::entitlement(id);
    rich.terms = terms;
    rich.origin = Origin::Trial;
    rich.bound = OrdSet::from([mac(1), mac(2)]);
    rich.with_stamp(Stamp { expires: Some(Wall::from_secs(NOON + 5)), ..stamp(id, 1234) })
}

#[test]
fn a_first_start_makes_everything_and_knows_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let opened = lango::store::open(&dir.path().join("deep/state")).unwrap();
    assert_eq!(opened.report.found, Found::Nothing);
    assert!(opened.restored.entitlements.is_empty() && opened.restored.sessions.is_empty());
    assert_eq!((opened.restored.boot, opened.restored.floor), (None, Wall::from_secs(0)));
    assert_eq!((opened.restored.last_entitlement, opened.restored.last_session), (0, 0));
    drop(opened.store);
    let again = lango::store::open(&dir.path().join("deep/state")).unwrap();
    assert_eq!(again.report.found, Found::Clean);
}

#[test]
fn entitlements_come_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let mut with_code = sales::entitlement(2);
    with_code.code = Some(key(2));
    let mut online = rich(1);
    let records = vec![
        Record::VouchersMade(vec![voucher(2)]),
        Record::EntitlementOpened(Box::new(rich(1))),
        Record::EntitlementOpened(Box::new(with_code.clone())),
        Record::SessionOpened(sales::session(10, 1)),
        Record::SessionOpened(sales::session(11, 1)),
    ];
    commit(&open(dir.path()).store, records).unwrap();
    let opened = open(dir.path());
    online.online = 2;
    assert_eq!(opened.restored.entitlements, [online.clone(), with_code]);
    assert_eq!(opened.restored.sessions, [sales::session(10, 1), sales::session(11, 1)]);
    assert_eq!((opened.restored.last_entitlement, opened.restored.last_session), (2, 11));
    let (found, devices) = wait(opened.store.entitlement(EntitlementId(1))).unwrap().unwrap();
    assert_eq!(found, online);
    let used: OrdSet<Mac> = [mac(1), mac(2), mac(10), mac(11)].into();
    assert_eq!(devices.into_iter().collect::<OrdSet<_>>(), used);
    assert_eq!(wait(opened.store.entitlement(EntitlementId(3))), Ok(None));
}

#[test]
fn stamps_devices_and_closings_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, login(1)).unwrap();
    commit(&store, login(2)).unwrap();
    let close = |id, at| Record::SessionClosed {
        session: SessionId(id),
        at: Wall::from_secs(at),
        why: Closing::Logout,
        used: Traffic::default(),
    };
    let later = vec![
        Record::EntitlementStamped(stamp(1, 77)),
        Record::EntitlementStamped(stamp(2, 78)),
        Record::DeviceBound { entitlement: EntitlementId(1), mac: mac(40) },
        Record::DeviceBound { entitlement: EntitlementId(1), mac: mac(40) },
        close(2, NOON),
        Record::FloorRaised(Wall::from_secs(NOON + 60)),
    ];
    commit(&store, later).unwrap();
    drop(store);
    let restored = open(dir.path()).restored;
    let [one, two] = restored.entitlements.as_slice() else { panic!("{:?}", restored.entitlements) };
    assert_eq!((one.last_stamp(), two.last_stamp()), (&stamp(1, 77), &stamp(2, 78)));
    assert_eq!((one.online, two.online), (1, 0));
    assert_eq!(one.bound, OrdSet::from([mac(1), mac(40)]));
    assert_eq!(restored.sessions, [sales::session(1, 1)]);
    assert_eq!(restored.recent, [mac(2)]);
    assert_eq!(restored.last_session, 2, "a closed session's id is never given out again");
}

#[test]
fn what_ended_is_not_restored_but_its_ids_and_figures_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let ended = |id, how| Record::EntitlementEnded { stamp: stamp(id, 500), how };
    for (id, how) in [(1, Ending::Spent), (2, Ending::Expired), (3, Ending::Revoked)] {
        commit(&store, login(id)).unwrap();
        commit(&store, vec![ended(id, how)]).unwrap();
    }
    // Too late: the figures of the end stay.
    commit(&store, vec![Record::EntitlementStamped(stamp(1, 900)), ended(1, Ending::Revoked)]).unwrap();
    let states = |found: Vec<Option<lango::domain::Voucher>>| {
        found.into_iter().map(|voucher| voucher.unwrap().state).collect::<Vec<_>>()
    };
    let found = wait(store.find(vec![key(1), key(2), key(3)])).unwrap();
    assert_eq!(states(found), [VoucherState::Spent, VoucherState::Expired, VoucherState::Revoked]);
    drop(store);
    let opened = open(dir.path());
    assert!(opened.restored.entitlements.is_empty());
    assert_eq!(opened.restored.last_entitlement, 3);
    let (kept, devices) = wait(opened.store.entitlement(EntitlementId(1))).unwrap().unwrap();
    assert_eq!(
        kept.last_stamp(),
        &Stamp { at: Boot::from_millis(0), downtime: Duration::ZERO, ..stamp(1, 500) }
    );
    assert_eq!(devices, [mac(1)]);
}

#[test]
fn vouchers_come_back_and_existing_keys_are_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let mut plain = voucher(3);
    (plain.batch, plain.activate_by) = (None, None);
    commit(&store, vec![Record::VouchersMade(vec![voucher(1), voucher(2), plain.clone()])]).unwrap();
    commit(&store, login(1)).unwrap();
    let mut impostor = voucher(2);
    impostor.plan = "gold".parse().unwrap();
    commit(&store, vec![Record::VouchersMade(vec![voucher(1), impostor, voucher(4)])]).unwrap();
    commit(&store, vec![Record::VoucherRevoked(key(4))]).unwrap();
    let mut used = voucher(1);
    (used.entitlement, used.state) = (Some(EntitlementId(1)), VoucherState::Active);
    let mut revoked = voucher(4);
    revoked.state = VoucherState::Revoked;
    let keys = vec![key(4), key(9), key(3), key(2), key(1)];
    let found = wait(store.find(keys)).unwrap();
    assert_eq!(found, [Some(revoked), None, Some(plain.clone()), Some(voucher(2)), Some(used)]);
    let counts = VoucherCounts { unused: 2, active: 1, spent: 0 };
    assert_eq!(wait(store.counts()), Ok(counts));
    assert_eq!(wait(store.list(None)).unwrap().len(), 4);
    let batch = voucher(2).batch;
    let listed = wait(store.list(batch)).unwrap();
    assert!(listed.len() == 3 && !listed.contains(&plain), "{listed:?}");
    assert_eq!(wait(store.list(Some("nothing".parse().unwrap()))), Ok(vec![]));
}

#[test]
fn counts_follow_a_voucher_through_its_life() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, vec![Record::VouchersMade((1..=6).map(voucher).collect())]).unwrap();
    for id in 1..=4 {
        commit(&store, login(id)).unwrap();
    }
    let ends = [(1, Ending::Spent), (2, Ending::Expired), (3, Ending::Revoked)];
    let ended = |(id, how)| Record::EntitlementEnded { stamp: stamp(id, 500), how };
    commit(&store, ends.into_iter().map(ended).collect()).unwrap();
    commit(&store, vec![Record::VoucherRevoked(key(3)), Record::VoucherRevoked(key(5))]).unwrap();
    let by_hand = sales::entitlement(9);
    commit(&store, vec![Record::EntitlementOpened(Box::new(by_hand))]).unwrap();
    assert_eq!(wait(store.counts()), Ok(VoucherCounts { unused: 1, active: 1, spent: 1 }));
}

#[test]
fn one_code_has_one_entitlement() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, login(1)).unwrap();
    let mut second = sales::entitlement(2);
    second.code = Some(key(1));
    let records =
        vec![Record::SessionOpened(sales::session(2, 2)), Record::EntitlementOpened(Box::new(second))];
    assert!(matches!(commit(&store, records), Err(StoreError::Contradiction(_))));
    drop(store);
    let restored = open(dir.path()).restored;
    assert_eq!((restored.entitlements.len(), restored.sessions.len()), (1, 1), "nothing of it is stored");
}

#[test]
fn what_sessions_used_comes_back_and_stays_with_those_that_closed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, login(1)).unwrap();
    commit(&store, login(2)).unwrap();
    let usage = |id, up, down| Usage { session: SessionId(id), up: Bytes(up), down: Bytes(down) };
    let close = |id, used| Record::SessionClosed {
        session: SessionId(id),
        at: Wall::from_secs(NOON),
        why: Closing::Idle,
        used,
    };
    let (early, late) = (usage(2, 3, 4), usage(2, 30, 5_000_000_000));
    commit(&store, vec![Record::SessionStamped(usage(1, 7, 8)), Record::SessionStamped(early)]).unwrap();
    commit(&store, vec![close(2, late.used()), Record::SessionStamped(usage(2, 99, 99))]).unwrap();
    drop(store);
    let restored = open(dir.path()).restored;
    assert_eq!(restored.sessions, [Session { used: usage(1, 7, 8).used(), ..sales::session(1, 1) }]);
    let conn = rusqlite::Connection::open(dir.path().join("lango.db")).unwrap();
    let closed = conn.query_row("SELECT bytes_up, bytes_down, why FROM session WHERE id = 2", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
    });
    assert_eq!(closed.unwrap(), (30, 5_000_000_000, "idle".to_owned()), "too late: the close stands");
}

#[test]
fn outages_come_back_within_a_boot() {
    let dir = tempfile::tempdir().unwrap();
    for uplink in [Uplink::Up, Uplink::Down, Uplink::Unknown] {
        let state = UplinkState { uplink, since: Boot::from_millis(77_000) };
        let known = Downtime { state, before: Duration::from_millis(4321) };
        let reached = Boot::from_millis(99_000);
        let records = vec![Record::UplinkChanged(known), Record::BootReached(reached)];
        commit(&open(dir.path()).store, records).unwrap();
        let restored = open(dir.path()).restored;
        assert_eq!((restored.uplink, restored.reached), (known, reached));
    }
    let at = Boot::from_millis(5_000);
    let boot: BootId = "2f1c".parse().unwrap();
    commit(&open(dir.path()).store, vec![Record::BootChanged { boot, at }]).unwrap();
    let restored = open(dir.path()).restored;
    let unknown = UplinkState { uplink: Uplink::Unknown, since: at };
    assert_eq!(restored.uplink, Downtime { state: unknown, before: Duration::ZERO });
    assert_eq!(restored.reached, at);
}

#[test]
fn a_new_boot_redates_every_stamp_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let boot: BootId = "2f1c".parse().unwrap();
    commit(&store, login(1)).unwrap();
    commit(&store, login(2)).unwrap();
    commit(&store, vec![Record::EntitlementStamped(stamp(2, 60_000))]).unwrap();
    // Between the stamps of both: the meters of the first went on until here.
    commit(&store, vec![Record::BootReached(Boot::from_millis(61_001))]).unwrap();
    commit(&store, vec![Record::BootChanged { boot: boot.clone(), at: Boot::from_millis(42) }]).unwrap();
    drop(store);
    let restored = open(dir.path()).restored;
    assert_eq!(restored.boot, Some(boot));
    let [one, two] = restored.entitlements.as_slice() else { panic!("{:?}", restored.entitlements) };
    let redated = |stamp: &Stamp, validity_left| {
        let validity_left = Some(Duration::from_secs(validity_left));
        Stamp { at: Boot::from_millis(42), downtime: Duration::ZERO, validity_left, ..stamp.clone() }
    };
    let before = sales::entitlement(1);
    assert_eq!(one.last_stamp(), &redated(before.last_stamp(), 86_400 - 60));
    assert_eq!(two.last_stamp(), &redated(&stamp(2, 60_000), 86_400 - 60));
}

#[test]
fn the_floor_never_sinks_and_recent_means_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let day = 24 * 60 * 60;
    for (id, closed) in [(1, NOON - day - 1), (2, NOON - day), (3, NOON - 5), (4, NOON - 5)] {
        commit(&store, login(id)).unwrap();
        let at = Wall::from_secs(closed);
        let session = SessionId(id);
        commit(
            &store,
            vec![Record::SessionClosed { session, at, why: Closing::Moved, used: Traffic::default() }],
        )
        .unwrap();
    }
    commit(&store, vec![Record::FloorRaised(Wall::from_secs(NOON))]).unwrap();
    commit(&store, vec![Record::FloorRaised(Wall::from_secs(NOON - 9))]).unwrap();
    drop(store);
    let opened = open(dir.path());
    assert_eq!(opened.restored.floor, Wall::from_secs(NOON));
    assert_eq!(opened.restored.recent, [mac(2), mac(3), mac(4)]);
    commit(&opened.store, vec![Record::FloorReset(Wall::from_secs(NOON - day))]).unwrap();
    drop(opened);
    assert_eq!(
        open(dir.path()).restored.floor,
        Wall::from_secs(NOON - day),
        "but by the word of an operator"
    );
}

#[test]
fn a_closed_store_says_so_to_every_handle() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let other = store.clone();
    commit(&store, login(1)).unwrap();
    wait(store.close()).unwrap();
    assert_eq!(wait(other.find(vec![key(1)])), Err(StoreError::Gone));
    assert_eq!(commit(&other, login(2)), Err(StoreError::Gone));
    assert_eq!(wait(other.close()), Err(StoreError::Gone));
    assert!(!dir.path().join("lango.db-wal").exists(), "the journal is in the tables");
    assert_eq!(open(dir.path()).restored.entitlements.len(), 1);
}

#[test]
fn a_copy_is_made_at_most_daily() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, login(1)).unwrap();
    let at = |hours: i64| Wall::from_secs(NOON + hours * 3600);
    assert_eq!(wait(store.keep_copy(at(0))), Ok(Kept::Made));
    let made = std::fs::read(dir.path().join("lango.db.good")).unwrap();
    commit(&store, login(2)).unwrap();
    assert_eq!(wait(store.keep_copy(at(19))), Ok(Kept::Recent));
    assert_eq!(std::fs::read(dir.path().join("lango.db.good")).unwrap(), made);
    assert_eq!(wait(store.keep_copy(at(21))), Ok(Kept::Made));
    assert_ne!(std::fs::read(dir.path().join("lango.db.good")).unwrap(), made);
}

#[test]
fn only_the_owner_reads_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, login(1)).unwrap();
    wait(store.keep_copy(Wall::from_secs(NOON))).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
        seen += 1;
    }
    assert_eq!(seen, 4, "database, journal, copy, secret");
}

#[test]
fn trials_of_a_day_come_back_by_their_devices_and_give_nobody_credit() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let trial = |id, opened| {
        let mut trial = sales::entitlement(id);
        (trial.origin, trial.opened) = (Origin::Trial, Wall::from_secs(opened));
        let close = Record::SessionClosed {
            session: SessionId(id),
            at: Wall::from_secs(NOON),
            why: Closing::Spent,
            used: Traffic::default(),
        };
        vec![
            Record::EntitlementOpened(Box::new(trial)),
            Record::DeviceBound { entitlement: EntitlementId(id), mac: mac(id) },
            Record::SessionOpened(sales::session(id, id)),
            close,
            Record::EntitlementEnded { stamp: stamp(id, 5), how: Ending::Spent },
        ]
    };
    const DAY: i64 = 86_400;
    for records in [trial(1, NOON - DAY - 1), trial(2, NOON - DAY), trial(3, NOON), trial(4, NOON - DAY - 1)]
    {
        commit(&store, records).unwrap();
    }
    let dated = Record::TrialDated { entitlement: EntitlementId(4), opened: Wall::from_secs(NOON - 7) };
    commit(&store, vec![dated, Record::FloorRaised(Wall::from_secs(NOON))]).unwrap();
    drop(store);
    let restored = open(dir.path()).restored;
    let had = |id, opened| (mac(id), EntitlementId(id), Wall::from_secs(opened));
    assert_eq!(restored.trials, [had(2, NOON - DAY), had(3, NOON), had(4, NOON - 7)]);
    assert_eq!(restored.recent, [], "nobody of them has paid");
}

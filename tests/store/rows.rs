//! Rows of the feed: put, taken back, reset; and what else a cloud does to them.

use std::collections::BTreeMap;

use lango::domain::{
    Account, AccountKey, CloudId, CodeKey, Cursor, Ending, EntitlementId, Generation, Hint, Kind, Listed,
    Payment, PhoneTail, Plan, PlanSource, Record, ReferenceKey, Row, RowName, Stand, Voucher, VoucherState,
    Walk, Wall,
};
use lango::store::{Store, StoreError, VoucherCounts};
use lango::wire::feed;

use super::sales::{self, NOON, commit, key, login, mac, open, stamp, voucher, wait};

pub(crate) const AT: Wall = Wall::from_secs(NOON - 500);

pub(crate) fn id(text: &str) -> Option<CloudId> {
    Some(text.parse().unwrap())
}

pub(crate) fn listed(n: u64) -> (Option<CloudId>, Row) {
    let (plan, batch) = ("hour".parse().unwrap(), Some("B12".parse().unwrap()));
    let row = Row::Voucher(Listed { key: key(n), hint: Hint::of("705"), plan, batch, activate_by: None });
    (id(&format!("v-{n}")), row)
}

fn payment(n: u64) -> (Option<CloudId>, Row) {
    let row = Row::Payment(Payment {
        key: ReferenceKey(key(n).0),
        hint: Hint::of("PQ8"),
        plan: "day".parse().unwrap(),
        paid_at: Some(AT),
        phone_last4: PhoneTail::of("0417"),
        mac: Some(mac(n)),
    });
    (id(&format!("p-{n}")), row)
}

fn account(n: u64) -> (Option<CloudId>, Row) {
    let pin_hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA".to_owned();
    (None, Row::Account(Account { key: AccountKey(key(n).0), pin_hash, plan: "month".parse().unwrap() }))
}

pub(crate) fn put(rows: Vec<(Option<CloudId>, Row)>, generation: u32) -> Record {
    Record::RowsPut { rows, at: AT, generation: Some(Generation(generation)) }
}

pub(crate) fn read_to(seq: u64, walk: Walk, generation: u32) -> Record {
    let cursor = Some(Cursor { epoch: 1, seq });
    Record::FeedRead {
        stand: Stand { at: cursor, walk, highest: cursor },
        generation: Generation(generation),
    }
}

fn as_row((id, row): (Option<CloudId>, Row)) -> Option<Voucher> {
    Voucher::of_row(id, row, AT)
}

pub(crate) fn find(store: &Store, n: u64) -> Option<Voucher> {
    wait(store.find(vec![key(n)])).unwrap().pop().unwrap()
}

/// As [`login`] does, of a row that is there.
fn redeem(n: u64) -> Vec<Record> {
    login(n).into_iter().filter(|record| !matches!(record, Record::VouchersMade(_))).collect()
}

/// The digest over these rows; they are vouchers.
fn digest(of: &[u64]) -> [u8; 32] {
    let mut names: Vec<RowName> = of.iter().map(|n| RowName::Voucher(key(*n))).collect();
    names.sort();
    feed::digest(names)
}

#[test]
fn rows_of_every_kind_come_back_as_they_were_put() {
    let dir = tempfile::tempdir().unwrap();
    let rows = vec![listed(1), payment(2), account(3)];
    commit(&open(dir.path()).store, vec![put(rows.clone(), 0)]).unwrap();
    let opened = open(dir.path());
    let found = wait(opened.store.find(vec![key(1), key(2), key(3), key(4)])).unwrap();
    assert_eq!(found, rows.into_iter().map(as_row).chain([None]).collect::<Vec<_>>());
    assert_eq!(wait(opened.store.counts()).unwrap().unused, 1, "a payment is no voucher");
    assert_eq!(wait(opened.store.list(None)).unwrap().len(), 1);
}

#[test]
fn a_put_changes_what_is_for_sale_and_not_what_was_sold() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, vec![put(vec![listed(1), payment(2)], 0)]).unwrap();
    commit(&store, redeem(1)).unwrap();
    let (_, mut row) = listed(1);
    let Row::Voucher(voucher) = &mut row else { panic!() };
    voucher.plan = "gold".parse().unwrap();
    (voucher.hint, voucher.batch, voucher.activate_by) = (Hint::default(), None, Some(AT));
    let (_, mut paid) = payment(2);
    let Row::Payment(anybodys) = &mut paid else { panic!() };
    anybodys.phone_last4 = None;
    let later = Wall::from_secs(NOON);
    let rows = vec![(id("v-new"), row), (id("p-2"), paid)];
    commit(&store, vec![Record::RowsPut { rows, at: later, generation: Some(Generation(0)) }]).unwrap();
    let found = find(&store, 1).unwrap();
    assert_eq!((found.plan.as_str(), found.batch, found.activate_by), ("gold", None, Some(AT)));
    assert_eq!((found.id, found.hint.as_str(), found.made), (id("v-new"), "705", AT));
    assert_eq!((found.entitlement, found.state), (Some(EntitlementId(1)), VoucherState::Active));
    assert_eq!(find(&store, 2).unwrap().proof, None);
    let (sold, _) = wait(store.entitlement(EntitlementId(1))).unwrap().unwrap();
    assert_eq!((sold.plan.as_str(), sold.terms), ("hour", sales::entitlement(1).terms));
    assert!(commit(&store, redeem(1)).is_err(), "one code, one entitlement");
    assert_eq!(wait(store.counts()), Ok(VoucherCounts { unused: 0, active: 1, spent: 0 }));
}

#[test]
fn what_was_withdrawn_here_stays_so_until_the_cloud_takes_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, vec![put(vec![listed(1)], 0), Record::VoucherRevoked(key(1))]).unwrap();
    commit(&store, vec![put(vec![listed(1)], 0)]).unwrap();
    assert_eq!(find(&store, 1).unwrap().state, VoucherState::Revoked);
    assert_eq!(wait(store.counts()).unwrap().unused, 0);
    let back = vec![Record::RowGone(RowName::Voucher(key(1))), put(vec![listed(1)], 0)];
    commit(&store, back).unwrap();
    assert_eq!(find(&store, 1).unwrap().state, VoucherState::Unused);
    assert_eq!(wait(store.counts()).unwrap().unused, 1);
}

#[test]
fn what_is_taken_back_is_gone_unless_it_was_redeemed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, vec![put(vec![listed(1), listed(2), payment(3)], 0), read_to(1, Walk::Following, 0)])
        .unwrap();
    commit(&store, redeem(1)).unwrap();
    let names =
        [RowName::Voucher(key(1)), RowName::Voucher(key(9)), RowName::Payment(ReferenceKey(key(3).0))];
    commit(&store, names.into_iter().map(Record::RowGone).collect()).unwrap();
    assert_eq!(find(&store, 1).unwrap().entitlement, Some(EntitlementId(1)));
    assert!(find(&store, 2).is_some() && find(&store, 3).is_none());
    assert_eq!(
        wait(store.digest()).unwrap(),
        Some(digest(&[2])),
        "it counts no longer as a row of the cloud"
    );
    // A payment that comes anew, without digits to prove it by.
    let (name, mut row) = payment(3);
    let Row::Payment(anybodys) = &mut row else { panic!() };
    anybodys.phone_last4 = None;
    commit(&store, vec![put(vec![(name, row)], 0)]).unwrap();
    assert_eq!(find(&store, 3).unwrap().proof, None, "no proof is left of the first");
}

#[test]
fn a_reset_leaves_the_old_rows_in_force_until_its_last_page() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let plan = |id: &str| Box::new(Plan::unlimited(id.parse().unwrap(), PlanSource::Cloud));
    let plan_put = |id, generation| Record::PlanPut { plan: plan(id), generation: Generation(generation) };
    let rows = vec![listed(1), listed(2), listed(3), payment(4)];
    let made_here = Record::VouchersMade(vec![voucher(10)]);
    let looked_up = Record::RowsPut { rows: vec![payment(11), listed(3)], at: AT, generation: None };
    let first = vec![put(rows, 0), looked_up, plan_put("hour", 0), plan_put("day", 0), made_here];
    commit(&store, first).unwrap();
    commit(&store, [redeem(1), redeem(2)].concat()).unwrap();
    commit(
        &store,
        vec![put(vec![listed(2), listed(5)], 1), plan_put("hour", 1), read_to(7, Walk::Resetting, 1)],
    )
    .unwrap();
    drop(store);
    let opened = open(dir.path());
    let restored = &opened.restored;
    assert_eq!((restored.stand.walk, restored.generation), (Walk::Resetting, Generation(1)));
    let store = &opened.store;
    let present = |numbers: &[u64]| numbers.iter().filter(|n| find(store, **n).is_some()).count();
    assert_eq!(present(&[1, 2, 3, 4, 5, 10, 11]), 7);
    assert_eq!(wait(store.digest()), Ok(None));
    commit(
        store,
        vec![put(vec![listed(6)], 1), Record::ResetEnded(Generation(1)), read_to(9, Walk::Following, 1)],
    )
    .unwrap();
    assert_eq!(present(&[3, 4]), 0);
    assert_eq!(present(&[1, 2, 5, 6, 10, 11]), 6, "redeemed, in the reset, made here, looked up");
    let mut names = vec![RowName::Plan("hour".parse().unwrap())];
    let mut vouchers: Vec<_> = [2, 5, 6].map(|n| RowName::Voucher(key(n))).into();
    vouchers.sort();
    names.extend(vouchers);
    assert_eq!(wait(store.digest()).unwrap(), Some(feed::digest(names)), "what the reset held, and no more");
    assert_eq!(wait(store.counts()), Ok(VoucherCounts { unused: 3, active: 2, spent: 0 }));
    drop(opened);
    let restored = open(dir.path()).restored;
    assert_eq!(restored.plans, [(*plan("hour"), Generation(1))]);
    assert_eq!(restored.stand.at, Some(Cursor { epoch: 1, seq: 9 }));
}

#[test]
fn what_a_reset_has_ended_is_cleared_away_also_after_a_restart() {
    const OLD: u64 = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, vec![put((0..OLD).map(listed).collect(), 0)]).unwrap();
    commit(&store, redeem(1)).unwrap();
    let last =
        vec![put(vec![listed(OLD)], 1), Record::ResetEnded(Generation(1)), read_to(9, Walk::Following, 1)];
    commit(&store, last).unwrap();
    // Closes before all of it is gone.
    drop(store);
    let path = dir.path().join("lango.db");
    let left = || -> i64 {
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.query_row("SELECT count(*) FROM voucher", [], |row| row.get(0)).unwrap()
    };
    let first = left();
    assert!(first > 2, "the reset waited for {OLD} rows to be cleared away");
    for _ in 0..1000 {
        let store = open(dir.path()).store;
        assert!(find(&store, 0).is_none() && find(&store, OLD - 1).is_none());
        assert_eq!(find(&store, 1).unwrap().entitlement, Some(EntitlementId(1)));
        let names = [RowName::Voucher(key(OLD))];
        assert_eq!(wait(store.digest()).unwrap(), Some(feed::digest(names)));
        assert_eq!(wait(store.counts()), Ok(VoucherCounts { unused: 1, active: 1, spent: 0 }));
        std::thread::sleep(std::time::Duration::from_millis(5));
        drop(store);
        if left() == 2 {
            return;
        }
    }
    panic!("{} of {first} rows are never cleared away", left());
}

/// What rows there should be, in the plainest words.
#[derive(Default)]
struct Rows(BTreeMap<CodeKey, (Kind, Option<u32>, Option<u64>)>);

impl Rows {
    fn put(&mut self, n: u64, kind: Kind, generation: Option<u32>) {
        let row = self.0.entry(key(n)).or_insert((kind, None, None));
        row.1 = generation.or(row.1);
    }

    fn gone(&mut self, n: u64) {
        if self.0.get(&key(n)).is_some_and(|(.., sold)| sold.is_none()) {
            self.0.remove(&key(n));
        } else if let Some(row) = self.0.get_mut(&key(n)) {
            row.1 = None;
        }
    }

    fn reset(&mut self, generation: u32) {
        self.0.retain(|_, (_, of, sold)| sold.is_some() || of.is_none_or(|of| of >= generation));
        self.0.values_mut().for_each(|row| row.1 = row.1.filter(|of| *of >= generation));
    }

    fn agree_with(&self, store: &Store, seed: u64) {
        let found = wait(store.find((0..60).map(key).collect())).unwrap();
        let found: BTreeMap<_, _> = found.into_iter().flatten().map(|row| (row.key, row)).collect();
        assert!(found.keys().eq(self.0.keys()), "seed {seed}");
        for (key, (kind, _, by)) in &self.0 {
            assert_eq!(
                (found[key].kind, found[key].entitlement),
                (*kind, by.map(EntitlementId)),
                "seed {seed}"
            );
        }
        let mut live: Vec<RowName> =
            (self.0.iter().filter(|(_, row)| row.1.is_some())).map(|(key, _)| found[key].name()).collect();
        live.sort();
        assert_eq!(wait(store.digest()).unwrap(), Some(feed::digest(live)), "seed {seed}");
        let vouchers = self.0.values().filter(|(kind, ..)| *kind == Kind::Voucher);
        let unused = vouchers.filter(|(.., by)| by.is_none()).count() as u64;
        assert_eq!(wait(store.counts()).unwrap().unused, unused, "seed {seed}");
    }
}

/// A row and its name, of a kind that its number says.
fn any_row(n: u64) -> ((Option<CloudId>, Row), Kind) {
    match n % 3 {
        0 => (listed(n), Kind::Voucher),
        1 => (payment(n), Kind::Payment),
        _ => (account(n), Kind::Account),
    }
}

#[test]
fn whatever_the_cloud_does_rows_lots_and_counts_agree() {
    let random = || u64::from_le_bytes(lango::clock::random());
    let seed = random();
    println!("seed {seed}");
    let mut state = seed;
    let mut below = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let (mut rows, mut generation, mut sold) = (Rows::default(), 0, 0);
    commit(&store, vec![read_to(1, Walk::Following, 0)]).unwrap();
    for _ in 0..400 {
        let n = below(60);
        let ((cloud_id, row), kind) = any_row(n);
        let name = row.name();
        match below(8) {
            0..4 => {
                let generation = (below(4) > 0).then_some(generation);
                let at = Wall::from_secs(NOON + i64::try_from(below(3)).unwrap());
                let records = Record::RowsPut {
                    rows: vec![(cloud_id, row)],
                    at,
                    generation: generation.map(Generation),
                };
                commit(&store, vec![records]).unwrap();
                rows.put(n, kind, generation);
            }
            4 => {
                commit(&store, vec![Record::RowGone(name)]).unwrap();
                rows.gone(n);
            }
            5 if rows.0.get(&key(n)).is_some_and(|(.., by)| by.is_none()) => {
                sold += 1;
                let mut new = sales::entitlement(sold);
                (new.code, new.origin) = (Some(key(n)), kind.origin());
                commit(&store, vec![Record::EntitlementOpened(Box::new(new))]).unwrap();
                rows.0.get_mut(&key(n)).unwrap().2 = Some(sold);
            }
            6 => generation += u32::from(below(2) == 0),
            _ if below(6) == 0 => {
                commit(&store, vec![Record::ResetEnded(Generation(generation))]).unwrap();
                rows.reset(generation);
            }
            _ => {}
        }
        rows.agree_with(&store, seed);
    }
    assert!(sold > 3 && generation > 3);
    drop(store);
    let conn = rusqlite::Connection::open(dir.path().join("lango.db")).unwrap();
    let wrong: i64 = conn
        .query_row(
            "SELECT count(*) FROM lot WHERE vouchers = 0
               OR vouchers != (SELECT count(*) FROM voucher WHERE lot = lot.id)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(wrong, 0, "lots that count wrong, seed {seed}");
    let orphans = "SELECT count(*) FROM proof WHERE key NOT IN (SELECT key FROM voucher)";
    assert_eq!(conn.query_row(orphans, [], |row| row.get(0)), Ok(0_i64), "seed {seed}");
}

/// An account is a name, and names are paid for again and again: each time under an id of its own.
#[test]
fn an_account_under_a_new_id_is_unused_when_what_it_opened_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let paid = |id: Option<&str>| {
        let (_, row) = account(1);
        put(vec![(id.map(|id| id.parse().unwrap()), row)], 0)
    };
    let state = || find(&store, 1).unwrap().state;
    commit(&store, vec![paid(Some("a-1"))]).unwrap();
    commit(&store, redeem(1)).unwrap();
    commit(&store, vec![paid(Some("a-1"))]).unwrap();
    assert_eq!(state(), VoucherState::Active);
    commit(&store, vec![paid(Some("a-1")), paid(Some("a-2"))]).unwrap();
    assert_eq!(state(), VoucherState::Active, "the first goes on to its end");
    let ended = |n| Record::EntitlementEnded { stamp: stamp(n, 400), how: Ending::Spent };
    commit(&store, vec![ended(1)]).unwrap();
    let renewed = find(&store, 1).unwrap();
    assert_eq!((renewed.state, renewed.entitlement), (VoucherState::Unused, Some(EntitlementId(1))));
    let mut next = sales::entitlement(2);
    next.code = Some(key(1));
    commit(&store, vec![Record::EntitlementOpened(Box::new(next))]).unwrap();
    assert_eq!(find(&store, 1).unwrap().entitlement, Some(EntitlementId(2)));
    let mut third = sales::entitlement(3);
    third.code = Some(key(1));
    let refused = commit(&store, vec![Record::EntitlementOpened(Box::new(third))]);
    assert!(matches!(refused, Err(StoreError::Contradiction(_))), "once for each id");
    commit(&store, vec![ended(2), paid(Some("a-2"))]).unwrap();
    assert_eq!(state(), VoucherState::Spent, "the same id again is a repetition");
    commit(&store, vec![Record::VoucherRevoked(key(1)), paid(Some("a-3"))]).unwrap();
    assert_eq!(state(), VoucherState::Unused, "taken back, and sold anew");
    // Whoever is online with something else adds it to that, each time.
    for (n, next) in [(4, "a-4"), (5, "a-5")] {
        let (entitlement, terms) = (EntitlementId(n), Box::new(sales::entitlement(n).terms));
        commit(&store, sales::login(n)).unwrap();
        commit(&store, vec![Record::ToppedUp { entitlement, mac: mac(n), code: key(1), terms }]).unwrap();
        assert_eq!(find(&store, 1).unwrap().entitlement, Some(entitlement));
        commit(&store, vec![ended(n), paid(Some(next))]).unwrap();
    }
}

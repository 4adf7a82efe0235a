//! What operators do to what was bought, as rows.

use std::time::Duration;

use lango::domain::{
    Boot, Bytes, Closing, Ending, EntitlementId, Forgetter, Forgotten, Overdue, Person, Record, SessionId,
    Stamp, Terms, Traces, Traffic, VoucherState, Wall, Whom,
};

use lango::ordered::OrdSet;

use lango::store::{Store, VoucherCounts};

use super::sales::{NOON, commit, entitlement, key, login, mac, open, session, stamp, voucher, wait};

const ONE: EntitlementId = EntitlementId(1);

fn ended(id: u64) -> Record {
    Record::EntitlementEnded { stamp: stamp(id, 500), how: Ending::Spent }
}

/// The first code's purchase, which the second one made larger.
fn topped_up() -> Vec<Record> {
    let mut records = login(1);
    let (terms, mac) = (Box::new(entitlement(1).terms), mac(1));
    records.push(Record::VouchersMade(vec![voucher(2)]));
    records.push(Record::ToppedUp { entitlement: ONE, mac, code: key(2), terms });
    records
}

#[test]
fn what_grows_is_restored_as_large() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, login(1)).unwrap();
    // Read in one with another, and changed by itself after that.
    commit(&store, login(2)).unwrap();
    commit(&store, vec![Record::EntitlementStamped(stamp(1, 77)), Record::EntitlementStamped(stamp(2, 78))])
        .unwrap();
    let mut terms = entitlement(1).terms;
    terms.metered = Some(Duration::from_secs(7200));
    terms.validity = Some(Duration::from_secs(2 * 86_400));
    terms.data.total = Some(Bytes(1 << 40));
    let grown = Record::EntitlementGrown { entitlement: ONE, terms: Box::new(terms.clone()) };
    commit(&store, vec![grown]).unwrap();
    drop(store);
    let restored = open(dir.path()).restored;
    let one = restored.entitlements.iter().find(|one| one.id == ONE).unwrap();
    assert_eq!(one.terms, terms);
    let left = stamp(1, 77).validity_left.map(|left| left + Duration::from_secs(86_400));
    assert_eq!((one.last_stamp().used, one.last_stamp().validity_left), (stamp(1, 77).used, left));
}

#[test]
fn what_goes_on_has_its_meter_its_devices_and_all_its_codes_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, topped_up()).unwrap();
    assert_eq!(wait(store.over(ONE)), Ok(None), "it has not ended");
    commit(&store, vec![ended(1)]).unwrap();
    let over = wait(store.over(ONE)).unwrap().unwrap();
    assert_eq!(over.how, Ending::Spent);
    assert_eq!(over.entitlement.last_stamp().used, stamp(1, 500).used);
    let mut codes = over.codes.clone();
    codes.sort();
    let mut both = [key(1), key(2)];
    both.sort();
    assert_eq!(codes, both);
    let mut again =
        over.entitlement.clone().with_stamp(Stamp { at: Boot::from_millis(90_000), ..stamp(1, 500) });
    again.terms.metered = Some(Duration::from_secs(7200));
    let resumed = Record::EntitlementResumed { entitlement: Box::new(again.clone()), codes };
    commit(&store, vec![resumed.clone()]).unwrap();
    assert!(commit(&store, vec![resumed]).is_err(), "it goes on once");
    drop(store);
    let opened = open(dir.path());
    let restored = opened.restored.entitlements.first().unwrap();
    assert_eq!((&restored.terms, restored.last_stamp()), (&again.terms, again.last_stamp()));
    assert_eq!(restored.bound, again.bound);
    assert_eq!(opened.restored.topped_up, [(key(2), ONE)]);
    let found = wait(opened.store.find(vec![key(1), key(2)])).unwrap();
    assert!(found.iter().flatten().all(|voucher| voucher.state == VoucherState::Active), "{found:?}");
}

#[test]
fn an_end_that_a_wrong_clock_told_is_forgotten_with_it_also_of_what_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let (right, year) = (Wall::from_secs(NOON), 366 * 86_400);
    for (id, expires) in [(1, NOON + 20 * year), (2, NOON - year)] {
        commit(&store, login(id)).unwrap();
        let stamp = Stamp { expires: Some(Wall::from_secs(expires)), ..stamp(id, 500) };
        commit(&store, vec![Record::EntitlementEnded { stamp, how: Ending::Spent }]).unwrap();
    }
    commit(&store, vec![Record::FloorReset(right)]).unwrap();
    let expires = |id| wait(store.over(EntitlementId(id))).unwrap().unwrap().entitlement.last_stamp().expires;
    assert_eq!([1, 2].map(expires), [None, Some(Wall::from_secs(NOON - year))]);
}

#[test]
fn when_a_batch_was_used_is_not_told_by_what_its_codes_made_larger() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let mut records = topped_up();
    for record in &mut records {
        if let Record::VouchersMade(made) = record {
            made.iter_mut().filter(|code| code.key == key(2)).for_each(|code| code.batch = "b2".parse().ok());
        }
    }
    commit(&store, records).unwrap();
    let stock = wait(store.stock(None)).unwrap();
    let opened = Some(entitlement(1).opened);
    let told: Vec<_> = stock.iter().map(|part| (part.used, part.first, part.last)).collect();
    assert_eq!(told, [(1, opened, opened), (1, None, None)]);
}

#[test]
fn a_code_that_was_withdrawn_meanwhile_does_not_lead_to_what_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, topped_up()).unwrap();
    commit(&store, vec![ended(1), Record::VoucherRevoked(key(2))]).unwrap();
    let over = wait(store.over(ONE)).unwrap().unwrap();
    assert_eq!(over.codes, [key(1)]);
    let resumed = Record::EntitlementResumed { entitlement: Box::new(over.entitlement), codes: over.codes };
    commit(&store, vec![resumed]).unwrap();
    drop(store);
    let restored = open(dir.path()).restored;
    assert_eq!((restored.entitlements.len(), restored.topped_up), (1, Vec::new()));
}

#[test]
fn what_was_withdrawn_or_forgotten_does_not_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    for id in 1..=3 {
        commit(&store, login(id)).unwrap();
        commit(&store, vec![ended(id)]).unwrap();
    }
    commit(&store, vec![Record::VoucherRevoked(key(1))]).unwrap();
    assert_eq!(wait(store.over(ONE)), Ok(None));
    let traces =
        Traces { entitlements: [EntitlementId(2)].into(), ..wait(store.traces(Whom::Everybody)).unwrap() };
    let traces = Traces { devices: [].into(), ..traces };
    let alias = lango::domain::Alias::new([1; 32]);
    let gone = Box::new(Forgotten { traces, alias, who: Forgetter::Keeper });
    commit(&store, vec![Record::Forgotten(gone)]).unwrap();
    assert_eq!(wait(store.over(EntitlementId(2))), Ok(None));
    assert!(wait(store.over(EntitlementId(3))).unwrap().is_some());
    assert_eq!(wait(store.over(EntitlementId(4))), Ok(None), "there is none");
}

#[test]
fn devices_that_are_bound_instead_are_all_that_are() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, login(1)).unwrap();
    let bound: OrdSet<_> = [mac(7), mac(8)].into();
    commit(&store, vec![Record::DevicesBound { entitlement: ONE, bound: bound.clone() }]).unwrap();
    drop(store);
    let restored = open(dir.path()).restored;
    assert_eq!(restored.entitlements.first().unwrap().bound, bound);
}

const OTHER: EntitlementId = EntitlementId(2);

/// The second code's purchase, which the third one made larger, goes into the first one's; its device goes along. The
/// fourth code is unused.
fn merged(store: &Store) -> Terms {
    commit(store, [login(1), login(2)].concat()).unwrap();
    let (terms, mac2) = (Box::new(entitlement(2).terms), mac(2));
    let added = Record::ToppedUp { entitlement: OTHER, mac: mac2, code: key(3), terms };
    commit(store, vec![Record::VouchersMade(vec![voucher(3), voucher(4)]), added]).unwrap();
    let mut terms = entitlement(1).terms;
    terms.metered = Some(Duration::from_secs(5400));
    terms.validity = terms.validity.map(|whole| whole + Duration::from_millis(1500));
    let (at, used) = (Wall::from_secs(NOON + 60), Traffic::default());
    let records = vec![
        Record::EntitlementStamped(Stamp { expires: Some(at), ..stamp(1, 77) }),
        Record::SessionClosed { session: SessionId(2), at, why: Closing::Switched, used },
        Record::Merged {
            kept: ONE,
            other: OTHER,
            codes: vec![key(2), key(3)],
            terms: Box::new(terms.clone()),
        },
        Record::EntitlementEnded { stamp: stamp(2, 500), how: Ending::Revoked },
        Record::DeviceBound { entitlement: ONE, mac: mac2 },
        Record::SessionOpened(lango::domain::Session { mac: mac2, ..session(3, 1) }),
    ];
    commit(store, records.clone()).unwrap();
    assert!(commit(store, records[2..3].to_vec()).is_err(), "the codes are handed over once");
    terms
}

fn counts(active: u64, spent: u64) -> Result<VoucherCounts, lango::store::StoreError> {
    Ok(VoucherCounts { unused: 1, active, spent })
}

#[test]
fn what_went_into_another_is_restored_as_one_to_which_all_codes_lead() {
    let dir = tempfile::tempdir().unwrap();
    let terms = merged(&open(dir.path()).store);
    let opened = open(dir.path());
    let [one] = opened.restored.entitlements.as_slice() else { panic!("{:?}", opened.restored) };
    assert_eq!((&one.terms, one.online, &one.bound), (&terms, 2, &[mac(1), mac(2)].into()));
    let left = stamp(1, 77).validity_left.map(|left| left + Duration::from_millis(1500));
    let last = one.last_stamp();
    assert_eq!(
        (last.validity_left, last.expires),
        (left, Some(Wall::from_secs(NOON + 62))),
        "nothing is cut off"
    );
    assert_eq!(opened.restored.topped_up.iter().map(|(_, of)| *of).collect::<Vec<_>>(), [ONE, ONE]);
    let store = opened.store;
    let codes = vec![key(1), key(2), key(3)];
    let found = wait(store.find(codes.clone())).unwrap();
    let leads = found.iter().flatten().map(|voucher| (voucher.entitlement, voucher.state));
    assert_eq!(leads.collect::<Vec<_>>(), [(Some(ONE), VoucherState::Active); 3]);
    assert_eq!(wait(store.counts()), counts(3, 0), "each code was used once");
    let [stock] = wait(store.stock(None)).unwrap().try_into().unwrap();
    assert_eq!((stock.active, stock.revoked, stock.used), (3, 0, 3));
    assert_eq!(wait(store.over(OTHER)), Ok(None), "it does not go on beside the one that it is in");
    commit(&store, vec![ended(1)]).unwrap();
    assert_eq!(wait(store.counts()), counts(0, 3));
    assert_eq!(wait(store.over(ONE)).unwrap().unwrap().codes.len(), 3, "and all of them would go on again");
}

#[test]
fn what_goes_of_the_one_that_is_no_more_leaves_the_other_one_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    merged(&store);
    let whose = |person: Person| wait(store.traces(Whom::Person(person))).unwrap();
    let by_code = whose(Person { keys: vec![key(2)], ..Person::default() });
    assert_eq!(by_code.entitlements, [ONE, OTHER].into(), "who has the code has both");
    let by_other_code = whose(Person { keys: vec![key(1)], ..Person::default() });
    assert_eq!(
        by_other_code.entitlements,
        [ONE, OTHER].into(),
        "and who has the code of the one that is kept"
    );
    assert_eq!((wait(store.went_into(OTHER)), wait(store.went_into(ONE))), (Ok(Some(ONE)), Ok(None)));
    let by_device = whose(Person { mac: Some(mac(2)), ..Person::default() });
    assert_eq!(by_device.entitlements, [OTHER].into(), "others use the one as well");
    let before = wait(store.find(vec![key(2), key(3)])).unwrap();
    commit(&store, vec![Record::Purged(Box::new(Overdue { purchases: vec![OTHER], ..Overdue::default() }))])
        .unwrap();
    assert_eq!(wait(store.find(vec![key(2), key(3)])).unwrap(), before);
    let alias = lango::domain::Alias::new([1; 32]);
    let gone = Forgotten { traces: by_device, alias, who: Forgetter::Keeper };
    commit(&store, vec![Record::Forgotten(Box::new(gone))]).unwrap();
    assert_eq!(wait(store.find(vec![key(2), key(3)])).unwrap(), before);
    assert_eq!(open_again(store, dir.path()), [ONE]);
}

#[test]
fn an_alias_that_went_along_is_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, [login(1), login(2)].concat()).unwrap();
    let alias = lango::domain::Alias::new([1; 32]);
    let traces = Traces { devices: [mac(2)].into(), ..Traces::default() };
    let gone = Forgotten { traces, alias, who: Forgetter::Keeper };
    let bound = Record::DeviceBound { entitlement: ONE, mac: alias.of(mac(2)) };
    commit(&store, vec![Record::Forgotten(Box::new(gone)), bound]).unwrap();
    let person = Person { mac: Some(mac(1)), ..Person::default() };
    let found = wait(store.traces(Whom::Person(person))).unwrap();
    assert_eq!(found.entitlements, [ONE].into(), "no other device has used it");
}

fn open_again(store: Store, dir: &std::path::Path) -> Vec<EntitlementId> {
    drop(store);
    open(dir).restored.entitlements.iter().map(|one| one.id).collect()
}

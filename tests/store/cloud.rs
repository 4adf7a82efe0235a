//! What else the cloud brings: plans, commands, blocked devices; claims, serials and top-ups.

use std::collections::BTreeMap;
use std::time::Duration;

use lango::domain::{
    Acceptance, Awaits, Boot, BootId, Bps, Bridged, Bytes, Claim, CloudId, DataCap, Ending, EntitlementId,
    Generation, Issued, KeyNumber, Plan, PlanNumber, PlanSource, Record, ReferenceKey, Serial, Session,
    Stamp, Terms, TermsVersion, VoucherState, Wall,
};
use lango::store::{StoreError, VoucherCounts};

use super::rows::{AT, find, listed, put};
use super::sales::{self, NOON, commit, key, login, mac, open, stamp, wait};

#[test]
fn plans_come_back_with_every_word() {
    let dir = tempfile::tempdir().unwrap();
    let mut rich = Plan::unlimited("hour".parse().unwrap(), PlanSource::Cloud);
    rich.title =
        BTreeMap::from([("en".to_owned(), "1 \"hour\"".to_owned()), ("sw".to_owned(), "Saa 1 ⏱".to_owned())]);
    rich.number = PlanNumber::new(15);
    (rich.activate_by, rich.price, rich.currency) = (Some(AT), "500".to_owned(), "TZS".to_owned());
    rich.terms = Terms {
        metered: Some(Duration::from_secs(3600)),
        validity: Some(Duration::from_secs(86_400)),
        data: DataCap { total: Some(Bytes(524_288_000)), up: None, down: Some(Bytes(9)) },
        down: Some(Bps(4_000_000)),
        up: Some(Bps(1_000_000)),
        devices: 2,
        bound_devices: 5,
        idle_timeout: Some(Duration::from_secs(900)),
        count_while_uplink_down: true,
    };
    let plain = Plan::unlimited("day".parse().unwrap(), PlanSource::Cloud);
    let mut old = rich.clone();
    old.price = "400".to_owned();
    let gone = Plan::unlimited("old".parse().unwrap(), PlanSource::Cloud);
    let put = |plan: &Plan, generation| Record::PlanPut {
        plan: Box::new(plan.clone()),
        generation: Generation(generation),
    };
    let records =
        vec![put(&old, 1), put(&gone, 1), put(&rich, 2), put(&plain, 1), Record::PlanGone(gone.id.clone())];
    commit(&open(dir.path()).store, records).unwrap();
    let plans = open(dir.path()).restored.plans;
    assert_eq!(plans, [(plain, Generation(1)), (rich, Generation(2))]);
}

#[test]
fn claims_commands_and_blocked_devices_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let claim = |n: u64, awaits, bridged| Claim {
        reference: ReferenceKey(key(n).0),
        mac: mac(n),
        since: AT,
        awaits,
        bridged,
        accepted: n.is_multiple_of(2).then_some(Acceptance { version: TermsVersion(u32::MAX - 1), at: AT }),
    };
    let command = |n: u64| format!("c-{n}").parse::<CloudId>().unwrap();
    let mut records = vec![
        Record::ClaimOpened(claim(1, Awaits::Payment, Bridged::No)),
        Record::ClaimOpened(claim(2, Awaits::Payment, Bridged::No)),
        Record::ClaimOpened(claim(3, Awaits::Payment, Bridged::Provisionally)),
        Record::ClaimOpened(claim(3, Awaits::Nothing, Bridged::Provisionally)),
        Record::ClaimOpened(claim(4, Awaits::Digits, Bridged::No)),
        Record::ClaimOpened(claim(5, Awaits::Room, Bridged::No)),
        Record::ClaimClosed { reference: ReferenceKey(key(2).0), mac: mac(2) },
        Record::DeviceBlocked(mac(8)),
        Record::DeviceBlocked(mac(8)),
    ];
    records.extend((1..=1100).map(|n| Record::CommandDone(command(n))));
    commit(&open(dir.path()).store, records).unwrap();
    commit(
        &open(dir.path()).store,
        vec![Record::CommandDone(command(1100)), Record::CommandDone(command(1101))],
    )
    .unwrap();
    let restored = open(dir.path()).restored;
    let mut claims = restored.claims;
    claims.sort_by_key(|claim| claim.mac);
    let kept = [
        claim(1, Awaits::Payment, Bridged::No),
        claim(3, Awaits::Nothing, Bridged::Provisionally),
        claim(4, Awaits::Digits, Bridged::No),
        claim(5, Awaits::Room, Bridged::No),
    ];
    assert_eq!(claims, kept);
    assert_eq!(restored.blocked, [mac(8)]);
    assert_eq!(restored.commands, (78..=1101).map(command).collect::<Vec<_>>(), "the latest 1024, in order");
}

#[test]
fn a_serial_is_used_once() {
    let dir = tempfile::tempdir().unwrap();
    let issued = |key, serial| Issued {
        key: KeyNumber::new(key).unwrap(),
        plan: PlanNumber::new(2).unwrap(),
        serial: Serial(serial),
    };
    let store = open(dir.path()).store;
    let used = |issued, count| Record::SerialUsed { issued, day: 20_000, count };
    commit(&store, vec![used(issued(3, 0), 1), used(issued(3, 65_535), 2), used(issued(4, 2047), 3)])
        .unwrap();
    assert!(matches!(commit(&store, vec![used(issued(3, 0), 4)]), Err(StoreError::Contradiction(_))));
    drop(store);
    let opened = open(dir.path());
    assert_eq!(opened.restored.issued_on, (20_000, 3));
    let asked =
        vec![issued(3, 0), issued(3, 1), issued(3, 65_535), issued(4, 0), issued(4, 2047), issued(9, 0)];
    assert_eq!(wait(opened.store.used_serials(asked)), Ok(vec![true, false, true, false, true, false]));
}

#[test]
fn a_top_up_enlarges_what_is_left_and_spends_its_code() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, [login(1), vec![put(vec![listed(2), listed(3)], 0)]].concat()).unwrap();
    let before = Stamp { expires: Some(Wall::from_secs(NOON + 50)), ..stamp(1, 400) };
    let mut terms = sales::entitlement(1).terms;
    terms.metered = Some(Duration::from_secs(7200));
    terms.validity = Some(Duration::from_secs(86_400 + 3600));
    let top_up = |code, terms: &Terms| Record::ToppedUp {
        entitlement: EntitlementId(1),
        mac: mac(1),
        code: key(code),
        terms: Box::new(terms.clone()),
    };
    commit(&store, vec![Record::EntitlementStamped(before.clone()), top_up(2, &terms)]).unwrap();
    for again in [top_up(2, &terms), top_up(1, &terms), top_up(77, &terms)] {
        assert!(matches!(commit(&store, vec![again]), Err(StoreError::Contradiction(_))));
    }
    assert_eq!(wait(store.counts()), Ok(VoucherCounts { unused: 1, active: 2, spent: 0 }));
    drop(store);
    let opened = open(dir.path());
    let [kept] = opened.restored.entitlements.as_slice() else { panic!("{:?}", opened.restored) };
    let grown = Stamp {
        validity_left: before.validity_left.map(|left| left + Duration::from_secs(3600)),
        expires: Some(Wall::from_secs(NOON + 3650)),
        ..before
    };
    assert_eq!((&kept.terms, kept.last_stamp()), (&terms, &grown));
    assert_eq!(opened.restored.topped_up, [(key(2), EntitlementId(1))]);
    assert_eq!(find(&opened.store, 2).unwrap().entitlement, Some(EntitlementId(1)));
    commit(&opened.store, vec![Record::EntitlementEnded { stamp: grown, how: Ending::Spent }]).unwrap();
    assert_eq!(find(&opened.store, 2).unwrap().state, VoucherState::Spent);
    assert_eq!(wait(opened.store.counts()), Ok(VoucherCounts { unused: 1, active: 0, spent: 2 }));
    let refused = commit(&opened.store, vec![top_up(3, &terms)]);
    assert!(matches!(refused, Err(StoreError::Contradiction(_))), "what has ended cannot grow");
    drop(opened);
    assert_eq!(open(dir.path()).restored.topped_up, []);
}

#[test]
fn how_long_a_session_lasted_goes_on_in_the_next_boot() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, login(1)).unwrap();
    drop(store);
    let opened = open(dir.path());
    let begun = sales::session(1, 1);
    assert_eq!(opened.restored.sessions, std::slice::from_ref(&begun));
    let boot: BootId = "2f1c".parse().unwrap();
    let next = Boot::from_millis(5000);
    let lasted = Duration::from_secs(360);
    let reached = Record::BootReached(begun.at.plus(lasted));
    commit(&opened.store, vec![reached, Record::BootChanged { boot, at: next }]).unwrap();
    drop(opened);
    assert_eq!(open(dir.path()).restored.sessions, [Session { lasted, at: next, ..sales::session(1, 1) }]);
}

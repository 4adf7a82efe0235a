//! Persons: who is found by what, and that nothing of one who was forgotten is left in any file.

use std::fs;
use std::path::Path;

use lango::domain::{
    Acceptance, Alias, Awaits, Bridged, Claim, CloudId, CodeKey, Ending, EntitlementId, Forgetter, Forgotten,
    Generation, Hint, Kind, Mac, Origin, Payment, Person, PhoneTail, Record, ReferenceKey, Row, Session,
    SessionId, TermsVersion, Traces, Traffic, VoucherState, Wall, Whom,
};
use lango::ordered::OrdSet;
use lango::store::{Kept, Store, VoucherCounts};

use super::outbox::{opened, redeemed};
use super::sales::{NOON, commit, entitlement, key, login, mac, open, session, stamp, wait};
use super::sealed::fields;

const LATER: Wall = Wall::from_secs(NOON + 86_400);

fn by_mac(n: u64) -> Whom {
    Whom::Person(Person { mac: Some(mac(n)), ..Person::default() })
}

fn by_code(n: u64) -> Whom {
    Whom::Person(Person { keys: vec![key(n)], ..Person::default() })
}

fn by_phone(digits: &str, keys: Vec<CodeKey>) -> Whom {
    Whom::Person(Person { phone_last4: PhoneTail::of(digits), keys, ..Person::default() })
}

pub(crate) fn traces(store: &Store, whom: Whom) -> Traces {
    wait(store.traces(whom)).unwrap()
}

/// As the Gate ends what is left and has it forgotten.
pub(crate) fn forget(store: &Store, whom: Whom, sessions: &[u64], entitlements: &[u64]) {
    let traces = traces(store, whom);
    let close = |id: &u64| Record::SessionClosed {
        session: SessionId(*id),
        at: Wall::from_secs(NOON + 60),
        why: lango::domain::Closing::Kicked,
        used: Traffic::default(),
    };
    let end = |id: &u64| Record::EntitlementEnded { stamp: stamp(*id, 500), how: Ending::Spent };
    let mut records: Vec<_> = sessions.iter().map(close).chain(entitlements.iter().map(end)).collect();
    records.push(Record::Forgotten(Box::new(Forgotten {
        traces,
        alias: Alias::new([7; 32]),
        who: Forgetter::Keeper,
    })));
    commit(store, records).unwrap();
    assert_eq!(wait(store.keep_copy(LATER)), Ok(Kept::Made), "however recent the last one is");
}

pub(crate) fn paid(n: u64, phone: &str) -> Record {
    let payment = Payment {
        key: ReferenceKey(key(n).0),
        hint: Hint::of(&format!("{n:03}")),
        plan: "hour".parse().unwrap(),
        paid_at: None,
        phone_last4: PhoneTail::of(phone),
        mac: None,
    };
    let id = format!("p-{n}").parse::<CloudId>().ok();
    let rows = vec![(id, Row::Payment(payment))];
    Record::RowsPut { rows, at: Wall::from_secs(NOON), generation: Some(Generation(1)) }
}

/// The payment `n` is begun.
pub(crate) fn begun(n: u64) -> Vec<Record> {
    let mut bought = entitlement(n);
    bought.code = Some(key(n));
    vec![Record::EntitlementOpened(Box::new(bought)), Record::SessionOpened(session(n, n))]
}

fn claim(n: u64) -> Record {
    Record::ClaimOpened(Claim {
        reference: ReferenceKey(key(n).0),
        mac: mac(n),
        since: Wall::from_secs(NOON),
        awaits: Awaits::Payment,
        bridged: Bridged::No,
        accepted: None,
    })
}

/// Where in the directory `secret` stands.
pub(crate) fn found_in(dir: &Path, secret: &[u8]) -> Vec<String> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| fs::read(path).unwrap().windows(secret.len()).any(|window| window == secret))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn nothing_of_who_was_forgotten_is_left_in_any_file() {
    let dir = tempfile::tempdir().unwrap();
    // A long life before: rows that came and went, copies, a database that was damaged.
    fs::write(dir.path().join("lango.db"), mac(1).bytes().repeat(1000)).unwrap();
    let opened_db = open(dir.path());
    assert!(!found_in(dir.path(), &mac(1).bytes()).is_empty(), "it was moved aside");
    let store = opened_db.store;
    for n in 1..=40 {
        commit(&store, login(n)).unwrap();
        commit(&store, vec![claim(n), Record::Queued(redeemed(n)), Record::Queued(opened(n))]).unwrap();
    }
    commit(&store, vec![paid(50, "0417"), paid(51, "7777"), Record::DeviceBlocked(mac(1))]).unwrap();
    wait(store.keep_copy(Wall::from_secs(NOON))).unwrap();
    for n in 2..=20 {
        let (reference, mac) = (ReferenceKey(key(n).0), mac(n));
        commit(&store, vec![Record::ClaimClosed { reference, mac }]).unwrap();
    }
    let of_first = fields(
        dir.path(),
        "SELECT mac FROM session WHERE id = 1 UNION SELECT mac FROM device WHERE entitlement = 1
         UNION SELECT hint FROM entitlement WHERE id = 1 UNION SELECT kept_hint FROM voucher WHERE entitlement = 1
         UNION SELECT event FROM outbox WHERE seq < 3 UNION SELECT mac FROM blocked",
    );
    assert_eq!(of_first.len(), 7);
    for secret in &of_first {
        assert!(found_in(dir.path(), secret).len() >= 2, "in the database or its journal, and in the copy");
    }
    let of_second = fields(dir.path(), "SELECT mac FROM session WHERE id = 2");
    let counts = wait(store.counts()).unwrap();
    let waiting = wait(store.outbox_size()).unwrap();

    forget(&store, by_mac(1), &[1], &[1]);
    for secret in of_first.iter().map(Vec::as_slice).chain([&mac(1).bytes()[..]]) {
        assert_eq!(found_in(dir.path(), secret), [""; 0], "{secret:?}");
    }
    assert!(!found_in(dir.path(), &of_second[0]).is_empty(), "others are");
    assert_eq!(traces(&store, by_mac(1)), Traces::default());
    let now = wait(store.counts()).unwrap();
    assert_eq!((now.unused, now.active, now.spent), (counts.unused, counts.active - 1, counts.spent + 1));
    assert_eq!(wait(store.outbox_size()).unwrap(), waiting, "the cloud hears every fact");
    let alias = Alias::new([7; 32]).of(mac(1)).to_string();
    let told = wait(store.outbox(usize::MAX)).unwrap().events;
    assert_eq!(told.iter().filter(|(_, event)| event.contains(&alias)).count(), 2, "of one device");

    // The key of a code stays, so that it opens nothing again; that of a payment nobody began does not.
    let voucher = wait(store.find(vec![key(1)])).unwrap().remove(0).unwrap();
    assert_eq!((voucher.state, voucher.hint), (VoucherState::Spent, Hint::default()));
    let phone = fields(dir.path(), &format!("SELECT phone FROM proof WHERE key = x'{}'", key(50))).remove(0);
    assert!(!found_in(dir.path(), &key(50).0).is_empty() && !found_in(dir.path(), &phone).is_empty());
    forget(&store, by_phone("0417", Vec::new()), &[], &[]);
    for secret in [&key(50).0[..], &phone] {
        assert_eq!(found_in(dir.path(), secret), [""; 0]);
    }
    // What was begun does not bring the phone back when the cloud says it again.
    commit(&store, begun(51)).unwrap();
    forget(&store, by_code(51), &[51], &[51]);
    commit(&store, vec![paid(51, "7777")]).unwrap();
    let payment = wait(store.find(vec![key(51)])).unwrap().remove(0).unwrap();
    assert_eq!((payment.state, payment.proof, payment.hint), (VoucherState::Spent, None, Hint::default()));
    commit(&store, vec![paid(52, "7777")]).unwrap();
    drop(store);
    let again = open(dir.path());
    assert_eq!(again.restored.sessions.len(), 39);
    assert!(!again.restored.recent.contains(&mac(1)) && again.restored.blocked.is_empty());
    assert_eq!(again.restored.last_entitlement, 51, "ids do not repeat");
}

#[test]
fn what_a_guest_accepted_is_kept_with_the_session_and_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let accepted = |at| Acceptance { version: TermsVersion(0xfeed_beef), at: Wall::from_secs(at) };
    for n in [1, 2] {
        commit(&store, login(n)).unwrap();
        let both = [NOON, NOON + 7]
            .map(|at| Record::TermsAccepted { session: SessionId(n), accepted: accepted(at) });
        commit(&store, both.to_vec()).unwrap();
    }
    commit(&store, login(3)).unwrap();
    drop(store);
    let opened = open(dir.path());
    let last = Some(accepted(NOON + 7));
    let known: Vec<_> = opened.restored.sessions.iter().map(|session| session.accepted).collect();
    assert_eq!(known, [last, last, None]);
    let store = opened.store;
    let of = |whom| wait(store.dossier(traces(&store, whom))).unwrap().visits;
    assert_eq!(of(by_mac(2))[0].accepted, last);
    // The last row of all is only emptied, so that its number does not come again.
    forget(&store, by_mac(3), &[3], &[3]);
    forget(&store, by_mac(2), &[2], &[2]);
    drop(store);
    let conn = rusqlite::Connection::open(dir.path().join("lango.db")).unwrap();
    let kept: u32 = conn.query_row("SELECT count(terms) FROM session", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 1, "that of the other guest");
}

/// The power may go after the commit and before the files are made anew.
#[test]
fn files_that_were_not_made_anew_are_when_the_next_copy_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, login(1)).unwrap();
    wait(store.keep_copy(Wall::from_secs(NOON))).unwrap();
    let of_first = fields(dir.path(), "SELECT mac FROM session WHERE id = 1");
    let gone =
        Forgotten { traces: traces(&store, by_mac(1)), alias: Alias::new([7; 32]), who: Forgetter::Keeper };
    commit(&store, vec![Record::Forgotten(Box::new(gone))]).unwrap();
    drop(store);
    assert!(!found_in(dir.path(), &of_first[0]).is_empty());
    let store = open(dir.path()).store;
    assert_eq!(wait(store.keep_copy(Wall::from_secs(NOON + 60))), Ok(Kept::Made));
    assert_eq!(found_in(dir.path(), &of_first[0]), [""; 0]);
    assert_eq!(wait(store.keep_copy(Wall::from_secs(NOON + 120))), Ok(Kept::Recent));
}

#[test]
fn a_guest_s_own_wish_leaves_bans_and_for_its_day_the_trial() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    let mut trial = entitlement(1);
    (trial.origin, trial.code) = (Origin::Trial, None);
    commit(&store, vec![Record::EntitlementOpened(Box::new(trial))]).unwrap();
    let (of, bound) = (EntitlementId(1), Record::DeviceBound { entitlement: EntitlementId(1), mac: mac(1) });
    commit(&store, vec![bound, Record::SessionOpened(session(1, of.0)), Record::DeviceBlocked(mac(2))])
        .unwrap();
    let close = Record::SessionClosed {
        session: SessionId(1),
        at: Wall::from_secs(NOON + 60),
        why: lango::domain::Closing::Logout,
        used: Traffic::default(),
    };
    let traces = Traces { devices: [mac(1), mac(2)].into(), ..Traces::default() };
    let gone = Forgotten { traces, alias: Alias::new([7; 32]), who: Forgetter::Guest };
    let end = Record::EntitlementEnded { stamp: stamp(1, 60), how: Ending::Revoked };
    commit(&store, vec![close, end, Record::Forgotten(Box::new(gone))]).unwrap();
    assert_eq!(wait(store.keep_copy(Wall::from_secs(NOON + 120))), Ok(Kept::Made));
    drop(store);
    let again = open(dir.path());
    assert_eq!(again.restored.blocked, [mac(2)]);
    assert_eq!(again.restored.trials.iter().map(|trial| trial.0).collect::<Vec<_>>(), [mac(1)]);
    let trial = fields(dir.path(), "SELECT mac FROM device");
    assert!(trial.len() == 1 && !found_in(dir.path(), &trial[0]).is_empty());
    assert_eq!(wait(again.store.keep_copy(Wall::from_secs(NOON + 86_700))), Ok(Kept::Made));
    assert_eq!(found_in(dir.path(), &trial[0]), [""; 0]);
}

#[test]
fn a_person_is_found_by_a_device_a_code_or_the_digits_of_a_phone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    for n in 1..=3 {
        commit(&store, login(n)).unwrap();
    }
    // Another device with the first one's code; and what the first one used as a guest of the second.
    commit(&store, vec![Record::SessionOpened(session(9, 1))]).unwrap();
    let guest = Session { mac: mac(1), ..session(10, 2) };
    commit(&store, vec![Record::SessionOpened(guest)]).unwrap();
    let rows = vec![paid(20, "0417"), paid(21, "0417"), paid(22, "0417"), paid(23, "9999")];
    commit(&store, rows).unwrap();
    commit(&store, begun(20)).unwrap();
    commit(&store, begun(23)).unwrap();
    commit(&store, vec![claim(4), Record::DeviceBlocked(mac(5))]).unwrap();

    let e = |ids: &[u64]| ids.iter().map(|id| EntitlementId(*id)).collect::<OrdSet<_>>();
    let found = traces(&store, by_mac(1));
    assert_eq!((found.devices, found.entitlements), ([mac(1)].into(), e(&[])), "others used both");
    let found = traces(&store, by_mac(3));
    assert_eq!((found.devices, found.entitlements), ([mac(3)].into(), e(&[3])));
    for n in [4, 5] {
        assert_eq!(traces(&store, by_mac(n)).devices, [mac(n)].into());
    }
    assert!(traces(&store, by_mac(6)).is_empty());
    let found = traces(&store, by_code(1));
    assert_eq!((found.devices, found.entitlements), (OrdSet::new(), e(&[1])));
    assert_eq!(traces(&store, by_code(4)).references, [ReferenceKey(key(4).0)].into(), "claimed");
    assert!(traces(&store, by_code(99)).is_empty());
    let found = traces(&store, by_phone("0417", Vec::new()));
    assert_eq!((found.entitlements.clone(), found.rows.clone()), (e(&[20]), [key(21), key(22)].into()));
    assert_eq!(found.purchases(), 3, "so many persons, perhaps");
    let found = traces(&store, by_phone("0417", vec![key(21), key(23)]));
    assert_eq!((found.entitlements, found.rows), (e(&[]), [key(21)].into()), "each narrows the other");
    let all = traces(&store, Whom::Everybody);
    assert_eq!((all.entitlements, all.rows.len()), (e(&[1, 2, 3, 20, 23]), 2));
    let everywhere: OrdSet<Mac> = [1, 2, 3, 4, 5, 9, 20, 23].into_iter().map(mac).collect();
    assert_eq!(all.devices, everywhere);

    let dossier = wait(store.dossier(traces(&store, by_mac(1)))).unwrap();
    let ids = |visits: &[lango::domain::Visit]| visits.iter().map(|v| v.session.0).collect::<Vec<_>>();
    assert_eq!(
        dossier.devices.iter().map(|device| device.mac).collect::<Vec<_>>(),
        [mac(1)],
        "and no other's"
    );
    assert_eq!((dossier.purchases.len(), ids(&dossier.visits)), (2, vec![1, 10]));
    let dossier = wait(store.dossier(traces(&store, by_code(1)))).unwrap();
    assert_eq!((dossier.devices.len(), ids(&dossier.visits)), (2, vec![1, 9]));
    let dossier = wait(store.dossier(traces(&store, by_code(21)))).unwrap();
    assert_eq!(dossier.purchases[0].entitlement, None);
    assert_eq!(dossier.purchases[0].state, VoucherState::Unused);
    assert_eq!(dossier.purchases[0].origin, Kind::Payment.origin());
}

#[test]
fn who_is_forgotten_leaves_amounts_and_others_their_rest() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, login(1)).unwrap();
    commit(&store, vec![Record::SessionOpened(session(9, 1))]).unwrap();
    forget(&store, by_mac(9), &[9], &[]);
    assert_eq!(wait(store.counts()), Ok(VoucherCounts { unused: 0, active: 1, spent: 0 }));
    assert!(traces(&store, by_mac(9)).is_empty());
    assert_eq!(traces(&store, by_mac(1)).entitlements, [EntitlementId(1)].into(), "an alias is nobody");
    let (kept, devices) = wait(store.entitlement(EntitlementId(1))).unwrap().unwrap();
    assert_eq!(kept.online, 1);
    assert!(devices.contains(&mac(1)) && !devices.contains(&mac(9)) && devices.len() == 2, "{devices:?}");
    // Everybody, twice.
    commit(&store, vec![paid(30, "0417")]).unwrap();
    let of_all =
        fields(dir.path(), "SELECT mac FROM session WHERE forgotten = 0 UNION SELECT phone FROM proof");
    forget(&store, Whom::Everybody, &[1], &[1]);
    assert!(traces(&store, Whom::Everybody).is_empty());
    forget(&store, Whom::Everybody, &[], &[]);
    assert_eq!(
        wait(store.dossier(traces(&store, Whom::Everybody))).unwrap(),
        lango::domain::Dossier::default()
    );
    assert_eq!(wait(store.counts()), Ok(VoucherCounts { unused: 0, active: 0, spent: 1 }));
    assert_eq!(found_in(dir.path(), &key(30).0), [""; 0]);
    for secret in of_all {
        assert_eq!(found_in(dir.path(), &secret), [""; 0]);
    }
}

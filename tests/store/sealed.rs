//! What is a person's is sealed: without the device key nobody reads it, changed or in another place it is not
//! believed, and a day that is purged goes with its key.

use std::fs;
use std::path::Path;

use lango::domain::{
    Acceptance, Awaits, Bridged, Claim, CodeKey, EntitlementId, Mac, PhoneTail, Proof, Record, ReferenceKey,
    Session, SessionId, TermsVersion, Wall, Whom,
};
use lango::store::{Found, Kept};
use rusqlite::Connection;
use serde_json::Value;

use super::inventory::INVENTORY;
use super::outbox::{opened, redeemed};
use super::persons::{begun, forget, found_in, paid, traces};
use super::retention::{at, ended, purge};
use super::sales::{NOON, commit, key, login, mac, open, session, wait};
use super::schema::make;

/// What a field is longer by than what it says.
const OVERHEAD: usize = 30;
const FILES: [&str; 3] = ["lango.db", "lango.db-wal", "device.key"];

/// The directory as a power cut leaves it now.
pub(crate) fn cut(dir: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in FILES.iter().filter(|name| dir.join(name).exists()) {
        fs::copy(dir.join(name), to.path().join(name)).unwrap();
    }
    to
}

/// Column 0 of `sql`, as it stands in the tables of a store that may be open.
pub(crate) fn fields(dir: &Path, sql: &str) -> Vec<Vec<u8>> {
    let copy = cut(dir);
    let conn = Connection::open(copy.path().join("lango.db")).unwrap();
    let mut rows = conn.prepare(sql).unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

pub(crate) fn change(dir: &Path, sql: &str) {
    Connection::open(dir.join("lango.db")).unwrap().execute_batch(sql).unwrap();
}

/// Guests 1 and 2 are online, and there is a row of everything else.
pub(crate) fn busy(dir: &Path) {
    let store = open(dir).store;
    let since = Wall::from_secs(0x6B49_D33F);
    for n in 1..=2 {
        commit(&store, login(n)).unwrap();
        commit(&store, vec![Record::Queued(redeemed(n)), Record::Queued(opened(n))]).unwrap();
    }
    commit(&store, vec![Record::SessionOpened(Session { since, ..session(3, 1) })]).unwrap();
    let accepted = Acceptance { version: TermsVersion(7), at: since };
    commit(&store, vec![Record::TermsAccepted { session: SessionId(3), accepted }]).unwrap();
    commit(&store, vec![paid(50, "0417"), paid(51, "7341"), Record::DeviceBlocked(mac(4))]).unwrap();
    commit(&store, begun(50)).unwrap();
    let (reference, awaits) = (ReferenceKey(key(60).0), Awaits::Payment);
    let accepted = Some(accepted);
    let claim = Claim { reference, mac: mac(5), since, awaits, bridged: Bridged::No, accepted };
    commit(&store, vec![Record::ClaimOpened(claim)]).unwrap();
    wait(store.keep_copy(Wall::from_secs(NOON))).unwrap();
    // What the journal holds is looked at, too.
    commit(&store, vec![Record::SessionOpened(session(6, 2))]).unwrap();
    let kept = cut(dir);
    drop(store);
    for name in FILES {
        fs::copy(kept.path().join(name), dir.join(name)).unwrap();
    }
}

#[test]
fn no_file_says_who_is_online_or_since_when() {
    let dir = tempfile::tempdir().unwrap();
    busy(dir.path());
    for n in 1..=6 {
        let text = mac(n).to_string();
        let hex = text.replace(':', "");
        let shapes = [text.as_bytes(), hex.as_bytes(), &mac(n).bytes()];
        for shape in shapes.into_iter().map(<[u8]>::to_vec).chain([text.to_uppercase().into_bytes()]) {
            assert_eq!(found_in(dir.path(), &shape), [""; 0], "{text}");
        }
    }
    for secret in [&b"0417"[..], b"7341", &0x6B49_D33F_u32.to_be_bytes()] {
        assert_eq!(found_in(dir.path(), secret), [""; 0], "{secret:?}");
    }
    let opened = open(dir.path());
    assert_eq!((opened.report.found, opened.report.unreadable), (Found::Unclosed, 0));
    let online: Vec<Mac> = opened.restored.sessions.iter().map(|session| session.mac).collect();
    assert_eq!(online, [1, 2, 3, 6, 50].map(mac));
    assert_eq!(opened.restored.sessions[2].since, Wall::from_secs(0x6B49_D33F));
    assert_eq!(opened.restored.blocked, [mac(4)]);
    assert_eq!(opened.restored.claims[0].mac, mac(5));
}

#[test]
fn what_the_inventory_calls_sealed_is() {
    let dir = tempfile::tempdir().unwrap();
    busy(dir.path());
    drop(open(dir.path()));
    let inventory: Value = serde_json::from_str(INVENTORY).unwrap();
    let mut seen = 0;
    for column in inventory["columns"].as_array().unwrap().iter().filter(|column| column["sealed"] == true) {
        let (table, name) = (column["table"].as_str().unwrap(), column["column"].as_str().unwrap());
        let all = format!("SELECT {name} FROM {table} WHERE {name} IS NOT NULL");
        let values = fields(dir.path(), &all);
        assert!(!values.is_empty() || name == "pin", "{table}.{name}");
        assert!(values.iter().all(|value| value.len() > OVERHEAD), "{table}.{name}");
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[test]
fn a_field_that_was_changed_or_moved_reads_as_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    busy(dir.path());
    drop(open(dir.path()));
    // A byte of the first guest's; and those of 2 and 50 change places.
    change(
        dir.path(),
        "UPDATE session SET mac = CAST(substr(mac, 1, 20)
           || CASE substr(mac, 21, 1) WHEN x'00' THEN x'01' ELSE x'00' END || substr(mac, 22) AS BLOB) WHERE id = 1;
         CREATE TEMP TABLE before AS SELECT id, mac FROM session;
         UPDATE session SET mac = (SELECT mac FROM before WHERE id = 52 - session.id) WHERE id IN (2, 50);
         UPDATE proof SET phone = CAST(x'7f' || substr(phone, 2) AS BLOB);
         UPDATE voucher SET kept_hint = x'0000' WHERE entitlement = 1",
    );
    let opened = open(dir.path());
    assert_eq!(opened.report.unreadable, 3);
    let online: Vec<u64> = opened.restored.sessions.iter().map(|session| session.id.0).collect();
    assert_eq!(online, [3, 6], "whose the others are nobody can tell");
    assert_eq!(opened.restored.entitlements.len(), 3, "what was bought stays");
    let found = wait(opened.store.find(vec![key(1), key(51)])).unwrap();
    let [code, payment] = found.as_slice() else { panic!() };
    assert_eq!(code.as_ref().unwrap().entitlement, Some(EntitlementId(1)));
    assert_eq!(
        payment.as_ref().unwrap().proof,
        Some(Proof::Pin(String::new())),
        "nothing proves it any more"
    );
    drop(opened);
    let again = open(dir.path());
    assert_eq!(again.report.unreadable, 3, "it is said until they are purged: they were there of late");
    assert_eq!(again.restored.sessions.len(), 2);
}

#[test]
fn another_device_key_opens_the_store_and_nothing_of_a_person_and_the_right_one_does_later() {
    let dir = tempfile::tempdir().unwrap();
    busy(dir.path());
    let right = fs::read(dir.path().join("device.key")).unwrap();
    fs::remove_file(dir.path().join("device.key")).unwrap();
    let opened = open(dir.path());
    assert!(opened.report.key_is_new && opened.report.unreadable > 0);
    assert_eq!(opened.report.foreign_days, 1);
    let restored = &opened.restored;
    assert!(restored.sessions.is_empty() && restored.claims.is_empty() && restored.blocked.is_empty());
    assert_eq!((restored.entitlements.len(), restored.last_session), (3, 50));
    let counts = wait(opened.store.counts()).unwrap();
    assert_eq!((counts.active, counts.unused), (3, 0), "money is not the key's");
    assert!(wait(opened.store.outbox(usize::MAX)).unwrap().events.is_empty());
    // Life goes on beside it.
    commit(&opened.store, login(7)).unwrap();
    commit(&opened.store, vec![Record::Queued(redeemed(7))]).unwrap();
    let newest = wait(opened.store.outbox(usize::MAX)).unwrap().newest;
    commit(&opened.store, vec![Record::Acked(newest)]).unwrap();
    assert!(wait(opened.store.outbox(usize::MAX)).unwrap().events.is_empty());
    drop(opened);
    assert_eq!(open(dir.path()).restored.sessions.len(), 1);
    fs::write(dir.path().join("device.key"), right).unwrap();
    let opened = open(dir.path());
    assert_eq!(opened.restored.blocked, [mac(4)]);
    let waits = wait(opened.store.outbox(usize::MAX)).unwrap().events.len();
    assert_eq!(waits, 4, "what the cloud acknowledged meanwhile was not of these");
    let dossier = wait(opened.store.dossier(traces(&opened.store, Whom::Everybody))).unwrap();
    let visits: Vec<u64> = dossier.visits.iter().map(|visit| visit.session.0).collect();
    assert_eq!(visits, [1, 2, 3, 6, 50], "all but the one under the other key");
}

#[test]
fn who_is_known_to_nobody_any_more_goes_by_age_or_with_everybody() {
    let dir = tempfile::tempdir().unwrap();
    busy(dir.path());
    let right = fs::read(dir.path().join("device.key")).unwrap();
    fs::remove_file(dir.path().join("device.key")).unwrap();
    let store = open(dir.path()).store;
    let rows =
        || ["claim", "blocked"].map(|table| fields(dir.path(), &format!("SELECT mac FROM {table}")).len());
    assert_eq!(rows(), [1, 1]);
    let never = Wall::from_secs(0);
    for (day, left) in [(0, [1, 1]), (1, [0, 1])] {
        let claims = Wall::from_secs((day + 1) * 86_400 - 1);
        let limit = lango::domain::Limit::Age { sessions: never, trail: never, claims };
        purge(&store, lango::domain::Bound { limit, at_once: 5 });
        assert_eq!(rows(), left, "day {day}");
    }
    forget(&store, Whom::Everybody, &[], &[1, 2, 50]);
    assert_eq!(rows(), [0, 0]);
    drop(store);
    fs::write(dir.path().join("device.key"), right).unwrap();
    let store = open(dir.path()).store;
    let all = wait(store.dossier(traces(&store, Whom::Everybody))).unwrap();
    assert!(all.visits.is_empty() && all.devices.is_empty(), "{all:?}");
}

#[test]
fn a_day_that_is_purged_goes_with_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    for (n, day) in [(1, 1), (2, 2), (3, 2), (4, 150)] {
        commit(&store, vec![Record::FloorRaised(at(day))]).unwrap();
        commit(&store, login(n)).unwrap();
        commit(&store, if n == 3 { Vec::new() } else { ended(n, day) }).unwrap();
    }
    wait(store.keep_copy(at(150))).unwrap();
    let keys = || fields(dir.path(), "SELECT wrapped FROM day_key ORDER BY day");
    let before = keys();
    assert_eq!(before.len(), 4, "with the one before the first day");
    let bound = lango::domain::Bound {
        limit: lango::domain::Limit::Age { sessions: at(110), trail: at(80), claims: at(148) },
        at_once: 5,
    };
    purge(&store, bound);
    assert_eq!(wait(store.keep_copy(at(151))), Ok(Kept::Made));
    assert_eq!(keys(), before[2..], "guest 3 is still online");
    for gone in &before[..2] {
        assert_eq!(found_in(dir.path(), gone), [""; 0]);
    }
    // The next login of that day, and of a new one.
    commit(&store, login(5)).unwrap();
    drop(store);
    let again = open(dir.path());
    assert_eq!((again.report.unreadable, again.restored.sessions.len()), (0, 2));
}

/// A database in which nothing was sealed yet: two who are online, one who was, and a row of everything else.
fn make_plain(dir: &Path) {
    let rows = "INSERT INTO meta (one, floor, boot) VALUES (1, 1800000000, 'b1');
         INSERT INTO name VALUES (1, 'hour');
         INSERT INTO lot VALUES (1, 1, NULL, 1799990000, NULL, 3, 'voucher', NULL),
           (2, 1, NULL, 1799990000, NULL, 1, 'payment', 1);
         INSERT INTO feed (one, resetting, generation) VALUES (1, 0, 1);
         INSERT INTO voucher VALUES (x'01000000000000000000000000000000', 1, '701', 7, 0, NULL),
           (x'02000000000000000000000000000000', 1, '702', 8, 0, NULL),
           (x'03000000000000000000000000000000', 1, '703', NULL, 0, NULL),
           (x'04000000000000000000000000000000', 2, '704', NULL, 0, NULL);
         INSERT INTO proof VALUES (x'04000000000000000000000000000000', '0417', NULL);
         INSERT INTO entitlement (id, origin, code, hint, opened, plan, devices, bound_devices, count_offline)
           VALUES (7, 'voucher', x'01000000000000000000000000000000', '701', 1800000000, 1, 1, 2, 0),
           (8, 'voucher', x'02000000000000000000000000000000', '702', 1800000000, 1, 1, 2, 0);
         INSERT INTO meter VALUES (7, 90000, 60000, NULL, NULL, 3, 4, 5), (8, 90000, 60000, NULL, NULL, 3, 4, 5);
         INSERT INTO device VALUES (7, x'6E0000000001');
         INSERT INTO session (id, entitlement, mac, since, closed) VALUES
           (6, 8, x'6E0000000003', -1, -1), (8, 8, x'6E0000000002', 1799999000, NULL),
           (9, 7, x'6E0000000001', 1799999001, NULL);
         INSERT INTO outbox VALUES (4, 1799999001, '{\"mac\":\"6e:00:00:00:00:01\"}', NULL, NULL);
         INSERT INTO outbox VALUES (5, 1799999001, '{}', NULL, NULL);
         DELETE FROM outbox WHERE seq = 5;
         INSERT INTO claim VALUES (x'05', x'6E0000000004', 1799999002, 'payment', 0);
         UPDATE claim SET reference = x'05000000000000000000000000000000';
         INSERT INTO blocked VALUES (x'6E0000000005');";
    let schema = include_str!("../golden/schema-6.sql");
    make(dir, schema, rows);
}

fn check_migrated(dir: &Path) -> lango::store::Opened {
    let opened = open(dir);
    let online: Vec<(u64, Mac, i64)> =
        opened.restored.sessions.iter().map(|s| (s.id.0, s.mac, s.since.as_secs())).collect();
    assert_eq!(online, [(8, mac(2), 1_799_999_000), (9, mac(1), 1_799_999_001)]);
    assert_eq!(opened.restored.entitlements.len(), 2);
    assert_eq!(opened.restored.entitlements[0].hint.as_str(), "701");
    assert!(opened.restored.entitlements[0].bound.contains(&mac(1)));
    assert_eq!((opened.restored.claims[0].mac, opened.restored.blocked.as_slice()), (mac(4), &[mac(5)][..]));
    assert_eq!(opened.report.unreadable, 0);
    opened
}

#[test]
fn a_database_from_before_is_sealed_and_then_no_file_says_who_was_online() {
    let dir = tempfile::tempdir().unwrap();
    make_plain(dir.path());
    fs::write(dir.path().join("lango.db.good"), mac(1).bytes()).unwrap();
    fs::write(dir.path().join("lango.db.corrupt-1"), mac(1).bytes()).unwrap();
    let opened = check_migrated(dir.path());
    assert_eq!(opened.report.migrated_from, Some(6));
    let outbox = wait(opened.store.outbox(usize::MAX)).unwrap();
    assert_eq!((outbox.events.len(), outbox.newest.0), (1, 5), "its numbers go on");
    assert!(outbox.events[0].1.contains("6e:00:00:00:00:01"));
    let all: Vec<CodeKey> = (1..=4).map(|n: u128| CodeKey((n << 120).to_be_bytes())).collect();
    let found: Vec<_> = wait(opened.store.find(all)).unwrap().into_iter().flatten().collect();
    let hints: Vec<&str> = found.iter().map(|code| code.hint.as_str()).collect();
    assert_eq!(hints, ["701", "702", "703", "704"]);
    assert_eq!(found[3].proof, PhoneTail::of("0417").map(Proof::Phone));
    assert_eq!(traces(&opened.store, Whom::Everybody).devices.len(), 4, "who was forgotten stays so");
    // The daemon has this made soon after it began, and so does its next start if it could not.
    drop(opened);
    let opened = open(dir.path());
    assert_eq!(wait(opened.store.keep_copy(Wall::from_secs(NOON))), Ok(Kept::Made), "it is due");
    for n in 1..=5 {
        assert_eq!(found_in(dir.path(), &mac(n).bytes()), [""; 0], "guest {n}");
    }
    for secret in [&b"0417"[..], b"6e:00:00:00:00:01"] {
        assert_eq!(found_in(dir.path(), secret), [""; 0]);
    }
}

/// Wherever the journal ends, the one or the other is there, whole.
#[test]
fn sealing_a_database_may_be_cut_short_at_every_page() {
    let before = tempfile::tempdir().unwrap();
    make_plain(before.path());
    let store = check_migrated(before.path()).store;
    let after = cut(before.path());
    drop(store);
    let journal = after.path().join("lango.db-wal");
    let (header, frame) = (32, 24 + 512);
    let length = fs::metadata(&journal).unwrap().len();
    assert!(length > 20 * frame, "the tables are moved when the journal is whole");
    for cut_at in (0..length).step_by(usize::try_from(frame).unwrap() * 6).map(|at| at + header + 100) {
        let dir = cut(after.path());
        let journal = fs::File::options().write(true).open(dir.path().join("lango.db-wal")).unwrap();
        journal.set_len(cut_at.min(length)).unwrap();
        drop(check_migrated(dir.path()));
    }
}

#[test]
fn who_is_bound_blocked_or_claims_twice_is_so_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, login(1)).unwrap();
    let (reference, awaits) = (ReferenceKey(key(60).0), Awaits::Payment);
    for day in [1, 2] {
        let claim =
            Claim { reference, mac: mac(5), since: at(day), awaits, bridged: Bridged::No, accepted: None };
        let bound = Record::DeviceBound { entitlement: EntitlementId(1), mac: mac(1) };
        let records = vec![bound, Record::DeviceBlocked(mac(4)), Record::ClaimOpened(claim)];
        commit(&store, records).unwrap();
        commit(&store, vec![Record::FloorRaised(at(2))]).unwrap();
    }
    for table in ["device", "blocked", "claim"] {
        assert_eq!(fields(dir.path(), &format!("SELECT mac FROM {table}")).len(), 1, "{table}");
    }
    drop(store);
    let restored = open(dir.path()).restored;
    assert_eq!((restored.claims[0].since, restored.sessions[0].id), (at(2), SessionId(1)));
}

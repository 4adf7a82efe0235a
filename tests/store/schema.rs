//! Databases of older releases, and the tables of this one.

use std::path::Path;
use std::time::Duration;

use lango::domain::{
    Boot, Bytes, CodeKey, Downtime, EntitlementId, Kind, Record, Session, SessionId, Stamp, Stand, Traffic,
    Usage, VoucherState, Wall,
};
use lango::store::{Found, VoucherCounts};

use super::outbox::redeemed;
use super::sales::{NOON, commit, mac, open, wait};

/// Makes a database by the statements of `schema`, and fills it.
pub(crate) fn make(dir: &Path, schema: &str, rows: &str) {
    let conn = rusqlite::Connection::open(dir.join("lango.db")).unwrap();
    conn.execute_batch(schema).unwrap();
    conn.execute_batch(rows).unwrap();
}

/// A database before there was a cloud: a guest who is online, one who was, codes that are sold, withdrawn, unused.
#[test]
fn a_database_of_the_second_schema_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "INSERT INTO meta VALUES (1, 1800000000, 'b1', 1799999999, 95000, 'down', 80000, 7);
         INSERT INTO name VALUES (1, 'hour'), (2, 'b7');
         INSERT INTO lot VALUES (1, 1, 2, 1799990000, 1800990000, 4);
         INSERT INTO voucher VALUES (x'01000000000000000000000000000000', 1, '701', 7, 0),
           (x'02000000000000000000000000000000', 1, '702', 8, 0),
           (x'03000000000000000000000000000000', 1, '703', NULL, 1),
           (x'04000000000000000000000000000000', 1, '704', NULL, 0);
         INSERT INTO entitlement VALUES
           (7, 'voucher', x'01000000000000000000000000000000', '701', 2, 1800000000, 1, 3600000, 86400000, 500,
             NULL, NULL, NULL, NULL, 1, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL),
           (8, 'voucher', x'02000000000000000000000000000000', '702', 2, 1800000000, 1, 3600000, NULL, NULL,
             NULL, NULL, NULL, NULL, 1, 0, NULL, 0, 'spent', 3600000, NULL, NULL, 1, 2);
         INSERT INTO meter VALUES (7, 90000, 60000, 86340000, 1800086400, 3, 4, 5);
         INSERT INTO session VALUES (8, 8, x'6E0000000002', 1799999000, 1799999900, 'spent', 1, 2),
           (9, 7, x'6E0000000001', 1800000000, NULL, NULL, 11, 12);";
    make(dir.path(), include_str!("../golden/schema-2.sql"), rows);
    let opened = open(dir.path());
    assert_eq!((&opened.report.found, opened.report.migrated_from), (&Found::Clean, Some(2)));
    assert!(opened.device.starts_with("gw-"), "{}", opened.device);
    let restored = &opened.restored;
    let lasted = Session {
        id: SessionId(9),
        entitlement: EntitlementId(7),
        mac: mac(1),
        since: Wall::from_secs(NOON),
        used: Traffic { up: Bytes(11), down: Bytes(12) },
        lasted: Duration::ZERO,
        at: Boot::from_millis(95_000),
        accepted: None,
    };
    assert_eq!(restored.sessions, [lasted], "how long it was open before is not known");
    assert_eq!((restored.stand, restored.issued_on), (Stand::default(), (0, 0)));
    assert!(restored.plans.is_empty() && restored.claims.is_empty() && restored.commands.is_empty());
    let counts = VoucherCounts { unused: 1, active: 1, spent: 1 };
    assert_eq!(wait(opened.store.counts()), Ok(counts));
    let key = |n: u8| CodeKey(u128::to_be_bytes(u128::from(n) << 120));
    let found = wait(opened.store.find((1..=4).map(key).collect())).unwrap();
    let states: Vec<_> = found.iter().flatten().map(|code| (code.kind, code.state)).collect();
    let expected = [VoucherState::Active, VoucherState::Spent, VoucherState::Revoked, VoucherState::Unused];
    assert_eq!(states, expected.map(|state| (Kind::Voucher, state)));
    assert!(found.iter().flatten().all(|code| code.id.is_none() && code.proof.is_none()));
    commit(&opened.store, vec![Record::Queued(redeemed(1))]).unwrap();
    let name = opened.device;
    drop(opened.store);
    let again = open(dir.path());
    assert_eq!((again.report.migrated_from, &again.device), (None, &name));
    assert_eq!(wait(again.store.outbox_size()).unwrap().facts, 1);
}

/// A database as the first release made it, with a guest who is online.
#[test]
fn a_database_of_the_first_schema_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "INSERT INTO meta VALUES (1, 1800000000, 'b1', NULL);
         INSERT INTO name VALUES (1, 'hour');
         INSERT INTO lot VALUES (1, 1, NULL, 1799990000, NULL, 1);
         INSERT INTO voucher VALUES (zeroblob(16), 1, '705', 7, 0);
         INSERT INTO entitlement VALUES (7, 'voucher', zeroblob(16), '705', NULL, 1800000000, 1, 3600000,
           86400000, 500, NULL, NULL, NULL, NULL, 1, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL);
         INSERT INTO meter VALUES (7, 90000, 60000, 86340000, 1800086400, 3, 4);
         INSERT INTO session VALUES (9, 7, x'6E0000000001', 1800000000, NULL, NULL);";
    make(dir.path(), include_str!("../golden/schema-1.sql"), rows);
    let opened = open(dir.path());
    assert_eq!((&opened.report.found, opened.report.migrated_from), (&Found::Clean, Some(1)));
    let [kept] = opened.restored.entitlements.as_slice() else { panic!("{:?}", opened.restored) };
    let stamp = Stamp {
        entitlement: EntitlementId(7),
        at: Boot::from_millis(90_000),
        downtime: Duration::ZERO,
        used: Duration::from_secs(60),
        validity_left: Some(Duration::from_secs(86_340)),
        expires: Some(Wall::from_secs(NOON + 86_400)),
        bytes_up: Bytes(3),
        bytes_down: Bytes(4),
    };
    assert_eq!((kept.last_stamp(), kept.online, kept.data_left()), (&stamp, 1, Some(Bytes(493))));
    let [session] = opened.restored.sessions.as_slice() else { panic!("{:?}", opened.restored) };
    assert_eq!((session.id, session.mac, session.used), (SessionId(9), mac(1), Traffic::default()));
    assert_eq!((opened.restored.uplink, opened.restored.reached), (Downtime::default(), Boot::default()));
    let usage = Usage { session: SessionId(9), up: Bytes(1), down: Bytes(2) };
    commit(&opened.store, vec![Record::SessionStamped(usage)]).unwrap();
    drop(opened);
    let again = open(dir.path());
    assert_eq!((again.report.migrated_from, again.restored.sessions[0].used), (None, usage.used()));
}

#[test]
fn the_tables_are_those_of_the_golden_file() {
    let dir = tempfile::tempdir().unwrap();
    // A schema of version 0: a file without tables.
    std::fs::write(dir.path().join("lango.db"), b"").unwrap();
    drop(open(dir.path()));
    let conn = rusqlite::Connection::open(dir.path().join("lango.db")).unwrap();
    let mut statement =
        conn.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid").unwrap();
    let tables = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let version: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let live = tables.map(|sql| sql.unwrap() + ";\n\n").collect::<String>()
        + &format!("PRAGMA user_version = {version};\n");
    let golden = include_str!("../golden/schema.sql");
    assert_eq!(live, golden, "a changed table needs a migration, and then tests/golden/schema.sql");
}

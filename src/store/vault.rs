//! What is a person's is sealed: AES-256-GCM under a key of its day, which is wrapped under one made from `device.key`
//! and, if there is one, from the key that the cloud keeps.
//!
//! Owns: the form of a sealed field, the keys of days, the functions by which SQL seals and reads: `sealed(column, row,
//! value)`, `unsealed(column, row, field)`, `opens(field)`, `day_of(field)`, `with_time(mac, wall)`. Never: when rows go. Neighbours:
//! `thread.rs` begins a day, `recover.rs` opens the vault. Whoever backs up `lango.db` needs `device.key` to read it.
//!
//! Flash cannot be overwritten, so a day that is purged goes with its key. A day is that of the latest wall time known
//! to have been reached: it only groups. A field is the number of its key (2 bytes), a nonce (12), the text, a tag (16);
//! its column and row are authenticated with it. What cannot be read is NULL, as if it had been forgotten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use super::keys::{CloudKey, Secret, Secrets, derive};
use super::leftovers::Mark;
use crate::clock;

const KEY: usize = 32;
const TAG: usize = 16;
const NUMBER: usize = 2;
const A_DAY: i64 = 24 * 60 * 60;
/// How much longer a field is than what it says.
pub(super) const OVERHEAD: usize = NUMBER + NONCE_LEN + TAG;
/// What nobody else's key is derived for.
const PURPOSE: &[u8] = b"lango store key 1";
/// Every column with sealed fields, and its table.
const SEALED: &[(&str, &str)] = &[
    ("entitlement", "hint"),
    ("voucher", "kept_hint"),
    ("device", "mac"),
    ("session", "mac"),
    ("session", "terms"),
    ("proof", "phone"),
    ("proof", "pin"),
    ("outbox", "event"),
    ("claim", "mac"),
    ("claim", "terms"),
    ("blocked", "mac"),
];

/// The keys of one database; clones share them.
#[derive(Clone)]
pub(super) struct Vault(Arc<Mutex<Keys>>);

/// What makes the key that wraps, besides the device's.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Under {
    store: Option<Secret>,
    cloud: Option<CloudKey>,
}

struct Keys {
    device: Secret,
    /// All that the days may be under.
    candidates: Vec<Under>,
    /// What the days are under, most of them if not all.
    under: Under,
    /// Some are under another one.
    scattered: bool,
    wrapping: LessSafeKey,
    days: BTreeMap<u16, [u8; KEY]>,
    /// Their keys are there, and are wrapped under another one.
    foreign: u64,
    /// What is sealed now is sealed under this day's.
    current: Option<u16>,
    /// Made in the transaction that is open.
    fresh: Option<u16>,
    /// Used last; many fields are of one day.
    at_hand: Option<(u16, LessSafeKey)>,
    /// Fields that could not be read.
    unreadable: u64,
}

impl Vault {
    /// One that knows no day yet. `cloud`: the key that the cloud keeps, if `secrets` know it.
    pub(super) fn new(secrets: &Secrets, cloud: Option<CloudKey>) -> Self {
        let cloud = cloud.filter(|key| secrets.cloud == Some(key.mark()));
        // A renewal that was cut short leaves two secrets of the store.
        let stores = || std::iter::once(secrets.store).chain(secrets.next.map(Some));
        let clouds = cloud.map(Some).into_iter().chain([None]);
        let candidates: Vec<_> =
            clouds.flat_map(|cloud| stores().map(move |store| Under { store, cloud })).collect();
        let (device, under) = (secrets.device, candidates[0]);
        Self(Arc::new(Mutex::new(Keys {
            device,
            candidates,
            under,
            scattered: false,
            wrapping: wrapping(&device, &under),
            days: BTreeMap::new(),
            foreign: 0,
            current: None,
            fresh: None,
            at_hand: None,
            unreadable: 0,
        })))
    }

    /// Lets statements of `conn` seal and read.
    pub(super) fn attach(&self, conn: &Connection) -> rusqlite::Result<()> {
        let flags = FunctionFlags::SQLITE_UTF8;
        let (sealing, reading) = (self.clone(), self.clone());
        conn.create_scalar_function("sealed", 3, flags, move |called| sealing.seal(called))?;
        conn.create_scalar_function("unsealed", 3, flags, move |called| Ok(reading.unseal(called)))?;
        let opening = self.clone();
        let opens = move |field: ValueRef<'_>| {
            day_of(field).is_some_and(|day| opening.keys().days.contains_key(&day))
        };
        conn.create_scalar_function("opens", 1, flags, move |called| Ok(opens(called.get_raw(0))))?;
        conn.create_scalar_function("day_of", 1, flags, |called| Ok(day_of(called.get_raw(0))))?;
        conn.create_scalar_function("with_time", 2, flags, |called| {
            let mac = bytes(called.get_raw(0)).unwrap_or_default();
            Ok([mac, &called.get::<i64>(1)?.to_be_bytes()].concat())
        })
    }

    /// Reads the keys of all days.
    pub(super) fn load(&self, conn: &Connection) -> rusqlite::Result<()> {
        let mut statement = conn.prepare("SELECT day, wrapped FROM day_key")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, u16>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let mut keys = self.keys();
        let mut found: Vec<_> =
            keys.candidates.iter().map(|under| (*under, wrapping(&keys.device, under), 0_u64)).collect();
        for row in rows {
            let (day, wrapped) = row?;
            let mut tried = found.iter_mut();
            let key = tried.find_map(|(_, wrapping, opened)| {
                let key = unsealed(wrapping, &of_day(day), &wrapped)?.try_into().ok()?;
                *opened += 1;
                Some(key)
            });
            match key {
                Some(key) => drop(keys.days.insert(day, key)),
                None => keys.foreign += 1,
            }
        }
        keys.scattered = found.iter().filter(|(_, _, opened)| *opened > 0).count() > 1;
        // The first of those that open as many.
        found.reverse();
        if let Some((under, wrapping, _)) = found.into_iter().max_by_key(|(_, _, opened)| *opened) {
            (keys.under, keys.wrapping) = (under, wrapping);
        }
        Ok(())
    }

    /// What is sealed from here on is of today. Belongs into a transaction: it may make the key of a day.
    pub(super) fn begin(&self, conn: &Connection) -> rusqlite::Result<()> {
        let floor: i64 = conn.query_row("SELECT floor FROM meta", [], |row| row.get(0))?;
        let today = u16::try_from(floor.max(0) / A_DAY).unwrap_or(u16::MAX);
        let mut keys = self.keys();
        if keys.days.contains_key(&today) {
            keys.current = Some(today);
            return Ok(());
        }
        let mut is_taken = conn.prepare("SELECT 1 FROM day_key WHERE day = ?1")?;
        let mut day = today;
        // The key of a day that cannot be opened stays: the one that opens it may be put back.
        while !keys.days.contains_key(&day) && is_taken.exists([day])? {
            day = day.wrapping_add(1);
        }
        if !keys.days.contains_key(&day) {
            let key = clock::random::<KEY>();
            let wrapped = sealed(&keys.wrapping, day, &of_day(day), &key);
            conn.execute("INSERT INTO day_key (day, wrapped) VALUES (?1, ?2)", params![day, wrapped])?;
            keys.days.insert(day, key);
            keys.fresh = Some(day);
        }
        keys.current = Some(day);
        Ok(())
    }

    /// The transaction is on flash.
    pub(super) fn settled(&self) {
        self.keys().fresh = None;
    }

    /// The transaction was taken back, and with it the key of a day that it made.
    pub(super) fn taken_back(&self) {
        let mut keys = self.keys();
        if let Some(day) = keys.fresh.take() {
            keys.forget(day);
        }
    }

    /// Destroys the keys of days of which no row is left; what they were wrapped in.
    pub(super) fn drop_unused(&self, conn: &Connection) -> rusqlite::Result<Vec<Vec<u8>>> {
        let used = SEALED.iter().map(|(table, column)| format!("SELECT day_of({column}) AS d FROM {table}"));
        let used = used.collect::<Vec<_>>().join(" UNION ");
        let sql = format!(
            "DELETE FROM day_key WHERE day NOT IN (SELECT d FROM ({used}) WHERE d IS NOT NULL)
             RETURNING day, wrapped"
        );
        let mut statement = conn.prepare(&sql)?;
        let gone = statement.query_map([], |row| Ok((row.get::<_, u16>(0)?, row.get(1)?)))?;
        let gone: Vec<(u16, Vec<u8>)> = gone.collect::<Result<_, _>>()?;
        let mut keys = self.keys();
        Ok(gone
            .into_iter()
            .map(|(day, wrapped)| {
                keys.forget(day);
                wrapped
            })
            .collect())
    }

    /// Wraps the keys of all days that can be opened under a new secret, and `cloud`, in the transaction that is open.
    pub(super) fn rewrap(
        &self,
        conn: &Connection,
        secret: Secret,
        cloud: Option<CloudKey>,
    ) -> rusqlite::Result<u64> {
        let keys = self.keys();
        let wrapping = wrapping(&keys.device, &Under { store: Some(secret), cloud });
        let mut change = conn.prepare("UPDATE day_key SET wrapped = ?2 WHERE day = ?1")?;
        for (day, key) in &keys.days {
            change.execute(params![day, sealed(&wrapping, *day, &of_day(*day), key)])?;
        }
        Ok(keys.days.len() as u64)
    }

    /// What was wrapped anew is on flash.
    pub(super) fn is_rewrapped(&self, secret: Secret, cloud: Option<CloudKey>) {
        let mut keys = self.keys();
        keys.under = Under { store: Some(secret), cloud };
        keys.wrapping = wrapping(&keys.device, &keys.under);
        keys.scattered = false;
    }

    /// What is kept of it beside the database.
    pub(super) fn secrets(&self) -> Secrets {
        let keys = self.keys();
        let Under { store, cloud } = keys.under;
        Secrets { device: keys.device, store, next: None, cloud: cloud.map(|key| key.mark()) }
    }

    /// The key of the cloud that the days are under.
    pub(super) fn cloud(&self) -> Option<CloudKey> {
        self.keys().under.cloud
    }

    /// Whether all days are under that key of the cloud, or all under none.
    pub(super) fn is_under(&self, cloud: Option<CloudKey>) -> bool {
        let keys = self.keys();
        keys.under.cloud == cloud && !keys.scattered
    }

    /// How many fields could not be read so far.
    pub(super) fn unreadable(&self) -> u64 {
        self.keys().unreadable
    }

    /// Of how many days the key is wrapped under one that is not this.
    pub(super) fn foreign(&self) -> u64 {
        self.keys().foreign
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `sealed(column, row, value)`: NULL of nothing.
    fn seal(&self, called: &Context<'_>) -> rusqlite::Result<Option<Vec<u8>>> {
        let Some(text) = bytes(called.get_raw(2)).filter(|text| !text.is_empty()) else { return Ok(None) };
        let mut keys = self.keys();
        let no_day = || rusqlite::Error::UserFunctionError("no day was begun".into());
        let day = keys.current.ok_or_else(no_day)?;
        let key = keys.of(day).ok_or_else(no_day)?;
        Ok(Some(sealed(key, day, &place(called), text)))
    }

    /// `unsealed(column, row, field)`
    fn unseal(&self, called: &Context<'_>) -> Option<Vec<u8>> {
        let field = bytes(called.get_raw(2)).filter(|field| !field.is_empty())?;
        let mut keys = self.keys();
        let text = number(field).and_then(|day| {
            let key = keys.of(day)?;
            unsealed(key, &place(called), field)
        });
        keys.unreadable += u64::from(text.is_none());
        text
    }
}

impl Keys {
    fn of(&mut self, day: u16) -> Option<&LessSafeKey> {
        if self.at_hand.as_ref().is_none_or(|(known, _)| *known != day) {
            self.at_hand = Some((day, cipher(self.days.get(&day)?)));
        }
        self.at_hand.as_ref().map(|(_, key)| key)
    }

    fn forget(&mut self, day: u16) {
        self.days.remove(&day);
        self.at_hand = None;
        self.current = self.current.filter(|current| *current != day);
    }
}

/// What a field is found by among all bytes of a file.
pub(super) fn mark(field: &[u8]) -> Option<Mark> {
    field.get(NUMBER..)?.first_chunk().copied()
}

fn wrapping(device: &Secret, under: &Under) -> LessSafeKey {
    let purpose = [PURPOSE, under.store.as_ref().map_or(&[][..], |secret| secret)].concat();
    let here = derive(device, &purpose);
    cipher(&under.cloud.map_or(here, |key| derive(key.reveal(), &here)))
}

fn cipher(key: &[u8; KEY]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes make a key"))
}

fn sealed(key: &LessSafeKey, day: u16, place: &[u8], text: &[u8]) -> Vec<u8> {
    let nonce = clock::random::<NONCE_LEN>();
    let mut field = Vec::with_capacity(text.len() + OVERHEAD);
    field.extend(day.to_be_bytes());
    field.extend(nonce);
    field.extend(text);
    let (_, text) = field.split_at_mut(NUMBER + NONCE_LEN);
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), text)
        .expect("no field is as long as GCM allows");
    field.extend(tag.as_ref());
    field
}

/// `None`: it is not what was sealed in this place under this key.
fn unsealed(key: &LessSafeKey, place: &[u8], field: &[u8]) -> Option<Vec<u8>> {
    let (nonce, text) = field.get(NUMBER..)?.split_first_chunk::<NONCE_LEN>()?;
    let mut text = text.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = key.open_in_place(nonce, Aad::from(place), &mut text).ok()?.len();
    text.truncate(length);
    Some(text)
}

fn number(field: &[u8]) -> Option<u16> {
    field.first_chunk().map(|number| u16::from_be_bytes(*number))
}

fn day_of(field: ValueRef<'_>) -> Option<u16> {
    bytes(field).and_then(number)
}

/// Where the key of a day stands.
fn of_day(day: u16) -> Vec<u8> {
    [b"day_key.wrapped\0".as_slice(), &day.to_be_bytes()].concat()
}

/// Where the field of a call stands: its column, and its row.
fn place(called: &Context<'_>) -> Vec<u8> {
    let mut place = bytes(called.get_raw(0)).unwrap_or_default().to_vec();
    place.push(0);
    match called.get_raw(1) {
        ValueRef::Integer(row) => place.extend(row.to_be_bytes()),
        ValueRef::Blob(row) | ValueRef::Text(row) => place.extend(row),
        ValueRef::Null | ValueRef::Real(_) => {}
    }
    place
}

fn bytes(value: ValueRef<'_>) -> Option<&[u8]> {
    match value {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Some(bytes),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> LessSafeKey {
        cipher(&[7; KEY])
    }

    fn at(floor: i64) -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        let tables = "CREATE TABLE day_key (day INTEGER PRIMARY KEY, wrapped BLOB NOT NULL);
                      CREATE TABLE meta (floor INTEGER); CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB, y BLOB);";
        conn.execute_batch(tables).unwrap();
        conn.execute("INSERT INTO meta VALUES (?1)", [floor]).unwrap();
        conn
    }

    fn read(conn: &Connection, sql: &str) -> Option<String> {
        let text: Option<Vec<u8>> = conn.query_row(sql, [], |row| row.get(0)).unwrap();
        text.map(|text| String::from_utf8(text).unwrap())
    }

    const X: &str = "SELECT unsealed('t.x', id, x) FROM t WHERE id = 1";

    fn of_device(byte: u8) -> Vault {
        Vault::new(&Secrets { device: [byte; KEY], store: None, next: None, cloud: None }, None)
    }

    fn with_a_field(floor: i64) -> (Connection, Vault) {
        let (conn, vault) = (at(floor), of_device(1));
        vault.attach(&conn).unwrap();
        vault.begin(&conn).unwrap();
        vault.settled();
        conn.execute_batch("INSERT INTO t VALUES (1, sealed('t.x', 1, 'secret'), sealed('t.y', 1, 'other'))")
            .unwrap();
        (conn, vault)
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_read_again_and_nothing_else_is(
            text in proptest::collection::vec(any::<u8>(), 1..300), day: u16, at: prop::sample::Index, flip in 1..=255_u8,
        ) {
            let field = sealed(&key(), day, b"t.x", &text);
            prop_assert_eq!(field.len(), text.len() + OVERHEAD);
            prop_assert_eq!(number(&field), Some(day));
            prop_assert_eq!(unsealed(&key(), b"t.x", &field), Some(text));
            prop_assert_eq!(unsealed(&key(), b"t.y", &field), None);
            prop_assert_eq!(unsealed(&cipher(&[8; KEY]), b"t.x", &field), None);
            let mut other = field.clone();
            other[NUMBER + at.index(field.len() - NUMBER)] ^= flip;
            prop_assert_eq!(unsealed(&key(), b"t.x", &other), None);
            prop_assert_eq!(unsealed(&key(), b"t.x", &field[..at.index(field.len())]), None);
        }

        #[test]
        fn no_bytes_are_a_reason_to_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(unsealed(&key(), b"t.x", &bytes), None);
            let _ = (number(&bytes), mark(&bytes));
        }
    }

    #[test]
    fn a_field_is_read_in_its_place_only() {
        let (conn, vault) = with_a_field(86_400 * 3 + 5);
        assert_eq!(read(&conn, X).as_deref(), Some("secret"));
        assert_eq!(conn.query_row("SELECT day_of(x) FROM t", [], |row| row.get(0)), Ok(3));
        assert_eq!(read(&conn, "SELECT unsealed('t.x', 2, x) FROM t"), None, "another row");
        assert_eq!(vault.unreadable(), 1);
        conn.execute_batch("UPDATE t SET x = y, y = x").unwrap();
        assert_eq!(read(&conn, X), None, "another column");
        assert_eq!(vault.unreadable(), 2);
        assert_eq!(read(&conn, "SELECT unsealed('t.x', 1, NULL)"), None);
        assert_eq!(read(&conn, "SELECT sealed('t.x', 1, '')"), None);
        assert_eq!(vault.unreadable(), 2, "nothing is not unreadable");
    }

    #[test]
    fn the_same_device_key_opens_the_days_again_and_another_one_makes_its_own_beside_them() {
        let (conn, _) = with_a_field(86_400);
        let again = of_device(1);
        again.attach(&conn).unwrap();
        again.load(&conn).unwrap();
        assert_eq!((read(&conn, X).as_deref(), again.foreign()), (Some("secret"), 0));

        let other = of_device(2);
        other.attach(&conn).unwrap();
        other.load(&conn).unwrap();
        assert_eq!((read(&conn, X), other.foreign(), other.unreadable()), (None, 1, 1));
        other.begin(&conn).unwrap();
        conn.execute_batch("INSERT INTO t VALUES (2, sealed('t.x', 2, 'new'), NULL)").unwrap();
        again.attach(&conn).unwrap();
        assert_eq!(read(&conn, X).as_deref(), Some("secret"), "the key of that day is still there");
    }

    #[test]
    fn a_day_that_was_taken_back_is_made_anew() {
        let (conn, vault) = with_a_field(0);
        conn.execute_batch("UPDATE meta SET floor = 86400; BEGIN").unwrap();
        vault.begin(&conn).unwrap();
        conn.execute_batch("ROLLBACK").unwrap();
        vault.taken_back();
        conn.execute_batch("BEGIN").unwrap();
        vault.begin(&conn).unwrap();
        conn.execute_batch("INSERT INTO t VALUES (2, sealed('t.x', 2, 'new'), NULL); COMMIT").unwrap();
        let again = of_device(1);
        again.attach(&conn).unwrap();
        again.load(&conn).unwrap();
        assert_eq!(read(&conn, "SELECT unsealed('t.x', 2, x) FROM t WHERE id = 2").as_deref(), Some("new"));
    }
}

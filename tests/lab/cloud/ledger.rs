//! The two ledgers, of the gateway and of its cloud, compared to the row.
//!
//! The daemon has its database to itself, so a copy is read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use rusqlite::Connection;
use serde_json::Value;

use super::field;
use crate::harness::{Cloud, Daemon, wait_until};

/// What a gateway has of what its cloud has to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Books {
    /// Keys of codes, references and names that were redeemed.
    pub(super) redeemed: BTreeSet<String>,
    /// Keys of all that may be redeemed, or was.
    pub(super) known: BTreeSet<String>,
    sessions: BTreeMap<String, Session>,
    /// Names of commands that were carried out.
    commands: BTreeSet<String>,
    waiting: i64,
}

#[derive(Debug, PartialEq, Eq)]
struct Session {
    entitlement: String,
    mac: String,
    closed: Option<Closed>,
}

#[derive(Debug, PartialEq, Eq)]
struct Closed {
    why: String,
    bytes: (i64, i64),
}

impl Books {
    /// As they are on flash now.
    pub(super) fn of(daemon: &Daemon) -> Self {
        for _ in 0..50 {
            if let Some(books) = Self::copied(daemon) {
                return books;
            }
        }
        panic!("the database never kept still");
    }

    /// `None` if the files changed while they were copied.
    fn copied(daemon: &Daemon) -> Option<Self> {
        let copy = tempfile::tempdir().unwrap();
        let files = ["lango.db", "lango.db-wal", "device.key"];
        let changed = || {
            let at = |name| std::fs::metadata(daemon.state().join(name)).and_then(|about| about.modified());
            files.map(|name| at(name).unwrap_or(SystemTime::UNIX_EPOCH))
        };
        let before = changed();
        for name in files {
            let _ = std::fs::copy(daemon.state().join(name), copy.path().join(name));
        }
        if changed() != before {
            return None;
        }
        let key = std::fs::read(copy.path().join("device.key")).ok()?;
        Self::read(&Connection::open(copy.path().join("lango.db")).ok()?, &key).ok()
    }

    fn read(db: &Connection, key: &[u8]) -> rusqlite::Result<Self> {
        let wrapping = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"lango store key 1");
        let days = db
            .prepare("SELECT day, wrapped FROM day_key")?
            .query_map([], |row| {
                let (day, wrapped): (u16, Vec<u8>) = (row.get(0)?, row.get(1)?);
                Ok((day, unsealed(wrapping.as_ref(), "day_key.wrapped", &day.to_be_bytes(), &wrapped)))
            })?
            .collect::<rusqlite::Result<BTreeMap<_, _>>>()?;
        let set = |sql: &str| -> rusqlite::Result<BTreeSet<String>> {
            db.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
        };
        let sessions = "SELECT id, 'e-' || entitlement, why, bytes_up, bytes_down, mac FROM session";
        let mut sessions = db.prepare(sessions)?;
        let sessions = sessions.query_map([], |row| {
            let bytes = (row.get(3)?, row.get(4)?);
            let closed = row.get::<_, Option<String>>(2)?.map(|why| Closed { why, bytes });
            let (id, field): (i64, Vec<u8>) = (row.get(0)?, row.get(5)?);
            let day = u16::from_be_bytes([field[0], field[1]]);
            let opened = unsealed(&days[&day], "session.mac", &id.to_be_bytes(), &field);
            let mac = opened[..6].iter().map(|byte| format!("{byte:02x}")).collect();
            Ok((format!("s-{id}"), Session { entitlement: row.get(1)?, mac, closed }))
        })?;
        Ok(Self {
            redeemed: set("SELECT lower(hex(key)) FROM voucher WHERE entitlement IS NOT NULL
                           UNION SELECT lower(hex(code)) FROM top_up")?,
            known: set("SELECT lower(hex(key)) FROM voucher")?,
            sessions: sessions.collect::<Result<_, _>>()?,
            commands: set("SELECT id FROM command")?,
            waiting: db.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))?,
        })
    }

    /// How many were redeemed, and how many sessions there were.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.redeemed.len(), self.sessions.len())
    }

    fn waiting(daemon: &Daemon) -> i64 {
        Self::of(daemon).waiting
    }
}

/// What was sealed in this column and row, as `src/store/vault.rs` says.
fn unsealed(key: &[u8], column: &str, row: &[u8], field: &[u8]) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let place = [column.as_bytes(), b"\0", row].concat();
    let nonce = Nonce::try_assume_unique_for_key(&field[2..14]).unwrap();
    let mut text = field[14..].to_vec();
    key.open_in_place(nonce, Aad::from(place), &mut text).unwrap().to_vec()
}

/// Waits until the gateway has nothing left to tell, and compares what both have, row by row.
pub(super) fn assert_equal(daemon: &Daemon, cloud: &Cloud, when: &str) -> Books {
    wait_until(&format!("{when}: an empty outbox"), Duration::from_secs(60), || Books::waiting(daemon) == 0);
    let books = Books::of(daemon);
    cloud.assert_no_trouble();
    let facts = cloud.list("events", serde_json::json!([]), serde_json::json!({}));
    let of = |kind: &str| facts.iter().filter(move |fact| fact["type"] == kind).collect::<Vec<_>>();

    let redeemed = once_each(&of("redeemed"), "key", when);
    assert_eq!(redeemed.keys().cloned().collect::<BTreeSet<_>>(), books.redeemed, "{when}: redeemed");
    let done = once_each(&of("done"), "command", when);
    assert_eq!(done.keys().cloned().collect::<BTreeSet<_>>(), books.commands, "{when}: commands");

    let (opened, closed) = (of("session_opened"), of("session_closed"));
    let (opened, closed) = (once_each(&opened, "session", when), once_each(&closed, "session", when));
    let told: BTreeMap<_, _> = opened
        .iter()
        .map(|(id, fact)| {
            let end =
                closed.get(id).map(|fact| Closed { why: field(fact, "why").to_owned(), bytes: bytes(fact) });
            let mac = field(fact, "mac").replace(':', "");
            (id.clone(), Session { entitlement: field(fact, "entitlement").to_owned(), mac, closed: end })
        })
        .collect();
    let mut had = books.sessions.iter();
    for (id, has) in &told {
        let (same, session) = had.next().unwrap_or_else(|| panic!("{when}: the gateway has no {id}"));
        assert_eq!(id, same, "{when}");
        let both = |session: &Session| (session.entitlement.clone(), session.mac.clone());
        assert_eq!(both(has), both(session), "{when}: {id}");
        assert!(has.closed.is_none() || has.closed == session.closed, "{when}: {id}: {has:?} {session:?}");
        assert_eq!(has.closed.is_some(), session.closed.is_some(), "{when}: {id}");
    }
    assert_eq!(had.next(), None, "{when}: the cloud never heard of it");
    assert!(closed.keys().all(|id| opened.contains_key(id)), "{when}");
    for usage in of("usage") {
        let Some(end) = closed.get(field(usage, "session")) else { continue };
        let ((up, down), (all_up, all_down)) = (bytes(usage), bytes(end));
        let seconds = |fact: &Value| fact["seconds"].as_u64().unwrap();
        assert!(up <= all_up && down <= all_down && seconds(usage) <= seconds(end), "{when}: {usage} {end}");
    }
    books
}

fn bytes(fact: &Value) -> (i64, i64) {
    let bytes = |name: &str| fact[name].as_i64().unwrap_or_else(|| panic!("no {name} in {fact}"));
    (bytes("bytes_up"), bytes("bytes_down"))
}

/// The facts by what they are about, of which there must not be two.
fn once_each<'a>(facts: &[&'a Value], about: &str, when: &str) -> BTreeMap<String, &'a Value> {
    let mut each = BTreeMap::new();
    for fact in facts {
        let before = each.insert(field(fact, about).to_owned(), *fact);
        assert!(before.is_none(), "{when}: twice: {before:?} {fact}");
    }
    each
}

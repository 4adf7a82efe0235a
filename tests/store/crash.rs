//! A process is killed while it commits; what it was told is on flash is there.
#![expect(clippy::disallowed_methods, reason = "a test starts and kills processes")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use lango::domain::{EntitlementId, Record, Seq, Voucher, VoucherState, Walk};
use lango::store::{Found, OpenError, Store};
use lango::wire::events;

use super::outbox::redeemed;
use super::rows::{listed, put, read_to};
use super::sales::{key, login, open, wait};

const DIR: &str = "LANGO_TEST_STORE";
const ROUNDS: usize = 8;
const LOGINS_BEFORE_THE_KILL: usize = 60;

/// Rows of a page of the feed; their numbers begin where no guest's does.
const ROWS: u64 = 30;
const FIRST_ROW: u64 = 1 << 40;

/// A process that logs in guests for ever, reads the feed meanwhile, and prints the number of each one whose commit returned.
struct Killed {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Killed {
    /// Runs the test `name` of this program again; it has to call [`log_in_if_asked`].
    fn start(name: &str, dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(DIR, dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The number of the next guest; `None` when the process is dead and all was read.
    fn next(&mut self) -> Option<u64> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(number) = line.trim().strip_prefix("stored ").and_then(|n| n.parse().ok()) {
                return Some(number);
            }
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

fn log_in_if_asked() {
    if let Some(dir) = std::env::var_os(DIR) {
        let opened = open(Path::new(&dir));
        let first = opened.restored.last_entitlement + 1;
        let page = opened.restored.stand.at.map_or(1, |cursor| cursor.seq + 1);
        let tasks = tokio::task::LocalSet::new();
        let store = Rc::new(opened.store);
        tasks.spawn_local(read_for_ever(store.clone(), page));
        for lane in 0..4 {
            tasks.spawn_local(log_in_for_ever(store.clone(), first + lane));
        }
        wait(tasks);
    }
}

async fn log_in_for_ever(store: Rc<Store>, first: u64) {
    let mut out = std::io::stdout();
    for number in (first..).step_by(4) {
        let facts = vec![Record::Queued(redeemed(number))];
        store.commit([login(number), facts].concat()).await.unwrap();
        writeln!(out, "stored {number}").unwrap();
    }
}

fn rows_until(page: u64) -> std::ops::Range<u64> {
    FIRST_ROW..FIRST_ROW + page * ROWS
}

async fn read_for_ever(store: Rc<Store>, first: u64) {
    for page in first.. {
        let rows = (rows_until(page - 1).end..rows_until(page).end).map(listed).collect();
        store.commit(vec![put(rows, 0), read_to(page, Walk::Following, 0)]).await.unwrap();
    }
}

#[test]
fn after_a_kill_every_acknowledged_login_is_there_and_none_is_half() {
    log_in_if_asked();
    let name = "crash::after_a_kill_every_acknowledged_login_is_there_and_none_is_half";
    let dir = tempfile::tempdir().unwrap();
    let mut stored = BTreeSet::new();
    for round in 0..ROUNDS {
        let mut guests = Killed::start(name, dir.path());
        for _ in 0..LOGINS_BEFORE_THE_KILL + round * 7 {
            stored.extend(guests.next());
        }
        guests.kill();
        while let Some(number) = guests.next() {
            stored.insert(number);
        }
        let opened = open(dir.path());
        assert_eq!(opened.report.found, Found::Unclosed);
        let ids: BTreeSet<u64> = opened.restored.entitlements.iter().map(|kept| kept.id.0).collect();
        assert!(stored.is_subset(&ids), "round {round}, lost: {:?}", stored.difference(&ids));
        assert!(opened.restored.sessions.iter().map(|session| session.id.0).eq(ids.iter().copied()));
        for kept in &opened.restored.entitlements {
            assert_eq!((kept.online, kept.bound.len()), (1, 1), "{} is half there", kept.id);
        }
        let found = wait(opened.store.find(ids.iter().map(|id| key(*id)).collect())).unwrap();
        for (id, voucher) in ids.iter().zip(found) {
            let Voucher { entitlement, state, .. } = voucher.unwrap();
            assert_eq!((entitlement, state), (Some(EntitlementId(*id)), VoucherState::Active));
        }
        let page = opened.restored.stand.at.map_or(0, |cursor| cursor.seq);
        let found = wait(opened.store.find(rows_until(page + 1).map(key).collect())).unwrap();
        let (read, unread) = found.split_at((page * ROWS) as usize);
        assert!(read.iter().all(Option::is_some), "the feed stands behind a page that is not there");
        assert!(unread.iter().all(Option::is_none), "a page is there, and the feed stands before it");
        let made = wait(opened.store.list(None)).unwrap().len();
        assert_eq!(made, ids.len() + read.len(), "a voucher without its redemption");
        let told = wait(opened.store.outbox(usize::MAX)).unwrap().events;
        let mut events: Vec<String> = told.iter().map(|(_, event)| event.clone()).collect();
        let mut expected: Vec<String> = ids.iter().map(|id| events::write(&redeemed(*id))).collect();
        events.sort();
        expected.sort();
        assert_eq!(events, expected, "each redemption is told, once");
        assert!(told.iter().map(|(Seq(seq), _)| *seq).is_sorted());
        // The next round may not find a closed database, nor lean on what this look has written.
        stored = ids;
    }
    assert!(stored.len() > ROUNDS * LOGINS_BEFORE_THE_KILL);
}

#[test]
fn a_database_that_another_process_has_open_is_left_to_it() {
    log_in_if_asked();
    let dir = tempfile::tempdir().unwrap();
    let name = "crash::a_database_that_another_process_has_open_is_left_to_it";
    let mut daemon = Killed::start(name, dir.path());
    assert!(daemon.next().is_some());
    let error = lango::store::open(dir.path()).err().unwrap();
    assert_eq!(error, OpenError::Busy { path: dir.path().join("lango.db") });
    assert!(error.remedy().contains("the daemon is running"));
    assert!(daemon.next().is_some(), "it goes on");
    daemon.kill();
    assert!(lango::store::open(dir.path()).is_ok(), "a lock dies with its process");
}

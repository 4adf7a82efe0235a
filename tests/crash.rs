//! Lives on the real store that end at every point where a process can die, and go on.
//!
//! The store is reopened from a copy of its directory as it was at that moment, without a word of
//! farewell; amid a commit the journal is torn as well. Nothing paid is lost, nothing unpaid is open, one
//! code has one entitlement: the reference of `tests/model` knows what that means after each step.
//! `LANGO_CRASH_SECONDS` says for how long (15); the seed of a life that fails is printed.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "this is a test, its modules included")]
#![expect(clippy::disallowed_methods, reason = "the test is bounded in time")]

#[path = "model/mod.rs"]
mod model;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use lango::domain::{
    CodeKey, Ending, Entitlement, EntitlementId, Now, Origin, Plan, PlanSource, Record, Restored, Voucher,
    VoucherState,
};
use lango::store::{Found, Opened, Store};
use model::memory::Memory;
use model::number;
use model::world::{Deaths, Flash, World};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const STEPS: u32 = 25;
const JOURNAL: &str = "lango.db-wal";

/// The real store, in a directory of its own.
struct Disk {
    runtime: Runtime,
    dir: TempDir,
    store: Option<Store>,
    /// The directory as a tear left it.
    torn: Option<TempDir>,
}

impl Disk {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { runtime, dir: fresh_dir(), store: None, torn: None }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("a life begins with `reopen`")
    }

    fn journal(&self) -> u64 {
        fs::metadata(self.dir.path().join(JOURNAL)).map_or(0, |file| file.len())
    }

    fn vouchers(&self) -> Vec<Voucher> {
        self.runtime.block_on(self.store().list(None)).unwrap()
    }
}

impl Flash for Disk {
    fn find(&mut self, code: CodeKey) -> Option<Voucher> {
        self.runtime.block_on(self.store().find(vec![code])).unwrap().pop().unwrap()
    }

    fn commit(&mut self, records: &[Record]) {
        self.runtime.block_on(self.store().commit(records.to_vec())).unwrap();
    }

    fn fail(&mut self, records: &[Record]) {
        let all = [records, &[impossible()]].concat();
        self.runtime.block_on(self.store().commit(all)).unwrap_err();
    }

    fn tear(&mut self, records: &[Record]) {
        let before = self.journal();
        let dir = copy(self.dir.path());
        self.commit(records);
        let after = self.journal();
        if after > before {
            let torn = copy(self.dir.path());
            let journal = File::options().write(true).open(torn.path().join(JOURNAL)).unwrap();
            journal.set_len(before + (after - before) / 2).unwrap();
            self.torn = Some(torn);
        } else {
            self.torn = Some(dir);
        }
    }

    fn reopen(&mut self) -> Restored {
        let dir = self.torn.take().unwrap_or_else(|| copy(self.dir.path()));
        self.store = None;
        self.dir = dir;
        let Opened { store, restored, report, .. } = lango::store::open(self.dir.path()).unwrap();
        assert!(matches!(report.found, Found::Nothing | Found::Clean | Found::Unclosed), "{report:?}");
        self.store = Some(store);
        restored
    }
}

/// In memory where there is such a place: a copy asks nothing of fsync, and more lives fit in the time.
fn fresh_dir() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// The directory as a kill at this moment would leave it.
fn copy(dir: &Path) -> TempDir {
    let to = fresh_dir();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

/// What no store takes: something opened with a code that nobody made.
fn impossible() -> Record {
    let plan = Plan::unlimited("free".parse().unwrap(), PlanSource::File);
    let now = Now {
        boot: lango::domain::Boot::from_millis(0),
        wall: lango::domain::Wall::from_secs(0),
        trust: lango::domain::Trust::Floor,
    };
    let mut new = Entitlement::of(EntitlementId(1_000_000), Origin::Voucher, &plan, now.into());
    new.code = Some(CodeKey([0xff; 16]));
    Record::EntitlementOpened(Box::new(new))
}

/// Every voucher is in the state that the reference says, and there is none besides.
fn check_vouchers(world: &World<Disk>) {
    let stored = world.flash.vouchers();
    assert_eq!(stored.len(), world.on_flash.codes.len(), "vouchers on flash");
    for voucher in stored {
        let code = &world.on_flash.codes[&voucher.key];
        let over = code.bought.and_then(|id| world.on_flash.bought[&id].over);
        let should = match (code.bought, over) {
            (_, Some(Ending::Revoked)) => VoucherState::Revoked,
            _ if code.revoked => VoucherState::Revoked,
            (_, Some(Ending::Spent)) => VoucherState::Spent,
            (_, Some(Ending::Expired)) => VoucherState::Expired,
            (Some(_), None) => VoucherState::Active,
            (None, None) => VoucherState::Unused,
        };
        assert_eq!((voucher.state, voucher.entitlement), (should, code.bought), "{}", voucher.key);
    }
}

#[test]
fn a_life_may_end_at_any_point_and_nothing_paid_is_lost() {
    let first = u64::from_le_bytes(lango::clock::random());
    let (seeds, bound) = match number("LANGO_MODEL_SEED") {
        Some(seed) => (vec![seed], u64::MAX),
        None => ((0..u64::MAX).map(|n| first.wrapping_add(n)).take(1000).collect(), 15),
    };
    let bound = Duration::from_secs(number("LANGO_CRASH_SECONDS").unwrap_or(bound));
    let begin = Instant::now();
    let mut lives = 0;
    for seed in seeds {
        for point in 1.. {
            let mut world = World::new(seed, Disk::new(), Deaths::At(point));
            world.live(STEPS);
            check_vouchers(&world);
            lives += 1;
            if world.points < point || begin.elapsed() > bound {
                break;
            }
        }
        if begin.elapsed() > bound {
            break;
        }
    }
    println!("{lives} lives in {:?}", begin.elapsed());
    assert!(lives > 10, "the time was too short to see anything");
}

#[test]
fn many_deaths_on_end_lose_nothing() {
    let first = u64::from_le_bytes(lango::clock::random());
    for n in 0..5 {
        let mut world = World::new(first.wrapping_add(n), Disk::new(), Deaths::Sometimes);
        world.live(100);
        check_vouchers(&world);
    }
}

/// The memory of the model is the specification of the store: both give back the same.
#[test]
fn the_store_gives_back_what_the_records_mean() {
    let first = u64::from_le_bytes(lango::clock::random());
    for n in 0..5 {
        let seed = first.wrapping_add(n);
        let mut memory = World::new(seed, Memory::default(), Deaths::Sometimes);
        let mut disk = World::new(seed, Disk::new(), Deaths::Sometimes);
        for _ in 0..10 {
            memory.live(8);
            disk.live(8);
            let (should, is) = (memory.flash.reopen(), disk.flash.reopen());
            assert_eq!(sorted(is.entitlements), sorted(should.entitlements));
            assert_eq!(is.sessions, should.sessions);
            assert_eq!(is.topped_up, should.topped_up);
            assert_eq!(is.trials, should.trials);
            assert_eq!(BTreeSet::from_iter(is.recent), BTreeSet::from_iter(should.recent));
            assert_eq!(
                (is.floor, is.boot, is.reached, is.uplink, is.last_entitlement, is.last_session),
                (
                    should.floor,
                    should.boot,
                    should.reached,
                    should.uplink,
                    should.last_entitlement,
                    should.last_session
                )
            );
        }
    }
}

/// As a store keeps them: nobody is online with them until the sessions say so.
fn sorted(mut entitlements: Vec<Entitlement>) -> Vec<Entitlement> {
    entitlements.sort_by_key(|entitlement| entitlement.id);
    entitlements.iter_mut().for_each(|entitlement| entitlement.online = 0);
    entitlements
}

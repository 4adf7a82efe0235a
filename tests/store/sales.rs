//! Records as the domain makes them, numbered so that tests can tell them apart.

use std::path::Path;
use std::time::Duration;

use lango::domain::{
    Boot, Bytes, CodeKey, Entitlement, EntitlementId, Hint, Kind, Mac, Now, Origin, Plan, PlanSource, Record,
    Session, SessionId, Stamp, Traffic, Trust, Voucher, VoucherState, Wall,
};
use lango::store::{Opened, Store, StoreError};

pub(crate) const NOON: i64 = 1_800_000_000;

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn open(dir: &Path) -> Opened {
    lango::store::open(dir).unwrap()
}

pub(crate) fn commit(store: &Store, records: Vec<Record>) -> Result<(), StoreError> {
    wait(store.commit(records))
}

/// Keys lie as far apart as hashes do.
pub(crate) fn key(n: u64) -> CodeKey {
    let spread = u128::from(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 64 | u128::from(n);
    CodeKey(spread.to_be_bytes())
}

/// Such bytes are in no file by chance.
pub(crate) fn mac(n: u64) -> Mac {
    let [_, _, _, a, b, c, d, e] = n.to_be_bytes();
    Mac::new([0x6E, a, b, c, d, e])
}

pub(crate) fn voucher(n: u64) -> Voucher {
    Voucher {
        key: key(n),
        kind: Kind::Voucher,
        id: None,
        proof: None,
        plan: "hour".parse().unwrap(),
        batch: Some("b1".parse().unwrap()),
        activate_by: Some(Wall::from_secs(NOON + 3_000_000)),
        made: Wall::from_secs(NOON - 1000),
        hint: Hint::of(&format!("{n:03}")),
        entitlement: None,
        state: VoucherState::Unused,
    }
}

pub(crate) fn entitlement(id: u64) -> Entitlement {
    let mut plan = Plan::unlimited("hour".parse().unwrap(), PlanSource::File);
    plan.terms.metered = Some(Duration::from_secs(3600));
    plan.terms.validity = Some(Duration::from_secs(86_400));
    plan.terms.bound_devices = 2;
    let now = Now { boot: Boot::from_millis(1000 + id), wall: Wall::from_secs(NOON), trust: Trust::Trusted };
    let mut new = Entitlement::of(EntitlementId(id), Origin::Voucher, &plan, now.into());
    new.batch = Some("b1".parse().unwrap());
    new.hint = Hint::of(&format!("{id:03}"));
    new
}

pub(crate) fn session(id: u64, entitlement: u64) -> Session {
    Session {
        id: SessionId(id),
        entitlement: EntitlementId(entitlement),
        mac: mac(id),
        since: Wall::from_secs(NOON),
        used: Traffic::default(),
        lasted: Duration::ZERO,
        at: Boot::from_millis(1000 + id),
        accepted: None,
    }
}

pub(crate) fn stamp(entitlement: u64, used: u64) -> Stamp {
    Stamp {
        entitlement: EntitlementId(entitlement),
        at: Boot::from_millis(50_000 + used),
        downtime: Duration::from_millis(used / 2),
        used: Duration::from_millis(used),
        validity_left: Some(Duration::from_millis(86_400_000 - used)),
        expires: None,
        bytes_up: Bytes(used * 3),
        bytes_down: Bytes(used * 1_000_003),
    }
}

/// All that the redemption of code `n` writes, the making of the code included.
pub(crate) fn login(n: u64) -> Vec<Record> {
    let mut bought = entitlement(n);
    bought.code = Some(key(n));
    vec![
        Record::VouchersMade(vec![voucher(n)]),
        Record::EntitlementOpened(Box::new(bought)),
        Record::DeviceBound { entitlement: EntitlementId(n), mac: mac(n) },
        Record::SessionOpened(session(n, n)),
    ]
}

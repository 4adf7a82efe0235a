//! What one guest, and all of them together, may cost.
//!
//! Owns: how often somebody may ask, and how many questions may wait at the same time. All tables have a
//! size; who fills one costs others no more than his own share.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::domain::{Boot, Mac};
use crate::expiring::ExpiringMap;
use crate::ordered::OrdMap;

/// Questions that wait for the network to say whose they are.
const FINDING: usize = 64;
/// Questions that wait for the resolver: of all, and of one device.
const ASKING: usize = 256;
const ASKING_EACH: usize = 8;
/// Askers that are remembered. Who is forgotten begins with a full bucket.
const ASKERS: usize = 4096;
/// After so long a bucket is full again.
const FULL_AGAIN: Duration = Duration::from_secs(4);

/// Who asks, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asker {
    Address(IpAddr),
    Device(Mac),
    /// All whom the network does not know.
    Unknown,
}

/// How often each may ask: a bucket that fills by itself.
#[derive(Debug)]
pub(super) struct Rates(ExpiringMap<Asker, Bucket>);

/// Questions, in thousandths.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: u64,
    at: Boot,
}

impl Asker {
    /// Questions a second, and at once after a rest.
    fn allowance(self) -> (u64, u64) {
        match self {
            Self::Address(_) | Self::Device(_) => (20, 60),
            Self::Unknown => (100, 200),
        }
    }
}

impl Rates {
    pub(super) fn new() -> Self {
        Self(ExpiringMap::with_capacity(ASKERS))
    }

    /// Whether `asker` may ask once more.
    pub(super) fn admit(&mut self, asker: Asker, now: Boot) -> bool {
        let (rate, burst) = asker.allowance();
        let full = burst * 1000;
        let level = self.0.get(&asker, now).map_or(full, |bucket| {
            let passed = u64::try_from(now.since(bucket.at).as_millis()).unwrap_or(u64::MAX);
            bucket.level.saturating_add(passed.saturating_mul(rate)).min(full)
        });
        let left = level.checked_sub(1000);
        self.0.insert(asker, Bucket { level: left.unwrap_or(level), at: now }, now, FULL_AGAIN);
        left.is_some()
    }
}

/// Places for what waits: so many in all, so many for each device.
#[derive(Clone, Debug)]
pub(super) struct Places(Rc<Taken>);

#[derive(Debug)]
struct Taken {
    all: usize,
    each: usize,
    count: Cell<usize>,
    of: RefCell<OrdMap<Mac, usize>>,
}

/// A place; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    taken: Rc<Taken>,
    of: Option<Mac>,
}

/// Places for questions whose asker is being found out.
pub(super) fn finding() -> Places {
    Places::new(FINDING, FINDING)
}

/// Places for questions that wait for the resolver.
pub(super) fn asking() -> Places {
    Places::new(ASKING, ASKING_EACH)
}

impl Places {
    fn new(all: usize, each: usize) -> Self {
        Self(Rc::new(Taken { all, each, count: Cell::default(), of: RefCell::default() }))
    }

    /// A place; `None`: all are taken, or all of the device's.
    pub(super) fn enter(&self, of: Option<Mac>) -> Option<Place> {
        let taken = &self.0;
        if taken.count.get() >= taken.all {
            return None;
        }
        if let Some(mac) = of {
            let mut devices = taken.of.borrow_mut();
            let own = devices.get(&mac).copied().unwrap_or(0);
            if own >= taken.each {
                return None;
            }
            devices.insert(mac, own + 1);
        }
        taken.count.set(taken.count.get() + 1);
        Some(Place { taken: Rc::clone(taken), of })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.count.set(self.taken.count.get().saturating_sub(1));
        let Some(mac) = self.of else { return };
        let mut devices = self.taken.of.borrow_mut();
        match devices.get(&mac).copied().unwrap_or(0) {
            0 | 1 => devices.remove(&mac),
            own => devices.insert(mac, own - 1),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(n: u8) -> Asker {
        Asker::Device(Mac::new([2, 0, 0, 0, 0, n]))
    }

    #[test]
    fn a_burst_passes_then_the_rate_and_others_are_not_touched() {
        let mut rates = Rates::new();
        let at = Boot::from_millis;
        let of = |rates: &mut Rates, ms| (0..200).filter(|_| rates.admit(device(1), at(ms))).count();
        assert_eq!(of(&mut rates, 1000), 60);
        assert_eq!(of(&mut rates, 1500), 10);
        assert!(rates.admit(device(2), at(1500)));
        assert_eq!(of(&mut rates, 60_000), 60);
    }

    #[test]
    fn strangers_do_not_make_the_table_grow() {
        let mut rates = Rates::new();
        for n in 0..20_000_u32 {
            rates.admit(Asker::Address(IpAddr::V4(n.into())), Boot::from_millis(7));
        }
        assert_eq!(rates.0.len(), ASKERS);
    }

    #[test]
    fn places_are_counted_and_given_back() {
        let places = Places::new(3, 2);
        let [one, two] = [1, 2].map(|n| Some(Mac::new([2, 0, 0, 0, 0, n])));
        let held = [places.enter(one), places.enter(one)];
        assert!(held.iter().all(Option::is_some) && places.enter(one).is_none());
        let last = places.enter(two);
        assert!(last.is_some() && places.enter(None).is_none());
        drop(held);
        drop(last);
        assert!(places.0.of.borrow().is_empty() && places.0.count.get() == 0);
    }
}

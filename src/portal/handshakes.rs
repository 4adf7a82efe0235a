//! How often handshakes of TLS may begin: each costs the gateway a signature, on an access point milliseconds.
//!
//! A bucket for each device, which a page and its forms never empty, and one for all. Whoever has emptied its
//! own is turned away at once; when that of all is empty, guests wait for their turn. So a flood of handshakes
//! takes a bounded part of the processor, and plain HTTP none of that.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::connections::Holder;
use crate::domain::Boot;
use crate::expiring::ExpiringMap;

/// One device: so many at once after a rest, and one more each time.
const EACH_BURST: u32 = 12;
const EACH_REFILL: Duration = Duration::from_millis(500);
/// All devices together.
const ALL_BURST: u32 = 40;
const ALL_REFILL: Duration = Duration::from_millis(25);
/// Who would have to wait for longer is turned away.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// Devices that are remembered; who is forgotten begins with a full bucket.
const HOLDERS: usize = 1024;

/// The buckets, each as the time at which it is full again.
#[derive(Debug)]
pub struct Handshakes {
    each: RefCell<ExpiringMap<Holder, Boot>>,
    all: Cell<Boot>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self { each: RefCell::new(ExpiringMap::with_capacity(HOLDERS)), all: Cell::default() }
    }
}

impl Handshakes {
    /// How long a handshake of `holder` has to wait, which is counted; `None`: it is not to be.
    pub(super) fn admit(&self, holder: Holder, now: Boot) -> Option<Duration> {
        let mut each = self.each.borrow_mut();
        let own = each.get(&holder, now).map_or(now, |full| *full).plus(EACH_REFILL);
        let all = self.all.get().max(now).plus(ALL_REFILL);
        let wait = all.since(now.plus(ALL_REFILL * ALL_BURST));
        if own > now.plus(EACH_REFILL * EACH_BURST) || wait > LONGEST_WAIT {
            return None;
        }
        each.insert(holder, own, now, own.since(now));
        self.all.set(all);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Mac;

    fn device(n: u16) -> Holder {
        let [high, low] = n.to_be_bytes();
        Holder::Device(Mac::new([2, 0, 0, 0, high, low]))
    }

    fn at(ms: u64) -> Boot {
        Boot::from_millis(1_000_000 + ms)
    }

    #[test]
    fn a_device_has_a_burst_and_then_two_a_second() {
        let handshakes = Handshakes::default();
        let of = |ms| (0..200).filter(|_| handshakes.admit(device(1), at(ms)).is_some()).count();
        assert_eq!(of(0), 12);
        assert_eq!(of(499), 0);
        assert_eq!(of(500), 1);
        assert_eq!(of(3000), 5);
        assert_eq!(of(60_000), 12);
    }

    #[test]
    fn a_flooding_device_takes_nothing_from_another() {
        let handshakes = Handshakes::default();
        for ms in 0..10_000 {
            handshakes.admit(device(1), at(ms));
        }
        assert_eq!(handshakes.admit(device(2), at(10_000)), Some(Duration::ZERO));
    }

    #[test]
    fn a_crowd_waits_in_line_and_only_its_end_is_turned_away() {
        let handshakes = Handshakes::default();
        let waits: Vec<_> = (0..400).map_while(|n| handshakes.admit(device(n), at(0))).collect();
        assert_eq!(waits.len(), 40 + 120, "forty at once, and forty for each of three seconds");
        assert_eq!(waits[39], Duration::ZERO);
        assert_eq!(waits[40..43].iter().map(Duration::as_millis).collect::<Vec<_>>(), [25, 50, 75]);
        assert_eq!(waits.last(), Some(&LONGEST_WAIT));
        assert!(handshakes.admit(device(500), at(24)).is_none());
        assert!(handshakes.admit(device(500), at(25)).is_some());
    }

    #[test]
    fn many_devices_do_not_make_it_grow() {
        let handshakes = Handshakes::default();
        for n in 0..5000 {
            handshakes.admit(device(n), at(u64::from(n) * 30));
        }
        assert!(handshakes.each.borrow().len() <= HOLDERS);
    }
}

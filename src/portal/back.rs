//! Who was sent back to the page it wanted, and how often of late.
//!
//! A phone that remembers the captive address for longer than it was told comes again at once: after some
//! rounds it is shown a page that tries again later, or its browser would tell of an endless redirection.

use std::cell::RefCell;
use std::time::Duration;

use crate::domain::{Boot, Mac};
use crate::expiring::ExpiringMap;

/// Browsers follow twenty redirections; one that did not ask for the name anew in some does not in ten.
const ROUNDS: u8 = 3;
/// As long as the responder tells phones to remember the captive address.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Devices that are remembered; who is forgotten begins anew.
const DEVICES: usize = 1024;

/// The rounds of each device.
#[derive(Debug)]
pub struct SentBack(RefCell<ExpiringMap<Mac, u8>>);

impl Default for SentBack {
    fn default() -> Self {
        Self(RefCell::new(ExpiringMap::with_capacity(DEVICES)))
    }
}

impl SentBack {
    /// Whether `mac` may be sent back once more, which counts.
    pub(super) fn admit(&self, mac: Mac, now: Boot) -> bool {
        let mut rounds = self.0.borrow_mut();
        let so_far = rounds.get(&mac, now).copied().unwrap_or(0);
        let may = so_far < ROUNDS;
        if may {
            rounds.insert(mac, so_far + 1, now, REMEMBERED);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_ends_and_may_begin_anew_when_the_phone_has_forgotten() {
        let sent_back = SentBack::default();
        let [looping, other] = [1, 2].map(|n| Mac::new([2, 0, 0, 0, 0, n]));
        let at = Boot::from_millis;
        let of = |mac, ms| (0..100).filter(|_| sent_back.admit(mac, at(ms))).count();
        assert_eq!(of(looping, 1000), 3);
        assert_eq!(of(looping, 5999), 0);
        assert_eq!(of(other, 5999), 3);
        assert_eq!(of(looping, 6000), 3);
    }

    #[test]
    fn many_devices_do_not_make_it_grow() {
        let sent_back = SentBack::default();
        for n in 0..5000_u16 {
            let [high, low] = n.to_be_bytes();
            assert!(sent_back.admit(Mac::new([2, 0, 0, 0, high, low]), Boot::from_millis(7)));
        }
        assert_eq!(sent_back.0.borrow().len(), DEVICES);
    }
}

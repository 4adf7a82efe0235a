//! How often one entitlement may open a session: each costs a row and an fsync.
//!
//! A right code is no guess, so `attempts.rs` never counts it; without a bound, one code that logs in and
//! out in a loop would wear out the flash. Each entitlement has a bucket of ten logins and one more for each
//! device that it is good for, refilled with one in ten seconds. Memory only.

use std::time::Duration;

use super::{Boot, EntitlementId};
use crate::expiring::ExpiringMap;

const BURST: u32 = 10;
const REFILL: Duration = Duration::from_secs(10);
const REMEMBERED: usize = 4096;

/// Logins of late.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// When the bucket is full again; each login moves it by [`REFILL`].
    full_again: ExpiringMap<EntitlementId, Boot>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { full_again: ExpiringMap::with_capacity(REMEMBERED) }
    }
}

impl Pace {
    /// How long `id`, which is good for so many devices at a time, has to wait for its next login.
    pub(super) fn wait(&self, id: EntitlementId, devices: u16, now: Boot) -> Option<Duration> {
        let room = REFILL * (BURST + u32::from(devices) - 1);
        let wait = self.full_again.get(&id, now)?.since(now.plus(room));
        Some(wait).filter(|wait| !wait.is_zero())
    }

    /// Counts a login.
    pub(super) fn opened(&mut self, id: EntitlementId, now: Boot) {
        let full_again = self.full_again.get(&id, now).map_or(now, |full| *full).plus(REFILL);
        self.full_again.insert(id, full_again, now, full_again.since(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_for_all_devices_then_one_in_ten_seconds() {
        let (mut pace, id) = (Pace::default(), EntitlementId(1));
        let mut logins = Vec::new();
        for s in 0..100 {
            let now = Boot::from_millis(s * 1000);
            while pace.wait(id, 5, now).is_none() {
                pace.opened(id, now);
                logins.push(s);
            }
        }
        assert_eq!(logins[..15], [0; 15]);
        assert_eq!(logins[15..], [10, 20, 30, 40, 50, 60, 70, 80, 90]);
        assert_eq!(pace.wait(id, 5, Boot::from_millis(93_000)), Some(Duration::from_secs(7)));
        assert_eq!(pace.wait(EntitlementId(2), 1, Boot::from_millis(93_000)), None);
    }
}

//! Guessing, made slow: wrong codes are limited per device and per site.
//!
//! A device may fail five times, then waits 10 s, doubling to 20 minutes. MAC addresses are free, so all
//! devices that hold nothing share one bucket of 30 failures, refilled with 10 a minute: a fresh MAC for
//! each try gains nothing. Devices that began an entitlement and were online with it within the last day
//! do not drink from that bucket, so an attacker cannot lock paying guests out; to use a code again, or
//! to move it to a fresh MAC, is no such beginning and forgives nothing.
//!
//! Arithmetic: at 10 tries a minute with 500 live codes, 8 digits fall in 14 days, 10 digits in 3.8 years.

use std::time::Duration;

use super::{Boot, Mac};
use crate::expiring::ExpiringMap;

const FREE_FAILURES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest that a device has to wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(20 * 60);
const DEVICES_REMEMBERED: usize = 4096;

const SITE_BUCKET: u64 = 30;
/// One failure flows back into the bucket in this time: 10 a minute.
const SITE_REFILL: Duration = Duration::from_secs(6);

/// Whose budget a wrong code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// A typing error (the check symbol is wrong), or a device that has paid: its own only.
    Device,
    /// A guess: the device's and the site's.
    DeviceAndSite,
}

/// Wrong codes of late.
#[derive(Clone, Debug)]
pub(super) struct Attempts {
    failures: ExpiringMap<Mac, Failures>,
    /// When the site's bucket is full again; each failure moves it by [`SITE_REFILL`].
    full_again: Boot,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    wait_until: Boot,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { failures: ExpiringMap::with_capacity(DEVICES_REMEMBERED), full_again: Boot::from_millis(0) }
    }
}

impl Attempts {
    /// How long `mac` has to wait before its next try; `None`: not at all. `lane` says which budgets it
    /// draws on.
    pub(super) fn wait(&self, mac: Mac, lane: Blame, now: Boot) -> Option<Duration> {
        let device = self.failures.get(&mac, now).map(|failures| failures.wait_until.since(now));
        let site = match lane {
            Blame::Device => None,
            Blame::DeviceAndSite => {
                let room = SITE_REFILL * u32::try_from(SITE_BUCKET - 1).unwrap_or(u32::MAX);
                Some(self.full_again.since(now.plus(room)))
            }
        };
        device.into_iter().chain(site).max().filter(|wait| !wait.is_zero())
    }

    /// Counts a wrong code. Whoever does not fail again for as long as `kept` after the wait, and
    /// 20 minutes at least, starts afresh.
    pub(super) fn failed(&mut self, mac: Mac, blame: Blame, kept: Duration, now: Boot) {
        let count = self.failures.get(&mac, now).map_or(0, |failures| failures.count) + 1;
        let wait = match count.checked_sub(FREE_FAILURES) {
            None => Duration::ZERO,
            Some(excess) => FIRST_WAIT.saturating_mul(1 << excess.min(10)).min(LONGEST_WAIT),
        };
        let failures = Failures { count, wait_until: now.plus(wait) };
        self.failures.insert(mac, failures, now, wait.saturating_add(kept).max(LONGEST_WAIT));
        if blame == Blame::DeviceAndSite {
            self.full_again = self.full_again.max(now).plus(SITE_REFILL);
        }
    }

    /// What was counted as a guess turned out to be right: the site gets one back.
    pub(super) fn forgiven(&mut self) {
        let millis = u64::try_from(SITE_REFILL.as_millis()).unwrap_or(0);
        self.full_again = Boot::from_millis(self.full_again.as_millis().saturating_sub(millis));
    }

    /// Nothing is kept of devices whose time is over.
    pub(super) fn forget(&mut self, now: Boot) {
        self.failures.handle_timeout(now);
    }

    /// The device began something that was paid: it starts afresh.
    pub(super) fn succeeded(&mut self, mac: Mac) {
        self.failures.remove(&mac);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Duration = Duration::from_secs(600);

    const fn at(s: u64) -> Boot {
        Boot::from_millis(s * 1000)
    }

    const fn device(n: u8) -> Mac {
        Mac::new([2, 0, 0, 0, 0, n])
    }

    #[test]
    fn the_fifth_failure_starts_a_wait_that_doubles_to_twenty_minutes() {
        let mut attempts = Attempts::default();
        let (mut now, mut waits) = (at(100), Vec::new());
        for _ in 0..14 {
            attempts.failed(device(1), Blame::Device, KEPT, now);
            let wait = attempts.wait(device(1), Blame::Device, now).unwrap_or_default();
            waits.push(wait.as_secs());
            now = now.plus(wait);
        }
        assert_eq!(waits, [0, 0, 0, 0, 10, 20, 40, 80, 160, 320, 640, 1200, 1200, 1200]);
    }

    #[test]
    fn who_kept_still_for_the_time_starts_afresh_and_is_not_remembered() {
        let mut attempts = Attempts::default();
        (0..5).for_each(|_| attempts.failed(device(1), Blame::Device, 3 * KEPT, at(0)));
        attempts.failed(device(2), Blame::Device, Duration::ZERO, at(0));
        attempts.forget(at(1199));
        assert_eq!(attempts.failures.len(), 2, "or a pause would be worth another five tries");
        attempts.forget(at(1200));
        assert_eq!(attempts.failures.len(), 1, "the wait of the other one comes before");
        attempts.forget(at(1810));
        assert_eq!(attempts.failures.len(), 0);
        attempts.failed(device(1), Blame::Device, KEPT, at(1810));
        assert_eq!(attempts.wait(device(1), Blame::Device, at(1810)), None);
    }

    #[test]
    fn a_fresh_mac_for_each_try_gains_nothing() {
        let mut attempts = Attempts::default();
        for n in 0..30 {
            assert_eq!(attempts.wait(device(n), Blame::DeviceAndSite, at(0)), None, "try {n}");
            attempts.failed(device(n), Blame::DeviceAndSite, KEPT, at(0));
        }
        let wait = Some(Duration::from_secs(6));
        assert_eq!(attempts.wait(device(99), Blame::DeviceAndSite, at(0)), wait);
        assert_eq!(attempts.wait(device(99), Blame::Device, at(0)), None, "a guest who paid is let through");
        assert_eq!(attempts.wait(device(99), Blame::DeviceAndSite, at(6)), None);
    }

    #[test]
    fn ten_a_minute_flow_back() {
        let mut attempts = Attempts::default();
        let mut tries = 0;
        for second in 0..660 {
            let mac = Mac::new([2, 0, 0, 0, (second >> 8) as u8, second as u8]);
            while attempts.wait(mac, Blame::DeviceAndSite, at(second)).is_none() {
                attempts.failed(mac, Blame::DeviceAndSite, KEPT, at(second));
                tries += 1;
                if tries > 1000 {
                    break;
                }
            }
        }
        assert!((135..=141).contains(&tries), "{tries}");
    }

    #[test]
    fn typing_errors_cost_the_site_nothing_and_success_forgives() {
        let mut attempts = Attempts::default();
        for n in 0..60 {
            attempts.failed(device(n), Blame::Device, KEPT, at(0));
        }
        assert_eq!(attempts.wait(device(99), Blame::DeviceAndSite, at(0)), None);
        for _ in 0..5 {
            attempts.failed(device(1), Blame::Device, KEPT, at(0));
        }
        assert!(attempts.wait(device(1), Blame::Device, at(0)).is_some());
        attempts.succeeded(device(1));
        assert_eq!(attempts.wait(device(1), Blame::Device, at(0)), None);
    }
}

//! When to try again: the pace of polling and of failures, with the chance passed in.
//!
//! Pure: no clock, no randomness. A site that was cut off may be one of a hundred thousand that come back at
//! the same moment, so every wait is spread; a guest who waits for a payment is never made to wait for that.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Longest time over which the first round after an outage is spread.
const LONGEST_SPREAD: Duration = Duration::from_secs(60);

/// A draw between 0 and 1, from 32 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance(u32);

impl Chance {
    /// `bits`: as random as they are.
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// The part of `span` that this draw stands for: from nothing to just below all of it.
    fn of(self, span: Duration) -> Duration {
        let millis = (u128::from(self.0) * span.as_millis()) >> 32;
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

/// How often something failed in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure. The wait until the next try is 1 s, 2 s, 4 s … 10 min, less up to 30 % by chance.
    pub fn failed(&mut self, chance: Chance) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let wait = doubled.min(LONGEST);
        wait - chance.of(wait * 3 / 10)
    }

    /// It worked, or the uplink came back: the next failure counts as the first.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How often it failed in a row.
    pub fn failures(self) -> u32 {
        self.failures
    }
}

/// The wait between two polls that find nothing: `poll`, 30 % more or less by chance, and at least what the
/// other side asked for.
pub fn idle(poll: Duration, asked: Duration, chance: Chance) -> Duration {
    (poll * 7 / 10 + chance.of(poll * 6 / 10)).max(asked)
}

/// The wait before the first round after an outage: up to `poll` or a minute, whichever is less.
pub fn spread(poll: Duration, chance: Chance) -> Duration {
    chance.of(poll.min(LONGEST_SPREAD))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Chance = Chance::new(0);
    const MOST: Chance = Chance::new(u32::MAX);

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn failures_wait_twice_as_long_each_up_to_ten_minutes() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..13).map(|_| backoff.failed(LEAST).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]);
        assert_eq!(backoff.failures(), 13);
        backoff.reset();
        assert_eq!(backoff.failed(LEAST), s(1));
    }

    #[test]
    fn years_of_failures_do_not_overflow() {
        let mut backoff = Backoff { failures: u32::MAX };
        assert_eq!(backoff.failed(LEAST), s(600));
        assert_eq!(backoff.failures(), u32::MAX);
    }

    #[test]
    fn chance_shortens_a_wait_by_at_most_a_third() {
        let mut backoff = Backoff { failures: 20 };
        let wait = backoff.failed(MOST);
        assert!(wait > s(420) && wait < s(421), "{wait:?}");
    }

    #[test]
    fn idle_polls_differ_by_a_third_either_way_but_never_come_too_early() {
        assert_eq!(idle(s(300), s(0), LEAST), s(210));
        let longest = idle(s(300), s(0), MOST);
        assert!(longest > s(389) && longest < s(390), "{longest:?}");
        assert_eq!(idle(s(300), s(600), LEAST), s(600));
    }

    #[test]
    fn the_first_round_after_an_outage_is_spread_over_a_minute_at_most() {
        assert_eq!(spread(s(300), LEAST), s(0));
        assert_eq!(spread(s(300), Chance::new(1 << 31)), s(30));
        assert_eq!(spread(s(10), Chance::new(1 << 31)), s(5));
        assert!(spread(s(300), MOST) < s(60));
    }
}

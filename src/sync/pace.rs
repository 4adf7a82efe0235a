//! When the next round is due: idle polls, long polls for a guest who waits, retries after trouble.
//!
//! Owns: the moments. Never: reads a clock, or asks anything. Chance and time are passed in.

use std::time::Duration;

use super::trouble::Trouble;
use crate::backoff::{Backoff, Chance, idle, spread};
use crate::domain::{Boot, Cursor};

/// How long the cloud may hold a request while a guest waits.
const LONG_POLL: Duration = Duration::from_secs(25);
/// Long polls begin at least so far apart: not every cloud holds them.
const BETWEEN_LONG_POLLS: Duration = Duration::from_secs(2);
/// After trouble that somebody has to put right.
const UNTIL_PUT_RIGHT: Duration = Duration::from_secs(10 * 60);

/// The moments of the rounds.
pub(super) struct Pace {
    poll: Duration,
    backoff: Backoff,
    /// When the next is due, guests apart.
    due: Boot,
    /// Before it the cloud does not want to be asked for the feed.
    asked: Boot,
    /// The last one began.
    began: Boot,
    trouble: Option<Trouble>,
    guest: Boot,
}

impl Pace {
    /// A power cut ends for many sites at the same time, so the first round is spread; but a site that
    /// never had a page has nothing to sell.
    pub(super) fn new(poll: Duration, at: Option<Cursor>, chance: Chance, now: Boot) -> Self {
        let wait = if at.is_some() { spread(poll, chance) } else { Duration::ZERO };
        let (backoff, trouble) = (Backoff::default(), None);
        let (asked, began, guest) = Default::default();
        Self { poll, backoff, due: now.plus(wait), asked, began, trouble, guest }
    }

    /// When the next round is due.
    pub(super) fn next(&self, now: Boot) -> Boot {
        let waits = self.guest > now && self.trouble.is_none();
        let due = if waits { self.began.plus(BETWEEN_LONG_POLLS).min(self.due) } else { self.due };
        due.max(self.asked)
    }

    /// How long the cloud may hold a request that begins now.
    pub(super) fn hold(&self, now: Boot) -> Duration {
        LONG_POLL.min(Duration::from_secs(self.guest.since(now).as_secs()))
    }

    /// Whether a batch of events may be sent by itself.
    pub(super) fn may_send(&self) -> bool {
        self.trouble.as_ref().is_none_or(Trouble::is_an_answer)
    }

    /// A guest waits for a payment.
    pub(super) fn guest_waits(&mut self, until: Boot) {
        self.guest = self.guest.max(until);
    }

    /// The uplink is back: what failed may work again.
    pub(super) fn uplink_is_back(&mut self, chance: Chance, now: Boot) {
        self.backoff.reset();
        self.trouble = None;
        let wait = if self.guest > now { Duration::ZERO } else { spread(self.poll, chance) };
        self.due = now.plus(wait);
    }

    pub(super) fn begins(&mut self, now: Boot) {
        self.began = now;
    }

    /// The cloud wants to be left alone for `span`.
    pub(super) fn asked(&mut self, span: Duration, now: Boot) {
        self.asked = now.plus(span);
    }

    /// A round is over.
    pub(super) fn ended(&mut self, outcome: &Result<(), Trouble>, chance: Chance, now: Boot) {
        let wait = match outcome {
            // Rows that differ are looked at with the next page, which comes no sooner for that.
            Ok(()) | Err(Trouble::Digest) => {
                self.backoff.reset();
                self.trouble = None;
                idle(self.poll, Duration::ZERO, chance)
            }
            Err(trouble) => {
                self.trouble = Some(trouble.clone());
                let wait = self.backoff.failed(chance);
                if trouble.needs_somebody() { UNTIL_PUT_RIGHT } else { wait }
            }
        };
        self.due = now.plus(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: Duration = Duration::from_secs(300);
    const HALF: Chance = Chance::new(1 << 31);

    const fn s(seconds: u64) -> Boot {
        Boot::from_millis(seconds * 1000)
    }

    fn idle_since(now: Boot) -> Pace {
        let mut pace = Pace::new(POLL, Some(Cursor { epoch: 1, seq: 1 }), HALF, now);
        pace.begins(now);
        pace.ended(&Ok(()), HALF, now);
        pace
    }

    #[test]
    fn the_first_round_is_spread_unless_there_is_nothing_to_sell() {
        assert_eq!(Pace::new(POLL, Some(Cursor { epoch: 1, seq: 1 }), HALF, s(9)).next(s(9)), s(39));
        assert_eq!(Pace::new(POLL, None, HALF, s(9)).next(s(9)), s(9));
    }

    #[test]
    fn a_guest_who_waits_ends_the_idle_pause_and_has_long_polls() {
        let mut pace = idle_since(s(100));
        assert_eq!((pace.next(s(100)), pace.hold(s(100))), (s(400), Duration::ZERO));
        pace.guest_waits(s(160));
        assert_eq!((pace.next(s(110)), pace.hold(s(110))), (s(102), LONG_POLL));
        pace.begins(s(110));
        pace.ended(&Ok(()), HALF, s(110));
        assert_eq!(pace.next(s(110)), s(112), "a cloud that does not hold is not asked in a circle");
        assert_eq!(pace.hold(s(150)), Duration::from_secs(10));
        assert_eq!(pace.next(s(161)), s(410));
    }

    #[test]
    fn the_cloud_is_left_alone_for_as_long_as_it_asks() {
        let mut pace = idle_since(s(100));
        pace.asked(Duration::from_secs(1000), s(100));
        pace.guest_waits(s(900));
        assert_eq!(pace.next(s(200)), s(1100));
        pace.uplink_is_back(HALF, s(200));
        assert_eq!(pace.next(s(200)), s(1100));
    }

    #[test]
    fn after_trouble_rounds_become_rare_until_the_uplink_is_back() {
        let mut pace = idle_since(s(0));
        let waits: Vec<_> = (0..12)
            .map(|_| {
                pace.ended(&Err(Trouble::Silent), Chance::new(0), s(0));
                pace.next(s(0)).as_millis() / 1000
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert!(!pace.may_send());
        pace.uplink_is_back(HALF, s(50));
        assert_eq!(pace.next(s(50)), s(80));
        pace.guest_waits(s(200));
        pace.uplink_is_back(HALF, s(60));
        assert!(pace.next(s(60)) <= s(60), "nothing is spread while a guest waits");
        pace.ended(&Err(Trouble::Denied(401)), HALF, s(60));
        assert_eq!(pace.next(s(60)), s(660));
    }
}

//! How often one thing is said: so often in a minute, and then how many more there were.
//!
//! Owns: a tally for each place in the program that says something, so there are no more than such places, whatever
//! guests do. Never: what is said, or when it is (it gets `now`).

use std::time::Duration;

use crate::domain::Boot;

/// Lines of one kind in a minute. A configuration with errors has one for each.
const AT_MOST: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);

/// Who has said how much of late, by the place in the program.
#[derive(Debug)]
pub(super) struct Repeats<P> {
    tallies: Vec<Tally<P>>,
}

/// Of one place, in the minute that began then.
#[derive(Debug)]
struct Tally<P> {
    place: P,
    begun: Boot,
    said: u32,
    left_out: u64,
}

impl<P> Default for Repeats<P> {
    fn default() -> Self {
        Self { tallies: Vec::new() }
    }
}

impl<P: Clone + PartialEq> Repeats<P> {
    /// Whether `place` may say one more line now.
    pub(super) fn admit(&mut self, place: &P, now: Boot) -> bool {
        if !self.tallies.iter().any(|tally| tally.place == *place) {
            self.tallies.push(Tally { place: place.clone(), begun: now, said: 0, left_out: 0 });
        }
        let Some(tally) = self.tallies.iter_mut().find(|tally| tally.place == *place) else { return true };
        let admitted = tally.said < AT_MOST;
        tally.said += u32::from(admitted);
        tally.left_out += u64::from(!admitted);
        admitted
    }

    /// What was left out in minutes that are over by `now`, each told once.
    pub(super) fn over(&mut self, now: Boot) -> Vec<(P, u64)> {
        let mut over = Vec::new();
        self.tallies.retain(|tally| {
            let is_over = now.since(tally.begun) >= MINUTE;
            if is_over && tally.left_out > 0 {
                over.push((tally.place.clone(), tally.left_out));
            }
            !is_over
        });
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Boot {
        Boot::from_millis(seconds * 1000)
    }

    #[test]
    fn so_much_is_said_in_a_minute_and_then_how_much_more_there_was() {
        let mut repeats = Repeats::default();
        let said = (0..1000).filter(|_| repeats.admit(&"table_healed", at(5))).count();
        assert_eq!(said, AT_MOST as usize);
        assert!(repeats.admit(&"uplink_down", at(6)), "others are not kept from speaking");
        assert_eq!(repeats.over(at(64)), [], "the minute is not over");
        assert_eq!(repeats.over(at(65)), [("table_healed", 1000 - u64::from(AT_MOST))]);
        assert!(repeats.over(at(66)).is_empty() && repeats.admit(&"table_healed", at(66)), "a new minute");
        assert!(repeats.over(at(600)).is_empty() && repeats.tallies.is_empty(), "nothing is kept of silence");
    }
}

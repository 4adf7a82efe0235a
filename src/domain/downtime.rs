//! The clock of outages: it runs while the uplink is down, and others stand still by it.
//!
//! One reading of it in each [`Stamp`](super::Stamp) is enough to tell how much of the time since then
//! does not count, so an outage is one write however many guests are online.
//! Never: finds out whether the uplink is down. Neighbour: `entitlement.rs`.

use std::time::Duration;

use super::{Boot, Now, Uplink, UplinkState};

/// How long the uplink was down in this boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Downtime {
    pub state: UplinkState,
    /// Until `state.since`.
    pub before: Duration,
}

impl Downtime {
    /// A boot of which nothing is known yet.
    pub(super) fn unknown(now: Boot) -> Self {
        Self { state: UplinkState { uplink: Uplink::Unknown, since: now }, before: Duration::ZERO }
    }

    /// How long until `now`.
    pub fn until(self, now: Boot) -> Duration {
        match self.state.uplink {
            Uplink::Down => self.before + now.since(self.state.since),
            Uplink::Up | Uplink::Unknown => self.before,
        }
    }

    /// What is known after `to` was reported; `None` if that is no news. An outage began when its evidence
    /// says, but not before the last change. It ends when it is told: what a guest read to be paused is
    /// never charged afterwards.
    pub(super) fn after(self, to: UplinkState, now: Boot) -> Option<Self> {
        let since = match (self.state.uplink, to.uplink) {
            (Uplink::Down, Uplink::Up | Uplink::Unknown) => now,
            (Uplink::Up | Uplink::Unknown, Uplink::Up | Uplink::Down | Uplink::Unknown)
            | (Uplink::Down, Uplink::Down) => to.since.min(now).max(self.state.since),
        };
        let state = UplinkState { uplink: to.uplink, since };
        (to.uplink != self.state.uplink).then(|| Self { state, before: self.until(since) })
    }
}

/// One reading of all clocks that an entitlement goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub now: Now,
    pub uplink: Uplink,
    /// How long the uplink was down in this boot.
    pub downtime: Duration,
}

/// In a boot that knows of no outage.
impl From<Now> for Moment {
    fn from(now: Now) -> Self {
        Self { now, uplink: Uplink::Unknown, downtime: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(s: u64) -> Boot {
        Boot::from_millis(s * 1000)
    }

    const fn state(uplink: Uplink, s: u64) -> UplinkState {
        UplinkState { uplink, since: at(s) }
    }

    fn seconds(clock: Downtime, s: u64) -> u64 {
        clock.until(at(s)).as_secs()
    }

    #[test]
    fn it_runs_while_the_uplink_is_down() {
        let up = Downtime::unknown(at(5)).after(state(Uplink::Up, 10), at(12)).unwrap();
        assert_eq!(seconds(up, 90), 0);
        let down = up.after(state(Uplink::Down, 90), at(100)).unwrap();
        assert_eq!((seconds(down, 90), seconds(down, 100), seconds(down, 130)), (0, 10, 40));
        let unknown = down.after(state(Uplink::Unknown, 120), at(130)).unwrap();
        assert_eq!(unknown.state, state(Uplink::Unknown, 130), "what was told to be paused stays so");
        assert_eq!((seconds(unknown, 130), seconds(unknown, 500)), (40, 40));
        assert_eq!(unknown.after(state(Uplink::Unknown, 400), at(500)), None);
    }

    #[test]
    fn an_outage_begins_neither_before_the_last_change_nor_in_the_future() {
        let up = Downtime::unknown(at(5)).after(state(Uplink::Up, 50), at(52)).unwrap();
        let early = up.after(state(Uplink::Down, 3), at(60)).unwrap();
        let late = up.after(state(Uplink::Down, 90), at(60)).unwrap();
        assert_eq!((early.state.since, late.state.since), (at(50), at(60)));
        assert_eq!((seconds(early, 60), seconds(late, 60)), (10, 0));
    }
}

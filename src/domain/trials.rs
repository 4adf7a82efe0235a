//! Who had a free trial of late: one device has one a day.
//!
//! Owns: that memory, for a day or so, and how many trials begin in a minute. Never: what a trial is, which
//! is a plan, or its time, which is an entitlement like any other. Neighbours: `gate/trial.rs` decides.
//!
//! The day is counted on CLOCK_BOOTTIME. A start knows how much of it is over only of trials that a trusted
//! clock has dated: those from before the floor. For any other one the day begins anew, so that nobody gains
//! a trial by the power; when the clock is trusted it is dated by what was counted since.

use std::sync::Arc;
use std::time::Duration;

use super::{Boot, EntitlementId, Mac, Now, Trust, Wall};
use crate::ordered::OrdMap;

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The wall has whole seconds: a date that is off by less is right.
const ROUNDING: Duration = Duration::from_secs(2);
/// Devices remembered. A day with more trials forgets the oldest: addresses of devices are free anyway.
const REMEMBERED: usize = 8192;

/// A trial that was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Had {
    trial: EntitlementId,
    opened: Wall,
    /// When a day is over by CLOCK_BOOTTIME.
    until: Boot,
    /// Whether a trusted clock has told when it was opened.
    is_dated: bool,
}

impl Had {
    /// How long until the device may have another one; `None`: it may.
    fn wait(&self, now: Now) -> Option<Duration> {
        let by_boot = self.until.since(now.boot);
        let by_wall = A_DAY.saturating_sub(now.wall.since(self.opened));
        let wait = match (self.is_dated, now.trust) {
            (true, Trust::Trusted) => by_boot.min(by_wall),
            (true, Trust::Floor) | (false, Trust::Trusted | Trust::Floor) => by_boot,
        };
        Some(wait).filter(|wait| !wait.is_zero())
    }

    /// When it was opened, by a trusted clock and what was counted; `None` if that is known.
    fn dating(&self, now: Now) -> Option<Wall> {
        let over = A_DAY.saturating_sub(self.until.since(now.boot));
        let seconds = i64::try_from(over.as_secs()).unwrap_or(0);
        let opened = Wall::from_secs(now.wall.as_secs().saturating_sub(seconds));
        let off = opened.since(self.opened).max(self.opened.since(opened));
        (!self.is_dated && off > ROUNDING).then_some(opened)
    }
}

/// Who had one, as one moment shows it: shared, never changed.
#[derive(Clone, Debug, Default)]
pub struct TrialsHad(Arc<OrdMap<Mac, Had>>);

impl TrialsHad {
    /// How long until `mac` may have another one; `None`: it may.
    pub fn wait(&self, mac: Mac, now: Now) -> Option<Duration> {
        self.0.get(&mac)?.wait(now)
    }
}

#[cfg(test)]
impl TrialsHad {
    /// These devices had one just now, for tests of rooms that only look.
    pub(crate) fn of(devices: &[Mac]) -> Self {
        let had = Had {
            trial: EntitlementId(1),
            opened: Wall::from_secs(0),
            until: Boot::from_millis(u64::MAX),
            is_dated: false,
        };
        Self(Arc::new(devices.iter().map(|mac| (*mac, had)).collect()))
    }
}

/// All trials of late; what was changed can be taken back until it is settled.
#[derive(Clone, Debug, Default)]
pub(super) struct Trials {
    had: TrialsHad,
    settled: TrialsHad,
    /// When as many may begin again as in a minute.
    full_again: Boot,
}

impl Trials {
    /// As the store remembers them.
    pub(super) fn restored(had: Vec<(Mac, EntitlementId, Wall)>, floor: Wall, now: Now) -> Self {
        let mut trials = Self::default();
        for (mac, trial, opened) in had {
            let is_dated = opened < floor;
            let over = if is_dated { now.wall.since(opened) } else { Duration::ZERO };
            let until = now.boot.plus(A_DAY.saturating_sub(over));
            trials.put(mac, Had { trial, opened, until, is_dated }, now.boot);
        }
        trials.settle();
        trials
    }

    /// `mac` has `trial` from now on.
    pub(super) fn begin(&mut self, mac: Mac, trial: EntitlementId, opened: Wall, now: Boot) {
        self.put(mac, Had { trial, opened, until: now.plus(A_DAY), is_dated: false }, now);
    }

    pub(super) fn had(&self) -> TrialsHad {
        self.had.clone()
    }

    /// How long nobody may begin one, if no more than `a_minute` may in a minute.
    pub(super) fn pace(&self, a_minute: u32, now: Boot) -> Option<Duration> {
        let room = apart(a_minute) * a_minute.saturating_sub(1);
        Some(self.full_again.since(now.plus(room))).filter(|wait| !wait.is_zero())
    }

    /// Counts one that begins, stored or not.
    pub(super) fn paced(&mut self, a_minute: u32, now: Boot) {
        self.full_again = self.full_again.max(now).plus(apart(a_minute));
    }

    /// What a trusted clock says of those that were not dated.
    pub(super) fn datings(&self, now: Now) -> impl Iterator<Item = (EntitlementId, Wall)> {
        self.had.0.values().filter_map(move |had| Some((had.trial, had.dating(now)?)))
    }

    /// … of those that look older than `wall`.
    pub(super) fn datings_before(&self, wall: Wall, now: Now) -> impl Iterator<Item = (EntitlementId, Wall)> {
        let older = self.had.0.values().filter(move |had| had.opened < wall);
        older.filter_map(move |had| Some((had.trial, had.dating(now)?)))
    }

    pub(super) fn dated(&mut self, trial: EntitlementId, opened: Wall) {
        self.change(|had| {
            if had.trial == trial {
                (had.opened, had.is_dated) = (opened, true);
            }
        });
    }

    /// A trusted clock has reached `floor`.
    pub(super) fn floor_raised(&mut self, floor: Wall) {
        if self.had.0.values().any(|had| !had.is_dated && had.opened < floor) {
            self.change(|had| had.is_dated |= had.opened < floor);
        }
    }

    /// The clock that dated them may have been wrong.
    pub(super) fn floor_reset(&mut self, floor: Wall) {
        self.change(|had| had.is_dated &= had.opened < floor);
    }

    pub(super) fn settle(&mut self) {
        self.settled = self.had.clone();
    }

    pub(super) fn revert(&mut self) {
        self.had = self.settled.clone();
    }

    fn put(&mut self, mac: Mac, had: Had, now: Boot) {
        let all = Arc::make_mut(&mut self.had.0);
        if all.len() >= REMEMBERED {
            all.retain(|_, had| now < had.until);
        }
        let nearest = all.iter().min_by_key(|(_, had)| had.until).map(|(mac, _)| *mac);
        if let Some(nearest) = nearest.filter(|_| all.len() >= REMEMBERED) {
            all.remove(&nearest);
        }
        all.insert(mac, had);
    }

    fn change(&mut self, with: impl FnMut(&mut Had)) {
        Arc::make_mut(&mut self.had.0).values_mut().for_each(with);
    }
}

/// How far apart they begin if there are so many in a minute.
fn apart(a_minute: u32) -> Duration {
    Duration::from_secs(60) / a_minute.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn device(n: u16) -> Mac {
        let [high, low] = n.to_be_bytes();
        Mac::new([2, 0, 0, 0, high, low])
    }

    #[test]
    fn a_minute_has_so_many_and_no_more() {
        let mut trials = Trials::default();
        let mut begun = Vec::new();
        for second in 0..120 {
            let now = Boot::from_millis(second * 1000);
            while trials.pace(6, now).is_none() {
                trials.paced(6, now);
                begun.push(second);
            }
        }
        assert_eq!(begun[..7], [0, 0, 0, 0, 0, 0, 10]);
        assert_eq!(begun.len(), 6 + 11);
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest() {
        let mut trials = Trials::default();
        for n in 0..=u16::try_from(REMEMBERED).unwrap() {
            let now = Boot::from_millis(u64::from(n));
            trials.begin(device(n), EntitlementId(1), Wall::from_secs(0), now);
        }
        let now = Now { boot: Boot::from_millis(9000), wall: Wall::from_secs(0), trust: Trust::Floor };
        assert_eq!(trials.had.0.len(), REMEMBERED);
        assert_eq!(trials.had().wait(device(0), now), None);
        assert!(trials.had().wait(device(1), now).is_some());
    }
}

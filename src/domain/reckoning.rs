//! What time it is, by what the sources say of it: whom to believe, and how far.
//!
//! Owns: the wall as an offset to CLOCK_BOOTTIME, the anchor of trust, the latest claim of each source.
//! Never: reads a clock, or asks a source. Neighbours: `time.rs` has the words, `crate::clock` the clocks.
//!
//! The wall only goes forward, or a code that is over would come to life again. Without trust it is a lower
//! bound, so a source that is ahead is believed at once, and one that is behind never. Once won, trust stays
//! for the boot: CLOCK_BOOTTIME drifts by less than [`DRIFT`], which is under nine minutes in a month without
//! any source, and whatever drift can explain is followed. Beyond that, two sources have to say the same.

use std::time::Duration;

use super::{Boot, Now, Trust, Wall};

/// A claim that is off by more than this, and by more than drift explains, is not believed alone.
const BELIEVABLE_STEP: Duration = Duration::from_secs(10 * 60);
/// CLOCK_BOOTTIME is off by less than one part in so many: 200 ppm, twice what cheap crystals are.
const DRIFT: u32 = 5000;
/// Claims have whole seconds: only more than one is worth following.
const WORTH_FOLLOWING: Duration = Duration::from_secs(1);

/// Who knows the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// The kernel's clock, while something disciplines it.
    Ntp,
    /// A page of the cloud that is signed or came over verified TLS.
    Cloud,
}

impl TimeSource {
    const ALL: [Self; 2] = [Self::Ntp, Self::Cloud];

    /// The word of the interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ntp => "ntp",
            Self::Cloud => "cloud",
        }
    }
}

/// What a claim came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// As before.
    Unchanged,
    /// The wall clock became trusted, or went forward by more than it should have by itself.
    Moved,
    /// The source claims a time that contradicts what is known; it is not used. Said once, until the source
    /// is believed again.
    Disbelieved { claimed: Wall },
}

/// Why the wall is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub now: Now,
    /// Who won the trust, and when; `None` without trust.
    pub source: Option<(TimeSource, Wall)>,
    /// What the sources that are not believed say it is now.
    pub disbelieved: Vec<(TimeSource, Wall)>,
}

/// Where the wall goes by the word of an operator that it was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair {
    /// `None`: no source knows the time; then it is a lower bound.
    pub source: Option<TimeSource>,
    offset: Offset,
}

impl Repair {
    /// The wall that it leads to.
    pub fn wall(self, at: Boot) -> Wall {
        self.offset.wall(at)
    }
}

/// The wall clock, reckoned from CLOCK_BOOTTIME.
#[derive(Clone, Copy, Debug)]
pub struct Reckoning {
    offset: Offset,
    /// Without one the wall is a lower bound.
    anchor: Option<Anchor>,
    ntp: Option<Claim>,
    cloud: Option<Claim>,
}

/// What was trusted, and since when: later claims of one source are held against it, not against the last
/// of them, or many small steps would lead anywhere.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    source: TimeSource,
    offset: Offset,
    at: Boot,
}

/// The last word of a source.
#[derive(Clone, Copy, Debug)]
struct Claim {
    offset: Offset,
    at: Boot,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Believed,
    Disbelieved,
}

impl Reckoning {
    /// A wall that is known to be `floor` or later.
    pub fn new(floor: Wall, now: Boot) -> Self {
        Self { offset: Offset::of(floor, now), anchor: None, ntp: None, cloud: None }
    }

    /// Both clocks at `boot`.
    pub fn now(&self, boot: Boot) -> Now {
        let trust = if self.anchor.is_some() { Trust::Trusted } else { Trust::Floor };
        Now { boot, wall: self.offset.wall(boot), trust }
    }

    /// Raises the wall to `floor` if it is below; a trusted wall is left alone.
    pub fn not_before(&mut self, floor: Wall, now: Boot) {
        if self.anchor.is_none() {
            self.offset = self.offset.max(Offset::of(floor, now));
        }
    }

    /// `source` says that it is `wall`. Follows it if it can be believed.
    pub fn told(&mut self, source: TimeSource, wall: Wall, now: Boot) -> Refreshed {
        let (claimed, was) = (Offset::of(wall, now), self.now(now));
        let before = self.claim(source).map(|claim| claim.verdict);
        let verdict = self.weigh(source, claimed, now);
        self.remember(source, Claim { offset: claimed, at: now, verdict });
        let is = self.now(now);
        if verdict == Verdict::Disbelieved && before != Some(Verdict::Disbelieved) {
            Refreshed::Disbelieved { claimed: wall }
        } else if is.trust != was.trust || is.wall != was.wall {
            Refreshed::Moved
        } else {
            Refreshed::Unchanged
        }
    }

    /// `source` says nothing now, so what it said is no longer held for or against anybody.
    pub fn silent(&mut self, source: TimeSource) {
        match source {
            TimeSource::Ntp => self.ntp = None,
            TimeSource::Cloud => self.cloud = None,
        }
    }

    /// Whom to believe, and what they say.
    pub fn standing(&self, boot: Boot) -> Standing {
        let disbelieved = TimeSource::ALL.into_iter().filter_map(|source| {
            let claim = self.claim(source).filter(|claim| claim.verdict == Verdict::Disbelieved)?;
            Some((source, claim.offset.wall(boot)))
        });
        Standing {
            now: self.now(boot),
            source: self.anchor.map(|anchor| (anchor.source, self.offset.wall(anchor.at))),
            disbelieved: disbelieved.collect(),
        }
    }

    /// Where the wall belongs if what is known of it is wrong: where the cloud says, whose word is verified,
    /// or else where NTP says *now*; or else at `floor`. NTP may be what was wrong and is mended, so what it
    /// said earlier counts for nothing.
    pub fn repair(&self, ntp: Option<Wall>, floor: Wall, now: Boot) -> Repair {
        let cloud = self.cloud.map(|claim| (TimeSource::Cloud, claim.offset));
        let ntp = ntp.map(|wall| (TimeSource::Ntp, Offset::of(wall, now)));
        match cloud.or(ntp) {
            Some((source, offset)) => Repair { source: Some(source), offset },
            None => Repair { source: None, offset: Offset::of(floor, now) },
        }
    }

    /// Does it: the only way by which the wall goes back.
    pub fn mend(&mut self, repair: Repair, now: Boot) {
        let Repair { source, offset } = repair;
        *self = Self {
            offset,
            anchor: source.map(|source| Anchor { source, offset, at: now }),
            ntp: None,
            cloud: self.cloud.map(|claim| Claim { verdict: Verdict::Believed, ..claim }),
        };
    }

    /// Whether to believe `claimed`; the wall follows what is believed.
    fn weigh(&mut self, source: TimeSource, claimed: Offset, now: Boot) -> Verdict {
        let Some(anchor) = self.anchor else {
            if self.offset.ahead_of(claimed) > BELIEVABLE_STEP {
                return Verdict::Disbelieved;
            }
            self.follow(claimed);
            self.anchor = Some(Anchor { source, offset: self.offset, at: now });
            return Verdict::Believed;
        };
        let slack = slack(now.since(anchor.at));
        if self.offset.ahead_of(claimed) > slack {
            return Verdict::Disbelieved;
        }
        if claimed.ahead_of(anchor.offset) <= slack {
            self.follow(claimed);
            return Verdict::Believed;
        }
        let Some(seconded) = self.seconded(source, claimed, now) else { return Verdict::Disbelieved };
        self.follow(seconded);
        self.anchor = Some(Anchor { source, offset: self.offset, at: now });
        Verdict::Believed
    }

    /// What both sources say at least, if the other one has said about the same.
    fn seconded(&mut self, source: TimeSource, claimed: Offset, now: Boot) -> Option<Offset> {
        let other = match source {
            TimeSource::Ntp => TimeSource::Cloud,
            TimeSource::Cloud => TimeSource::Ntp,
        };
        let claim = self.claim(other)?;
        let apart = claimed.ahead_of(claim.offset).max(claim.offset.ahead_of(claimed));
        if apart > slack(now.since(claim.at)) {
            return None;
        }
        self.remember(other, Claim { verdict: Verdict::Believed, ..claim });
        Some(claimed.min(claim.offset))
    }

    fn follow(&mut self, claimed: Offset) {
        if claimed.ahead_of(self.offset) > WORTH_FOLLOWING {
            self.offset = claimed;
        }
    }

    fn claim(&self, of: TimeSource) -> Option<Claim> {
        match of {
            TimeSource::Ntp => self.ntp,
            TimeSource::Cloud => self.cloud,
        }
    }

    fn remember(&mut self, of: TimeSource, claim: Claim) {
        match of {
            TimeSource::Ntp => self.ntp = Some(claim),
            TimeSource::Cloud => self.cloud = Some(claim),
        }
    }
}

/// How far claims may be apart that are `age` apart.
fn slack(age: Duration) -> Duration {
    BELIEVABLE_STEP + age / DRIFT
}

/// The wall minus CLOCK_BOOTTIME, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Offset(i64);

impl Offset {
    fn of(wall: Wall, boot: Boot) -> Self {
        Self(wall.as_secs().saturating_mul(1000).saturating_sub(signed(boot)))
    }

    fn wall(self, boot: Boot) -> Wall {
        Wall::from_secs(self.0.saturating_add(signed(boot)).div_euclid(1000))
    }

    /// Zero if it is not ahead.
    fn ahead_of(self, other: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(other.0)).unwrap_or(0))
    }
}

fn signed(boot: Boot) -> i64 {
    i64::try_from(boot.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

//! How long what is kept, and what of it is over.
//!
//! Owns: from when on something is too old, by a clock that is trusted; without one, how much there may be. Never:
//! looks at rows, that is the store's; `gate/retention.rs` says what is written of a purge.
//!
//! What still has something left is never too old, nor is what the cloud has not heard yet. What was bought goes with
//! its last session: of a code there stays that it is used up.

use std::time::Duration;

use super::{End, EntitlementId, Now, ReferenceKey, SessionId, Trust, Wall};

/// Sessions that are over, at most, as long as nobody knows how old they are.
const SESSIONS_AT_MOST: u64 = 50_000;
/// Rows of the trail, at most, as long as nobody knows how old they are.
const TRAIL_AT_MOST: u64 = 20_000;
/// Rows of each class that go at once: guests wait for no more than that.
const AT_ONCE: u64 = 64;
const SELDOM: Duration = Duration::from_secs(20 * 60 * 60);
const OFTEN: Duration = Duration::from_secs(60 * 60);

/// How long what is kept, as the operator wants it and the law allows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Sessions after their end, and with the last of them what was bought.
    pub sessions: Duration,
    /// Rows of the trail.
    pub trail: Duration,
    pub minimum: Minimum,
}

/// Whether a law wants records, for however long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Minimum {
    None,
    OfLaw,
}

impl Keeping {
    /// What is over at `now`, and claims kept that long; `None`: nothing can be told to be.
    pub fn bound(&self, claims: Duration, now: Now) -> Option<Bound> {
        let before = |kept: Duration| Wall::from_secs(now.wall.as_secs().saturating_sub(seconds(kept)));
        let limit = match (now.trust, self.minimum) {
            (Trust::Trusted, _) => Limit::Age {
                sessions: before(self.sessions),
                trail: before(self.trail),
                claims: before(claims),
            },
            // It may be younger than the law wants.
            (Trust::Floor, Minimum::OfLaw) => return None,
            (Trust::Floor, Minimum::None) => {
                Limit::Count { sessions: SESSIONS_AT_MOST, trail: TRAIL_AT_MOST }
            }
        };
        Some(Bound { limit, at_once: AT_ONCE })
    }

    /// How far apart two purges are: each has the files of the store written.
    pub fn apart(&self) -> Duration {
        (self.sessions.min(self.trail) / 4).clamp(OFTEN, SELDOM)
    }
}

/// What is over, and how much of it may go at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    pub limit: Limit,
    /// Rows of each class.
    pub at_once: u64,
}

/// What is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Sessions that ended before that, rows of the trail from before that, claims that nobody can read.
    Age { sessions: Wall, trail: Wall, claims: Wall },
    /// The oldest beyond that many.
    Count { sessions: u64, trail: u64 },
}

/// What is over and goes now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overdue {
    pub sessions: Vec<SessionId>,
    /// What has ended, and has no session that stays.
    pub purchases: Vec<EntitlementId>,
    pub trail: Option<OldTrail>,
    /// Of which nobody can tell whose they are, so the Gate does not know them.
    pub claims: Vec<ReferenceKey>,
}

/// The oldest part of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldTrail {
    pub rows: u64,
    /// Its last row: the one before the first that stays.
    pub until: End,
}

impl Overdue {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        let Self { sessions, purchases, trail, claims } = self;
        sessions.is_empty() && purchases.is_empty() && trail.is_none() && claims.is_empty()
    }

    /// What the trail says of it.
    pub(super) fn about(&self) -> String {
        let trail = self.trail.as_ref().map_or(0, |old| old.rows);
        let (sessions, purchases, claims) = (self.sessions.len(), self.purchases.len(), self.claims.len());
        let claims = if claims == 0 { String::new() } else { format!(", {claims} claims") };
        format!("{sessions} sessions, {purchases} purchases, {trail} rows of the trail{claims}")
    }
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Boot;

    const DAY: Duration = Duration::from_secs(86_400);

    fn keeping(minimum: Minimum) -> Keeping {
        Keeping { sessions: 90 * DAY, trail: 365 * DAY, minimum }
    }

    fn now(trust: Trust) -> Now {
        Now { boot: Boot::from_millis(1), wall: Wall::from_secs(1_800_000_000), trust }
    }

    #[test]
    fn age_is_told_by_a_trusted_clock_only() {
        for minimum in [Minimum::None, Minimum::OfLaw] {
            let bound = keeping(minimum).bound(DAY, now(Trust::Trusted)).unwrap();
            let days = |days: i64| Wall::from_secs(1_800_000_000 - days * 86_400);
            assert_eq!(bound.limit, Limit::Age { sessions: days(90), trail: days(365), claims: days(1) });
        }
        let bound = keeping(Minimum::None).bound(DAY, now(Trust::Floor)).unwrap();
        assert_eq!(bound.limit, Limit::Count { sessions: 50_000, trail: 20_000 });
        assert_eq!(keeping(Minimum::OfLaw).bound(DAY, now(Trust::Floor)), None, "nobody knows how old it is");
    }

    #[test]
    fn purges_are_a_day_apart_but_where_little_is_kept() {
        let apart = |sessions| Keeping { sessions, ..keeping(Minimum::None) }.apart();
        assert_eq!(apart(90 * DAY), SELDOM);
        assert_eq!(apart(DAY), DAY / 4);
        assert_eq!(apart(Duration::from_secs(60)), OFTEN);
    }
}

//! What was bought, and what is left of it.
//!
//! An entitlement has two clocks, either, both or none: *metered* time runs while a device is online,
//! *validity* runs from first use on. Both are counted on CLOCK_BOOTTIME, so no step of the wall clock
//! ends or prolongs them. Only the gap while the gateway was off needs the wall clock: it is charged to
//! validity once that clock is trusted, against `expires`.
//!
//! What is left belongs to the entitlement, never to a session or a device.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{BatchId, Boot, Bytes, CodeKey, EntitlementId, Hint, Mac, Now, Plan, PlanId, Terms, Trust, Wall};

/// Added before [`Wall::plus`] drops the fraction of a second, so that it rounds up.
const ALMOST_A_SECOND: Duration = Duration::from_millis(999);

/// How an entitlement came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Voucher,
    Payment,
    Manual,
    Trial,
    Cloud,
}

impl Origin {
    /// The word of the interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Voucher => "voucher",
            Self::Payment => "payment",
            Self::Manual => "manual",
            Self::Trial => "trial",
            Self::Cloud => "cloud",
        }
    }
}

/// How an entitlement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Spent,
    Expired,
    Revoked,
}

/// The meters of an entitlement at one moment: what a checkpoint writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub entitlement: EntitlementId,
    /// When, on CLOCK_BOOTTIME of the boot that the store names.
    pub at: Boot,
    /// Metered time used until then.
    pub used: Duration,
    /// Validity left then.
    pub validity_left: Option<Duration>,
    /// The wall time at which validity ends, once a trusted clock could tell.
    pub expires: Option<Wall>,
    pub bytes_up: Bytes,
    pub bytes_down: Bytes,
}

/// Something bought that has, or had, something left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    pub id: EntitlementId,
    pub origin: Origin,
    pub plan: PlanId,
    /// As they were at the sale. A later change of the plan does not touch them.
    pub terms: Terms,
    /// The code that opened it.
    pub code: Option<CodeKey>,
    pub hint: Hint,
    pub batch: Option<BatchId>,
    pub opened: Wall,
    /// Devices that ever used it; kept only where the plan bounds them.
    pub bound: BTreeSet<Mac>,
    /// Sessions open now: metered time runs while there is one.
    pub online: u16,
    pub(super) stamp: Stamp,
}

impl Entitlement {
    /// A new entitlement to what `plan` promises, with nothing used.
    pub fn of(id: EntitlementId, origin: Origin, plan: &Plan, now: Now) -> Self {
        let terms = plan.terms.clone();
        let stamp = Stamp {
            entitlement: id,
            at: now.boot,
            used: Duration::ZERO,
            validity_left: terms.validity,
            expires: None,
            bytes_up: Bytes(0),
            bytes_down: Bytes(0),
        };
        let mut new = Self {
            id,
            origin,
            plan: plan.id.clone(),
            terms,
            code: None,
            hint: Hint::default(),
            batch: None,
            opened: now.wall,
            bound: BTreeSet::new(),
            online: 0,
            stamp,
        };
        new.stamp = new.stamp_at(now);
        new
    }

    /// An entitlement as the store kept it.
    #[must_use]
    pub fn with_stamp(mut self, stamp: Stamp) -> Self {
        self.stamp = stamp;
        self
    }

    /// The meters as last written down.
    pub fn last_stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The meters now. With a trusted clock, validity gets its end on the wall, and a gap while the
    /// gateway was off is charged; nothing ever makes validity longer than CLOCK_BOOTTIME allows.
    pub fn stamp_at(&self, now: Now) -> Stamp {
        let elapsed = now.boot.since(self.stamp.at);
        let used = if self.online > 0 { self.stamp.used + elapsed } else { self.stamp.used };
        let mut validity_left = self.stamp.validity_left.map(|left| left.saturating_sub(elapsed));
        let mut expires = self.stamp.expires;
        if let (Some(left), Trust::Trusted) = (&mut validity_left, now.trust) {
            let end = *expires.get_or_insert(now.wall.plus(*left + ALMOST_A_SECOND));
            let by_wall = end.since(now.wall);
            // `now.wall` is rounded down and `end` up: less than a second apart is no gap, and without one
            // they never come further apart.
            if by_wall + Duration::from_secs(1) <= *left {
                *left = by_wall;
            }
        }
        Stamp { at: now.boot, used, validity_left, expires, ..self.stamp.clone() }
    }

    /// Metered time left; `None` if time online is not counted.
    pub fn metered_left(&self, now: Now) -> Option<Duration> {
        self.terms.metered.map(|metered| metered.saturating_sub(self.stamp_at(now).used))
    }

    /// Validity left; `None` if there is no end to it.
    pub fn validity_left(&self, now: Now) -> Option<Duration> {
        self.stamp_at(now).validity_left
    }

    /// Time left to a device that is online: the lesser of both clocks.
    pub fn time_left(&self, now: Now) -> Option<Duration> {
        [self.metered_left(now), self.validity_left(now)].into_iter().flatten().min()
    }

    /// All there was of the clock that has least left, to show the rest against.
    pub fn whole_of_what_ends_first(&self, now: Now) -> Option<Duration> {
        let metered = self.metered_left(now).zip(self.terms.metered);
        let validity = self.validity_left(now).zip(self.terms.validity);
        metered.into_iter().chain(validity).min().map(|(_, whole)| whole)
    }

    /// Data left, both directions together; `None` if it is not capped.
    pub fn data_left(&self) -> Option<Bytes> {
        let (up, down) = (self.stamp.bytes_up.0, self.stamp.bytes_down.0);
        let cap = self.terms.data;
        [
            cap.total.map(|cap| cap.0.saturating_sub(up.saturating_add(down))),
            cap.up.map(|cap| cap.0.saturating_sub(up)),
            cap.down.map(|cap| cap.0.saturating_sub(down)),
        ]
        .into_iter()
        .flatten()
        .min()
        .map(Bytes)
    }

    /// Whether it is over, and how.
    pub fn ending(&self, now: Now) -> Option<Ending> {
        if self.metered_left(now) == Some(Duration::ZERO) || self.data_left() == Some(Bytes(0)) {
            Some(Ending::Spent)
        } else if self.validity_left(now) == Some(Duration::ZERO) {
            Some(Ending::Expired)
        } else {
            None
        }
    }

    /// The moment at which time alone ends it, if nothing changes until then; `now` if it is over.
    pub fn ends(&self, now: Now) -> Option<Boot> {
        if self.ending(now).is_some() {
            return Some(now.boot);
        }
        let metered = self.metered_left(now).filter(|_| self.online > 0);
        [metered, self.validity_left(now)].into_iter().flatten().min().map(|left| now.boot.plus(left))
    }
}

//! What was bought, and what is left of it.
//!
//! An entitlement has two clocks, either, both or none: *metered* time runs while a device is online,
//! *validity* runs from first use on. Both are counted on CLOCK_BOOTTIME, so no step of the wall clock
//! ends or prolongs them. Only the gap while the gateway was off needs the wall clock: it is charged to
//! validity once that clock is trusted, against `expires`. While the uplink is down metered time stands
//! still, unless the plan says otherwise; validity never does.
//!
//! What is left belongs to the entitlement, never to a session or a device.

use std::time::Duration;

use super::{
    BatchId, Boot, Bytes, CodeKey, EntitlementId, Hint, Mac, Moment, Plan, PlanId, Terms, Traffic, Trust,
    Uplink, Wall,
};
use crate::ordered::OrdSet;

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
    /// How long the uplink had been down in that boot.
    pub downtime: Duration,
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
    /// Devices that ever used it; kept only where the plan bounds them, or they are its owners.
    pub bound: OrdSet<Mac>,
    /// Sessions open now: metered time runs while there is one.
    pub online: u16,
    /// The meters as last written down.
    stamp: Stamp,
    /// The bytes of all its sessions, written down or not.
    spent: Traffic,
    /// Since when it is in use without a break.
    running_since: Boot,
}

/// Whether metered time goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clockwork {
    Runs,
    /// The uplink is down: it stands still, with so much left.
    Paused {
        metered_left: Duration,
    },
}

impl Entitlement {
    /// A new entitlement to what `plan` promises, with nothing used.
    pub fn of(id: EntitlementId, origin: Origin, plan: &Plan, moment: Moment) -> Self {
        let terms = plan.terms.clone();
        let stamp = Stamp {
            entitlement: id,
            at: moment.now.boot,
            downtime: moment.downtime,
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
            opened: moment.now.wall,
            bound: OrdSet::new(),
            online: 0,
            spent: Traffic::default(),
            running_since: stamp.at,
            stamp,
        };
        new.stamp = new.stamp_at(moment);
        new
    }

    /// An entitlement as the store kept it.
    #[must_use]
    pub fn with_stamp(mut self, stamp: Stamp) -> Self {
        self.spent = Traffic { up: stamp.bytes_up, down: stamp.bytes_down };
        self.running_since = stamp.at;
        self.stamp = stamp;
        self
    }

    /// The meters as last written down.
    pub fn last_stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The meters now. With a trusted clock, validity gets its end on the wall, and a gap while the
    /// gateway was off is charged; nothing ever makes validity longer than CLOCK_BOOTTIME allows.
    pub fn stamp_at(&self, moment: Moment) -> Stamp {
        let now = moment.now;
        let elapsed = now.boot.since(self.stamp.at);
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
        Stamp {
            entitlement: self.id,
            at: now.boot,
            downtime: moment.downtime,
            used: self.stamp.used + self.ran(moment),
            validity_left,
            expires,
            bytes_up: self.spent.up,
            bytes_down: self.spent.down,
        }
    }

    /// Metered time since the last stamp.
    fn ran(&self, moment: Moment) -> Duration {
        let elapsed = moment.now.boot.since(self.stamp.at);
        match (self.online, self.terms.count_while_uplink_down) {
            (0, _) => Duration::ZERO,
            (_, true) => elapsed,
            (_, false) => elapsed.saturating_sub(moment.downtime.saturating_sub(self.stamp.downtime)),
        }
    }

    /// The meters, now that the uplink turns out to be down since `outage`; `None` if nothing of that time
    /// was written down. What was is given back, as far as it belongs to the use that is going on.
    pub(super) fn refunded(&self, outage: Boot, moment: Moment) -> Option<Stamp> {
        let is_charged = self.online > 0 && !self.terms.count_while_uplink_down && self.stamp.at > outage;
        let charged = self.stamp.at.since(outage.max(self.running_since));
        let used = self.stamp.used.saturating_sub(charged);
        is_charged.then(|| Stamp { used, ..self.stamp_at(moment) })
    }

    /// Whether the meters have moved since they were last written down. Validity by CLOCK_BOOTTIME is no
    /// news: it follows from the last stamp and the time. Nor is time online that nothing is counted by.
    pub(super) fn has_news(&self, moment: Moment) -> bool {
        let (last, stamp) = (&self.stamp, self.stamp_at(moment));
        let by_boot = last.validity_left.map(|left| left.saturating_sub(stamp.at.since(last.at)));
        (self.terms.metered.is_some() && last.used != stamp.used)
            || (by_boot, last.expires) != (stamp.validity_left, stamp.expires)
            || (last.bytes_up, last.bytes_down) != (stamp.bytes_up, stamp.bytes_down)
    }

    /// The bytes of all its sessions.
    pub fn spent(&self) -> Traffic {
        self.spent
    }

    /// Metered time left; `None` if time online is not counted.
    pub fn metered_left(&self, moment: Moment) -> Option<Duration> {
        let used = self.stamp.used + self.ran(moment);
        self.terms.metered.map(|metered| metered.saturating_sub(used))
    }

    /// Validity left; `None` if there is no end to it.
    pub fn validity_left(&self, moment: Moment) -> Option<Duration> {
        self.stamp_at(moment).validity_left
    }

    /// Time left to a device that is online: the lesser of both clocks.
    pub fn time_left(&self, moment: Moment) -> Option<Duration> {
        [self.metered_left(moment), self.validity_left(moment)].into_iter().flatten().min()
    }

    /// All there was of the clock that has least left, to show the rest against.
    pub fn whole_of_what_ends_first(&self, moment: Moment) -> Option<Duration> {
        let metered = self.metered_left(moment).zip(self.terms.metered);
        let validity = self.validity_left(moment).zip(self.terms.validity);
        metered.into_iter().chain(validity).min().map(|(_, whole)| whole)
    }

    /// Data left, both directions together; `None` if it is not capped.
    pub fn data_left(&self) -> Option<Bytes> {
        self.terms.data.left(self.spent)
    }

    /// What is left, as the terms of something that nobody has begun.
    pub(super) fn rest(&self, moment: Moment) -> Terms {
        Terms {
            metered: self.metered_left(moment),
            validity: self.validity_left(moment),
            data: self.terms.data.less(self.spent),
            ..self.terms.clone()
        }
    }

    /// Whether it is over, and how.
    pub fn ending(&self, moment: Moment) -> Option<Ending> {
        if self.metered_left(moment) == Some(Duration::ZERO) || self.data_left() == Some(Bytes(0)) {
            Some(Ending::Spent)
        } else if self.validity_left(moment) == Some(Duration::ZERO) {
            Some(Ending::Expired)
        } else {
            None
        }
    }

    /// How long ago time ended it while the gateway was on; zero if it did not.
    pub(super) fn over_for(&self, moment: Moment) -> Duration {
        let used = self.stamp.used + self.ran(moment);
        let metered = self.terms.metered.map(|whole| used.saturating_sub(whole));
        let elapsed = moment.now.boot.since(self.stamp.at);
        let validity = self.stamp.validity_left.map(|left| elapsed.saturating_sub(left));
        metered.max(validity).unwrap_or_default()
    }

    /// Whether metered time goes on while somebody is online.
    pub fn clockwork(&self, moment: Moment) -> Clockwork {
        match (moment.uplink, self.terms.count_while_uplink_down, self.metered_left(moment)) {
            (Uplink::Down, false, Some(metered_left)) => Clockwork::Paused { metered_left },
            (Uplink::Up | Uplink::Down | Uplink::Unknown, _, _) => Clockwork::Runs,
        }
    }

    /// The moment at which time alone ends it, if nothing changes until then; `now` if it is over.
    pub fn ends(&self, moment: Moment) -> Option<Boot> {
        let now = moment.now.boot;
        if self.ending(moment).is_some() {
            return Some(now);
        }
        let runs = self.online > 0 && self.clockwork(moment) == Clockwork::Runs;
        let metered = self.metered_left(moment).filter(|_| runs);
        [metered, self.validity_left(moment)].into_iter().flatten().min().map(|left| now.plus(left))
    }

    /// Whether its device could come back to it: nothing but a session ties to a device what was
    /// opened without a code.
    pub(super) fn survives_its_sessions(&self) -> bool {
        self.code.is_some()
    }

    /// Whether who opened it has paid, or is known to who runs the hotspot: so not one that is free for all,
    /// nor one that only bridges the wait for a payment.
    pub(super) fn shows_trust(&self) -> bool {
        match self.origin {
            Origin::Voucher | Origin::Manual | Origin::Cloud => true,
            Origin::Payment => self.code.is_some(),
            Origin::Trial => false,
        }
    }

    /// Whether the devices that use it are its owners.
    pub(super) fn belongs_to_devices(&self) -> bool {
        match self.origin {
            Origin::Payment | Origin::Trial => true,
            Origin::Voucher | Origin::Manual | Origin::Cloud => false,
        }
    }

    /// More was bought: the terms grew, and what was used stays used. Validity that is left grows with them.
    pub(super) fn top_up(&mut self, terms: Terms) {
        let more = terms.validity.unwrap_or_default().saturating_sub(self.terms.validity.unwrap_or_default());
        self.stamp.validity_left = self.stamp.validity_left.map(|left| left + more);
        self.stamp.expires = self.stamp.expires.map(|end| end.plus(more + ALMOST_A_SECOND));
        self.terms = terms;
    }

    /// What was over goes on with `terms`, which have grown: as it stood at its end, whatever moment that was. Time past
    /// the end of a clock was nobody's.
    pub(super) fn resumed(mut self, terms: Terms, moment: Moment) -> Self {
        let whole = self.terms.metered.unwrap_or(Duration::MAX);
        let used = self.stamp.used.min(whole);
        self.stamp = Stamp { at: moment.now.boot, downtime: moment.downtime, used, ..self.stamp };
        (self.online, self.running_since) = (0, moment.now.boot);
        self.stamp = self.stamp_at(moment);
        if self.stamp.validity_left == Some(Duration::ZERO) {
            self.stamp.expires = None;
        }
        self.top_up(terms);
        self.stamp = self.stamp_at(moment);
        self
    }

    pub(super) fn set_stamp(&mut self, stamp: Stamp) {
        self.stamp = stamp;
    }

    /// The wall clock was wrong, and so is the end it told. What it took is not given back.
    pub(super) fn forget_wall(&mut self) {
        self.stamp.expires = None;
    }

    /// A new boot: CLOCK_BOOTTIME began again, and so did the clock of outages. The last boot is known to
    /// have gone on until `reached`.
    pub(super) fn redate(&mut self, reached: Boot, now: Boot) {
        let ran = reached.since(self.stamp.at);
        self.stamp.validity_left = self.stamp.validity_left.map(|left| left.saturating_sub(ran));
        (self.stamp.at, self.stamp.downtime, self.running_since) = (now, Duration::ZERO, now);
    }

    /// One more device is online with it.
    pub(super) fn joined(&mut self, now: Boot) {
        if self.online == 0 {
            self.running_since = now;
        }
        self.online = self.online.saturating_add(1);
    }

    /// One device less.
    pub(super) fn left(&mut self) {
        self.online = self.online.saturating_sub(1);
    }

    /// Its sessions have used so much more.
    pub(super) fn counted(&mut self, more: Traffic) {
        self.spent = self.spent.plus(more);
    }
}

//! Two purchases of one person become one.
//!
//! Owns: which two may, and which devices stay online. Never: changes the Gate; `apply.rs` does. Neighbours:
//! `redeem.rs` adds what nobody has begun, `orders.rs` what operators add.
//!
//! Left afterwards is what was left of both, to the millisecond and the byte, and the codes of both lead to it. Whoever
//! is online with the one that is no more goes on with the other one, as far as there are places; who came first has
//! the first.

use super::ask::close;
use super::orders::hindered;
use super::{Closing, Decision, Effect, Ending, Entitlement, EntitlementId, Gate, Moment, Record, Reply};
use crate::domain::Hindrance;

impl Gate {
    pub(super) fn merge(&self, kept: EntitlementId, other: EntitlementId, moment: Moment) -> Decision {
        if kept == other {
            return hindered(Hindrance::OneAlready(kept));
        }
        let both = self.not_over(kept, moment).and_then(|kept| Ok((kept, self.not_over(other, moment)?)));
        match both.and_then(|(kept, other)| Ok((self.sum_of(kept, other, moment)?, other))) {
            Ok((sum, other)) => self.make_one(&sum, other, moment),
            Err(why) => hindered(why),
        }
    }

    /// `kept` as it is with `other`.
    fn sum_of(
        &self,
        kept: &Entitlement,
        other: &Entitlement,
        moment: Moment,
    ) -> Result<Entitlement, Hindrance> {
        if let Some(unpaid) = [kept, other].into_iter().find(|one| !one.shows_trust()) {
            return Err(Hindrance::Unpaid(unpaid.id));
        }
        if kept.plan != other.plan {
            return Err(Hindrance::OtherPlan(Box::new((kept.plan.clone(), other.plan.clone()))));
        }
        if other.survives_its_sessions() && !kept.survives_its_sessions() {
            return Err(Hindrance::NoCode);
        }
        let mut sum = kept.clone();
        sum.terms = kept.terms.with_rest(&other.rest(moment))?;
        sum.bound.extend(other.bound.iter().copied());
        let most = usize::from(sum.terms.bound_devices);
        if most > 0 && sum.bound.len() > most {
            return Err(Hindrance::TooManyDevices);
        }
        Ok(sum)
    }

    fn make_one(&self, sum: &Entitlement, other: &Entitlement, moment: Moment) -> Decision {
        let mut decision = Decision::done();
        decision.records.push(Record::EntitlementStamped(sum.stamp_at(moment)));
        let (kept, places) = (sum.id, usize::from(sum.terms.devices.saturating_sub(sum.online)));
        for (place, session) in self.sessions.with(other.id).enumerate() {
            let why = if place < places { Closing::Switched } else { Closing::Moved };
            close(session, why, moment, &mut decision);
        }
        let (codes, terms) = (self.owners.codes_of(other.id).collect(), Box::new(sum.terms.clone()));
        decision.records.push(Record::Merged { kept, other: other.id, codes, terms });
        let ended = Record::EntitlementEnded { stamp: other.stamp_at(moment), how: Ending::Revoked };
        decision.records.push(ended);
        let bound = other.bound.iter().map(|mac| Record::DeviceBound { entitlement: kept, mac: *mac });
        decision.records.extend(bound);
        for session in self.sessions.with(other.id).take(places) {
            self.let_in(session.mac, sum, moment, &mut decision);
            if let (Reply::Online(new), Some(accepted)) = (&decision.reply, session.accepted) {
                self.accept(*new, accepted, &mut decision);
            }
        }
        decision.effects.push(Effect::Regrant);
        // The trail names both purchases, and no session of those that there may be.
        Decision { reply: Reply::Done, ..decision }
    }
}

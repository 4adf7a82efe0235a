//! What operators do to what was bought: add to it, pay it back.
//!
//! Owns: the rules of such orders, and what each opens and cuts. Never: changes the Gate; `apply.rs` does.
//! Neighbours: `bought.rs` has the words, `trail.rs` notes who did it.
//!
//! What is left afterwards is what was left before, and so much more, to the millisecond and the byte. What had ended
//! stands where it ended; of its validity the time since is gone, as far as a clock knows it.

use super::ask::close;
use super::{
    Closing, Decision, Effect, Ending, Entitlement, EntitlementId, Gate, Mac, Moment, PlanId, Record, Refusal,
};
use crate::domain::{Bought, Bytes, Hindrance, More, Over, Terms};

impl Gate {
    pub(super) fn grow(&self, bought: Bought, more: &More, moment: Moment) -> Decision {
        let Bought { id, over, device } = bought;
        let Some(live) = self.entitlements.get(id) else {
            return match over {
                Some(over) => self.resume(*over, device, more, moment, Decision::done()),
                // It is gone from the store as well.
                None => hindered(Hindrance::Withdrawn),
            };
        };
        let Some(how) = live.ending(moment) else {
            return match live.terms.grown(more) {
                Ok(terms) => growing(live, terms, moment),
                Err(hindrance) => hindered(hindrance),
            };
        };
        // Over since a moment ago: it ends as it would have, and goes on from there.
        let mut decision = Decision::done();
        self.end(live, how, moment, &mut decision);
        let entitlement = live.clone().with_stamp(live.stamp_at(moment));
        let device = device.or_else(|| self.devices_of(id).next());
        let over = Over { entitlement, how, codes: self.owners.codes_of(id).collect() };
        self.resume(over, device, more, moment, decision)
    }

    /// `over`, with so much more; `device` goes on with it where it was cut. What something else still ends is over
    /// at once, with more of what was added.
    fn resume(
        &self,
        over: Over,
        device: Option<Mac>,
        more: &More,
        moment: Moment,
        mut decision: Decision,
    ) -> Decision {
        let terms = match (over.how, over.entitlement.terms.grown(more)) {
            (Ending::Revoked, _) => return hindered(Hindrance::Withdrawn),
            (Ending::Spent | Ending::Expired, Err(hindrance)) => return hindered(hindrance),
            (Ending::Spent | Ending::Expired, Ok(terms)) => terms,
        };
        let entitlement = over.entitlement.resumed(terms, moment);
        let (id, codes) = (entitlement.id, over.codes);
        let resumed = Record::EntitlementResumed { entitlement: Box::new(entitlement.clone()), codes };
        decision.records.push(resumed);
        if let Some(how) = entitlement.ending(moment) {
            let stamp = entitlement.last_stamp().clone();
            decision.records.push(Record::EntitlementEnded { stamp, how });
            return decision;
        }
        let free = match device {
            Some(mac) => self.hindrance_of(mac, id).map_or(Ok(mac), |why| Err(Refusal::Hindered(why))),
            None => Err(Refusal::Hindered(Hindrance::NoDevice)),
        };
        match free.and_then(|mac| if self.is_full_for(mac) { Err(Refusal::Full) } else { Ok(mac) }) {
            Ok(mac) => self.let_in(mac, &entitlement, moment, &mut decision),
            // Its code opens it, whenever that is typed.
            Err(_) if entitlement.survives_its_sessions() => {}
            Err(refusal) => return Decision::refused(refusal),
        }
        decision
    }

    /// Ends what is to be paid back; what was left stays with it, and in the trail.
    pub(super) fn refund(&self, id: EntitlementId, moment: Moment) -> Decision {
        let live = match self.not_over(id, moment) {
            Ok(live) => live,
            Err(why) => return hindered(why),
        };
        let mut decision = Decision::done();
        for session in self.sessions.with(id) {
            close(session, Closing::Refunded, moment, &mut decision);
        }
        let ended = Record::EntitlementEnded { stamp: live.stamp_at(moment), how: Ending::Revoked };
        decision.records.push(ended);
        decision
    }

    /// What has something left.
    pub(super) fn not_over(&self, id: EntitlementId, moment: Moment) -> Result<&Entitlement, Hindrance> {
        let live = self.entitlements.get(id).filter(|live| live.ending(moment).is_none());
        live.ok_or(Hindrance::NothingLeft(id))
    }

    /// What is left of it, for the trail.
    pub(super) fn about_left(&self, id: EntitlementId, moment: Moment) -> String {
        let Some(live) = self.entitlements.get(id) else { return id.to_string() };
        format!("{id} of plan {}, left {}{}", live.plan, left_of(live, moment), self.about_price(&live.plan))
    }

    /// What is left of both, for the trail.
    pub(super) fn about_both(&self, kept: EntitlementId, other: EntitlementId, moment: Moment) -> String {
        let left = |id| self.entitlements.get(id).map(|live| left_of(live, moment)).unwrap_or_default();
        format!("{other}, left {}, into {kept}, left {}", left(other), left(kept))
    }

    /// What the plan costs now, for the trail.
    pub(super) fn about_price(&self, plan: &PlanId) -> String {
        let plan = self.plan(plan).filter(|plan| !plan.price.is_empty());
        let price = plan.map(|plan| format!(", price {} {}", plan.price, plan.currency));
        price.unwrap_or_default().trim_end().to_owned()
    }

    /// Why `mac` cannot be let in with `id` by an operator, if so.
    pub(super) fn hindrance_of(&self, mac: Mac, id: EntitlementId) -> Option<Hindrance> {
        if self.is_kept_out(mac) {
            return Some(Hindrance::KeptOut);
        }
        let other = self.sessions.of_device(mac).filter(|session| session.entitlement != id);
        other.map(|session| Hindrance::OnlineOtherwise(session.id))
    }
}

/// `entitlement` with larger terms; who uses it goes on, by the new end.
fn growing(entitlement: &Entitlement, terms: Terms, moment: Moment) -> Decision {
    let stamp = entitlement.stamp_at(moment);
    let grown = Record::EntitlementGrown { entitlement: entitlement.id, terms: Box::new(terms) };
    Decision {
        records: vec![Record::EntitlementStamped(stamp), grown],
        effects: vec![Effect::Regrant],
        ..Decision::done()
    }
}

pub(super) fn hindered(why: Hindrance) -> Decision {
    Decision::refused(Refusal::Hindered(why))
}

fn left_of(live: &Entitlement, moment: Moment) -> String {
    let metered = live.metered_left(moment).map(|left| format!("{} s online", left.as_secs()));
    let validity = live.validity_left(moment).map(|left| format!("{} s of validity", left.as_secs()));
    let data = live.data_left().map(|Bytes(left)| format!("{left} bytes"));
    let left = [metered, validity, data].into_iter().flatten().collect::<Vec<_>>();
    if left.is_empty() { "no limit".to_owned() } else { left.join(", ") }
}

//! A person is forgotten: what ends with that.
//!
//! Owns: that nothing of a forgotten person goes on. Never: who the person is and what is stored, the store looks
//! that up; how rows are emptied (`store/write/persons.rs`). Neighbours: `cloud.rs` says what came of a command.
//!
//! What a person bought ends as used up, so no code of it opens anything again. What others use as well goes on
//! without the person's device, which keeps its place among the devices bound to it, under an alias.

use super::{Closing, Decision, Effect, Ending, EntitlementId, Gate, Moment, Record};
use crate::domain::{CloudId, Forgotten, Outcome};

impl Gate {
    /// `by`: the command of the cloud that wants it.
    pub(super) fn forget_person(
        &self,
        gone: Box<Forgotten>,
        by: Option<CloudId>,
        moment: Moment,
    ) -> Decision {
        if by.as_ref().is_some_and(|id| self.has_done(id)) {
            return Decision::done();
        }
        let mut decision = Decision::done();
        let traces = &gone.traces;
        traces.entitlements.iter().for_each(|id| self.end_for_good(*id, moment, &mut decision));
        let shared = |id: &EntitlementId| !traces.entitlements.contains(id);
        for session in self.sessions.values().filter(|session| shared(&session.entitlement)) {
            if traces.devices.contains(&session.mac) {
                self.close_session(session, Closing::Kicked, moment, &mut decision);
            }
        }
        let claims = self.claims.values().filter(|claim| traces.has_claim(claim.mac, claim.reference));
        let closed = claims.map(|claim| Record::ClaimClosed { reference: claim.reference, mac: claim.mac });
        decision.records.extend(closed);
        if traces.devices.iter().any(|mac| self.is_kept_out(*mac)) {
            decision.effects.push(Effect::KeepOut);
        }
        decision.records.push(Record::Forgotten(gone));
        if let Some(id) = by {
            self.answer_command(id, Outcome::Done, moment, &mut decision);
        }
        decision
    }

    /// A command that the Gate has no part in was carried out, or could not be.
    pub(super) fn tell(&self, id: CloudId, result: Outcome, moment: Moment) -> Decision {
        let mut decision = Decision::done();
        if !self.has_done(&id) {
            self.answer_command(id, result, moment, &mut decision);
        }
        decision
    }

    fn end_for_good(&self, id: EntitlementId, moment: Moment, decision: &mut Decision) {
        let Some(entitlement) = self.entitlements.get(id) else { return };
        for session in self.sessions.with(id) {
            super::ask::close(session, Closing::Kicked, moment, decision);
        }
        let stamp = entitlement.stamp_at(moment);
        decision.records.push(Record::EntitlementEnded { stamp, how: Ending::Spent });
    }
}

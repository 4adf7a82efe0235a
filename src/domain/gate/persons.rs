//! A person is forgotten: what ends with that.
//!
//! Owns: that nothing of a forgotten person goes on. Never: who the person is and what is stored, the store looks
//! that up; how rows are emptied (`store/write/persons.rs`). Neighbours: `cloud.rs` says what came of a command.
//!
//! What a person bought ends as used up, so no code of it opens anything again. What others use as well goes on
//! without the person's device, which keeps its place among the devices bound to it, under an alias.

use super::trail::about_person;
use super::{Closing, Decision, Effect, Ending, EntitlementId, Gate, Mac, Moment, Record, Refusal};
use crate::domain::{Action, Actor, Alias, CloudId, Forgetter, Forgotten, Outcome, Traces};

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
        let about = about_person(&gone);
        decision.records.push(Record::Forgotten(gone));
        if let Some(id) = by {
            let (by, now) = (Actor::Cloud(id.clone()), moment.now);
            self.note(&by, Action::Forget, &about, now, &mut decision.records);
            self.answer_command(id, Outcome::Done, moment, &mut decision);
        }
        decision
    }

    /// A guest has this device forgotten. What it used keeps its rest for whoever has the code.
    ///
    /// Writing that reads whole tables, so only a device has it done that is online, is bound to something or waits
    /// for a payment; it is none of these afterwards, and to become it again is paced. Nothing is gained by it: one
    /// that is kept out stays so, what it had for free is remembered for its day, wrong codes stay counted.
    pub(super) fn forget_device(&self, mac: Mac, alias: Alias, moment: Moment) -> Decision {
        let session = self.sessions.of_device(mac);
        let claims: Vec<_> = self.claims.open().filter(|claim| claim.mac == mac).copied().collect();
        let is_bound = self.entitlements.values().any(|e| e.bound.contains(&mac));
        let is_known = session.is_some() || is_bound || !claims.is_empty();
        if !is_known || self.is_kept_out(mac) {
            return Decision::refused(Refusal::NotOnline);
        }
        let mut decision = Decision::done();
        if let Some(session) = session {
            self.close_session(session, Closing::Logout, moment, &mut decision);
        }
        self.close_claims(claims, moment.now, &mut decision);
        let traces = Traces { devices: [mac].into(), ..Traces::default() };
        decision.records.push(Record::Forgotten(Box::new(Forgotten {
            traces,
            alias,
            who: Forgetter::Guest,
        })));
        decision
    }

    /// A command that the Gate has no part in was carried out, or could not be.
    pub(super) fn tell(&self, id: CloudId, result: Outcome, moment: Moment) -> Decision {
        let mut decision = Decision::done();
        if !self.has_done(&id) {
            if let Outcome::Delivered(data) = &result {
                let (by, about) = (Actor::Cloud(id.clone()), format!("{} bytes", data.len()));
                self.note(&by, Action::Export, &about, moment.now, &mut decision.records);
            }
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

//! What guests and operators ask besides redeeming, and how things end.
//!
//! Owns: logout, grant, kick, making and revoking vouchers, a floor that was wrong, the end of an entitlement.
//! Never: changes the Gate; `apply.rs` does. Neighbour: `redeem.rs`.

use super::{
    Closing, Decision, Effect, Ending, Entitlement, Gate, Mac, Moment, PlanId, Record, Refusal, Reply,
    Session, SessionId, Wall,
};
use crate::domain::{Origin, Voucher, VoucherState};

impl Decision {
    /// Nothing to do, and that is well.
    pub(super) fn done() -> Self {
        Self { records: Vec::new(), effects: Vec::new(), reply: Reply::Done }
    }

    /// Nothing to do, for this reason.
    pub(super) fn refused(refusal: Refusal) -> Self {
        Self { reply: Reply::Refused(refusal), ..Self::done() }
    }
}

impl Gate {
    pub(super) fn close_device(&self, mac: Mac, why: Closing, moment: Moment) -> Decision {
        match self.sessions.of_device(mac) {
            Some(session) => self.close_asked(session, why, moment),
            None => Decision::refused(Refusal::NotOnline),
        }
    }

    pub(super) fn kick(&self, session: SessionId, moment: Moment) -> Decision {
        match self.sessions.get(session) {
            Some(session) => self.close_asked(session, Closing::Kicked, moment),
            None => Decision::refused(Refusal::NoSuchSession),
        }
    }

    pub(super) fn open_by_hand(&self, mac: Mac, plan: &PlanId, moment: Moment) -> Decision {
        self.open_without_code(mac, Origin::Manual, plan, moment)
    }

    pub(super) fn open_without_code(
        &self,
        mac: Mac,
        origin: Origin,
        plan: &PlanId,
        moment: Moment,
    ) -> Decision {
        match self.plan(plan) {
            Some(plan) => {
                let new = Entitlement::of(self.new_entitlement_id(), origin, plan, moment);
                self.open_with(mac, new, moment)
            }
            None => Decision::refused(Refusal::NoSuchPlan(plan.clone())),
        }
    }

    pub(super) fn make_vouchers(&self, vouchers: Vec<Voucher>) -> Decision {
        if let Some(voucher) = vouchers.iter().find(|voucher| self.plan(&voucher.plan).is_none()) {
            return Decision::refused(Refusal::NoSuchPlan(voucher.plan.clone()));
        }
        Decision { records: vec![Record::VouchersMade(vouchers)], ..Decision::done() }
    }

    /// Whoever has begun one meanwhile keeps it.
    pub(super) fn replace_vouchers(&self, old: &[Voucher], new: Vec<Voucher>) -> Decision {
        let mut decision = self.make_vouchers(new);
        if !matches!(decision.reply, Reply::Refused(_)) {
            let unused = |voucher: &&Voucher| {
                voucher.state == VoucherState::Unused && self.owned(&voucher.key).is_none()
            };
            let revoked = old.iter().filter(unused).map(|voucher| Record::VoucherRevoked(voucher.key));
            decision.records.extend(revoked);
        }
        decision
    }

    pub(super) fn revoke_voucher(&self, voucher: &Voucher, moment: Moment) -> Decision {
        let mut decision = Decision::done();
        if voucher.state != VoucherState::Revoked {
            decision.records.push(Record::VoucherRevoked(voucher.key));
        }
        // All of it, though other codes may have made it larger: what each of them gave cannot be told apart.
        if let Some(entitlement) = self.owned(&voucher.key) {
            self.end(entitlement, Ending::Revoked, moment, &mut decision);
        }
        decision
    }

    /// What the wrong clock has ended and taken stays so, and is written down first: a clock that is set
    /// back gives nothing back.
    pub(super) fn reset_floor(&self, to: Wall, moment: Moment) -> Decision {
        let mut decision = self.ended(moment);
        decision.records.extend(self.checkpoint(moment));
        decision.records.extend(self.redate_trials(to, moment.now));
        decision.records.push(Record::FloorReset(to));
        decision
    }

    /// Ends `entitlement` with all its sessions.
    pub(super) fn end(
        &self,
        entitlement: &Entitlement,
        how: Ending,
        moment: Moment,
        decision: &mut Decision,
    ) {
        let sessions = self.sessions.with(entitlement.id).cloned();
        end_with(entitlement, sessions, how, moment, decision);
    }

    /// Closes `session`, with the meters as they are.
    pub(super) fn close_session(
        &self,
        session: &Session,
        why: Closing,
        moment: Moment,
        decision: &mut Decision,
    ) {
        let Some(entitlement) = self.entitlements.get(session.entitlement) else { return };
        let stamp = entitlement.stamp_at(moment);
        if entitlement.online > 1 || entitlement.survives_its_sessions() {
            decision.records.push(Record::EntitlementStamped(stamp));
            close(session, why, moment, decision);
        } else {
            close(session, why, moment, decision);
            let how = entitlement.ending(moment).unwrap_or(Ending::Revoked);
            decision.records.push(Record::EntitlementEnded { stamp, how });
        }
    }

    fn close_asked(&self, session: &Session, why: Closing, moment: Moment) -> Decision {
        let mut decision = Decision::done();
        self.close_session(session, why, moment, &mut decision);
        decision.reply = Reply::Closed(session.id);
        decision
    }
}

/// Ends `entitlement` with `sessions`, which are all that it has.
pub(super) fn end_with(
    entitlement: &Entitlement,
    sessions: impl Iterator<Item = Session>,
    how: Ending,
    moment: Moment,
    decision: &mut Decision,
) {
    let why = match how {
        Ending::Spent => Closing::Spent,
        Ending::Expired => Closing::Expired,
        Ending::Revoked => Closing::Revoked,
    };
    for session in sessions {
        close(&session, why, moment, decision);
    }
    decision.records.push(Record::EntitlementEnded { stamp: entitlement.stamp_at(moment), how });
}

pub(super) fn close(session: &Session, why: Closing, moment: Moment, decision: &mut Decision) {
    let (id, at, used) = (session.id, moment.now.wall, session.used);
    decision.records.push(Record::SessionClosed { session: id, at, why, used });
    decision.effects.push(Effect::Evict { mac: session.mac });
    decision.effects.push(Effect::CutFlows { mac: session.mac });
}

//! What guests and operators ask besides redeeming, and how things end.
//!
//! Owns: logout, grant, kick, making and revoking vouchers, the end of an entitlement. Never: changes the
//! Gate; `apply.rs` does. Neighbour: `redeem.rs`.

use super::{
    Closing, Decision, Effect, Ending, Entitlement, Gate, Mac, Now, PlanId, Record, Refusal, Reply, Session,
    SessionId,
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
    pub(super) fn close_device(&self, mac: Mac, why: Closing, now: Now) -> Decision {
        match self.by_mac.get(&mac).and_then(|id| self.sessions.get(id)) {
            Some(session) => self.close_asked(session, why, now),
            None => Decision::refused(Refusal::NotOnline),
        }
    }

    pub(super) fn kick(&self, session: SessionId, now: Now) -> Decision {
        match self.sessions.get(&session) {
            Some(session) => self.close_asked(session, Closing::Kicked, now),
            None => Decision::refused(Refusal::NoSuchSession),
        }
    }

    pub(super) fn grant(&self, mac: Mac, plan: &PlanId, now: Now) -> Decision {
        match self.plans.get(plan) {
            Some(plan) => {
                let entitlement = Entitlement::of(self.new_entitlement_id(), Origin::Manual, plan, now);
                self.open_with(mac, entitlement, now)
            }
            None => Decision::refused(Refusal::NoSuchPlan(plan.clone())),
        }
    }

    pub(super) fn make_vouchers(&self, vouchers: Vec<Voucher>) -> Decision {
        if let Some(voucher) = vouchers.iter().find(|voucher| !self.plans.contains_key(&voucher.plan)) {
            return Decision::refused(Refusal::NoSuchPlan(voucher.plan.clone()));
        }
        Decision { records: vec![Record::VouchersMade(vouchers)], ..Decision::done() }
    }

    pub(super) fn revoke_voucher(&self, voucher: &Voucher, now: Now) -> Decision {
        let mut decision = Decision::done();
        if voucher.state != VoucherState::Revoked {
            decision.records.push(Record::VoucherRevoked(voucher.key));
        }
        if let Some(entitlement) = self.by_code.get(&voucher.key).and_then(|id| self.entitlements.get(id)) {
            self.end(entitlement, Ending::Revoked, now, &mut decision);
        }
        decision
    }

    /// Ends `entitlement` with all its sessions.
    pub(super) fn end(&self, entitlement: &Entitlement, how: Ending, now: Now, decision: &mut Decision) {
        let why = match how {
            Ending::Spent => Closing::Spent,
            Ending::Expired => Closing::Expired,
            Ending::Revoked => Closing::Revoked,
        };
        for session in self.sessions.values().filter(|session| session.entitlement == entitlement.id) {
            self.close_session(session, why, now, decision);
        }
        decision.records.push(Record::EntitlementEnded { stamp: entitlement.stamp_at(now), how });
    }

    /// Closes `session`, with the meters as they are.
    pub(super) fn close_session(&self, session: &Session, why: Closing, now: Now, decision: &mut Decision) {
        if let Some(entitlement) = self.entitlements.get(&session.entitlement) {
            decision.records.push(Record::EntitlementStamped(entitlement.stamp_at(now)));
        }
        decision.records.push(Record::SessionClosed { session: session.id, at: now.wall, why });
        decision.effects.push(Effect::Evict { mac: session.mac });
        decision.effects.push(Effect::CutFlows { mac: session.mac });
    }

    fn close_asked(&self, session: &Session, why: Closing, now: Now) -> Decision {
        let mut decision = Decision::done();
        self.close_session(session, why, now, &mut decision);
        decision.reply = Reply::Closed(session.id);
        decision
    }
}

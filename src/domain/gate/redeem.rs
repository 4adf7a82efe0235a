//! A guest typed a code: wrong, used first, used again, or moved from another device.
//!
//! Owns: the order of the refusals, which is also what a guesser learns. Never: changes the Gate; `apply.rs`
//! does. Neighbours: `attempts.rs` counts wrong codes.

use super::{
    Blame, Closing, Decision, Effect, Ending, Entitlement, EntitlementId, Gate, Mac, Moment, Record, Refusal,
    Reply, Session, SessionId,
};
use crate::domain::{Found, Moving, Origin, Voucher, VoucherState};

impl Gate {
    pub(super) fn redeem(&self, mac: Mac, code: Found, moving: Moving, moment: Moment) -> Decision {
        if let Some(retry_after) = self.wait(mac, moment.now) {
            return Decision::refused(Refusal::TooManyTries { retry_after });
        }
        let voucher = match code {
            Found::Voucher(voucher) => *voucher,
            Found::Nothing(blame) => return self.wrong_code(mac, blame, moment),
        };
        // What was redeemed after the code was looked up is in the Gate and not yet in `voucher`.
        match self.by_code.get(&voucher.key).and_then(|id| self.entitlements.get(*id)) {
            Some(entitlement) => self.use_again(mac, entitlement, moving, moment),
            None => self.use_first(mac, &voucher, moment),
        }
    }

    fn wrong_code(&self, mac: Mac, blame: Blame, moment: Moment) -> Decision {
        let blame = if self.lane(mac, moment.now) == Blame::Device { Blame::Device } else { blame };
        let mut decision = Decision::refused(Refusal::CodeUnknown);
        decision.records.push(Record::TryFailed { mac, blame });
        decision
    }

    fn use_first(&self, mac: Mac, voucher: &Voucher, moment: Moment) -> Decision {
        let state = self.over.get(&voucher.key).map_or(voucher.state, |(state, _)| *state);
        let refusal = match state {
            VoucherState::Unused => None,
            // Active, but not in the Gate: the store has not seen its end.
            VoucherState::Active | VoucherState::Spent => Some(Refusal::CodeSpent),
            VoucherState::Expired => Some(Refusal::CodeExpired),
            VoucherState::Revoked => Some(Refusal::CodeRevoked),
        };
        if let Some(refusal) = refusal {
            return Decision::refused(refusal);
        }
        let Some(plan) = self.plan(&voucher.plan) else {
            return Decision::refused(Refusal::NoSuchPlan(voucher.plan.clone()));
        };
        let begin_by = [voucher.activate_by, plan.activate_by].into_iter().flatten().min();
        if begin_by.is_some_and(|last| moment.now.wall > last) {
            return Decision::refused(Refusal::CodeExpired);
        }
        let mut entitlement = Entitlement::of(self.new_entitlement_id(), Origin::Voucher, plan, moment);
        entitlement.code = Some(voucher.key);
        entitlement.hint = voucher.hint.clone();
        entitlement.batch = voucher.batch.clone();
        self.open_with(mac, entitlement, moment)
    }

    /// Opens `entitlement`, which is new, and a session of `mac` with it.
    pub(super) fn open_with(&self, mac: Mac, entitlement: Entitlement, moment: Moment) -> Decision {
        if self.is_full_for(mac) {
            return Decision::refused(Refusal::Full);
        }
        let mut decision = Decision::done();
        decision.records.push(Record::EntitlementOpened(Box::new(entitlement.clone())));
        self.join(mac, &entitlement, moment, &mut decision);
        decision
    }

    fn use_again(&self, mac: Mac, entitlement: &Entitlement, moving: Moving, moment: Moment) -> Decision {
        if let Some(ending) = entitlement.ending(moment) {
            return Decision::refused(match ending {
                Ending::Spent => Refusal::CodeSpent,
                Ending::Expired => Refusal::CodeExpired,
                Ending::Revoked => Refusal::CodeRevoked,
            });
        }
        let held = self.sessions.of_device(mac);
        if let Some(session) = held.filter(|session| session.entitlement == entitlement.id) {
            return Decision { reply: Reply::Online(session.id), ..Decision::done() };
        }
        let (terms, bound) = (&entitlement.terms, &entitlement.bound);
        let bound_to_others = terms.bound_devices > 0
            && bound.len() >= usize::from(terms.bound_devices)
            && !bound.contains(&mac);
        if bound_to_others {
            return Decision::refused(Refusal::WrongDevice);
        }
        let is_taken = entitlement.online >= terms.devices;
        if is_taken && moving == Moving::Ask {
            return Decision::refused(Refusal::InUse);
        }
        if !is_taken && self.is_full_for(mac) {
            return Decision::refused(Refusal::Full);
        }
        if let Some(retry_after) = self.pace.wait(entitlement.id, terms.devices, moment.now.boot) {
            return Decision::refused(Refusal::TooManyTries { retry_after });
        }
        let mut decision = Decision::done();
        if is_taken {
            self.close_oldest(entitlement.id, moment, &mut decision);
        }
        if entitlement.online == 0 {
            // The meter stood still until now.
            decision.records.push(Record::EntitlementStamped(entitlement.stamp_at(moment)));
        }
        self.join(mac, entitlement, moment, &mut decision);
        decision
    }

    /// A session of `mac` with `entitlement`; one that the device has with another one closes.
    fn join(&self, mac: Mac, entitlement: &Entitlement, moment: Moment, decision: &mut Decision) {
        if let Some(old) = self.sessions.of_device(mac) {
            self.close_session(old, Closing::Switched, moment, decision);
        }
        if entitlement.terms.bound_devices > 0 && !entitlement.bound.contains(&mac) {
            decision.records.push(Record::DeviceBound { entitlement: entitlement.id, mac });
        }
        let session = Session::open(SessionId(self.next_session), entitlement.id, mac, moment.now);
        decision.reply = Reply::Online(session.id);
        decision.records.push(Record::SessionOpened(session));
        decision.effects.push(Effect::Admit { mac });
        decision.effects.push(Effect::CutFlows { mac });
    }

    fn close_oldest(&self, id: EntitlementId, moment: Moment, decision: &mut Decision) {
        if let Some(oldest) = self.sessions.with(id).next() {
            self.close_session(oldest, Closing::Moved, moment, decision);
        }
    }

    /// Whether one more device would be too many. One that is online already takes no more room.
    fn is_full_for(&self, mac: Mac) -> bool {
        self.sessions.of_device(mac).is_none() && self.sessions.count() >= self.limits.max_clients
    }

    pub(super) fn new_entitlement_id(&self) -> EntitlementId {
        EntitlementId(self.next_entitlement)
    }
}

//! Payments: those that come in, and those that guests say to have made.
//!
//! Owns: whom a payment opens, who waits for one, who is let in ahead of it. Never: how many may wait
//! (`domain/claim.rs`), what is opened (`redeem.rs`), asking the cloud.
//!
//! A payment opens the device that the cloud names, else the first that claimed it. If the device is online
//! on the same plan it adds up; on another one the device begins the payment, and the rest of the other is
//! kept where a code leads back to it. Put again, it opens nothing again.

use super::{Decision, Entitlement, Gate, Mac, Moment, Now, Record, Refusal, Reply};
use crate::domain::{
    Action, Actor, Awaits, Bridged, Claim, CodeKey, Fact, Origin, Proof, Reach, ReferenceKey, Voucher,
    VoucherState,
};

impl Gate {
    /// The payments that guests wait for.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.claims.open()
    }

    /// The payments that came while the hotspot was full or their plan unknown, the longest waiting first. Each
    /// is to be offered again by [`Input::Paid`](super::Input::Paid), for the device of its claim: that is the
    /// one it would have opened, so nothing more has to be shown.
    pub fn awaiting_room(&self) -> Vec<Claim> {
        self.claims.awaiting(Awaits::Room)
    }

    /// The payment that `mac` gets for the last digits of the phone alone: of several, the one claimed last. One
    /// guess is a guess at one payment.
    pub fn awaiting_digits(&self, mac: Mac) -> Option<ReferenceKey> {
        let claims = self.claims.awaiting(Awaits::Digits);
        claims.iter().rfind(|claim| claim.mac == mac).map(|claim| claim.reference)
    }

    /// Whether anybody waits for that payment.
    pub fn awaits(&self, reference: ReferenceKey) -> bool {
        !self.claims.on(reference).is_empty()
    }

    /// A payment that is there opens the device that it names, or the first that claimed it, unless the guest
    /// has to prove that it was his.
    pub(super) fn paid(&self, payment: &Voucher, named: Option<Mac>, moment: Moment) -> Decision {
        let claims = self.claims.on(ReferenceKey(payment.key.0));
        let is_new = payment.state == VoucherState::Unused
            && self.owned(&payment.key).is_none()
            && self.owners.over(&payment.key).is_none();
        let mut decision = Decision::done();
        let first = claims.iter().find(|claim| claim.awaits == Awaits::Room).or(claims.first());
        match (named.or(first.map(|claim| claim.mac)), &payment.proof) {
            // Somebody had it before.
            _ if !is_new => self.close_claims(claims, moment.now, &mut decision),
            (Some(mac), _) if self.is_kept_out(mac) => {}
            (Some(_), Some(Proof::Phone(_) | Proof::Pin(_))) if named.is_none() => {
                self.let_await(claims, Awaits::Digits, &mut decision);
            }
            (Some(mac), _) => return self.open_paid(mac, payment, claims, moment),
            (None, _) => {}
        }
        decision
    }

    /// What cannot be opened now, but may be later, waits as a claim of the device, asked for or not.
    fn open_paid(&self, mac: Mac, payment: &Voucher, claims: Vec<Claim>, moment: Moment) -> Decision {
        let mut decision = self.use_first(mac, payment, moment);
        match &decision.reply {
            Reply::Refused(Refusal::Full | Refusal::NoSuchPlan(_)) => {
                let reference = ReferenceKey(payment.key.0);
                let (since, bridged) = (moment.now.wall, Bridged::No);
                let new = Claim { reference, mac, since, awaits: Awaits::Payment, bridged, accepted: None };
                let known = claims.into_iter().find(|claim| claim.mac == mac);
                let claim = known.or(self.claims.have_room_for(mac).then_some(new));
                self.let_await(claim.into_iter().collect(), Awaits::Room, &mut decision);
            }
            // It will never open anything.
            Reply::Refused(_) => self.close_claims(claims, moment.now, &mut decision),
            Reply::Online(_) | Reply::Closed(_) | Reply::Waiting | Reply::Done => {}
        }
        decision
    }

    pub(super) fn let_await(&self, claims: Vec<Claim>, awaits: Awaits, decision: &mut Decision) {
        let changed = claims.into_iter().filter(|claim| claim.awaits != awaits);
        decision.records.extend(changed.map(|claim| Record::ClaimOpened(Claim { awaits, ..claim })));
    }

    /// Closes the claims on what now belongs to somebody.
    pub(super) fn settle_claims(&self, code: CodeKey, now: Now, decision: &mut Decision) {
        let claims = self.claims.on(ReferenceKey(code.0));
        self.hand_on_acceptance(&claims, decision);
        self.close_claims(claims, now, decision);
    }

    pub(super) fn close_claims(&self, claims: Vec<Claim>, now: Now, decision: &mut Decision) {
        decision.records.extend(claims.iter().map(|claim| closing(claim, now)));
    }

    /// Claims that nobody confirmed for so long that nobody will.
    pub(super) fn forget_claims(&self, now: Now, records: &mut Vec<Record>) {
        let before = records.len();
        records.extend(self.claims.forgotten(self.limits.claims_kept, now).map(|claim| closing(claim, now)));
        let claims = records.len() - before;
        if claims > 0 {
            self.note(&Actor::Gateway, Action::Purge, &format!("{claims} claims"), now, records);
        }
    }

    /// A guest says to have paid under a reference that is not known.
    pub(super) fn claim(&self, mac: Mac, reference: ReferenceKey, reach: Reach, moment: Moment) -> Decision {
        if let Some(decision) = self.is_known_by_now(mac, CodeKey(reference.0)) {
            return decision;
        }
        if self.claims.is_open(reference, mac) {
            return Decision { reply: Reply::Waiting, ..Decision::done() };
        }
        // Until it is confirmed it may as well be a guess, also where it is not even awaited.
        let guess = Record::TryFailed { mac, blame: self.lane(mac, moment.now) };
        if !self.claims.have_room_for(mac) {
            return Decision { records: vec![guess], ..Decision::refused(Refusal::TooManyClaims) };
        }
        let bridge = self.bridge(mac, reach, moment);
        let bridged = if bridge.is_some() { Bridged::Provisionally } else { Bridged::No };
        let mut decision = bridge.unwrap_or(Decision { reply: Reply::Waiting, ..Decision::done() });
        decision.records.push(guess);
        let (since, awaits) = (moment.now.wall, Awaits::Payment);
        decision.records.push(Record::ClaimOpened(Claim {
            reference,
            mac,
            since,
            awaits,
            bridged,
            accepted: None,
        }));
        self.report(Fact::Claimed { reference, mac }, moment.now, &mut decision.records);
        decision
    }

    /// The answer if it was redeemed since it was looked up.
    fn is_known_by_now(&self, mac: Mac, code: CodeKey) -> Option<Decision> {
        if let Some(entitlement) = self.owned(&code) {
            let held = self.sessions.of_device(mac).filter(|held| held.entitlement == entitlement.id);
            return Some(match held {
                Some(session) => Decision { reply: Reply::Online(session.id), ..Decision::done() },
                None => Decision::refused(Refusal::InUse),
            });
        }
        self.owners.over(&code).and_then(Refusal::of).map(Decision::refused)
    }

    /// Lets a device in ahead of its payment, if the cloud cannot be asked and the operator wants that.
    fn bridge(&self, mac: Mac, reach: Reach, moment: Moment) -> Option<Decision> {
        let plan = self.plan(self.limits.provisional_plan.as_ref()?)?;
        let deserves = reach == Reach::Away
            && self.sessions.of_device(mac).is_none()
            && !self.is_full_for(mac)
            && !self.claims.bridged_lately(mac, moment.now);
        let entitlement = Entitlement::of(self.new_entitlement_id(), Origin::Payment, plan, moment);
        deserves.then(|| self.open_with(mac, entitlement, moment))
    }
}

fn closing(claim: &Claim, now: Now) -> Record {
    match claim.closed(now) {
        Some(remembered) => Record::ClaimOpened(remembered),
        None => Record::ClaimClosed { reference: claim.reference, mac: claim.mac },
    }
}

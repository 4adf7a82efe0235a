//! A guest typed a code: wrong, used first, used again, or moved from another device.
//!
//! Owns: the order of the refusals, which is also what a guesser learns. Never: changes the Gate; `apply.rs`
//! does. Neighbours: `attempts.rs` counts wrong codes.

use std::time::Duration;

use super::{
    Blame, Closing, Decision, Effect, Ending, Entitlement, EntitlementId, Gate, Mac, Moment, Record, Refusal,
    Reply, Session, SessionId,
};
use crate::domain::{
    Fact, Found, IssuedCode, Kind, Moving, Plan, Proof, SerialState, Shown, Voucher, VoucherState, Wall,
};

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether `voucher` is a payment whose places others have taken. Its reference is no secret: neighbours could
/// type it, so it moves nobody; only who proves to have paid takes it along to another device.
fn is_anothers(voucher: &Voucher, entitlement: &Entitlement, mac: Mac) -> bool {
    voucher.kind == Kind::Payment
        && voucher.proof.is_none()
        && !entitlement.bound.contains(&mac)
        && entitlement.bound.len() >= usize::from(entitlement.terms.devices)
}

/// The day, counted since 1970, and how much of it is over.
fn day_of(wall: Wall) -> (u32, Duration) {
    let seconds = u64::try_from(wall.as_secs()).unwrap_or(0);
    let day = A_DAY.as_secs();
    (u32::try_from(seconds / day).unwrap_or(u32::MAX), Duration::from_secs(seconds % day))
}

impl Refusal {
    /// Why what is in that state opens nothing new; `None`: it does.
    pub(super) fn of(state: VoucherState) -> Option<Self> {
        match state {
            VoucherState::Unused => None,
            // Active, but not in the Gate: the store has not seen its end.
            VoucherState::Active | VoucherState::Spent => Some(Self::CodeSpent),
            VoucherState::Expired => Some(Self::CodeExpired),
            VoucherState::Revoked => Some(Self::CodeRevoked),
        }
    }
}

impl From<Ending> for Refusal {
    fn from(how: Ending) -> Self {
        match how {
            Ending::Spent => Self::CodeSpent,
            Ending::Expired => Self::CodeExpired,
            Ending::Revoked => Self::CodeRevoked,
        }
    }
}

impl Gate {
    pub(super) fn redeem(&self, mac: Mac, code: Found, moving: Moving, moment: Moment) -> Decision {
        if let Some(retry_after) = self.wait(mac, moment.now) {
            return Decision::refused(Refusal::TooManyTries { retry_after });
        }
        let (voucher, shown) = match code {
            Found::Voucher(voucher) => (voucher, Shown::Nothing),
            Found::Proved(voucher, shown) => (voucher, shown),
            Found::Issued(code) => return self.redeem_issued(mac, code, moving, moment),
            Found::Reference(reference, reach) => return self.claim(mac, reference, reach, moment),
            Found::Nothing(blame) => return self.wrong_code(mac, blame, moment),
        };
        // What was redeemed after the code was looked up is in the Gate and not yet in `voucher`.
        let entitlement = self.owned(&voucher.key);
        let holds_it = |e: &Entitlement| self.sessions.of_device(mac).is_some_and(|s| s.entitlement == e.id);
        if !entitlement.is_some_and(holds_it)
            && let Some(refused) = self.unproved(mac, voucher.proof.as_ref(), shown, moment)
        {
            return refused;
        }
        match entitlement {
            Some(entitlement) if is_anothers(&voucher, entitlement, mac) => {
                Decision::refused(Refusal::WrongDevice)
            }
            Some(entitlement) => self.use_again(mac, entitlement, moving, moment),
            None => self.use_first(mac, &voucher, moment),
        }
    }

    /// Refuses who has not shown what `proof` asks for. To show something wrong is a guess.
    fn unproved(&self, mac: Mac, proof: Option<&Proof>, shown: Shown, moment: Moment) -> Option<Decision> {
        let (refusal, is_guess) = match (proof?, shown) {
            (Proof::Phone(right), Shown::Phone(given)) if *right == given => return None,
            (Proof::Pin(_), Shown::RightPin) => return None,
            (Proof::Phone(_), Shown::Phone(_) | Shown::WrongPhone) => (Refusal::PhoneWrong, true),
            (Proof::Pin(_), Shown::WrongPin) => (Refusal::PinWrong, true),
            (Proof::Phone(_), _) => (Refusal::PhoneNeeded, false),
            (Proof::Pin(_), _) => (Refusal::PinNeeded, false),
        };
        let mut decision = Decision::refused(refusal);
        if is_guess {
            decision.records.push(Record::TryFailed { mac, blame: self.lane(mac, moment.now) });
        }
        Some(decision)
    }

    /// A code that proves itself gets its row now, with what it opens.
    fn redeem_issued(&self, mac: Mac, code: IssuedCode, moving: Moving, moment: Moment) -> Decision {
        if let Some(entitlement) = self.owned(&code.key) {
            return self.use_again(mac, entitlement, moving, moment);
        }
        if let Some(refusal) = self.owners.over(&code.key).and_then(Refusal::of) {
            return Decision::refused(refusal);
        }
        if code.serial == SerialState::Used {
            return Decision::refused(Refusal::CodeSpent);
        }
        let Some(plan) = self.plans().find(|plan| plan.number == Some(code.issued.plan)) else {
            // Nobody guesses such a code, so it is not counted.
            return Decision::refused(Refusal::CodeUnknown);
        };
        let (today, seconds) = day_of(moment.now.wall);
        let (day, count) = self.cloud.issued_on(today);
        if count >= self.limits.issued_a_day {
            return Decision::refused(Refusal::EnoughForToday { retry_after: A_DAY.saturating_sub(seconds) });
        }
        let voucher = Voucher {
            key: code.key,
            kind: Kind::Voucher,
            id: None,
            proof: None,
            plan: plan.id.clone(),
            batch: None,
            activate_by: None,
            made: moment.now.wall,
            hint: code.hint,
            entitlement: None,
            state: VoucherState::Unused,
        };
        let mut decision = self.use_first(mac, &voucher, moment);
        if !decision.records.is_empty() {
            let used = Record::SerialUsed { issued: code.issued, day, count: count + 1 };
            decision.records.splice(0..0, [Record::VouchersMade(vec![voucher]), used]);
        }
        decision
    }

    fn wrong_code(&self, mac: Mac, blame: Blame, moment: Moment) -> Decision {
        let blame = if self.lane(mac, moment.now) == Blame::Device { Blame::Device } else { blame };
        let mut decision = Decision::refused(Refusal::CodeUnknown);
        decision.records.push(Record::TryFailed { mac, blame });
        decision
    }

    pub(super) fn use_first(&self, mac: Mac, voucher: &Voucher, moment: Moment) -> Decision {
        let over = self.owners.over(&voucher.key).filter(|_| !voucher.is_renewed());
        if let Some(refusal) = Refusal::of(over.unwrap_or(voucher.state)) {
            return Decision::refused(refusal);
        }
        let Some(plan) = self.plan(&voucher.plan) else {
            return Decision::refused(Refusal::NoSuchPlan(voucher.plan.clone()));
        };
        let begin_by = [voucher.activate_by, plan.activate_by].into_iter().flatten().min();
        if begin_by.is_some_and(|last| moment.now.wall > last) {
            return Decision::refused(Refusal::CodeExpired);
        }
        let mut decision = match self.top_up(mac, voucher, plan, moment) {
            Some(decision) => decision,
            None => self.open_for(mac, voucher, plan, moment),
        };
        if !decision.records.is_empty() {
            self.settle_claims(voucher.key, moment.now, &mut decision);
        }
        decision
    }

    fn open_for(&self, mac: Mac, voucher: &Voucher, plan: &Plan, moment: Moment) -> Decision {
        let mut entitlement = Entitlement::of(self.new_entitlement_id(), voucher.kind.origin(), plan, moment);
        entitlement.code = Some(voucher.key);
        entitlement.hint = voucher.hint.clone();
        entitlement.batch = voucher.batch.clone();
        let mut redeemed = Vec::new();
        self.report_redeemed(mac, voucher, entitlement.id, moment, &mut redeemed);
        let mut decision = self.open_with(mac, entitlement, moment);
        if !decision.records.is_empty() {
            // After the entitlement, before its session.
            decision.records.splice(1..1, redeemed);
        }
        decision
    }

    fn report_redeemed(
        &self,
        mac: Mac,
        voucher: &Voucher,
        entitlement: EntitlementId,
        moment: Moment,
        records: &mut Vec<Record>,
    ) {
        let (id, name, plan) = (voucher.id.clone(), voucher.name(), voucher.plan.clone());
        self.report(Fact::Redeemed { id, name, plan, entitlement, mac }, moment.now, records);
    }

    /// Adds what was bought to what the device is using, if it is of the same plan.
    fn top_up(&self, mac: Mac, voucher: &Voucher, plan: &Plan, moment: Moment) -> Option<Decision> {
        let session = self.sessions.of_device(mac)?;
        let entitlement = self.entitlements.get(session.entitlement)?;
        let adds_up = entitlement.plan == plan.id
            && entitlement.survives_its_sessions()
            && entitlement.ending(moment).is_none();
        let terms = entitlement.terms.plus(&plan.terms).filter(|_| adds_up)?;
        let mut decision = Decision { reply: Reply::Online(session.id), ..Decision::done() };
        decision.records.push(Record::EntitlementStamped(entitlement.stamp_at(moment)));
        let (entitlement, code) = (entitlement.id, voucher.key);
        decision.records.push(Record::ToppedUp { entitlement, mac, code, terms: Box::new(terms) });
        if voucher.kind == Kind::Payment {
            decision.records.push(Record::DeviceBound { entitlement, mac });
        }
        self.report_redeemed(mac, voucher, entitlement, moment, &mut decision.records);
        decision.effects.push(Effect::Regrant);
        Some(decision)
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
            return Decision::refused(ending.into());
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
        self.let_in(mac, entitlement, moment, decision);
    }

    /// A session of `mac`, which has none, with `entitlement`.
    pub(super) fn let_in(
        &self,
        mac: Mac,
        entitlement: &Entitlement,
        moment: Moment,
        decision: &mut Decision,
    ) {
        let is_bound = entitlement.terms.bound_devices > 0 || entitlement.belongs_to_devices();
        if is_bound && !entitlement.bound.contains(&mac) {
            decision.records.push(Record::DeviceBound { entitlement: entitlement.id, mac });
        }
        let before =
            decision.records.iter().filter(|record| matches!(record, Record::SessionOpened(_))).count();
        let id = SessionId(self.next_session + before as u64);
        let session = Session::open(id, entitlement.id, mac, moment.now);
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
    pub(super) fn is_full_for(&self, mac: Mac) -> bool {
        self.sessions.of_device(mac).is_none() && self.sessions.count() >= self.limits.max_clients
    }

    pub(super) fn new_entitlement_id(&self) -> EntitlementId {
        EntitlementId(self.next_entitlement)
    }
}

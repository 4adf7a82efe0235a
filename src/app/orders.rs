//! What operators do to what was bought: add to it, put off its end, pay it back, give it to another
//! device, make one of two.
//!
//! Owns: which purchase a request means, and what is said of it afterwards. Never: a rule; the Gate decides.
//! Neighbours: `ask` has the other commands, `persons` whom a text may mean.
//!
//! What the kernel has counted is taken in first, and what has ended is ended: what an order adds to is exact.

use std::time::Duration;

use super::ask::{Asked, accepted, parse};
use super::base::blocked;
use super::desk::Desk;
use super::keys::Keys;
use super::ledger::Ledger;
use super::persons::meanings;
use super::trail;
use super::vouchers::{no_such_voucher, unreadable};
use crate::domain::{
    Action, Actor, Bought, Bytes, Closing, Entitlement, EntitlementId, Hindrance, Input, Mac, Moment, More,
    Over, Person, PlanId, Refusal, SessionId, Terms, Voucher, VoucherState, Whom,
};
use crate::wire::control::{Answer, Code, Failure, Held, Meant};

/// What a request means.
struct Named {
    id: EntitlementId,
    /// The device, if it was named by one.
    by: Option<Mac>,
}

impl Desk {
    pub(super) async fn grow(&mut self, of: &Meant, more: More, action: Action, by: &Actor) -> Asked<Answer> {
        self.count().await;
        self.end_what_is_over().await;
        let named = self.named(of).await?;
        let over = over(&self.ledger, named.id).await?;
        let device = match named.by {
            Some(mac) if self.is_blocked(mac) => return Err(blocked_device()),
            Some(mac) => Some(mac),
            None => self.last_device(named.id).await?,
        };
        let bought = Box::new(Bought { id: named.id, over: over.map(Box::new), device });
        let order = trail::ordered(by, action, Input::Grow { bought, more });
        accepted(self.transact(vec![order]).await.into_iter().next())?;
        Ok(Answer::Held(self.held(named.id).await?))
    }

    /// Ends it; of what nobody has begun, the code is withdrawn. Answers with what was left.
    pub(super) async fn pay_back(&mut self, of: &Meant, reason: String, by: &Actor) -> Asked<Answer> {
        self.count().await;
        self.end_what_is_over().await;
        if let Meant::Code { code } = of {
            let found = by_text(&self.ledger, &self.keys, code.reveal());
            let found = self.kernel.guard_while(found).await?;
            if let Ok(voucher) = found
                && voucher.state == VoucherState::Unused
            {
                return self.pay_back_unused(voucher, reason, by).await;
            }
        }
        let id = self.named(of).await?.id;
        let before = self.held(id).await?;
        let order = trail::ordered(by, Action::Refund, Input::Refund { entitlement: id, reason });
        accepted(self.transact(vec![order]).await.into_iter().next())?;
        Ok(Answer::Held(Held {
            devices: Vec::new(),
            state: VoucherState::Revoked.word().to_owned(),
            ..before
        }))
    }

    async fn pay_back_unused(&mut self, voucher: Voucher, reason: String, by: &Actor) -> Asked<Answer> {
        let terms = self.ledger.gate.plan(&voucher.plan).map(|plan| plan.terms.clone());
        let terms = terms.unwrap_or(Terms::UNLIMITED);
        let (price, currency) = self.price_of(&voucher.plan);
        let seconds = |span: Option<Duration>| span.map(|span| span.as_secs());
        let held = Held {
            entitlement: None,
            plan: voucher.plan.to_string(),
            state: VoucherState::Revoked.word().to_owned(),
            metered_s: seconds(terms.metered),
            metered_left_s: seconds(terms.metered),
            validity_s: seconds(terms.validity),
            validity_left_s: seconds(terms.validity),
            bytes: whole_data(&terms),
            bytes_left: whole_data(&terms),
            devices: Vec::new(),
            price,
            currency,
        };
        let order = trail::ordered(by, Action::Refund, Input::RefundUnused { voucher, reason });
        accepted(self.transact(vec![order]).await.into_iter().next())?;
        Ok(Answer::Held(held))
    }

    /// Who names the device or the session says who leaves.
    pub(super) async fn move_to(&mut self, of: &Meant, to: Mac, by: &Actor) -> Asked<Answer> {
        self.count().await;
        self.end_what_is_over().await;
        let Named { id, by: from } = self.named(of).await?;
        if self.is_blocked(to) {
            return Err(blocked_device());
        }
        let order = trail::ordered(by, Action::Move, Input::Move { entitlement: id, from, to });
        accepted(self.transact(vec![order]).await.into_iter().next())?;
        Ok(Answer::Held(self.held(id).await?))
    }

    /// Answers with the one that there is then.
    pub(super) async fn merge(&mut self, kept: &Meant, other: &Meant, by: &Actor) -> Asked<Answer> {
        self.count().await;
        self.end_what_is_over().await;
        let (kept, other) = (self.named(kept).await?, self.named(other).await?);
        if [kept.by, other.by].into_iter().flatten().any(|mac| self.is_blocked(mac)) {
            return Err(blocked_device());
        }
        let order = trail::ordered(by, Action::Merge, Input::Merge { kept: kept.id, other: other.id });
        accepted(self.transact(vec![order]).await.into_iter().next())?;
        Ok(Answer::Held(self.held(kept.id).await?))
    }

    /// The only device that used it, if it is here and may be let in: nobody's time runs while the guest is away.
    async fn last_device(&self, id: EntitlementId) -> Asked<Option<Mac>> {
        let kept = self.ledger.store.entitlement(id).await.map_err(unreadable)?;
        let only = match kept.as_ref().map(|(_, devices)| devices.as_slice()) {
            Some([only]) => Some(*only),
            Some(_) | None => None,
        };
        let is_here = |mac| self.kernel.neighbours.addresses(mac).is_ok_and(|known| !known.is_empty());
        Ok(only.filter(|mac| !self.is_blocked(*mac) && is_here(*mac)))
    }

    fn is_blocked(&self, mac: Mac) -> bool {
        blocked(&self.config.borrow()).contains(&mac)
    }

    async fn named(&mut self, of: &Meant) -> Asked<Named> {
        match of {
            Meant::Session { session } => {
                let id = parse::<SessionId>(session)?;
                let view = self.view.borrow().clone();
                let found = view.sessions.values().find(|session| session.id == id);
                let found = found.ok_or_else(|| no_such_session(id))?;
                Ok(Named { id: found.entitlement, by: Some(found.mac) })
            }
            Meant::Mac { mac } => {
                let mac = parse::<Mac>(mac)?;
                let held = self.view.borrow().sessions.get(&mac).map(|session| session.entitlement);
                let found = async {
                    match held {
                        Some(id) => Ok(Some(id)),
                        None => used_last(&self.ledger, mac).await,
                    }
                };
                let id = self.kernel.guard_while(found).await?.ok_or_else(|| nothing_used(mac))?;
                Ok(Named { id, by: Some(mac) })
            }
            Meant::Code { code } => {
                let found = by_text(&self.ledger, &self.keys, code.reveal());
                match self.kernel.guard_while(found).await? {
                    Ok(voucher) => match voucher.entitlement {
                        Some(id) if voucher.state != VoucherState::Unused => Ok(Named { id, by: None }),
                        Some(_) | None => Err(nobody_began(voucher.state)),
                    },
                    Err(id) => Ok(Named { id, by: None }),
                }
            }
        }
    }

    /// How it stands.
    async fn held(&self, id: EntitlementId) -> Asked<Held> {
        let moment = self.ledger.gate.moment(self.ledger.clock.now());
        if let Some(live) = self.ledger.gate.entitlement(id) {
            return Ok(self.shown(live, VoucherState::Active, moment));
        }
        let over = over(&self.ledger, id).await?;
        let over = over.ok_or_else(|| super::ask::refused(&Refusal::Hindered(Hindrance::Withdrawn)))?;
        Ok(self.shown(&over.entitlement, over.how.into(), moment))
    }

    fn shown(&self, bought: &Entitlement, state: VoucherState, moment: Moment) -> Held {
        let stamp = match state {
            VoucherState::Active => bought.stamp_at(moment),
            VoucherState::Unused | VoucherState::Spent | VoucherState::Expired | VoucherState::Revoked => {
                bought.last_stamp().clone()
            }
        };
        let metered_left = bought.terms.metered.map(|whole| whole.saturating_sub(stamp.used).as_secs());
        let (price, currency) = self.price_of(&bought.plan);
        Held {
            entitlement: Some(bought.id.to_string()),
            plan: bought.plan.to_string(),
            state: state.word().to_owned(),
            metered_left_s: metered_left,
            validity_left_s: stamp.validity_left.map(|left| left.as_secs()),
            bytes_left: bought.data_left().map(|Bytes(left)| left),
            devices: self.ledger.gate.devices_of(bought.id).map(|mac| mac.to_string()).collect(),
            metered_s: bought.terms.metered.map(|whole| whole.as_secs()),
            validity_s: bought.terms.validity.map(|whole| whole.as_secs()),
            bytes: whole_data(&bought.terms),
            price,
            currency,
        }
    }

    fn price_of(&self, plan: &PlanId) -> (String, String) {
        let plan = self.ledger.gate.plan(plan);
        plan.map(|plan| (plan.price.clone(), plan.currency.clone())).unwrap_or_default()
    }
}

fn whole_data(terms: &Terms) -> Option<u64> {
    [terms.data.total, terms.data.up, terms.data.down].into_iter().flatten().min().map(|Bytes(cap)| cap)
}

/// What the store has of what has ended.
async fn over(ledger: &Ledger, id: EntitlementId) -> Asked<Option<Over>> {
    match ledger.gate.entitlement(id) {
        Some(_) => Ok(None),
        None => ledger.store.over(id).await.map_err(unreadable),
    }
}

/// What a text finds: a code, a payment or an account; else what was bought, by its number.
async fn by_text(ledger: &Ledger, keys: &Keys, text: &str) -> Asked<Result<Voucher, EntitlementId>> {
    let found = ledger.store.find(meanings(keys, text)).await.map_err(unreadable)?;
    match found.into_iter().flatten().next() {
        Some(voucher) => Ok(Ok(voucher)),
        None => {
            let id = text.parse::<EntitlementId>().map_err(|_| no_such_voucher())?;
            let known = ledger.store.entitlement(id).await.map_err(unreadable)?;
            known.map(|_| Err(id)).ok_or_else(no_such_voucher)
        }
    }
}

/// What a device that is not online used last, and did not lose to another one.
async fn used_last(ledger: &Ledger, mac: Mac) -> Asked<Option<EntitlementId>> {
    let whom = Whom::Person(Person { mac: Some(mac), ..Person::default() });
    let traces = ledger.store.traces(whom).await.map_err(unreadable)?;
    let found = ledger.store.dossier(traces).await.map_err(unreadable)?;
    let last = found.visits.iter().filter(|visit| visit.mac == mac).max_by_key(|visit| visit.session);
    let Some(last) = last else { return Ok(None) };
    if let Some(kept) = ledger.store.went_into(last.entitlement).await.map_err(unreadable)? {
        return Ok(Some(kept));
    }
    // Nor is it the one before that.
    let was_lost = last.why.as_deref() == Some(Closing::Moved.word());
    Ok((!was_lost).then_some(last.entitlement))
}

fn nobody_began(state: VoucherState) -> Failure {
    let (why, remedy) = match state {
        VoucherState::Revoked => ("it was withdrawn", "sell another one: lango voucher new"),
        VoucherState::Unused | VoucherState::Active | VoucherState::Spent | VoucherState::Expired => (
            "nobody has used it yet",
            "let the guest type it at the portal first; it is added there to what is in use of the same plan",
        ),
    };
    Failure::new(Code::Refused, why, remedy)
}

fn nothing_used(mac: Mac) -> Failure {
    let message = format!("{mac} is not online, and nothing is stored of what it used");
    Failure::new(Code::NotOnline, message, "name the code instead, or open the device by lango login")
}

fn blocked_device() -> Failure {
    super::ask::refused(&Refusal::Hindered(Hindrance::KeptOut))
}

fn no_such_session(id: SessionId) -> Failure {
    let remedy = "lango sessions lists those that are open; of another one name the code, or --mac MAC";
    Failure::new(Code::NoSuchSession, format!("there is no session {id}"), remedy)
}

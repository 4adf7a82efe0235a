//! What guests type and operators do, asked of the Gate and of the reference at once.
//!
//! Several inputs share a commit. A voucher may have been looked up a while before it is decided over.

use lango::domain::{
    Blame, CodeKey, Decision, Effect, EntitlementId, Found, Hint, Input, Kind, Mac, Moving, PlanId, Record,
    Refusal, Reply, SessionId, Voucher, VoucherState,
};

use super::reference::{Answer, Code, millis};
use super::world::{Died, Flash, MACS, TRIAL, World};

const A_DAY: u64 = 24 * 3_600_000;

impl<F: Flash> World<F> {
    /// A batch of inputs with one commit.
    pub(crate) fn guests(&mut self) -> Result<(), Died> {
        let (mut records, mut effects) = (Vec::new(), Vec::<Effect>::new());
        for _ in 0..self.random.within(1..6) {
            let now = self.now();
            let decision = self.somebody();
            self.tell(format!("  → {:?}", decision.reply));
            self.gate.apply(&decision.records, now);
            self.reference.written(&decision.records, now);
            self.count_logins(&decision.records);
            records.extend(decision.records);
            effects.extend(decision.effects);
            self.point()?;
            self.moment();
        }
        self.commit(&records, &effects)?;
        Ok(())
    }

    fn somebody(&mut self) -> Decision {
        let mac = self.mac();
        match self.random.within(0..100) {
            0..50 => self.types_a_code(mac),
            50..56 => self.types_nonsense(mac),
            56..66 => self.closes(Input::Logout { mac }, Some(mac), Refusal::NotOnline),
            66..71 => self.closes(Input::KickDevice { mac }, Some(mac), Refusal::NotOnline),
            71..75 => self.kicks(),
            75..80 => self.grants(mac),
            80..84 => self.revokes(),
            84..88 => self.tries_free(mac),
            88..92 => self.grows(),
            92..94 => self.refunds(),
            94..96 => self.merges(),
            _ => self.makes_vouchers(),
        }
    }

    pub(crate) fn mac(&mut self) -> Mac {
        Mac::new([2, 0, 0, 0, 0, u8::try_from(self.random.within(0..MACS)).unwrap()])
    }

    fn code(&mut self) -> Option<CodeKey> {
        let codes = self.reference.codes.keys().copied().collect::<Vec<_>>();
        (!codes.is_empty()).then(|| self.random.pick(&codes))
    }

    /// The voucher as it is on flash, or was when it was last looked at.
    fn look_up(&mut self, code: CodeKey) -> Option<Voucher> {
        let ms = self.now().boot.as_millis();
        if let Some((when, voucher)) = self.looked_up.get(&code)
            && ms - when < 30_000
            && self.random.percent(50)
        {
            return Some(voucher.clone());
        }
        let voucher = self.flash.find(code)?;
        self.looked_up.insert(code, (ms, voucher.clone()));
        Some(voucher)
    }

    fn types_a_code(&mut self, mac: Mac) -> Decision {
        let Some((key, voucher)) = self.code().and_then(|code| Some((code, self.look_up(code)?))) else {
            return self.types_nonsense(mac);
        };
        let agreed = self.random.percent(40);
        self.tell(format!("{mac} types {key}, agreed: {agreed}"));
        let moving = if agreed { Moving::Agreed } else { Moving::Ask };
        let now = self.now();
        let code = Found::Voucher(Box::new(voucher));
        let decision = self.gate.decide(Input::Redeem { mac, code, moving }, now);
        if !self.is_paced(key, &decision) && !self.is_throttled(mac, &decision) {
            let new = opened(&decision).unwrap_or(EntitlementId(0));
            let answer = self.reference.redeem(mac, key, agreed, new, now);
            assert_eq!(answer_of(&decision), answer, "{decision:?}");
        }
        for record in &decision.records {
            if let Record::ToppedUp { entitlement, .. } = record {
                self.seen.remove(entitlement);
            }
        }
        decision
    }

    fn types_nonsense(&mut self, mac: Mac) -> Decision {
        let blame = self.random.pick(&[Blame::Device, Blame::DeviceAndSite]);
        self.tell(format!("{mac} types nonsense"));
        let input = Input::Redeem { mac, code: Found::Nothing(blame), moving: Moving::Ask };
        let decision = self.gate.decide(input, self.now());
        if !self.is_throttled(mac, &decision) {
            assert_eq!(answer_of(&decision), Answer::No(Refusal::CodeUnknown));
            let ms = self.now().boot.as_millis();
            self.failures.push((ms, mac));
        }
        decision
    }

    /// Whether what `key` opened has to wait because it was used too often of late.
    fn is_paced(&self, key: CodeKey, decision: &Decision) -> bool {
        let bought = self.reference.codes[&key].bought;
        let full = bought.and_then(|id| self.logins.get(&id)).copied().unwrap_or(0);
        let devices = bought.map_or(1, |id| u64::from(self.reference.bought[&id].plan.terms.devices));
        let wait = full.saturating_sub(self.now().boot.as_millis() + 10_000 * (9 + devices));
        if wait == 0 {
            return false;
        }
        let opens = decision.records.iter().any(|record| matches!(record, Record::SessionOpened(_)));
        assert!(!opens, "too often: {wait} ms too soon");
        let retry_after = std::time::Duration::from_millis(wait);
        decision.reply == Reply::Refused(Refusal::TooManyTries { retry_after })
    }

    /// Whether `mac` is told to wait; nobody is who has not been wrong often enough.
    fn is_throttled(&self, mac: Mac, decision: &Decision) -> bool {
        let throttled = matches!(decision.reply, Reply::Refused(Refusal::TooManyTries { .. }));
        assert_eq!(self.gate.wait(mac, self.now()).is_some(), throttled, "asked before and after");
        let five_minutes_ago = self.now().boot.as_millis().saturating_sub(300_000);
        let own = self.failures.iter().filter(|(_, who)| *who == mac).count();
        let site = self.failures.iter().filter(|(at, _)| *at >= five_minutes_ago).count();
        assert!(!throttled || own >= 5 || site >= 30, "{own} {site}");
        throttled
    }

    /// Each login costs, stored or not.
    fn count_logins(&mut self, records: &[Record]) {
        let now = self.now().boot.as_millis();
        for record in records {
            if let Record::SessionOpened(session) = record {
                let full = self.logins.entry(session.entitlement).or_default();
                *full = now.max(*full) + 10_000;
            }
        }
    }

    fn closes(&mut self, input: Input, mac: Option<Mac>, otherwise: Refusal) -> Decision {
        self.tell(format!("{input:?}"));
        let decision = self.gate.decide(input, self.now());
        let now = self.now();
        let closed = mac.is_some_and(|mac| self.reference.close(mac, now));
        let answer = if closed { Answer::Closed } else { Answer::No(otherwise) };
        assert_eq!(answer_of(&decision), answer);
        decision
    }

    fn kicks(&mut self) -> Decision {
        let session = SessionId(self.random.within(1..30));
        let view = self.gate.view(self.now());
        let mac = view.sessions.values().find(|seen| seen.id == session).map(|seen| seen.mac);
        self.closes(Input::Kick { session }, mac, Refusal::NoSuchSession)
    }

    fn plan(&mut self) -> PlanId {
        let plans = self.reference.plans.keys().cloned().collect::<Vec<_>>();
        self.random.pick(&plans)
    }

    fn grants(&mut self, mac: Mac) -> Decision {
        let name = self.plan();
        self.tell(format!("{mac} is granted {name}"));
        let decision = self.gate.decide(Input::Grant { mac, plan: name.clone() }, self.now());
        let plan = self.reference.plans[&name].clone();
        let now = self.now();
        let answer = self.reference.buy(mac, plan, opened(&decision).unwrap_or(EntitlementId(0)), now);
        assert_eq!(answer_of(&decision), answer);
        decision
    }

    /// Not twice a day in truth, but for the seconds that the wall rounds away, if no clock has lied; and a day after the last time at the latest.
    fn tries_free(&mut self, mac: Mac) -> Decision {
        self.tell(format!("{mac} wants what is free"));
        let now = self.now();
        let decision = self.gate.decide(Input::Trial { mac }, now);
        let had = self.reference.had.get(&mac).copied();
        let answer = answer_of(&decision);
        let held = self.reference.online.iter().find(|(other, _)| *other == mac).map(|(_, id)| *id);
        if held.is_some_and(|id| self.reference.bought[&id].ending(now).is_none()) {
            assert_eq!((answer, opened(&decision)), (Answer::Online, None));
            return decision;
        }
        if let Answer::No(Refusal::TrialHad { retry_after }) = answer {
            let watched = had.expect("it had one").watched;
            assert!(watched < A_DAY, "{mac} waits since {watched} ms");
            assert!(millis(retry_after) <= A_DAY - watched, "{retry_after:?}");
            return decision;
        }
        let plan = self.reference.plans[&TRIAL.parse().unwrap()].clone();
        let new = opened(&decision).unwrap_or(EntitlementId(0));
        assert_eq!(answer, self.reference.try_free(mac, plan, new, now));
        let is_early = had.is_some_and(|had| had.ago + 2000 < A_DAY);
        assert!(answer != Answer::Online || !is_early || self.has_lied, "{mac} had one: {had:?}");
        decision
    }

    fn revokes(&mut self) -> Decision {
        let Some((key, voucher)) = self.code().and_then(|code| Some((code, self.look_up(code)?))) else {
            return self.makes_vouchers();
        };
        self.tell(format!("{key} is revoked"));
        let decision = self.gate.decide(Input::RevokeVoucher { voucher }, self.now());
        self.reference.revoke(key);
        assert_eq!(answer_of(&decision), Answer::Done);
        decision
    }

    pub(crate) fn makes_vouchers(&mut self) -> Decision {
        let count = self.random.within(1..4);
        let vouchers = (0..count).map(|_| self.new_voucher()).collect::<Vec<_>>();
        for voucher in &vouchers {
            self.tell(format!("made {} for {}, {:?}", voucher.key, voucher.plan, voucher.activate_by));
            let code = Code {
                plan: voucher.plan.clone(),
                activate_by: voucher.activate_by,
                bought: None,
                revoked: false,
            };
            self.reference.codes.insert(voucher.key, code);
        }
        let decision = self.gate.decide(Input::MakeVouchers { vouchers }, self.now());
        assert_eq!(answer_of(&decision), Answer::Done);
        decision
    }

    fn new_voucher(&mut self) -> Voucher {
        self.vouchers_made += 1;
        let mut key = [0; 16];
        key[8..].copy_from_slice(&self.vouchers_made.to_be_bytes());
        let made = self.now().wall;
        let by = std::time::Duration::from_secs(self.random.within(0..3 * 86_400));
        Voucher {
            kind: Kind::Voucher,
            id: None,
            proof: None,
            key: CodeKey(key),
            plan: self.plan(),
            batch: None,
            activate_by: self.random.percent(20).then(|| made.plus(by)),
            made,
            hint: Hint::default(),
            entitlement: None,
            state: VoucherState::Unused,
        }
    }
}

fn opened(decision: &Decision) -> Option<EntitlementId> {
    decision
        .records
        .iter()
        .find_map(|record| if let Record::EntitlementOpened(new) = record { Some(new.id) } else { None })
}

pub(crate) fn answer_of(decision: &Decision) -> Answer {
    match &decision.reply {
        Reply::Online(_) => Answer::Online,
        Reply::Closed(_) => Answer::Closed,
        Reply::Done => Answer::Done,
        Reply::Waiting => panic!("nobody claims a payment: {decision:?}"),
        Reply::Refused(why) => Answer::No(why.clone()),
    }
}

//! What the cloud says, and what it is told.
//!
//! Owns: what a page's rows, plans, payments and commands bring about, each decided by itself; which records
//! the cloud hears of. Never: rows that nobody uses, which are the store's; the order of pages (`wire::feed`).
//! Neighbours: `claim.rs` for payments that are awaited, `redeem.rs` opens.

use super::{
    Closing, Decision, Effect, Ending, Entitlement, Gate, Mac, Moment, Now, Record, Refusal, Reply, Reports,
};
use crate::domain::{
    Bridged, Claim, CloudCommand, CloudId, Cursor, Fact, Generation, Origin, Outcome, PageKind, Person, Plan,
    PlanId, Reach, ReferenceKey, Reported, Row, RowName, RowsFrom, Session, Stand, Voucher, VoucherState,
    Walk,
};

impl Gate {
    /// How far the feed was read.
    pub fn stand(&self) -> Stand {
        self.cloud.read().0
    }

    /// Whether anybody waits for that payment.
    pub fn awaits(&self, reference: ReferenceKey) -> bool {
        !self.claims.on(reference).is_empty()
    }

    /// The devices that the cloud wants kept out.
    pub fn kept_out(&self) -> impl Iterator<Item = Mac> {
        self.cloud.blocked.iter().map(|(mac, ())| *mac)
    }

    /// Whether the cloud wanted this done, and it was.
    pub fn has_done(&self, command: &CloudId) -> bool {
        self.cloud.commands.get(command).is_some()
    }

    pub(super) fn read_feed(&self, stand: Stand, page: PageKind) -> Decision {
        let (before, generation) = self.cloud.read();
        let begins = page == PageKind::Reset && before.walk == Walk::Following;
        let generation = if begins { Generation(generation.0.saturating_add(1)) } else { generation };
        one(Record::FeedRead { stand, generation })
    }

    pub(super) fn start_over(&self) -> Decision {
        let (stand, generation) = self.cloud.read();
        one(Record::FeedRead { stand: stand.over(), generation })
    }

    pub(super) fn end_reset(&self) -> Decision {
        let mut decision = one(Record::ResetEnded(self.cloud.read().1));
        decision.effects.push(Effect::Regrant);
        decision
    }

    pub(super) fn put_rows(
        &self,
        rows: Vec<(Option<CloudId>, Row)>,
        from: RowsFrom,
        moment: Moment,
    ) -> Decision {
        let generation = match from {
            RowsFrom::Feed => Some(self.cloud.read().1),
            RowsFrom::Lookup => None,
        };
        one(Record::RowsPut { rows, at: moment.now.wall, generation })
    }

    pub(super) fn put_plan(&self, plan: Box<Plan>) -> Decision {
        let mut decision = one(Record::PlanPut { plan, generation: self.cloud.read().1 });
        // The speed is the plan's.
        decision.effects.push(Effect::Regrant);
        decision
    }

    /// What somebody is using ends with its row: the cloud knows of the redemption, or the page would have
    /// waited.
    pub(super) fn drop_row(&self, name: RowName, known: Option<Box<Voucher>>, moment: Moment) -> Decision {
        let mut decision = match (&name, known) {
            (RowName::Plan(id), _) => return one(Record::PlanGone(id.clone())),
            (_, Some(voucher)) if voucher.entitlement.is_some() => self.revoke_voucher(&voucher, moment),
            _ => Decision::done(),
        };
        decision.records.push(Record::RowGone(name));
        decision
    }

    /// A payment opens the device that it names; else the first that claimed it, unless the guest has to
    /// prove that it was his.
    pub(super) fn paid(&self, payment: &Voucher, mac: Option<Mac>, moment: Moment) -> Decision {
        let reference = ReferenceKey(payment.key.0);
        let is_new = payment.state == VoucherState::Unused
            && self.by_code.get(&payment.key).is_none()
            && self.over.get(&payment.key).is_none();
        let claims = self.claims.on(reference);
        let claimant = claims.first().filter(|_| payment.proof.is_none()).map(|claim| claim.mac);
        let Some(mac) = mac.or(claimant).filter(|_| is_new) else { return Decision::done() };
        self.use_first(mac, payment, moment)
    }

    /// Closes the claims on what now belongs to somebody.
    pub(super) fn settle_claims(&self, payment: &Voucher, records: &mut Vec<Record>) {
        let reference = ReferenceKey(payment.key.0);
        let settled = self.claims.on(reference).into_iter();
        records.extend(settled.map(|claim| Record::ClaimClosed { reference, mac: claim.mac }));
    }

    /// A guest says to have paid under a reference that is not known.
    pub(super) fn claim(&self, mac: Mac, reference: ReferenceKey, reach: Reach, moment: Moment) -> Decision {
        if self.claims.get(reference, mac).is_some() {
            return Decision { reply: Reply::Waiting, ..Decision::done() };
        }
        if !self.claims.have_room_for(mac) {
            return Decision::refused(Refusal::TooManyClaims);
        }
        let mut decision = self.bridge(mac, reach, moment).unwrap_or_else(Decision::done);
        let bridged = match decision.reply {
            Reply::Online(_) => Bridged::Provisionally,
            Reply::Closed(_) | Reply::Waiting | Reply::Done | Reply::Refused(_) => Bridged::No,
        };
        if bridged == Bridged::No {
            decision = Decision { reply: Reply::Waiting, ..Decision::done() };
        }
        // Until it is confirmed it may as well be a guess.
        decision.records.push(Record::TryFailed { mac, blame: self.lane(mac, moment.now) });
        let claim = Claim { reference, mac, since: moment.now.wall, bridged };
        decision.records.push(Record::ClaimOpened(claim));
        self.report(Fact::Claimed { reference, mac }, moment.now, &mut decision.records);
        decision
    }

    /// Lets a device in ahead of its payment, if the cloud cannot be asked and the operator wants that.
    fn bridge(&self, mac: Mac, reach: Reach, moment: Moment) -> Option<Decision> {
        let plan = self.plan(self.limits.provisional_plan.as_ref()?)?;
        let deserves = reach == Reach::Away
            && self.sessions.of_device(mac).is_none()
            && !self.claims.bridged_lately(mac, moment.now);
        let entitlement = Entitlement::of(self.new_entitlement_id(), Origin::Payment, plan, moment);
        deserves.then(|| self.open_with(mac, entitlement, moment))
    }

    /// Claims that nobody confirmed for so long that nobody will.
    pub(super) fn forget_claims(&self, now: Now) -> impl Iterator<Item = Record> {
        let old = self.claims.forgotten(self.limits.claims_kept, now);
        old.map(|claim| Record::ClaimClosed { reference: claim.reference, mac: claim.mac })
    }

    pub(super) fn obey(&self, id: CloudId, command: &CloudCommand, moment: Moment) -> Decision {
        if self.has_done(&id) {
            return Decision::done();
        }
        let mut decision = match command {
            CloudCommand::Kick(mac) => self.close_device(*mac, Closing::Kicked, moment),
            CloudCommand::Grant { mac, plan } => self.grant_for_cloud(*mac, plan, moment),
            CloudCommand::Block(mac) => self.keep_out(*mac, moment),
            CloudCommand::ReloadPlans => Decision { effects: vec![Effect::ReadPlans], ..Decision::done() },
            CloudCommand::Forget(person) => self.forget_person(person, moment),
            CloudCommand::Export(_) => Decision::done(),
        };
        let result = match &decision.reply {
            // Who is not online was cut before.
            Reply::Refused(Refusal::NotOnline) => Outcome::Done,
            Reply::Refused(refusal) => Outcome::Failed(refusal.to_string()),
            Reply::Online(_) | Reply::Closed(_) | Reply::Waiting | Reply::Done => match command {
                CloudCommand::Export(_) => Outcome::Failed("this version cannot export".to_owned()),
                _ => Outcome::Done,
            },
        };
        decision.records.push(Record::CommandDone(id.clone()));
        self.report(Fact::Done { command: id, result }, moment.now, &mut decision.records);
        decision
    }

    fn grant_for_cloud(&self, mac: Mac, plan: &PlanId, moment: Moment) -> Decision {
        match self.plan(plan) {
            Some(plan) => {
                let new = Entitlement::of(self.new_entitlement_id(), Origin::Cloud, plan, moment);
                self.open_with(mac, new, moment)
            }
            None => Decision::refused(Refusal::NoSuchPlan(plan.clone())),
        }
    }

    fn keep_out(&self, mac: Mac, moment: Moment) -> Decision {
        let mut decision = self.close_device(mac, Closing::Kicked, moment);
        decision.reply = Reply::Done;
        decision.records.push(Record::DeviceBlocked(mac));
        decision.effects.push(Effect::KeepOut);
        decision
    }

    /// Ends what a person is doing here, and forgets what he waits for.
    fn forget_person(&self, person: &Person, moment: Moment) -> Decision {
        let by_code = [person.code.map(|code| code.0), person.reference.map(|reference| reference.0)];
        let entitlement = by_code.into_iter().flatten().find_map(|key| {
            self.by_code.get(&crate::domain::CodeKey(key)).and_then(|id| self.entitlements.get(*id))
        });
        let mut decision = match (person.mac, entitlement) {
            (Some(mac), _) => self.close_device(mac, Closing::Kicked, moment),
            (None, Some(entitlement)) => {
                let mut decision = Decision::done();
                self.end(entitlement, Ending::Revoked, moment, &mut decision);
                decision
            }
            (None, None) => Decision::done(),
        };
        let of_person =
            |claim: &&Claim| Some(claim.mac) == person.mac || Some(claim.reference) == person.reference;
        let claims = self.claims.values().filter(of_person);
        decision
            .records
            .extend(claims.map(|claim| Record::ClaimClosed { reference: claim.reference, mac: claim.mac }));
        decision.reply = Reply::Done;
        decision
    }

    pub(super) fn not_applied(
        &self,
        cursor: Option<Cursor>,
        id: Option<CloudId>,
        why: String,
        now: Now,
    ) -> Decision {
        let mut decision = Decision::done();
        self.report(Fact::Refused { cursor, id, why }, now, &mut decision.records);
        decision
    }

    /// Adds `fact` to what the cloud is to be told, if there is one.
    pub(super) fn report(&self, fact: Fact, now: Now, records: &mut Vec<Record>) {
        match self.limits.reports {
            Reports::ToCloud => records.push(Record::Queued(Reported::new(fact, now))),
            Reports::ToNobody => {}
        }
    }

    /// Adds the facts that follow from `records`: who came online, who went.
    pub(super) fn report_sessions(&self, records: &mut Vec<Record>, now: Now) {
        let facts: Vec<_> = records.iter().filter_map(|record| self.fact_of(record, now)).collect();
        facts.into_iter().for_each(|fact| self.report(fact, now, records));
    }

    fn fact_of(&self, record: &Record, now: Now) -> Option<Fact> {
        if let Record::SessionOpened(Session { id, entitlement, mac, .. }) = record {
            return Some(Fact::SessionOpened { session: *id, entitlement: *entitlement, mac: *mac });
        }
        let Record::SessionClosed { session, why, used, .. } = record else { return None };
        let seconds =
            self.sessions.get(*session).map_or(0, |session| session.lasted_until(now.boot).as_secs());
        Some(Fact::SessionClosed { session: *session, why: *why, seconds, used: *used })
    }

    /// What all sessions have used so far, for the cloud, and how long they have lasted, for a power cut.
    pub(super) fn report_usage(&self, now: Now) -> Vec<Record> {
        let mut records = Vec::new();
        for session in self.sessions.values() {
            let lasted = session.lasted_until(now.boot);
            records.push(Record::SessionLasted { session: session.id, lasted, at: now.boot });
            let fact = Fact::Usage { session: session.id, seconds: lasted.as_secs(), used: session.used };
            self.report(fact, now, &mut records);
        }
        records
    }
}

fn one(record: Record) -> Decision {
    Decision { records: vec![record], ..Decision::done() }
}

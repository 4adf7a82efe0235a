//! What the cloud says of rows and plans, and what it wants done.
//!
//! Owns: what a page's rows, plans and commands bring about, each decided by itself. Never: rows that nobody
//! uses, which are the store's; the order of pages (`wire::feed`). Neighbours: `claims.rs` has payments,
//! `persons.rs` who is
//! forgotten, `facts.rs` what the cloud is told.

use super::{Closing, Decision, Effect, Gate, Mac, Moment, Now, Record, Refusal, Reply};
use crate::domain::{
    Actor, Awaits, CloudCommand, CloudId, Cursor, Fact, Generation, Origin, Outcome, PageKind, Plan, PlanId,
    Row, RowName, RowsFrom, Stand, Voucher, Walk,
};

impl Gate {
    /// How far the feed was read.
    pub fn stand(&self) -> Stand {
        self.cloud.read().0
    }

    /// The devices that the cloud wants kept out.
    pub fn kept_out(&self) -> impl Iterator<Item = Mac> {
        self.cloud.blocked.iter().map(|(mac, ())| *mac)
    }

    /// Whether the cloud wanted this done, and it was.
    pub fn has_done(&self, command: &CloudId) -> bool {
        self.cloud.has_done(command)
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
        regranting(Record::ResetEnded(self.cloud.read().1))
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
        regranting(Record::PlanPut { plan, generation: self.cloud.read().1 })
    }

    /// What somebody is using ends with its row: the cloud knows of the redemption, or the page would have
    /// waited. What was redeemed since the row was looked up, it does not know of, so that goes on; what is over
    /// stays as it ended.
    pub(super) fn drop_row(&self, name: RowName, known: Option<Box<Voucher>>, moment: Moment) -> Decision {
        let mut decision = match (&name, known) {
            (RowName::Plan(id), _) => return regranting(Record::PlanGone(id.clone())),
            (_, Some(voucher)) if voucher.entitlement.is_some() && self.owned(&voucher.key).is_some() => {
                self.revoke_voucher(&voucher, moment)
            }
            (RowName::Payment(reference), _) => {
                let mut decision = Decision::done();
                self.let_await(self.claims.on(*reference), Awaits::Payment, &mut decision);
                decision
            }
            (RowName::Voucher(_) | RowName::Account(_), _) => Decision::done(),
        };
        decision.records.push(Record::RowGone(name));
        decision
    }

    /// Does what the cloud wants, once, and says what came of it.
    pub(super) fn obey(&self, id: CloudId, command: &CloudCommand, moment: Moment) -> Decision {
        if self.has_done(&id) {
            return Decision::done();
        }
        let (mut decision, result) = match command {
            CloudCommand::Kick(mac) => outcome(self.close_device(*mac, Closing::Kicked, moment)),
            CloudCommand::Grant { mac, plan } => self.grant_for_cloud(*mac, plan, moment),
            CloudCommand::Block(mac) => (self.keep_out(*mac, moment), Outcome::Done),
            CloudCommand::ReloadPlans => {
                (Decision { effects: vec![Effect::ReadPlans], ..Decision::done() }, Outcome::Done)
            }
        };
        if let Some(action) = result.is_done().then(|| command.action()) {
            let detail = match &decision.reply {
                Reply::Online(session) | Reply::Closed(session) => session.to_string(),
                Reply::Waiting | Reply::Done | Reply::Refused(_) => String::new(),
            };
            self.note(&Actor::Cloud(id.clone()), action, &detail, moment.now, &mut decision.records);
        }
        self.answer_command(id, result, moment, &mut decision);
        decision
    }

    /// The command is done with, and the cloud hears of it.
    pub(super) fn answer_command(
        &self,
        id: CloudId,
        result: Outcome,
        moment: Moment,
        decision: &mut Decision,
    ) {
        decision.records.push(Record::CommandDone(id.clone()));
        self.report(Fact::Done { command: id, result }, moment.now, &mut decision.records);
    }

    fn grant_for_cloud(&self, mac: Mac, plan: &PlanId, moment: Moment) -> (Decision, Outcome) {
        if self.is_kept_out(mac) {
            return (Decision::done(), failed("the device is kept out"));
        }
        outcome(self.open_without_code(mac, Origin::Cloud, plan, moment))
    }

    pub(super) fn is_kept_out(&self, mac: Mac) -> bool {
        self.cloud.blocked.get(&mac).is_some()
    }

    fn keep_out(&self, mac: Mac, moment: Moment) -> Decision {
        let mut decision = self.close_device(mac, Closing::Kicked, moment);
        decision.reply = Reply::Done;
        let waits = self.claims.open().filter(|claim| claim.mac == mac).copied().collect();
        self.close_claims(waits, moment.now, &mut decision);
        decision.records.push(Record::DeviceBlocked(mac));
        decision.effects.push(Effect::KeepOut);
        decision
    }

    /// Told once until a page is read: one that is refused comes again and again.
    pub(super) fn not_applied(
        &self,
        cursor: Option<Cursor>,
        id: Option<CloudId>,
        why: String,
        now: Now,
    ) -> Decision {
        let refused = (cursor, id, why);
        let mut decision = Decision::done();
        if self.cloud.is_news(&refused) {
            let (cursor, id, why) = refused;
            self.report(Fact::Refused { cursor, id, why }, now, &mut decision.records);
        }
        decision
    }
}

fn failed(why: &str) -> Outcome {
    Outcome::Failed(why.to_owned())
}

/// What a command came to, by what was answered.
fn outcome(decision: Decision) -> (Decision, Outcome) {
    let outcome = match &decision.reply {
        // Who is not online was cut before.
        Reply::Refused(Refusal::NotOnline) => Outcome::Done,
        Reply::Refused(refusal) => Outcome::Failed(refusal.to_string()),
        Reply::Online(_) | Reply::Closed(_) | Reply::Waiting | Reply::Done => Outcome::Done,
    };
    (decision, outcome)
}

fn one(record: Record) -> Decision {
    Decision { records: vec![record], ..Decision::done() }
}

/// The speed is the plan's, so all grants may have changed.
fn regranting(record: Record) -> Decision {
    Decision { effects: vec![Effect::Regrant], ..one(record) }
}

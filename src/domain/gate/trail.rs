//! What goes into the trail of what operators, the cloud and the gateway itself do.
//!
//! Owns: what a row says of a deed, and that what was refused leaves none. Never: who may do it.
//! Neighbours: `audit.rs` has the rows; `cloud.rs` and `persons.rs` note what the cloud has done.

use super::{Decision, Gate, Input, Now, Record, Reply};
use crate::domain::{Action, Actor, Fact, Forgotten, Noted, Voucher};

impl Gate {
    /// Does what somebody wants, and notes it.
    pub(super) fn order(&self, by: &Actor, action: Action, input: Input, now: Now) -> Decision {
        let about = self.about(&input, now);
        let mut decision = self.answer(input, now);
        let detail = match &decision.reply {
            Reply::Refused(_) => return decision,
            Reply::Online(session) => format!("{session} {about}"),
            Reply::Closed(session) => session.to_string(),
            Reply::Waiting | Reply::Done => about,
        };
        self.note(by, action, &detail, now, &mut decision.records);
        decision
    }

    /// Notes what was done elsewhere.
    pub(super) fn only_noted(&self, by: &Actor, action: Action, detail: &str, now: Now) -> Decision {
        let mut decision = Decision::done();
        self.note(by, action, detail, now, &mut decision.records);
        decision
    }

    /// Adds a row to `records`, of which no other may be one, and has the cloud told of it.
    pub(super) fn note(&self, by: &Actor, action: Action, detail: &str, now: Now, records: &mut Vec<Record>) {
        let row = Box::new(Noted::after(self.trail.end(), by, action, detail, now));
        records.push(Record::Noted(row.clone()));
        self.report(Fact::Noted(row), now, records);
    }

    /// What it is about, in what the gateway calls things.
    fn about(&self, input: &Input, now: Now) -> String {
        if let Input::Grant { plan, .. } = input {
            return format!("of plan {plan}");
        }
        if let Input::Grow { bought, more } = input {
            return format!("{}, {more} more", bought.id);
        }
        if let Input::Move { entitlement, .. } = input {
            return entitlement.to_string();
        }
        if let Input::Merge { kept, other } = input {
            return self.about_both(*kept, *other, self.moment(now));
        }
        if let Input::Refund { entitlement, reason } = input {
            return with_reason(self.about_left(*entitlement, self.moment(now)), reason);
        }
        if let Input::RefundUnused { voucher, reason } = input {
            let all = about_vouchers(std::slice::from_ref(voucher));
            return with_reason(format!("{all}, unused{}", self.about_price(&voucher.plan)), reason);
        }
        if let Input::MakeVouchers { vouchers } = input {
            return about_vouchers(vouchers);
        }
        if let Input::ReplaceVouchers { old, new } = input {
            return format!("{}, for {}", about_vouchers(new), about_vouchers(old));
        }
        if let Input::RevokeVoucher { voucher } = input {
            let used = voucher.entitlement.map_or("unused".to_owned(), |id| id.to_string());
            return format!("{}, {used}", about_vouchers(std::slice::from_ref(voucher)));
        }
        if let Input::ResetFloor { to } = input {
            return format!("to {to}");
        }
        if let Input::Forget { person, .. } = input {
            return about_person(person);
        }
        String::new()
    }
}

fn with_reason(what: String, reason: &str) -> String {
    if reason.is_empty() { what } else { format!("{what}; {reason}") }
}

/// How much of a person was forgotten.
pub(super) fn about_person(gone: &Forgotten) -> String {
    let (devices, purchases) = (gone.traces.devices.len(), gone.traces.purchases());
    format!("{devices} devices, {purchases} purchases")
}

/// `20 of plan hour, batch B20261122-4f07a1`.
fn about_vouchers(vouchers: &[Voucher]) -> String {
    let Some(first) = vouchers.first() else { return String::new() };
    let alike = vouchers.iter().all(|voucher| voucher.plan == first.plan && voucher.batch == first.batch);
    match (&first.batch, alike) {
        (Some(batch), true) => format!("{} of plan {}, batch {batch}", vouchers.len(), first.plan),
        (None, true) => format!("{} of plan {}", vouchers.len(), first.plan),
        (_, false) => format!("{} of several plans or batches", vouchers.len()),
    }
}

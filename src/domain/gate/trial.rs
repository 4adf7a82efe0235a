//! The free trial: time that nobody pays for, once per device and day.
//!
//! Owns: who gets one, and how much of the hotspot trials may take up. Never: changes the Gate; `apply.rs`
//! does. Neighbours: `trials.rs` remembers who had one, `redeem.rs` opens it.
//!
//! Addresses of devices are free, so who makes up a new one gets a new trial; nothing here can tell. What is
//! bounded is what that costs others: how many trials begin in a minute, and that they leave half of all places
//! to guests who pay. A trial proves nothing of a device: see `lane` and `attempts.rs`.

use super::{Decision, Entitlement, Gate, Mac, Moment, Record, Refusal, Reply};
use crate::domain::{Now, Origin, Trust, Wall};

impl Gate {
    pub(super) fn try_free(&self, mac: Mac, moment: Moment) -> Decision {
        let online = self.sessions.of_device(mac).filter(|session| self.goes_on(session, moment));
        if let Some(session) = online {
            return Decision { reply: Reply::Online(session.id), ..Decision::done() };
        }
        let begins = |last| moment.now.wall <= last;
        let plan = self.trial_plan().filter(|plan| plan.activate_by.is_none_or(begins));
        let Some(plan) = plan else { return Decision::refused(Refusal::NoTrial) };
        if let Some(retry_after) = self.trials.had().wait(mac, moment.now) {
            return Decision::refused(Refusal::TrialHad { retry_after });
        }
        if let Some(retry_after) = self.trials.pace(self.limits.trials_a_minute, moment.now.boot) {
            return Decision::refused(Refusal::TooManyTrials { retry_after });
        }
        if self.trials_online() >= self.limits.max_clients.div_ceil(2) {
            return Decision::refused(Refusal::Full);
        }
        let new = Entitlement::of(self.new_entitlement_id(), Origin::Trial, plan, moment);
        self.open_with(mac, new, moment)
    }

    /// What a trusted clock says of trials that were opened without one.
    pub(super) fn date_trials(&self, moment: Moment) -> impl Iterator<Item = Record> {
        let is_trusted = moment.now.trust == Trust::Trusted;
        let datings = self.trials.datings(moment.now).filter(move |_| is_trusted);
        datings.map(|(entitlement, opened)| Record::TrialDated { entitlement, opened })
    }

    /// The same of a clock that is set to `to` by hand: or the next start would take those for a day old.
    pub(super) fn redate_trials(&self, to: Wall, now: Now) -> impl Iterator<Item = Record> {
        let datings = self.trials.datings_before(to, Now { wall: to, ..now });
        datings.map(|(entitlement, opened)| Record::TrialDated { entitlement, opened })
    }

    fn trials_online(&self) -> usize {
        let of_trial = |id| self.entitlements.get(id).is_some_and(|e| e.origin == Origin::Trial);
        self.sessions.values().filter(|session| of_trial(session.entitlement)).count()
    }
}

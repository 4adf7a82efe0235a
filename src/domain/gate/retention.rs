//! What is too old goes.
//!
//! Owns: when a purge may be, what is written of it, and that what a clock nobody trusted has dated counts as closed
//! when the time became known. Never: finds what is too old, the store does.

use super::{Decision, Gate, Moment, Now, Record, Trust};
use crate::domain::{Action, Actor, Bound, Overdue};

impl Gate {
    /// What is too old by now; `None`: nothing can be told to be.
    pub fn overdue(&self, now: Now) -> Option<Bound> {
        let is_dated = now.trust == Trust::Floor || self.dated;
        self.limits.keeping.bound(self.limits.claims_kept, now).filter(|_| is_dated)
    }

    /// How far apart two purges are.
    pub fn purges_apart(&self) -> std::time::Duration {
        self.limits.keeping.apart()
    }

    /// Sessions from after the floor ended by a clock that nobody trusted, or in the last minutes before a start. When
    /// they did is not known; not after now.
    pub(super) fn date_sessions(&self, moment: Moment) -> Option<Record> {
        let is_due = moment.now.trust == Trust::Trusted && !self.dated;
        is_due.then_some(Record::SessionsDated { from: self.floor, to: moment.now.wall })
    }

    pub(super) fn purge(&self, overdue: Overdue, now: Now) -> Decision {
        let mut decision = Decision::done();
        if !overdue.is_empty() {
            let about = overdue.about();
            decision.records.push(Record::Purged(Box::new(overdue)));
            self.note(&Actor::Gateway, Action::Purge, &about, now, &mut decision.records);
        }
        decision
    }
}

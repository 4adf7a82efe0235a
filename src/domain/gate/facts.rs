//! What the cloud is told of: who came, who went, how much was used.
//!
//! Owns: which records are facts, and their order: each follows what it tells of, so that a redemption comes
//! before its session. Never: sends them, or keeps them; the store does, in the transaction of their cause.

use super::{Gate, Moment, Now, Record, Reports};
use crate::domain::{Fact, Reported, Session};

impl Gate {
    /// Adds `fact` to what the cloud is to be told, if there is one.
    pub(super) fn report(&self, fact: Fact, now: Now, records: &mut Vec<Record>) {
        match self.limits.reports {
            Reports::ToCloud => records.push(Record::Queued(Reported::new(fact, now))),
            Reports::ToNobody => {}
        }
    }

    /// `records`, with the facts that follow from them: who came online, who went.
    pub(super) fn with_facts(&self, records: Vec<Record>, moment: Moment) -> Vec<Record> {
        let mut told = Vec::with_capacity(records.len());
        for record in records {
            let fact = self.fact_of(&record, moment);
            told.push(record);
            if let Some(fact) = fact {
                self.report(fact, moment.now, &mut told);
            }
        }
        told
    }

    fn fact_of(&self, record: &Record, moment: Moment) -> Option<Fact> {
        if let Record::SessionOpened(Session { id, entitlement, mac, .. }) = record {
            return Some(Fact::SessionOpened { session: *id, entitlement: *entitlement, mac: *mac });
        }
        let Record::SessionClosed { session, why, used, .. } = record else { return None };
        let seconds = self.sessions.get(*session).map_or(0, |session| self.seconds(session, moment));
        Some(Fact::SessionClosed { session: *session, why: *why, seconds, used: *used })
    }

    /// How long the session has lasted; the kernel ends it in time, however late that is written down.
    fn seconds(&self, session: &Session, moment: Moment) -> u64 {
        let over = self.entitlements.get(session.entitlement).map(|e| e.over_for(moment));
        session.lasted_until(moment.now.boot).saturating_sub(over.unwrap_or_default()).as_secs()
    }

    /// What all sessions that go on have used so far.
    pub(super) fn report_usage(&self, moment: Moment) -> Vec<Record> {
        let mut records = Vec::new();
        for session in self.sessions.values().filter(|session| self.goes_on(session, moment)) {
            let seconds = self.seconds(session, moment);
            let fact = Fact::Usage { session: session.id, seconds, used: session.used };
            self.report(fact, moment.now, &mut records);
        }
        records
    }
}

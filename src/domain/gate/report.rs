//! What is reported by those who watch: bytes, presence, the uplink.
//!
//! Owns: what a reading of the counters means, when a silent device is gone, what an outage changes. Never:
//! changes the Gate; `apply.rs` does. Neighbours: `traffic.rs` clips, `downtime.rs` is the clock of outages.

use super::ask::end_with;
use super::{
    Closing, Decision, Effect, Ending, EntitlementId, Gate, Mac, Moment, Now, Record, SessionId, Uplink,
    Usage,
};
use crate::domain::{Bytes, Session, Traffic, UplinkState};
use crate::ordered::OrdMap;

impl Gate {
    /// Takes readings of the counters in, in any order, twice if need be. What is used up by them ends.
    pub(super) fn count(&self, readings: &[Usage], moment: Moment) -> Decision {
        let (mut used, mut spent) = (OrdMap::new(), OrdMap::new());
        for reading in readings {
            self.add(*reading, &mut used, &mut spent);
        }
        let mut decision = Decision::done();
        let counted = used.iter().map(|(session, used)| Record::SessionCounted(Usage::of(*session, *used)));
        decision.records.extend(counted);
        for (id, spent) in spent {
            let Some(entitlement) = self.entitlements.get(id) else { continue };
            if entitlement.terms.data.left(spent) == Some(Bytes(0)) {
                let mut entitlement = entitlement.clone();
                entitlement.counted(spent.beyond(entitlement.spent()));
                let sessions = self.sessions.with(id).map(|session| {
                    let used = used.get(&session.id).copied().unwrap_or(session.used);
                    Session { used, ..session.clone() }
                });
                end_with(&entitlement, sessions, Ending::Spent, moment, &mut decision);
            }
        }
        decision
    }

    /// Adds what `reading` says to what sessions have used and entitlements have spent.
    fn add(
        &self,
        reading: Usage,
        used: &mut OrdMap<SessionId, Traffic>,
        spent: &mut OrdMap<EntitlementId, Traffic>,
    ) {
        let Some(session) = self.sessions.get(reading.session) else { return };
        let Some(entitlement) = self.entitlements.get(session.entitlement) else { return };
        let known = used.get(&session.id).copied().unwrap_or(session.used);
        let spent = spent.entry(entitlement.id).or_insert(entitlement.spent());
        let more = entitlement.terms.data.fitting(*spent, reading.used().beyond(known));
        if more != Traffic::default() {
            *spent = spent.plus(more);
            used.insert(session.id, known.plus(more));
        }
    }

    pub(super) fn change_uplink(&self, to: UplinkState, now: Now) -> Decision {
        let Some(downtime) = self.downtime.after(to, now.boot) else { return Decision::done() };
        let mut decision = Decision::done();
        decision.records.push(Record::UplinkChanged(downtime));
        if to.uplink == Uplink::Down {
            let moment = Moment { now, uplink: Uplink::Down, downtime: downtime.until(now.boot) };
            let in_use = self.sessions.entitlements().filter_map(|id| self.entitlements.get(id));
            let refunded = in_use.filter_map(|e| e.refunded(downtime.state.since, moment));
            decision.records.extend(refunded.map(Record::EntitlementStamped));
        }
        decision.effects.push(Effect::Regrant);
        decision
    }

    pub(super) fn see(&self, mac: Mac) -> Decision {
        let mut decision = Decision::done();
        decision.records.push(Record::DeviceSeen { mac });
        decision
    }

    /// Closes the session of a device that did not answer, unless it has shown itself since it was asked.
    pub(super) fn lose(&self, mac: Mac, moment: Moment) -> Decision {
        let may_be_there = moment.uplink == Uplink::Down || !self.idle.is_quiet(mac, moment.now.boot);
        if self.sessions.of_device(mac).is_some() && may_be_there {
            return Decision::done();
        }
        self.close_device(mac, Closing::Idle, moment)
    }
}

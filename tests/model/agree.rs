//! What has to hold after each step, and at each commit.
//!
//! The Gate, the reference and the kernel agree to the millisecond; ids and codes are given out once;
//! meters run one way.

use std::collections::BTreeMap;

use lango::domain::{Boot, Ending, EntitlementId, Record};

use super::reference::millis;
use super::world::{Flash, World};

impl<F: Flash> World<F> {
    pub(crate) fn agree(&mut self) {
        self.check_who_is_open();
        self.check_meters();
        self.check_bytes();
        self.check_next_look();
    }

    /// Nobody is open but who the reference says, until when it says; the kernel was told the same.
    fn check_who_is_open(&mut self) {
        let now = self.now();
        let ends = |left: Option<u64>| left.map(|ms| Boot::from_millis(now.boot.as_millis() + ms));
        let should = (self.reference.online.iter())
            .map(|(mac, id)| (*mac, *id))
            .filter(|(_, id)| self.reference.bought[id].ending(now).is_none())
            .map(|(mac, id)| (mac, ends(self.reference.left(id, now))))
            .collect::<BTreeMap<_, _>>();
        let desired = self.gate.desired(now);
        let desired = desired.into_iter().map(|(mac, grant)| (mac, grant.ends)).collect::<BTreeMap<_, _>>();
        assert_eq!(desired, should, "who is open");
        self.kernel.retain(|_, ends| ends.is_none_or(|ends| ends > now.boot));
        assert_eq!(self.kernel, should, "who the kernel lets through");
        let view = self.gate.view(now);
        assert_eq!(view.sessions.len(), self.reference.online.len());
        for (mac, id) in &self.reference.online {
            assert_eq!(
                view.sessions[mac].time_left(now).map(millis),
                self.reference.shown_left(*id, now),
                "{mac}"
            );
        }
    }

    fn check_meters(&mut self) {
        let now = self.now();
        let moment = self.gate.moment(now);
        for (id, bought) in &self.reference.bought {
            if bought.over.is_some() {
                assert!(self.gate.entitlement(*id).is_none(), "{id} is over");
                continue;
            }
            let entitlement = self.gate.entitlement(*id).expect("what was bought and is not over is there");
            assert_eq!(
                entitlement.metered_left(moment).map(millis),
                bought.metered(),
                "metered time of {id}"
            );
            assert_eq!(entitlement.validity_left(moment).map(millis), bought.valid(now), "validity of {id}");
            assert_eq!(entitlement.ending(moment), bought.ending(now), "{id}");
            let mut devices = self.gate.devices_of(*id).collect::<Vec<_>>();
            assert_eq!(devices.len(), usize::from(entitlement.online));
            assert!(entitlement.online <= entitlement.terms.devices, "too many devices with {id}");
            let mut should = self.reference.devices(*id);
            devices.sort();
            should.sort();
            assert_eq!(devices, should, "devices of {id}");
            let meter = (millis(entitlement.stamp_at(moment).used), bought.valid(now));
            if let Some((used, valid)) = self.seen.insert(*id, meter) {
                let ran_on = meter.0 >= used && meter.1 <= valid;
                assert!(ran_on, "the meter of {id} ran backwards: {used} {valid:?} {meter:?}");
            }
        }
    }

    fn check_next_look(&self) {
        let now = self.now();
        let boot = now.boot.as_millis();
        let live = self.reference.bought.iter().filter(|(_, bought)| bought.over.is_none());
        let ends = live.filter_map(|(id, bought)| match bought.ending(now) {
            Some(_) => Some(boot),
            None => self.reference.left(*id, now).map(|left| boot + left),
        });
        let asks = self.reference.next_ask(now);
        let should = ends.chain([self.checkpoint_due]).chain(asks).min().unwrap();
        assert_eq!(self.gate.poll_timeout(now).as_millis(), should, "the next look");
    }

    /// What `due` ends is what is over, and nothing else.
    pub(crate) fn check_ended(&self, records: &[Record], should: &[(EntitlementId, Ending)]) {
        let ended = records.iter().filter_map(|record| {
            if let Record::EntitlementEnded { stamp, how } = record {
                Some((stamp.entitlement, *how))
            } else {
                None
            }
        });
        assert_eq!(ended.collect::<Vec<_>>(), should, "what is over");
    }

    /// A power cut right after a checkpoint loses nothing.
    pub(crate) fn check_all_is_saved(&self) {
        for (mac, used) in &self.reference.used {
            assert_eq!(used.known, used.flash, "bytes of the session of {mac}");
        }
        for (id, bought) in self.reference.bought.iter().filter(|(_, bought)| bought.over.is_none()) {
            assert_eq!(bought.meter.valid, bought.flash.valid, "validity of {id}");
            assert_eq!(bought.spent.known, bought.spent.flash, "bytes of {id}");
            if bought.plan.terms.metered.is_some() {
                assert_eq!(bought.meter.used, bought.flash.used, "time of {id}");
            }
        }
    }

    /// Ids and codes are given out once.
    pub(crate) fn check_committed(&mut self, records: &[Record]) {
        self.told.check(records);
        for record in records {
            if let Record::EntitlementOpened(new) = record {
                assert!(self.given_out.insert((Some(new.id), None)), "{} twice", new.id);
                assert!(
                    new.code.is_none_or(|code| self.spoken_for.insert(code)),
                    "one code, one entitlement"
                );
            }
            if let Record::ToppedUp { code, .. } = record {
                assert!(self.spoken_for.insert(*code), "one code, one entitlement");
            }
            if let Record::SessionOpened(new) = record {
                assert!(self.given_out.insert((None, Some(new.id))), "{} twice", new.id);
            }
        }
    }
}

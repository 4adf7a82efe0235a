//! What ought to happen, in the plainest way: no journal, no clocks of the kernel, no cleverness.
//!
//! Time is told as it passes and counted there and then, in milliseconds, on whatever somebody is online
//! with. A copy of this is the way back from a commit that failed. Written from the design, not from the
//! Gate; it answers in the Gate's words, so that the two can be compared.

use std::collections::{BTreeMap, BTreeSet};

use lango::domain::{CodeKey, Ending, EntitlementId, Mac, Now, Plan, PlanId, Record, Refusal, Trust, Wall};

const SECOND: u64 = 1000;

/// What is answered, without ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Online,
    Closed,
    Done,
    No(Refusal),
}

#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) plan: PlanId,
    pub(crate) activate_by: Option<Wall>,
    pub(crate) bought: Option<EntitlementId>,
    pub(crate) revoked: bool,
}

/// The two clocks of something bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meter {
    /// Milliseconds online.
    pub(crate) used: u64,
    /// Milliseconds of validity, by the clock that only goes forward.
    pub(crate) valid: Option<u64>,
    /// The second on the wall at which validity ends, if that was ever written down.
    pub(crate) expires: Option<i64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Bought {
    pub(crate) plan: Plan,
    /// Whether an operator opened it: then no code leads back to it.
    pub(crate) by_hand: bool,
    pub(crate) meter: Meter,
    /// What of the meter survives a power cut.
    pub(crate) flash: Meter,
    pub(crate) bound: BTreeSet<Mac>,
    pub(crate) over: Option<Ending>,
}

impl Bought {
    pub(crate) fn valid(&self, now: Now) -> Option<u64> {
        let left = self.meter.valid?;
        let by_wall = match (now.trust, self.meter.expires) {
            (Trust::Trusted, Some(end)) => u64::try_from(end - now.wall.as_secs()).unwrap_or(0) * SECOND,
            (Trust::Trusted | Trust::Floor, _) => left,
        };
        // The wall has whole seconds: less than one of difference is rounding.
        Some(if by_wall + SECOND <= left { by_wall } else { left })
    }

    pub(crate) fn metered(&self) -> Option<u64> {
        Some(millis(self.plan.terms.metered?).saturating_sub(self.meter.used))
    }

    pub(crate) fn ending(&self, now: Now) -> Option<Ending> {
        match (self.over, self.metered(), self.valid(now)) {
            (Some(over), ..) => Some(over),
            (None, Some(0), _) => Some(Ending::Spent),
            (None, _, Some(0)) => Some(Ending::Expired),
            (None, ..) => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) plans: BTreeMap<PlanId, Plan>,
    pub(crate) places: usize,
    pub(crate) codes: BTreeMap<CodeKey, Code>,
    pub(crate) bought: BTreeMap<EntitlementId, Bought>,
    /// Who is online with what, the oldest first.
    pub(crate) online: Vec<(Mac, EntitlementId)>,
}

impl Reference {
    /// Time passes while the gateway runs, or could: `ms` milliseconds.
    pub(crate) fn pass(&mut self, ms: u64) {
        for (id, bought) in &mut self.bought {
            let in_use = self.online.iter().any(|(_, with)| with == id);
            bought.meter.used += if in_use { ms } else { 0 };
            bought.meter.valid = bought.meter.valid.map(|left| left.saturating_sub(ms));
        }
    }

    /// The power was cut: what was not on flash is forgotten.
    pub(crate) fn power_cut(&mut self) {
        self.bought.values_mut().for_each(|bought| bought.meter = bought.flash.clone());
    }

    /// These records go to flash, if the commit succeeds.
    pub(crate) fn written(&mut self, records: &[Record], now: Now) {
        for record in records {
            if let Record::BootReached(_) = record {
                self.bought.values_mut().for_each(|bought| bought.flash.valid = bought.meter.valid);
            }
            let Some(id) = meter_of(record) else { continue };
            let bought = self.bought.get_mut(&id).expect("only what was bought is written");
            bought.meter.valid = bought.valid(now);
            if let (Some(left), Trust::Trusted, None) = (bought.meter.valid, now.trust, bought.meter.expires)
            {
                let seconds = i64::try_from(left.div_ceil(SECOND)).unwrap();
                bought.meter.expires = Some(now.wall.as_secs() + seconds);
            }
            bought.flash = bought.meter.clone();
        }
    }

    /// A guest types a code; if it is a first use, what it opens is called `new`.
    pub(crate) fn redeem(
        &mut self,
        mac: Mac,
        code: CodeKey,
        agreed: bool,
        new: EntitlementId,
        now: Now,
    ) -> Answer {
        let Some(voucher) = self.codes.get_mut(&code) else { return Answer::No(Refusal::CodeUnknown) };
        if voucher.revoked {
            return Answer::No(Refusal::CodeRevoked);
        }
        if let Some(id) = voucher.bought {
            return self.use_again(mac, id, agreed, now);
        }
        let plan = self.plans[&voucher.plan].clone();
        if [plan.activate_by, voucher.activate_by].iter().flatten().any(|by| now.wall > *by) {
            return Answer::No(Refusal::CodeExpired);
        }
        let answer = self.buy(mac, plan, new, now);
        if answer == Answer::Online {
            self.bought.get_mut(&new).expect("just bought").by_hand = false;
            self.codes.get_mut(&code).expect("found above").bought = Some(new);
        }
        answer
    }

    pub(crate) fn buy(&mut self, mac: Mac, plan: Plan, new: EntitlementId, now: Now) -> Answer {
        if self.is_full_for(mac) {
            return Answer::No(Refusal::Full);
        }
        let meter = Meter { used: 0, valid: plan.terms.validity.map(millis), expires: None };
        let bound = BTreeSet::new();
        self.bought
            .insert(new, Bought { plan, by_hand: true, flash: meter.clone(), meter, bound, over: None });
        self.join(mac, new, now)
    }

    fn use_again(&mut self, mac: Mac, id: EntitlementId, agreed: bool, now: Now) -> Answer {
        let bought = &self.bought[&id];
        match bought.ending(now) {
            Some(Ending::Spent) => return Answer::No(Refusal::CodeSpent),
            Some(Ending::Expired) => return Answer::No(Refusal::CodeExpired),
            Some(Ending::Revoked) => return Answer::No(Refusal::CodeRevoked),
            None => {}
        }
        if self.online.contains(&(mac, id)) {
            return Answer::Online;
        }
        let ever = usize::from(bought.plan.terms.bound_devices);
        if ever > 0 && bought.bound.len() == ever && !bought.bound.contains(&mac) {
            return Answer::No(Refusal::WrongDevice);
        }
        if self.devices(id).len() == usize::from(bought.plan.terms.devices) {
            if !agreed {
                return Answer::No(Refusal::InUse);
            }
            let oldest = self.devices(id)[0];
            self.close(oldest, now);
        } else if self.is_full_for(mac) {
            return Answer::No(Refusal::Full);
        }
        self.join(mac, id, now)
    }

    fn join(&mut self, mac: Mac, id: EntitlementId, now: Now) -> Answer {
        self.close(mac, now);
        self.online.push((mac, id));
        self.bought.get_mut(&id).expect("it was bought").bound.insert(mac);
        Answer::Online
    }

    pub(crate) fn close(&mut self, mac: Mac, now: Now) -> bool {
        let Some(place) = self.online.iter().position(|(other, _)| *other == mac) else { return false };
        let (_, id) = self.online.remove(place);
        if self.bought[&id].by_hand && self.devices(id).is_empty() {
            self.end(id, self.bought[&id].ending(now).unwrap_or(Ending::Revoked));
        }
        true
    }

    pub(crate) fn revoke(&mut self, code: CodeKey) {
        let voucher = self.codes.get_mut(&code).expect("it was made");
        voucher.revoked = true;
        if let Some(id) = voucher.bought {
            self.end(id, Ending::Revoked);
        }
    }

    /// What is over goes, with its devices; returns what that was.
    pub(crate) fn due(&mut self, now: Now) -> Vec<(EntitlementId, Ending)> {
        let live = self.bought.iter().filter(|(_, bought)| bought.over.is_none());
        let ended = live.filter_map(|(id, bought)| Some((*id, bought.ending(now)?))).collect::<Vec<_>>();
        ended.iter().for_each(|(id, how)| self.end(*id, *how));
        ended
    }

    fn end(&mut self, id: EntitlementId, how: Ending) {
        self.bought.get_mut(&id).expect("it was bought").over.get_or_insert(how);
        self.online.retain(|(_, with)| *with != id);
    }

    pub(crate) fn devices(&self, id: EntitlementId) -> Vec<Mac> {
        self.online.iter().filter(|(_, with)| *with == id).map(|(mac, _)| *mac).collect()
    }

    /// Milliseconds until time ends `id`, if it does.
    pub(crate) fn left(&self, id: EntitlementId, now: Now) -> Option<u64> {
        let bought = &self.bought[&id];
        let metered = bought.metered().filter(|left| *left == 0 || !self.devices(id).is_empty());
        [metered, bought.valid(now)].into_iter().flatten().min()
    }

    fn is_full_for(&self, mac: Mac) -> bool {
        self.online.len() >= self.places && self.online.iter().all(|(other, _)| *other != mac)
    }
}

/// The entitlement whose meter `record` writes.
fn meter_of(record: &Record) -> Option<EntitlementId> {
    if let Record::EntitlementOpened(new) = record {
        return Some(new.id);
    }
    if let Record::EntitlementStamped(stamp) | Record::EntitlementEnded { stamp, .. } = record {
        return Some(stamp.entitlement);
    }
    None
}

pub(crate) fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}

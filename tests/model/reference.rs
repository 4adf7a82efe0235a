//! What ought to happen, in the plainest way: no journal, no clocks of the kernel, no cleverness.
//!
//! Time is told as it passes and counted there and then, in milliseconds, on whatever somebody is online
//! with. A copy of this is the way back from a commit that failed. Written from the design, not from the
//! Gate; it answers in the Gate's words, so that the two can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lango::domain::{
    Bytes, CodeKey, DataCap, Ending, EntitlementId, Hindrance, Mac, More, Now, Plan, PlanId, Record, Refusal,
    Terms, Trust, Uplink, Wall,
};

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

/// Bytes up and down: as known, and as known to the flash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) known: (u64, u64),
    pub(crate) flash: (u64, u64),
}

/// A device that may not be silent for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awake {
    timeout: u64,
    seen: u64,
    ask: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Bought {
    pub(crate) plan: Plan,
    /// Whether an operator opened it: then no code leads back to it.
    pub(crate) by_hand: bool,
    pub(crate) is_trial: bool,
    pub(crate) meter: Meter,
    /// What of the meter survives a power cut.
    pub(crate) flash: Meter,
    /// When it was last written down.
    pub(crate) stamped: u64,
    /// Since when it is in use without a break.
    pub(crate) began: u64,
    pub(crate) spent: Count,
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

    fn is_paused(&self, uplink: Uplink) -> bool {
        uplink == Uplink::Down && !self.plan.terms.count_while_uplink_down
    }

    pub(crate) fn data_left(&self) -> Option<u64> {
        let (cap, (up, down)) = (&self.plan.terms.data, self.spent.known);
        let total = cap.total.map(|cap| cap.0 - up - down);
        let up = cap.up.map(|cap| cap.0 - up);
        let down = cap.down.map(|cap| cap.0 - down);
        total.into_iter().chain(up).chain(down).min()
    }

    pub(crate) fn ending(&self, now: Now) -> Option<Ending> {
        let metered = if self.data_left() == Some(0) { Some(0) } else { self.metered() };
        match (self.over, metered, self.valid(now)) {
            (Some(over), ..) => Some(over),
            (None, Some(0), _) => Some(Ending::Spent),
            (None, _, Some(0)) => Some(Ending::Expired),
            (None, ..) => None,
        }
    }
}

/// How long ago a device had its free trial.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Had {
    /// In truth, whoever watched.
    pub(crate) ago: u64,
    /// As long as the process has known of it.
    pub(crate) watched: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) plans: BTreeMap<PlanId, Plan>,
    pub(crate) places: usize,
    pub(crate) codes: BTreeMap<CodeKey, Code>,
    pub(crate) bought: BTreeMap<EntitlementId, Bought>,
    /// Who is online with what, the oldest first.
    pub(crate) online: Vec<(Mac, EntitlementId)>,
    /// What the session of each device has used.
    pub(crate) used: BTreeMap<Mac, Count>,
    pub(crate) awake: BTreeMap<Mac, Awake>,
    pub(crate) had: BTreeMap<Mac, Had>,
    /// What is known of the uplink, and since when.
    pub(crate) uplink: (Uplink, u64),
}

impl Reference {
    /// Time passes while the gateway runs, or could: `ms` milliseconds.
    pub(crate) fn pass(&mut self, ms: u64) {
        for (id, bought) in &mut self.bought {
            let in_use = self.online.iter().any(|(_, with)| with == id) && !bought.is_paused(self.uplink.0);
            bought.meter.used += if in_use { ms } else { 0 };
            bought.meter.valid = bought.meter.valid.map(|left| left.saturating_sub(ms));
        }
        for had in self.had.values_mut() {
            (had.ago, had.watched) = (had.ago + ms, had.watched + ms);
        }
    }

    /// The power was cut, for `gap` milliseconds: what was not on flash is forgotten.
    pub(crate) fn power_cut(&mut self, gap: u64) {
        self.had.values_mut().for_each(|had| had.ago += gap);
        for bought in self.bought.values_mut() {
            bought.meter = bought.flash.clone();
            bought.stamped = u64::MAX;
        }
        self.uplink = (Uplink::Unknown, u64::MAX);
    }

    /// The process begins again at `boot`, with what the flash knows.
    pub(crate) fn restarted(&mut self, boot: u64) {
        for bought in self.bought.values_mut() {
            bought.spent.known = bought.spent.flash;
            bought.stamped = bought.stamped.min(boot);
            bought.began = bought.stamped;
        }
        self.used.values_mut().for_each(|used| used.known = used.flash);
        self.uplink.1 = self.uplink.1.min(boot);
        self.had.values_mut().for_each(|had| had.watched = 0);
        self.all_seen(boot);
    }

    /// These records go to flash, if the commit succeeds.
    pub(crate) fn written(&mut self, records: &[Record], now: Now) {
        for record in records {
            if let Record::BootReached(_) = record {
                self.bought.values_mut().for_each(|bought| bought.flash.valid = bought.meter.valid);
            }
            if let Record::FloorReset(_) = record {
                for bought in self.bought.values_mut() {
                    (bought.meter.expires, bought.flash.expires) = (None, None);
                }
            }
            if let Record::SessionStamped(usage) = record {
                let known = (usage.up.0, usage.down.0);
                let used = self.used.values_mut().find(|used| used.known == known && used.flash != known);
                used.expect("what is written is known and new").flash = known;
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
            bought.stamped = now.boot.as_millis();
            bought.spent.flash = bought.spent.known;
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
        if let Some(id) = self.top_up(mac, &plan, now) {
            self.codes.get_mut(&code).expect("found above").bought = Some(id);
            return Answer::Online;
        }
        let answer = self.buy(mac, plan, new, now);
        if answer == Answer::Online {
            self.bought.get_mut(&new).expect("just bought").by_hand = false;
            self.showed_up(mac, now);
            self.codes.get_mut(&code).expect("found above").bought = Some(new);
        }
        answer
    }

    /// As much again of what `mac` is using, if it is the same and was opened by a code.
    fn top_up(&mut self, mac: Mac, more: &Plan, now: Now) -> Option<EntitlementId> {
        let (_, id) = *self.online.iter().find(|(other, _)| *other == mac)?;
        let bought = self.bought.get_mut(&id).expect("it was bought");
        let Terms { metered, validity, data, .. } = &more.terms;
        let is_bounded = metered.is_some() || validity.is_some() || *data != DataCap::default();
        if bought.plan.id != more.id || bought.by_hand || !is_bounded || bought.ending(now).is_some() {
            return None;
        }
        bought.meter.valid = bought.valid(now);
        let terms = &mut bought.plan.terms;
        terms.metered = terms.metered.map(|span| span + metered.unwrap());
        if let Some(validity) = validity {
            terms.validity = terms.validity.map(|span| span + *validity);
            bought.meter.valid = bought.meter.valid.map(|left| left + millis(*validity));
            let seconds = i64::try_from(validity.as_secs()).unwrap();
            bought.meter.expires = bought.meter.expires.map(|end| end + seconds);
        }
        let sum = |a: Option<Bytes>, b: Option<Bytes>| a.map(|a| Bytes(a.0 + b.unwrap().0));
        let has = &mut bought.plan.terms.data;
        (has.total, has.up, has.down) =
            (sum(has.total, data.total), sum(has.up, data.up), sum(has.down, data.down));
        Some(id)
    }

    pub(crate) fn buy(&mut self, mac: Mac, plan: Plan, new: EntitlementId, now: Now) -> Answer {
        if self.is_full_for(mac) {
            return Answer::No(Refusal::Full);
        }
        let meter = Meter { used: 0, valid: plan.terms.validity.map(millis), expires: None };
        let (at, spent, bound) = (now.boot.as_millis(), Count::default(), BTreeSet::new());
        let flash = meter.clone();
        let (by_hand, is_trial) = (true, false);
        let bought = Bought {
            plan,
            by_hand,
            is_trial,
            meter,
            flash,
            stamped: at,
            began: at,
            spent,
            bound,
            over: None,
        };
        self.bought.insert(new, bought);
        self.join(mac, new, now)
    }

    /// `mac` gets `plan` for free. Half of the places are not for that.
    pub(crate) fn try_free(&mut self, mac: Mac, plan: Plan, new: EntitlementId, now: Now) -> Answer {
        let trials = self.online.iter().filter(|(_, id)| self.bought[id].is_trial).count();
        if trials >= self.places.div_ceil(2) {
            return Answer::No(Refusal::Full);
        }
        let answer = self.buy(mac, plan, new, now);
        if answer == Answer::Online {
            self.bought.get_mut(&new).expect("just bought").is_trial = true;
            self.had.insert(mac, Had::default());
        }
        answer
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
        let is_first = self.devices(id).is_empty();
        self.online.push((mac, id));
        self.used.insert(mac, Count::default());
        let bought = self.bought.get_mut(&id).expect("it was bought");
        bought.bound.insert(mac);
        if is_first {
            bought.began = now.boot.as_millis();
        }
        self.showed_up(mac, now);
        Answer::Online
    }

    pub(crate) fn close(&mut self, mac: Mac, now: Now) -> bool {
        let Some(place) = self.online.iter().position(|(other, _)| *other == mac) else { return false };
        let (_, id) = self.online.remove(place);
        self.used.remove(&mac);
        self.awake.remove(&mac);
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

    /// So much more, of what it has a limit for.
    pub(crate) fn grow(&mut self, id: EntitlementId, more: &More, now: Now) {
        let bought = self.bought.get_mut(&id).expect("it was bought");
        bought.meter.valid = bought.valid(now).map(|left| left + millis(more.validity));
        let seconds = i64::try_from(more.validity.as_secs()).unwrap();
        bought.meter.expires = bought.meter.expires.map(|end| end + seconds);
        let terms = &mut bought.plan.terms;
        terms.metered = terms.metered.map(|span| span + more.metered);
        terms.validity = terms.validity.map(|span| span + more.validity);
        for cap in [&mut terms.data.total, &mut terms.data.up, &mut terms.data.down] {
            *cap = cap.map(|Bytes(cap)| Bytes(cap + more.data.0));
        }
    }

    /// What is left of `other` goes into `kept`, and whoever is online with it as far as there are places.
    pub(crate) fn merge(&mut self, kept: EntitlementId, other: EntitlementId, now: Now) -> Answer {
        if let Some(why) = self.keeps_apart(kept, other) {
            return Answer::No(Refusal::Hindered(why));
        }
        let gone = self.bought[&other].clone();
        let devices = self.devices(other);
        let places = usize::from(gone.plan.terms.devices) - self.devices(kept).len();
        self.end(other, Ending::Revoked);
        self.codes
            .values_mut()
            .filter(|code| code.bought == Some(other))
            .for_each(|code| code.bought = Some(kept));
        let bought = self.bought.get_mut(&kept).expect("it was bought");
        bought.bound.extend(gone.bound.iter().copied());
        let seconds = |left: u64| i64::try_from(left.div_ceil(SECOND)).unwrap();
        bought.meter.valid = bought.valid(now);
        if now.trust == Trust::Trusted && bought.meter.expires.is_none() {
            bought.meter.expires = bought.meter.valid.map(|left| now.wall.as_secs() + seconds(left));
        }
        let more = gone.valid(now).unwrap_or(0);
        bought.meter.valid = bought.meter.valid.map(|left| left + more);
        bought.meter.expires = bought.meter.expires.map(|end| end + seconds(more));
        let terms = &mut bought.plan.terms;
        terms.validity = terms.validity.map(|span| span + Duration::from_millis(more));
        terms.metered = terms.metered.map(|span| span + Duration::from_millis(gone.metered().unwrap()));
        let (caps, (up, down)) = (gone.plan.terms.data, gone.spent.known);
        let sum = |cap: Option<Bytes>, other: Option<Bytes>, used| {
            cap.map(|cap| Bytes(cap.0 + other.unwrap().0 - used))
        };
        terms.data = DataCap {
            total: sum(terms.data.total, caps.total, up + down),
            up: sum(terms.data.up, caps.up, up),
            down: sum(terms.data.down, caps.down, down),
        };
        for mac in devices.into_iter().take(places) {
            self.join(mac, kept, now);
        }
        Answer::Done
    }

    fn keeps_apart(&self, kept: EntitlementId, other: EntitlementId) -> Option<Hindrance> {
        let (one, two) = (&self.bought[&kept], &self.bought[&other]);
        let ever = usize::from(one.plan.terms.bound_devices);
        if kept == other {
            Some(Hindrance::OneAlready(kept))
        } else if let Some((free, _)) = [(kept, one), (other, two)].iter().find(|(_, bought)| bought.is_trial)
        {
            Some(Hindrance::Unpaid(*free))
        } else if one.plan.id != two.plan.id {
            Some(Hindrance::OtherPlan(Box::new((one.plan.id.clone(), two.plan.id.clone()))))
        } else if one.by_hand && !two.by_hand {
            Some(Hindrance::NoCode)
        } else {
            (ever > 0 && one.bound.union(&two.bound).count() > ever).then_some(Hindrance::TooManyDevices)
        }
    }

    pub(crate) fn refund(&mut self, id: EntitlementId) {
        self.end(id, Ending::Revoked);
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
        for mac in self.devices(id) {
            self.used.remove(&mac);
            self.awake.remove(&mac);
        }
        self.online.retain(|(_, with)| *with != id);
    }

    /// A reading: all that the session of `mac` has used.
    pub(crate) fn counted(&mut self, mac: Mac, (up, down): (u64, u64), now: Now) {
        let Some((_, id)) = self.online.iter().find(|(other, _)| *other == mac) else { return };
        let bought = self.bought.get_mut(id).expect("it was bought");
        let used = self.used.get_mut(&mac).expect("it is online");
        let before = used.known;
        let cap = &bought.plan.terms.data;
        let fits = |cap: Option<lango::domain::Bytes>, spent: u64, more: u64| match cap {
            Some(cap) => more.min(cap.0 - spent),
            None => more,
        };
        let spent = &mut bought.spent.known;
        let more = fits(cap.total, spent.0 + spent.1, fits(cap.up, spent.0, up.saturating_sub(before.0)));
        (spent.0, used.known.0) = (spent.0 + more, used.known.0 + more);
        let more = fits(cap.total, spent.0 + spent.1, fits(cap.down, spent.1, down.saturating_sub(before.1)));
        (spent.1, used.known.1) = (spent.1 + more, used.known.1 + more);
        if used.known.0 != before.0 {
            self.showed_up(mac, now);
        }
    }

    /// What has no data left goes; returns what that was.
    pub(crate) fn out_of_data(&mut self) -> Vec<(EntitlementId, Ending)> {
        let live = self.bought.iter().filter(|(_, bought)| bought.over.is_none());
        let out = live.filter(|(_, bought)| bought.data_left() == Some(0));
        let ended = out.map(|(id, _)| (*id, Ending::Spent)).collect::<Vec<_>>();
        ended.iter().for_each(|(id, how)| self.end(*id, *how));
        ended
    }

    /// Returns whether it is news. Time in use since then is given back where the uplink went down.
    pub(crate) fn uplink_changed(&mut self, to: Uplink, since: u64, now: Now) -> bool {
        let (was, last) = self.uplink;
        if was == to {
            return false;
        }
        let now_ms = now.boot.as_millis();
        let since = if was == Uplink::Down { now_ms } else { since.clamp(last, now_ms) };
        if was == Uplink::Down {
            self.all_seen(now_ms);
        }
        self.uplink = (to, since);
        for id in self.online.iter().map(|(_, id)| *id).collect::<BTreeSet<_>>() {
            let bought = self.bought.get_mut(&id).expect("it was bought");
            if bought.is_paused(to) {
                bought.meter.used -= now_ms - since.max(bought.began);
            }
        }
        true
    }

    /// `mac` is there.
    pub(crate) fn showed_up(&mut self, mac: Mac, now: Now) {
        self.watch(mac, now.boot.as_millis());
    }

    fn all_seen(&mut self, now: u64) {
        for mac in self.online.iter().map(|(mac, _)| *mac).collect::<Vec<_>>() {
            self.watch(mac, now);
        }
    }

    fn watch(&mut self, mac: Mac, now: u64) {
        let Some((_, id)) = self.online.iter().find(|(other, _)| *other == mac) else { return };
        let bought = &self.bought[id];
        if let (Some(timeout), false) = (bought.plan.terms.idle_timeout.map(millis), bought.by_hand) {
            self.awake.insert(mac, Awake { timeout, seen: now, ask: now + timeout });
        }
    }

    pub(crate) fn take_quiet(&mut self, now: Now) -> Vec<Mac> {
        let now = now.boot.as_millis();
        if self.uplink.0 == Uplink::Down {
            return Vec::new();
        }
        let mut quiet = self.awake.iter().filter(|(_, awake)| awake.ask <= now).collect::<Vec<_>>();
        quiet.sort_by_key(|(mac, awake)| (awake.ask, **mac));
        let quiet = quiet.into_iter().map(|(mac, _)| *mac).collect::<Vec<_>>();
        for mac in &quiet {
            self.awake.get_mut(mac).expect("it is quiet").ask = now + 60_000;
        }
        quiet
    }

    pub(crate) fn is_quiet(&self, mac: Mac, now: Now) -> bool {
        let silent = |awake: &Awake| now.boot.as_millis() - awake.seen >= awake.timeout;
        self.uplink.0 != Uplink::Down && self.awake.get(&mac).is_some_and(silent)
    }

    /// When somebody is to be asked next.
    pub(crate) fn next_ask(&self, now: Now) -> Option<u64> {
        let next = self.awake.values().map(|awake| awake.ask).min().filter(|_| self.uplink.0 != Uplink::Down);
        next.map(|ask| ask.max(now.boot.as_millis()))
    }

    pub(crate) fn devices(&self, id: EntitlementId) -> Vec<Mac> {
        self.online.iter().filter(|(_, with)| *with == id).map(|(mac, _)| *mac).collect()
    }

    /// Milliseconds until time ends `id`, if it does.
    pub(crate) fn left(&self, id: EntitlementId, now: Now) -> Option<u64> {
        let bought = &self.bought[&id];
        let runs = !self.devices(id).is_empty() && !bought.is_paused(self.uplink.0);
        let metered = bought.metered().filter(|left| *left == 0 || runs);
        [metered, bought.valid(now)].into_iter().flatten().min()
    }

    /// What a guest who is online is shown, paused or not.
    pub(crate) fn shown_left(&self, id: EntitlementId, now: Now) -> Option<u64> {
        let bought = &self.bought[&id];
        [bought.metered(), bought.valid(now)].into_iter().flatten().min()
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

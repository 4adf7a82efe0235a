//! The Gate: who may pass, until when, and why not.
//!
//! Owns: everything that has something left, and the rules over it. Never: time, the store, the kernel.
//! Neighbours: `redeem.rs` and `ask.rs` decide, `apply.rs` changes; `entitlement.rs` counts.
//!
//! `decide` answers an input and changes nothing; `due` is the same for what time alone brings about.
//! `apply` takes the records of a decision into the Gate and cannot fail. Between the two stands the
//! store: `settle` after a commit, `revert` when it failed. `desired` is what the kernel should hold.
//!
//! Order in a batch: decide, apply, decide, apply, … commit, settle. So twenty guests with one code share
//! a commit, and exactly one of them finds the voucher unused.

mod apply;
mod ask;
mod redeem;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Attempts, Blame, Book, Boot, BootId, Closing, CodeKey, Decision, Effect, Ending, Entitlement,
    EntitlementId, Grant, Input, Mac, Now, Plan, PlanId, Record, Refusal, Reply, Restored, Session,
    SessionId, SessionView, Stamp, Trust, View, VoucherState, Wall,
};
use crate::expiring::ExpiringMap;

/// A device that began an entitlement counts as one that has paid for this long after it was last seen
/// online at a checkpoint.
const PAID_LATELY: Duration = Duration::from_secs(24 * 60 * 60);
/// Devices remembered as such, at most.
const PAID_REMEMBERED: usize = 8192;

/// A voucher may have been looked up this long before it is decided over, and no longer.
const LOOK_UP: Duration = Duration::from_secs(60);

/// What the configuration bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Devices online at the same time.
    pub max_clients: usize,
    /// How often the meters go to flash.
    pub checkpoint: Duration,
}

/// Everything that has something left, and the rules over it.
#[derive(Clone, Debug)]
pub struct Gate {
    plans: BTreeMap<PlanId, Plan>,
    limits: Limits,
    entitlements: Book<EntitlementId, Entitlement>,
    by_code: Book<CodeKey, EntitlementId>,
    /// Codes that ended of late, and when: what was looked up before that is not to be believed.
    over: Book<CodeKey, (VoucherState, Boot)>,
    sessions: Book<SessionId, Session>,
    by_mac: Book<Mac, SessionId>,
    paid_lately: ExpiringMap<Mac, ()>,
    /// Devices that paid since the last `settle`, and when.
    paid: Vec<(Mac, Boot)>,
    attempts: Attempts,
    next_entitlement: u64,
    next_session: u64,
    checkpoint_due: Boot,
    floor: Wall,
    floor_settled: Wall,
}

impl Gate {
    /// The Gate as the store remembers it. `boot` is the kernel's name of this boot: in the boot that the
    /// store knows, time went on while nobody watched and is charged; in a new one the meters go on from
    /// where they were, and the returned records say so to the store.
    pub fn restore(
        restored: Restored,
        plans: Vec<Plan>,
        limits: Limits,
        boot: &BootId,
        now: Now,
    ) -> (Self, Vec<Record>) {
        let same_boot = restored.boot.as_ref() == Some(boot);
        let mut gate = Self {
            plans: by_id(plans),
            limits,
            entitlements: Book::default(),
            by_code: Book::default(),
            over: Book::default(),
            sessions: Book::default(),
            by_mac: Book::default(),
            paid_lately: ExpiringMap::with_capacity(PAID_REMEMBERED),
            paid: Vec::new(),
            attempts: Attempts::default(),
            next_entitlement: restored.last_entitlement + 1,
            next_session: restored.last_session + 1,
            checkpoint_due: now.boot.plus(limits.checkpoint),
            floor: restored.floor,
            floor_settled: restored.floor,
        };
        let online = restored.sessions.iter().map(|session| session.mac);
        for mac in restored.recent.into_iter().chain(online) {
            gate.remember_paid(mac, now.boot);
        }
        for mut entitlement in restored.entitlements {
            if !same_boot {
                entitlement.stamp.at = now.boot;
            }
            entitlement.online = 0;
            gate.take_in(entitlement);
        }
        for session in &restored.sessions {
            if gate.entitlements.get(&session.entitlement).is_some() {
                gate.open(session);
            }
        }
        gate.settle();
        let changed = Record::BootChanged { boot: boot.clone(), at: now.boot };
        (gate, if same_boot { Vec::new() } else { vec![changed] })
    }

    /// What `input` leads to. Reads only.
    pub fn decide(&self, input: Input, now: Now) -> Decision {
        match input {
            Input::Redeem { mac, code, moving } => self.redeem(mac, code, moving, now),
            Input::Logout { mac } => self.close_device(mac, Closing::Logout, now),
            Input::Grant { mac, plan } => self.grant(mac, &plan, now),
            Input::Kick { session } => self.kick(session, now),
            Input::KickDevice { mac } => self.close_device(mac, Closing::Kicked, now),
            Input::MakeVouchers { vouchers } => self.make_vouchers(vouchers),
            Input::RevokeVoucher { voucher } => self.revoke_voucher(&voucher, now),
        }
    }

    /// What time alone has brought about: entitlements that ended, and the checkpoint.
    pub fn due(&self, now: Now) -> Decision {
        let mut decision = self.ended(now);
        if self.checkpoint_due <= now.boot {
            decision.records.extend(self.checkpoint(now));
        }
        decision
    }

    /// The meters of all entitlements and the floor, to be written before an orderly stop.
    pub fn last_words(&self, now: Now) -> Vec<Record> {
        self.ended(now).records.into_iter().chain(self.checkpoint(now)).collect()
    }

    /// When to call [`Gate::due`] next; `now` says from when on. Never later than the next checkpoint.
    pub fn poll_timeout(&self, now: Now) -> Boot {
        let ends = self.entitlements.values().filter_map(|entitlement| entitlement.ends(now));
        ends.chain([self.checkpoint_due]).min().unwrap_or(self.checkpoint_due)
    }

    /// Every device the kernel should admit, and until when.
    pub fn desired(&self, now: Now) -> BTreeMap<Mac, Grant> {
        self.sessions
            .values()
            .filter_map(|session| Some((session.mac, self.grant_of(session, now)?)))
            .collect()
    }

    /// A snapshot for those who only look.
    pub fn view(&self, now: Now) -> View {
        let seen = self.sessions.values().filter_map(|session| self.session_view(session, now));
        View { sessions: seen.map(|session| (session.mac, session)).collect() }
    }

    /// The plans for sale.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.plans.values()
    }

    /// The plan of that name, if it is for sale.
    pub fn plan(&self, id: &PlanId) -> Option<&Plan> {
        self.plans.get(id)
    }

    /// Replaces the plans and limits by those of a configuration that was read anew. What was sold
    /// stays as it was sold.
    pub fn configure(&mut self, plans: Vec<Plan>, limits: Limits) {
        self.plans = by_id(plans);
        self.limits = limits;
    }

    /// What has something left of `id`.
    pub fn entitlement(&self, id: EntitlementId) -> Option<&Entitlement> {
        self.entitlements.get(&id)
    }

    /// The devices online with `id`.
    pub fn devices_of(&self, id: EntitlementId) -> impl Iterator<Item = Mac> {
        self.sessions.values().filter(move |session| session.entitlement == id).map(|session| session.mac)
    }

    /// Brings the next checkpoint forward to now: the wall clock became trusted, and the ends that it
    /// tells must not be lost.
    pub fn checkpoint_soon(&mut self, now: Now) {
        self.checkpoint_due = now.boot;
    }

    /// How many devices are online.
    pub fn sessions(&self) -> usize {
        self.sessions.count()
    }

    /// The wait before the next try of `mac`, asked before its code is looked up.
    pub fn wait(&self, mac: Mac, now: Now) -> Option<Duration> {
        self.attempts.wait(mac, self.lane(mac, now), now.boot)
    }

    fn ended(&self, now: Now) -> Decision {
        let mut decision = Decision::done();
        let ended = self.entitlements.values().filter_map(|e| Some((e, e.ending(now)?)));
        for (entitlement, how) in ended {
            self.end(entitlement, how, now, &mut decision);
        }
        decision
    }

    /// The meters that have moved, and the floor.
    fn checkpoint(&self, now: Now) -> Vec<Record> {
        let running = self.entitlements.values().filter(|e| e.ending(now).is_none());
        let moved = running.map(|e| e.stamp_at(now)).filter(|stamp| self.is_news(stamp));
        let floor = (now.trust == Trust::Trusted && now.wall > self.floor).then_some(now.wall);
        moved.map(Record::EntitlementStamped).chain(floor.map(Record::FloorRaised)).collect()
    }

    fn session_view(&self, session: &Session, now: Now) -> Option<SessionView> {
        let entitlement = self.entitlements.get(&session.entitlement)?;
        let (terms, stamp) = (&entitlement.terms, entitlement.last_stamp());
        Some(SessionView {
            id: session.id,
            mac: session.mac,
            entitlement: entitlement.id,
            plan: entitlement.plan.clone(),
            origin: entitlement.origin,
            hint: entitlement.hint.clone(),
            batch: entitlement.batch.clone(),
            since: session.since,
            ends: entitlement.ends(now),
            whole: entitlement.whole_of_what_ends_first(now),
            bytes_left: entitlement.data_left(),
            bytes_whole: terms.data.total,
            bytes_up: stamp.bytes_up,
            bytes_down: stamp.bytes_down,
            down: terms.down,
            up: terms.up,
            devices_online: entitlement.online,
            devices: terms.devices,
        })
    }

    /// Nothing for what is over, though nobody has written that down yet.
    fn grant_of(&self, session: &Session, now: Now) -> Option<Grant> {
        let entitlement = self.entitlements.get(&session.entitlement)?;
        entitlement.ending(now).is_none().then(|| Grant { ends: entitlement.ends(now) })
    }

    /// Whether the meters have moved since they were last written.
    fn is_news(&self, stamp: &Stamp) -> bool {
        self.entitlements.get(&stamp.entitlement).is_some_and(|entitlement| {
            let last = entitlement.last_stamp();
            last.used != stamp.used
                || last.validity_left != stamp.validity_left
                || last.expires != stamp.expires
        })
    }

    /// Devices that have paid draw on their own budget only.
    fn lane(&self, mac: Mac, now: Now) -> Blame {
        match self.paid_lately.get(&mac, now.boot) {
            Some(()) => Blame::Device,
            None => Blame::DeviceAndSite,
        }
    }
}

fn by_id(plans: Vec<Plan>) -> BTreeMap<PlanId, Plan> {
    plans.into_iter().map(|plan| (plan.id.clone(), plan)).collect()
}

//! The Gate: who may pass, until when, and why not.
//!
//! Owns: everything that has something left, and the rules over it. Never: time, the store, the kernel.
//! Neighbours: `redeem.rs`, `claims.rs`, `trial.rs`, `ask.rs`, `cloud.rs`, `orders.rs`, `moves.rs`, `merges.rs`, `persons.rs` and `report.rs` decide,
//! `apply.rs` changes, `facts.rs` says what the cloud is told, `trail.rs` what the trail tells, `retention.rs` what goes; `entitlement.rs` counts.
//!
//! `decide` answers an input and changes nothing; `due` is the same for what time alone brings about.
//! `apply` takes the records of a decision into the Gate and cannot fail. Between the two stands the
//! store: `settle` after a commit, `revert` when it failed. `desired` is what the kernel should hold.
//!
//! Order in a batch: decide, apply, decide, apply, … commit, settle. So twenty guests with one code share
//! a commit, and exactly one of them finds the voucher unused.

mod accepting;
mod apply;
mod ask;
mod claims;
mod cloud;
mod facts;
mod merges;
mod moves;
mod orders;
mod persons;
mod redeem;
mod report;
mod retention;
#[cfg(test)]
mod tests;
mod trail;
mod trial;

use std::time::Duration;

use super::{
    Attempts, Awaits, Blame, Boot, BootId, Claims, Closing, Cloud, CodeKey, Decision, Downtime, Effect,
    Ending, Entitlement, EntitlementId, Grant, Holdings, Idle, Input, Keeping, Mac, Minimum, Moment, Now,
    Owners, Pace, Plan, PlanId, Record, Refusal, Reply, Restored, Roster, Session, SessionId, SessionView,
    Terms, Traffic, Trail, TrialView, Trials, Trust, Uplink, Usage, View, Wall,
};
use crate::expiring::ExpiringMap;
use crate::ordered::{OrdMap, OrdSet};

/// A device that began an entitlement counts as one that has paid for this long after it was last seen
/// online at a checkpoint.
const PAID_LATELY: Duration = Duration::from_secs(24 * 60 * 60);
/// Devices remembered as such, at most.
const PAID_REMEMBERED: usize = 8192;

/// The cloud hears what open sessions have used at every twelfth checkpoint: once an hour, if nobody changes
/// that. More would wear out the flash.
const CHECKPOINTS_PER_USAGE: u32 = 12;

/// What the configuration bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Devices online at the same time.
    pub max_clients: usize,
    /// How often the meters go to flash.
    pub checkpoint: Duration,
    pub reports: Reports,
    /// What lets a guest in whose payment cannot be looked up.
    pub provisional_plan: Option<PlanId>,
    /// What a device may have for free, once a day.
    pub trial: Option<PlanId>,
    /// How many may begin that in a minute.
    pub trials_a_minute: u32,
    /// How long a payment that nobody confirms is waited for.
    pub claims_kept: Duration,
    /// How long the wrong codes of a device, after the wait that they brought.
    pub unpaid_kept: Duration,
    /// How long what is kept of guests.
    pub keeping: Keeping,
    /// Codes that prove themselves, redeemed in a day: what a stolen key can cost.
    pub issued_a_day: u32,
}

/// Who is told of what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reports {
    ToCloud,
    /// There is no cloud, and nobody to keep facts for.
    ToNobody,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_clients: 1000,
            checkpoint: Duration::from_secs(300),
            reports: Reports::ToNobody,
            provisional_plan: None,
            trial: None,
            trials_a_minute: 120,
            claims_kept: Duration::from_secs(48 * 60 * 60),
            unpaid_kept: Duration::from_secs(10 * 60),
            keeping: Keeping {
                sessions: Duration::from_secs(90 * 24 * 60 * 60),
                trail: Duration::from_secs(365 * 24 * 60 * 60),
                minimum: Minimum::None,
            },
            issued_a_day: 200,
        }
    }
}

/// Everything that has something left, and the rules over it.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Of the configuration.
    file_plans: OrdMap<PlanId, Plan>,
    cloud: Cloud,
    claims: Claims,
    limits: Limits,
    entitlements: Holdings,
    owners: Owners,
    sessions: Roster,
    idle: Idle,
    paid_lately: ExpiringMap<Mac, ()>,
    /// Devices that paid since the last `settle`, and when.
    paid: Vec<(Mac, Boot)>,
    /// How many claims were confirmed since then, each of which had counted as a wrong code.
    confirmed: u32,
    attempts: Attempts,
    pace: Pace,
    trials: Trials,
    trail: Trail,
    next_entitlement: u64,
    next_session: u64,
    checkpoint_due: Boot,
    /// How many checkpoints from now on the cloud hears of usage.
    usage_in: u32,
    floor: Wall,
    floor_settled: Wall,
    reached: Boot,
    reached_settled: Boot,
    downtime: Downtime,
    downtime_settled: Downtime,
    /// Whether a trusted clock has dated the sessions that another one had.
    dated: bool,
    dated_settled: bool,
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
        let downtime = if same_boot { restored.uplink } else { Downtime::unknown(now.boot) };
        let reached = if same_boot { restored.reached } else { now.boot };
        let mut gate = Self {
            file_plans: by_id(plans),
            cloud: Cloud::restored(&restored),
            claims: Claims::restored(restored.claims.clone()),
            entitlements: Holdings::default(),
            owners: Owners::default(),
            sessions: Roster::default(),
            idle: Idle::default(),
            paid_lately: ExpiringMap::with_capacity(PAID_REMEMBERED),
            paid: Vec::new(),
            confirmed: 0,
            attempts: Attempts::default(),
            pace: Pace::default(),
            trials: Trials::restored(restored.trials.clone(), restored.floor, now),
            trail: Trail::restored(restored.trail.clone()),
            next_entitlement: restored.last_entitlement + 1,
            next_session: restored.last_session + 1,
            checkpoint_due: now.boot.plus(limits.checkpoint),
            usage_in: CHECKPOINTS_PER_USAGE,
            floor: restored.floor,
            floor_settled: restored.floor,
            reached,
            reached_settled: reached,
            downtime,
            downtime_settled: downtime,
            dated: false,
            dated_settled: false,
            limits,
        };
        for mac in restored.recent {
            gate.remember_paid(mac, now.boot);
        }
        for mut entitlement in restored.entitlements {
            if !same_boot {
                entitlement.redate(restored.reached, now.boot);
            }
            entitlement.online = 0;
            gate.take_in(entitlement);
        }
        for (code, entitlement) in restored.topped_up {
            gate.owners.give(code, entitlement);
        }
        for mut session in restored.sessions {
            if !same_boot {
                session.lasted += restored.reached.since(session.at);
                session.at = now.boot;
            }
            let Some(entitlement) = gate.entitlements.get(session.entitlement) else { continue };
            let (at, has_paid) = (entitlement.last_stamp().at, entitlement.shows_trust());
            if has_paid {
                gate.remember_paid(session.mac, now.boot);
            }
            gate.entitlements.change(session.entitlement, |e| e.joined(at));
            gate.open(&session, now.boot);
        }
        gate.settle();
        let changed = Record::BootChanged { boot: boot.clone(), at: now.boot };
        (gate, if same_boot { Vec::new() } else { vec![changed] })
    }

    /// What `input` leads to. Reads only.
    pub fn decide(&self, input: Input, now: Now) -> Decision {
        let decision = self.answer(input, now);
        Decision { records: self.with_facts(decision.records, self.moment(now)), ..decision }
    }

    fn answer(&self, input: Input, now: Now) -> Decision {
        let moment = self.moment(now);
        match input {
            Input::Redeem { mac, code, moving } => self.redeem(mac, code, moving, moment),
            Input::Trial { mac } => self.try_free(mac, moment),
            Input::Logout { mac } => self.close_device(mac, Closing::Logout, moment),
            Input::Grant { mac, plan } => self.open_by_hand(mac, &plan, moment),
            Input::Kick { session } => self.kick(session, moment),
            Input::KickDevice { mac } => self.close_device(mac, Closing::Kicked, moment),
            Input::Grow { bought, more } => self.grow(*bought, &more, moment),
            Input::Refund { entitlement, .. } => self.refund(entitlement, moment),
            Input::Move { entitlement, from, to } => self.move_to(entitlement, from, to, moment),
            Input::Merge { kept, other } => self.merge(kept, other, moment),
            Input::Counted(readings) => self.count(&readings, moment),
            Input::UplinkChanged(to) => self.change_uplink(to, now),
            Input::Seen { mac } => self.see(mac),
            Input::Gone { mac } => self.lose(mac, moment),
            Input::Suspect { mac } => self.close_device(mac, Closing::Anomaly, moment),
            Input::MakeVouchers { vouchers } => self.make_vouchers(vouchers),
            Input::ReplaceVouchers { old, new } => self.replace_vouchers(&old, new),
            Input::RefundUnused { voucher, .. } | Input::RevokeVoucher { voucher } => {
                self.revoke_voucher(&voucher, moment)
            }
            Input::FeedRead { stand, page } => self.read_feed(stand, page),
            Input::RowsPut { rows, from } => self.put_rows(rows, from, moment),
            Input::RowGone { name, known } => self.drop_row(name, known, moment),
            Input::PlanPut(plan) => self.put_plan(plan),
            Input::ResetEnded => self.end_reset(),
            Input::Paid { payment, mac } => self.paid(&payment, mac, moment),
            Input::Do { id, command } => self.obey(id, &command, moment),
            Input::Forget { person, by } => self.forget_person(person, by, moment),
            Input::ForgetDevice { mac, alias } => self.forget_device(mac, alias, moment),
            Input::Told { command, result } => self.tell(command, result, moment),
            Input::NotApplied { cursor, id, why } => self.not_applied(cursor, id, why, now),
            Input::StartOver => self.start_over(),
            Input::Acked(seq) => Decision { records: vec![Record::Acked(seq)], ..Decision::done() },
            Input::Purge(overdue) => self.purge(overdue, now),
            Input::ResetFloor { to } => self.reset_floor(to, moment),
            Input::Accepted { mac, terms } => self.accept_terms(mac, terms, now),
            Input::Ordered { by, action, input } => self.order(&by, action, *input, now),
            Input::Noted { by, action, detail } => self.only_noted(&by, action, &detail, now),
        }
    }

    /// What time alone has brought about: entitlements that ended, and the checkpoint.
    pub fn due(&self, now: Now) -> Decision {
        let moment = self.moment(now);
        let Decision { mut records, effects, reply } = self.ended(moment);
        if self.checkpoint_due <= now.boot {
            records.extend(self.checkpoint(moment));
            self.forget_claims(now, &mut records);
            if self.usage_in <= 1 {
                records.extend(self.report_usage(moment));
            }
        }
        Decision { records: self.with_facts(records, moment), effects, reply }
    }

    /// The meters of all entitlements and the floor, to be written before an orderly stop.
    pub fn last_words(&self, now: Now) -> Vec<Record> {
        let moment = self.moment(now);
        let mut records = self.with_facts(self.ended(moment).records, moment);
        records.extend(self.checkpoint(moment));
        records
    }

    /// When to call [`Gate::due`] and [`Gate::take_quiet`] next; `now` says from when on. Never later than the
    /// next checkpoint.
    pub fn poll_timeout(&self, now: Now) -> Boot {
        let moment = self.moment(now);
        let in_use = self.sessions.entitlements().filter_map(|id| self.entitlements.get(id)?.ends(moment));
        let quiet = self.idle.next().filter(|_| moment.uplink != Uplink::Down);
        in_use
            .chain(self.entitlements.next_end(moment))
            .chain(quiet.map(|at| at.max(now.boot)))
            .fold(self.checkpoint_due, Boot::min)
    }

    /// The devices that have shown no traffic for as long as their plan allows: each is to be asked whether
    /// it is there, and the answer told by [`Input::Seen`] or [`Input::Gone`]. A device is named again after
    /// a minute without either. Nobody is while the uplink is down: there is no traffic to show.
    pub fn take_quiet(&mut self, now: Now) -> Vec<Mac> {
        match self.downtime.state.uplink {
            Uplink::Down => Vec::new(),
            Uplink::Up | Uplink::Unknown => self.idle.take_quiet(now.boot),
        }
    }

    /// Every device the kernel should admit, and as what.
    pub fn desired(&self, now: Now) -> OrdMap<Mac, Grant> {
        let moment = self.moment(now);
        self.sessions
            .values()
            .filter_map(|session| Some((session.mac, self.grant_of(session, moment)?)))
            .collect()
    }

    /// As what the kernel should admit `mac`; `None`: not at all.
    pub fn grant(&self, mac: Mac, now: Now) -> Option<Grant> {
        self.grant_of(self.sessions.of_device(mac)?, self.moment(now))
    }

    /// All clocks that entitlements go by, at `now`.
    pub fn moment(&self, now: Now) -> Moment {
        Moment { now, uplink: self.downtime.state.uplink, downtime: self.downtime.until(now.boot) }
    }

    /// A snapshot for those who only look.
    pub fn view(&self, now: Now) -> View {
        let moment = self.moment(now);
        let seen = self.sessions.values().filter_map(|session| self.session_view(session, moment));
        View {
            sessions: seen.map(|session| (session.mac, session)).collect(),
            uplink: self.downtime.state,
            waiting: self.waiting(),
            trial: self.trial_plan().map(|plan| TrialView { plan: plan.clone(), had: self.trials.had() }),
            is_locked: false,
        }
    }

    /// The plans for sale, by their names; of one name, the file's wins.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        let of_cloud = self.cloud.plans.values().map(|(plan, _)| plan);
        let unknown = of_cloud.filter(|plan| !self.file_plans.contains_key(&plan.id));
        let mut all: Vec<_> = self.file_plans.values().chain(unknown).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all.into_iter()
    }

    /// What a device may have for free.
    fn trial_plan(&self) -> Option<&Plan> {
        self.plan(self.limits.trial.as_ref()?)
    }

    /// The plan of that name, if it is for sale.
    pub fn plan(&self, id: &PlanId) -> Option<&Plan> {
        self.file_plans.get(id).or_else(|| self.cloud.plans.get(id).map(|(plan, _)| plan))
    }

    /// Replaces the plans and limits by those of a configuration that was read anew. What was sold, time,
    /// data and devices, stays as it was sold; the speed is the plan's, so all grants may have changed.
    pub fn configure(&mut self, plans: Vec<Plan>, limits: Limits) {
        self.file_plans = by_id(plans);
        self.limits = limits;
    }

    /// What has something left of `id`.
    pub fn entitlement(&self, id: EntitlementId) -> Option<&Entitlement> {
        self.entitlements.get(id)
    }

    /// What went through since the session opened, if it is open.
    pub fn used_by(&self, session: SessionId) -> Option<Traffic> {
        self.sessions.get(session).map(|session| session.used)
    }

    /// The devices online with `id`.
    pub fn devices_of(&self, id: EntitlementId) -> impl Iterator<Item = Mac> {
        self.sessions.with(id).map(|session| session.mac)
    }

    /// Brings the next checkpoint forward to now: the wall clock became trusted, and the ends that it
    /// tells must not be lost.
    pub fn checkpoint_soon(&mut self, now: Now) {
        self.checkpoint_due = now.boot;
    }

    /// The latest wall time known to have been reached, as it is written down.
    pub fn floor(&self) -> Wall {
        self.floor
    }

    /// How many devices are online.
    pub fn sessions(&self) -> usize {
        self.sessions.count()
    }

    /// The wait before the next try of `mac`, asked before its code is looked up.
    pub fn wait(&self, mac: Mac, now: Now) -> Option<Duration> {
        self.attempts.wait(mac, self.lane(mac, now), now.boot)
    }

    fn waiting(&self) -> OrdMap<Mac, Awaits> {
        let mut waiting = OrdMap::new();
        for claim in self.claims.open() {
            let awaits = waiting.entry(claim.mac).or_insert(claim.awaits);
            *awaits = claim.awaits.max(*awaits);
        }
        waiting
    }

    /// What `code` belongs to, and has something left.
    fn owned(&self, code: &CodeKey) -> Option<&Entitlement> {
        self.owners.owner(code).and_then(|id| self.entitlements.get(id))
    }

    fn ended(&self, moment: Moment) -> Decision {
        let mut decision = Decision::done();
        let candidates: OrdSet<_> =
            self.sessions.entitlements().chain(self.entitlements.due(moment.now)).collect();
        for entitlement in candidates.into_iter().filter_map(|id| self.entitlements.get(id)) {
            if let Some(how) = entitlement.ending(moment) {
                self.end(entitlement, how, moment, &mut decision);
            }
        }
        decision
    }

    /// The meters that have moved, and how far both clocks have come.
    fn checkpoint(&self, moment: Moment) -> Vec<Record> {
        let now = moment.now;
        let moved = |e: &&Entitlement| e.ending(moment).is_none() && e.has_news(moment);
        let meters = self.entitlements.values().filter(moved).map(|e| e.stamp_at(moment));
        let counts = self.sessions.unwritten().filter(|session| self.goes_on(session, moment));
        // Validity goes by it, and what the cloud hears of how long a session was.
        let lasts = self.limits.reports == Reports::ToCloud && self.sessions.count() > 0;
        let reached = (lasts || self.entitlements.any_runs_out()).then_some(now.boot);
        let floor = (now.trust == Trust::Trusted && now.wall > self.floor).then_some(now.wall);
        meters
            .map(Record::EntitlementStamped)
            .chain(counts.map(|session| Record::SessionStamped(Usage::of(session.id, session.used))))
            .chain(reached.map(Record::BootReached))
            .chain(self.date_trials(moment))
            .chain(self.date_sessions(moment))
            .chain(floor.map(Record::FloorRaised))
            .collect()
    }

    fn goes_on(&self, session: &Session, moment: Moment) -> bool {
        self.entitlements.get(session.entitlement).is_some_and(|e| e.ending(moment).is_none())
    }

    fn session_view(&self, session: &Session, moment: Moment) -> Option<SessionView> {
        let entitlement = self.entitlements.get(session.entitlement)?;
        let (terms, rates) = (&entitlement.terms, self.rates_of(entitlement));
        Some(SessionView {
            id: session.id,
            mac: session.mac,
            entitlement: entitlement.id,
            plan: entitlement.plan.clone(),
            origin: entitlement.origin,
            hint: entitlement.hint.clone(),
            batch: entitlement.batch.clone(),
            since: session.since,
            ends: entitlement.ends(moment),
            clockwork: entitlement.clockwork(moment),
            whole: entitlement.whole_of_what_ends_first(moment),
            bytes_left: entitlement.data_left(),
            bytes_whole: terms.data.total,
            bytes_up: session.used.up,
            bytes_down: session.used.down,
            down: rates.down,
            up: rates.up,
            devices_online: entitlement.online,
            devices: terms.devices,
        })
    }

    /// Nothing for what is over, though nobody has written that down yet.
    fn grant_of(&self, session: &Session, moment: Moment) -> Option<Grant> {
        let entitlement = self.entitlements.get(session.entitlement)?;
        let rates = self.rates_of(entitlement);
        entitlement.ending(moment).is_none().then(|| Grant {
            session: session.id,
            entitlement: entitlement.id,
            ends: entitlement.ends(moment),
            down: rates.down,
            up: rates.up,
            cap: entitlement.terms.data,
            spent: entitlement.spent(),
            counted: session.used,
        })
    }

    /// The terms that the speed is read from: those of the plan as it is now, or, if it is no longer for
    /// sale, as it was sold. Speed belongs to the plan; time, data and devices to what was bought.
    fn rates_of<'a>(&'a self, entitlement: &'a Entitlement) -> &'a Terms {
        self.plan(&entitlement.plan).map_or(&entitlement.terms, |plan| &plan.terms)
    }

    /// Devices that have paid draw on their own budget only.
    fn lane(&self, mac: Mac, now: Now) -> Blame {
        match self.paid_lately.get(&mac, now.boot) {
            Some(()) => Blame::Device,
            None => Blame::DeviceAndSite,
        }
    }
}

fn by_id(plans: Vec<Plan>) -> OrdMap<PlanId, Plan> {
    plans.into_iter().map(|plan| (plan.id.clone(), plan)).collect()
}

//! Rules of the Gate, each as a sentence.
//!
//! [`Desk`] stands for the app and the store: it decides, applies and settles, keeps the vouchers as a
//! store would, and restarts the Gate from what its records wrote. Rules of time are in `time.rs`, of
//! guessing in `guessing.rs`, of commits that fail or are shared in `commits.rs`.

mod accepting;
mod cloud;
mod commits;
mod counting;
mod facts;
mod guessing;
mod issued;
mod merges;
mod orders;
mod outages;
mod payments;
mod persons;
mod presence;
mod redeeming;
mod retention;
mod time;
mod top_ups;
mod trail;
mod trial;

use std::time::Duration;

use super::{Gate, Limits, Reports};
use crate::domain::{
    Action, Actor, Awaits, BatchId, Blame, Boot, BootId, Bought, Bps, Bytes, Claim, Clockwork, Closing,
    CloudCommand, CloudId, CodeKey, Decision, Effect, Ending, Entitlement, EntitlementId, Fact, Found,
    Hindrance, Hint, Input, Issued, Keeping, Kind, Mac, Minimum, More, Moving, Now, Origin, Outcome, Over,
    PhoneTail, Plan, PlanId, PlanSource, Proof, Reach, Record, ReferenceKey, Refusal, Reply, Restored,
    Session, SessionId, Shown, Stamp, Terms, Traffic, Trust, Uplink, UplinkState, Usage, Voucher,
    VoucherState, Wall,
};
use crate::ordered::OrdMap;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const NOON: i64 = 1_800_000_000;
const LIMITS: Limits = Limits {
    max_clients: 100,
    checkpoint: Duration::from_secs(300),
    reports: Reports::ToNobody,
    provisional_plan: None,
    trial: None,
    trials_a_minute: 120,
    claims_kept: Duration::from_secs(48 * 3600),
    unpaid_kept: Duration::from_secs(600),
    keeping: Keeping { sessions: DAY, trail: DAY, minimum: Minimum::None },
    issued_a_day: 3,
};
/// A site with a cloud.
const REPORTING: Limits = Limits { reports: Reports::ToCloud, ..LIMITS };

/// The app and the store, as far as the Gate can tell.
struct Desk {
    gate: Gate,
    now: Now,
    boot: BootId,
    vouchers: OrdMap<CodeKey, Voucher>,
    /// Sessions as a store would have them.
    stored: OrdMap<SessionId, Session>,
    claims: OrdMap<(ReferenceKey, Mac), Claim>,
    commands: Vec<CloudId>,
    serials: Vec<Issued>,
    /// Trials as a store would have them.
    trials: OrdMap<EntitlementId, (Mac, Wall)>,
    /// What has ended, as a store would have it.
    over: OrdMap<EntitlementId, Over>,
    /// All that the cloud was told, in its order.
    facts: Vec<Fact>,
}

impl Desk {
    fn new(plans: Vec<Plan>) -> Self {
        Self::with_limits(plans, LIMITS)
    }

    fn with_limits(plans: Vec<Plan>, limits: Limits) -> Self {
        let now =
            Now { boot: Boot::from_millis(100_000), wall: Wall::from_secs(NOON), trust: Trust::Trusted };
        let boot: BootId = "boot-1".parse().unwrap();
        let (gate, _) = Gate::restore(Restored::default(), plans, limits, &boot, now);
        Self {
            gate,
            now,
            boot,
            vouchers: OrdMap::new(),
            stored: OrdMap::new(),
            claims: OrdMap::new(),
            commands: Vec::new(),
            serials: Vec::new(),
            trials: OrdMap::new(),
            over: OrdMap::new(),
            facts: Vec::new(),
        }
    }

    /// A new voucher of `plan`.
    fn sell(&mut self, plan: &str) -> CodeKey {
        self.issue(plan, Kind::Voucher, None)
    }

    /// Something new to redeem.
    fn issue(&mut self, plan: &str, kind: Kind, proof: Option<Proof>) -> CodeKey {
        let key = CodeKey([u8::try_from(self.vouchers.len()).unwrap(); 16]);
        let voucher = Voucher {
            key,
            kind,
            id: None,
            proof,
            plan: id(plan),
            batch: Some("b1".parse::<BatchId>().unwrap()),
            activate_by: None,
            made: self.now.wall,
            hint: Hint::of("705"),
            entitlement: None,
            state: VoucherState::Unused,
        };
        self.vouchers.insert(key, voucher);
        key
    }

    fn find(&self, code: CodeKey) -> Voucher {
        self.vouchers[&code].clone()
    }

    /// Both clocks go on.
    fn pass(&mut self, span: Duration) {
        self.now.boot = self.now.boot.plus(span);
        self.now.wall = self.now.wall.plus(span);
    }

    fn decide(&self, input: Input) -> Decision {
        self.gate.decide(input, self.now)
    }

    fn take(&mut self, decision: &Decision) {
        decision.records.iter().for_each(|record| self.keep_what_ends(record, &decision.records));
        self.gate.apply(&decision.records, self.now);
        self.gate.settle();
        for record in &decision.records {
            self.store(record);
        }
    }

    fn keep_what_ends(&mut self, record: &Record, records: &[Record]) {
        let Record::EntitlementEnded { stamp, how } = record else { return };
        let id = stamp.entitlement;
        let resumed = records.iter().find_map(|record| {
            let Record::EntitlementResumed { entitlement, codes } = record else { return None };
            Some((entitlement.as_ref().clone(), codes.clone()))
        });
        let live = || Some((self.gate.entitlement(id)?.clone(), self.gate.owners.codes_of(id).collect()));
        let Some((entitlement, codes)) = resumed.or_else(live) else { return };
        let stamp = Stamp { at: Boot::default(), downtime: Duration::ZERO, ..stamp.clone() };
        self.over.insert(id, Over { entitlement: entitlement.with_stamp(stamp), how: *how, codes });
    }

    /// What the store makes of a record, as far as the tests look at it.
    fn store(&mut self, record: &Record) {
        match record {
            Record::EntitlementOpened(entitlement) => {
                if entitlement.origin == Origin::Trial {
                    self.trials.insert(entitlement.id, (mac(0), entitlement.opened));
                }
                let Some(code) = entitlement.code else { return };
                self.redeemed(code, entitlement.id);
            }
            Record::EntitlementEnded { stamp, how } => {
                self.set_states(stamp.entitlement, (*how).into());
            }
            Record::VoucherRevoked(code) => {
                self.vouchers.get_mut(code).unwrap().state = VoucherState::Revoked;
            }
            Record::SessionOpened(session) => {
                self.stored.insert(session.id, session.clone());
            }
            Record::TermsAccepted { session, accepted } => self.session(*session).accepted = Some(*accepted),
            Record::SessionStamped(usage) => self.session(usage.session).used = usage.used(),
            Record::SessionClosed { session, .. } => drop(self.stored.remove(session)),
            Record::VouchersMade(vouchers) => {
                self.vouchers.extend(vouchers.iter().map(|voucher| (voucher.key, voucher.clone())));
            }
            Record::ToppedUp { entitlement, code, .. } => self.redeemed(*code, *entitlement),
            Record::Merged { kept, codes, .. } => self.handed_over(codes, *kept),
            Record::ClaimOpened(claim) => {
                self.claims.insert((claim.reference, claim.mac), *claim);
            }
            Record::ClaimClosed { reference, mac } => {
                self.claims.remove(&(*reference, *mac)).expect("what closes is open");
            }
            Record::CommandDone(id) => self.commands.push(id.clone()),
            Record::SerialUsed { issued, .. } => self.serials.push(*issued),
            Record::Queued(reported) => self.facts.push(reported.fact.clone()),
            Record::BootChanged { at, .. } => {
                for session in self.stored.values_mut() {
                    session.lasted += self.gate.reached.since(session.at);
                    session.at = *at;
                }
            }
            Record::DeviceBound { entitlement, mac } => self.bound(*entitlement, *mac),
            Record::TrialDated { entitlement, opened } => {
                self.trials.get_mut(entitlement).unwrap().1 = *opened;
            }
            Record::EntitlementResumed { entitlement, .. } => {
                self.set_states(entitlement.id, VoucherState::Active);
            }
            Record::EntitlementStamped(_)
            | Record::EntitlementGrown { .. }
            | Record::DevicesBound { .. }
            | Record::FloorRaised(_)
            | Record::FloorReset(_)
            | Record::RowsPut { .. }
            | Record::RowGone(_)
            | Record::PlanPut { .. }
            | Record::PlanGone(_)
            | Record::FeedRead { .. }
            | Record::ResetEnded(_)
            | Record::Acked(_)
            | Record::DeviceBlocked(_)
            | Record::Forgotten(_)
            | Record::Noted(_)
            | Record::Purged(_)
            | Record::SessionsDated { .. }
            | Record::SessionCounted(_)
            | Record::UplinkChanged(_)
            | Record::BootReached(_)
            | Record::DeviceSeen { .. }
            | Record::TryFailed { .. } => {}
        }
    }

    fn handed_over(&mut self, codes: &[CodeKey], to: EntitlementId) {
        codes.iter().for_each(|code| self.vouchers.get_mut(code).unwrap().entitlement = Some(to));
    }

    fn set_states(&mut self, of: EntitlementId, state: VoucherState) {
        for voucher in self.vouchers.values_mut().filter(|voucher| voucher.entitlement == Some(of)) {
            voucher.state = state;
        }
    }

    fn session(&mut self, id: SessionId) -> &mut Session {
        self.stored.get_mut(&id).unwrap()
    }

    fn bound(&mut self, entitlement: EntitlementId, mac: Mac) {
        if let Some((bound, _)) = self.trials.get_mut(&entitlement) {
            *bound = mac;
        }
    }

    fn redeemed(&mut self, code: CodeKey, by: EntitlementId) {
        let voucher = self.vouchers.get_mut(&code).unwrap();
        assert_eq!(voucher.state, VoucherState::Unused, "one code, one entitlement");
        voucher.entitlement = Some(by);
        voucher.state = VoucherState::Active;
    }

    fn ask(&mut self, input: Input) -> Reply {
        let decision = self.decide(input);
        self.take(&decision);
        decision.reply
    }

    fn redeem(&mut self, mac: Mac, code: CodeKey) -> Reply {
        self.ask(typed(mac, self.find(code)))
    }

    fn redeem_here(&mut self, mac: Mac, code: CodeKey) -> Reply {
        let code = Found::Voucher(Box::new(self.find(code)));
        self.ask(Input::Redeem { mac, code, moving: Moving::Agreed })
    }

    /// What time alone has brought about.
    fn due(&mut self) -> Decision {
        let decision = self.gate.due(self.now);
        self.take(&decision);
        self.gate.checkpoint_done(self.now);
        decision
    }

    /// The daemon ends without a word and starts again after `gap`, in boot `boot`; the wall clock is
    /// then what `trust` makes of it: right, or the floor.
    fn restart(&mut self, boot: &str, gap: Duration, trust: Trust) {
        self.now = Now { trust, ..self.now };
        self.now.wall = match trust {
            Trust::Trusted => self.now.wall.plus(gap),
            Trust::Floor => self.gate.floor,
        };
        let boot: BootId = boot.parse().unwrap();
        self.now.boot = if boot == self.boot { self.now.boot.plus(gap) } else { Boot::from_millis(20_000) };
        let restored = Restored {
            entitlements: self.gate.entitlements.values().map(written).collect(),
            sessions: self.stored.values().cloned().collect(),
            recent: Vec::new(),
            floor: self.gate.floor,
            boot: Some(self.boot.clone()),
            reached: self.gate.reached,
            uplink: self.gate.downtime,
            last_entitlement: self.gate.next_entitlement - 1,
            last_session: self.gate.next_session - 1,
            plans: self.gate.cloud.plans.values().cloned().collect(),
            stand: self.gate.stand(),
            generation: self.gate.cloud.read().1,
            topped_up: self.topped_up(),
            claims: self.claims.values().copied().collect(),
            commands: self.commands.clone(),
            blocked: self.gate.kept_out().collect(),
            trials: self.trials.iter().map(|(id, (mac, opened))| (*mac, *id, *opened)).collect(),
            issued_on: self.gate.cloud.issued_on.get(&()).copied().unwrap_or_default(),
            trail: self.gate.trail.end().clone(),
        };
        let plans = self.gate.file_plans.values().cloned().collect();
        let (gate, records) = Gate::restore(restored, plans, self.gate.limits.clone(), &boot, self.now);
        assert_eq!(records.is_empty(), boot == self.boot);
        records.iter().for_each(|record| self.store(record));
        (self.gate, self.boot) = (gate, boot);
    }

    /// Codes that belong to what another one opened.
    fn topped_up(&self) -> Vec<(CodeKey, EntitlementId)> {
        let owned = self.vouchers.values().filter_map(|voucher| Some((voucher.key, voucher.entitlement?)));
        owned.filter(|(code, id)| self.gate.entitlement(*id).is_some_and(|e| e.code != Some(*code))).collect()
    }

    /// Time left to `mac`, which is online.
    fn left(&self, mac: Mac) -> Option<Duration> {
        let view = self.gate.view(self.now);
        view.sessions.get(&mac).expect("the device is online").time_left(self.now)
    }

    fn is_open(&self, mac: Mac) -> bool {
        self.gate.desired(self.now).contains_key(&mac)
    }

    fn entitlement_of(&self, code: CodeKey) -> &Entitlement {
        let id = self.find(code).entitlement.expect("the code was redeemed");
        self.gate.entitlement(id).expect("the entitlement has something left")
    }
}

/// As a store keeps it.
fn written(entitlement: &Entitlement) -> Entitlement {
    entitlement.clone().with_stamp(entitlement.last_stamp().clone())
}

const fn mac(n: u8) -> Mac {
    Mac::new([2, 0, 0, 0, 0, n])
}

fn id(plan: &str) -> PlanId {
    plan.parse().unwrap()
}

fn plan(name: &str) -> Plan {
    Plan::unlimited(id(name), PlanSource::File)
}

fn metered(name: &str, span: Duration) -> Plan {
    with(plan(name), |terms| terms.metered = Some(span))
}

fn valid(name: &str, span: Duration) -> Plan {
    with(plan(name), |terms| terms.validity = Some(span))
}

fn with(mut plan: Plan, change: impl FnOnce(&mut Terms)) -> Plan {
    change(&mut plan.terms);
    plan
}

/// An hour for two devices at a time.
fn family() -> Plan {
    with(metered("family", HOUR), |terms| terms.devices = 2)
}

fn typed(mac: Mac, voucher: Voucher) -> Input {
    Input::Redeem { mac, code: Found::Voucher(Box::new(voucher)), moving: Moving::Ask }
}

fn wrong(mac: Mac, blame: Blame) -> Input {
    Input::Redeem { mac, code: Found::Nothing(blame), moving: Moving::Ask }
}

fn refused(why: Refusal) -> Reply {
    Reply::Refused(why)
}

fn is_online(reply: &Reply) -> bool {
    matches!(reply, Reply::Online(_))
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

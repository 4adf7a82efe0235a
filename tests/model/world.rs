//! A gateway's life, made up from a seed: the Gate, the reference and a flash go through it together.
//!
//! Owns time, clocks, commits, failures, deaths and restarts. What guests and operators do is in
//! `guests.rs`; what has to hold after each step is in `agree.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lango::domain::{
    Boot, BootId, Bytes, CodeKey, Effect, EntitlementId, Gate, Input, Keeping, Limits, Mac, Minimum, Now,
    Plan, PlanSource, Record, Reports, Restored, SessionId, Terms, Trust, Uplink, Usage, Voucher, Wall,
};

use super::facts::Told;
use super::random::Random;
use super::reference::{Reference, millis};

pub(crate) const MACS: u64 = 7;
const LIMITS: Limits = Limits {
    max_clients: 5,
    checkpoint: Duration::from_secs(300),
    reports: Reports::ToCloud,
    provisional_plan: None,
    trial: None,
    trials_a_minute: 10_000,
    claims_kept: Duration::from_secs(48 * 3600),
    unpaid_kept: Duration::from_secs(600),
    issued_a_day: 0,
    keeping: Keeping { sessions: Duration::MAX, trail: Duration::MAX, minimum: Minimum::OfLaw },
};
/// The plan that is free.
pub(crate) const TRIAL: &str = "short";
/// The true time at which every life begins.
const BEGINNING: i64 = 1_800_000_000;
/// … and the day the program was made, as a clock says that starts at zero.
const PROGRAM_IS_OLDER: i64 = -2 * 24 * 3600;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// What keeps records over a death.
pub(crate) trait Flash {
    fn find(&mut self, code: CodeKey) -> Option<Voucher>;
    /// Writes all of them.
    fn commit(&mut self, records: &[Record]);
    /// Tries to write all of them, and fails.
    fn fail(&mut self, records: &[Record]);
    /// Is torn from the power amid writing them.
    fn tear(&mut self, records: &[Record]);
    /// What a start finds, after the process died without a word.
    fn reopen(&mut self) -> Restored;
}

/// When the process dies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deaths {
    Sometimes,
    /// At the nth point at which it can, and then no more.
    At(u64),
}

/// The process died here.
pub(crate) struct Died;

pub(crate) struct World<F> {
    pub(crate) seed: u64,
    pub(crate) random: Random,
    pub(crate) flash: F,
    pub(crate) gate: Gate,
    pub(crate) reference: Reference,
    /// The reference as it was at the last commit.
    pub(crate) on_flash: Reference,
    /// Who is admitted, and until when.
    pub(crate) kernel: BTreeMap<Mac, Option<Boot>>,
    pub(crate) checkpoint_due: u64,
    /// Vouchers looked up earlier, and when.
    pub(crate) looked_up: BTreeMap<CodeKey, (u64, Voucher)>,
    /// Wrong codes: when, and whose.
    pub(crate) failures: Vec<(u64, Mac)>,
    /// When each has as many logins free again as there are.
    pub(crate) logins: BTreeMap<EntitlementId, u64>,
    /// The meters as last seen, to see them run one way.
    pub(crate) seen: BTreeMap<EntitlementId, (u64, Option<u64>)>,
    pub(crate) given_out: BTreeSet<(Option<EntitlementId>, Option<SessionId>)>,
    pub(crate) spoken_for: BTreeSet<CodeKey>,
    /// What the cloud was told.
    pub(crate) told: Told,
    pub(crate) vouchers_made: u64,
    /// The counters of the kernel, and an earlier reading of them.
    pub(crate) counters: BTreeMap<Mac, Usage>,
    pub(crate) old_readings: Vec<Usage>,
    pub(crate) points: u64,
    deaths: Deaths,
    /// Milliseconds that all times are multiples of. Where it is a second, rounding hides nothing and
    /// clocks may lie; where it is one, the wall is right and the power stays on.
    grain: u64,
    boot: u64,
    boots: u64,
    /// The wall clock minus `boot`, in milliseconds; and what it should be.
    offset: i64,
    true_offset: i64,
    trust: Trust,
    /// The clock was trusted, and wrong.
    pub(crate) has_lied: bool,
    story: Vec<String>,
}

impl<F: Flash> World<F> {
    pub(crate) fn new(seed: u64, flash: F, deaths: Deaths) -> Self {
        let mut random = Random::new(seed);
        let grain = random.pick(&[1000, 1000, 1]);
        let boot = 40_000;
        let plans = plans();
        let (gate, _) = Gate::restore(
            Restored::default(),
            plans.clone(),
            limits(),
            &boot_id(0),
            Now { boot: Boot::from_millis(boot), wall: Wall::from_secs(0), trust: Trust::Floor },
        );
        let reference = Reference {
            plans: plans.into_iter().map(|plan| (plan.id.clone(), plan)).collect(),
            places: LIMITS.max_clients,
            codes: BTreeMap::new(),
            bought: BTreeMap::new(),
            online: Vec::new(),
            used: BTreeMap::new(),
            awake: BTreeMap::new(),
            had: BTreeMap::new(),
            uplink: (Uplink::Unknown, boot),
        };
        let mut world = Self {
            seed,
            random,
            flash,
            gate,
            on_flash: reference.clone(),
            reference,
            kernel: BTreeMap::new(),
            checkpoint_due: 0,
            looked_up: BTreeMap::new(),
            failures: Vec::new(),
            logins: BTreeMap::new(),
            seen: BTreeMap::new(),
            given_out: BTreeSet::new(),
            spoken_for: BTreeSet::new(),
            told: Told::default(),
            vouchers_made: 0,
            counters: BTreeMap::new(),
            old_readings: Vec::new(),
            points: 0,
            deaths,
            grain,
            boot,
            boots: 0,
            offset: 0,
            true_offset: BEGINNING * 1000 - 40_000,
            trust: Trust::Floor,
            has_lied: false,
            story: Vec::new(),
        };
        world.start();
        world
    }

    /// Lives on for `steps` steps, dying and rising as it comes.
    pub(crate) fn live(&mut self, steps: u32) {
        for _ in 0..steps {
            if self.step().is_err() {
                self.rise();
            }
            self.agree();
        }
    }

    fn step(&mut self) -> Result<(), Died> {
        match self.random.within(0..100) {
            0..35 => self.guests(),
            35..65 => self.time_passes(),
            65..80 => {
                self.traffic_flows();
                self.counters_are_read()
            }
            80..86 => self.uplink_changes(),
            86..90 => self.silence_is_looked_into(),
            90..94 => self.clock_changes(),
            94..97 => self.long_wait(),
            _ => Err(Died),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let wall = (i64::try_from(self.boot).unwrap() + self.offset).div_euclid(1000);
        Now { boot: Boot::from_millis(self.boot), wall: Wall::from_secs(wall), trust: self.trust }
    }

    pub(crate) fn tell(&mut self, what: String) {
        let now = self.now();
        self.story.push(format!("{:>12} {} {:?} {what}", self.boot, now.wall, now.trust));
    }

    /// Here the process may die.
    pub(crate) fn point(&mut self) -> Result<(), Died> {
        self.points += 1;
        let dies = match self.deaths {
            Deaths::Sometimes => self.random.percent(1),
            Deaths::At(point) => self.points == point,
        };
        if dies { Err(Died) } else { Ok(()) }
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.boot += ms;
        self.reference.pass(ms);
        self.on_flash.pass(ms);
    }

    /// Deciding takes time too.
    pub(crate) fn moment(&mut self) {
        let grains = self.random.pick(&[0, 0, 0, 1, 3]);
        self.pass(grains * self.grain);
    }

    fn time_passes(&mut self) -> Result<(), Died> {
        let until_look = self.gate.poll_timeout(self.now()).since(Boot::from_millis(self.boot));
        let until_look = millis(until_look);
        let ms = match self.random.within(0..10) {
            0..3 => until_look,
            3 => until_look.saturating_sub(self.grain),
            4..7 => self.random.within(0..60_000),
            7..9 => self.random.within(0..HOUR),
            _ => self.random.within(0..8 * HOUR),
        };
        self.pass(ms - ms % self.grain);
        self.tell(format!("{ms} ms passed"));
        if self.random.percent(90) { self.due() } else { Ok(()) }
    }

    fn long_wait(&mut self) -> Result<(), Died> {
        let ms = self.random.within(0..3 * DAY);
        self.pass(ms - ms % self.grain);
        self.tell(format!("{ms} ms passed"));
        self.due()
    }

    fn clock_changes(&mut self) -> Result<(), Died> {
        if self.grain > 1 && self.random.percent(20) {
            return self.clock_is_reset();
        }
        let hour = i64::try_from(HOUR).unwrap();
        let error = match (self.trust, self.random.within(0..20)) {
            _ if self.grain == 1 => 0,
            (Trust::Trusted, 0..10) => 1000 * i64::try_from(self.random.within(0..600)).unwrap(),
            (Trust::Trusted, _) => -1000 * i64::try_from(self.random.within(0..600)).unwrap(),
            (Trust::Floor, 0) => 365 * 24 * hour,
            (Trust::Floor, 1) => hour,
            (Trust::Floor, 2) => -24 * hour,
            // No clock of the kernel can be set to before 1970.
            (Trust::Floor, 3) => -50 * 365 * 24 * hour,
            (Trust::Floor, _) => 0,
        };
        self.offset = if self.trust == Trust::Trusted { self.offset } else { self.true_offset } + error;
        self.trust = Trust::Trusted;
        self.has_lied |= error != 0;
        self.tell(format!("the clock is trusted, {error} ms off"));
        self.gate.checkpoint_soon(self.now());
        self.checkpoint_due = self.boot;
        self.clock_was_set();
        self.due()
    }

    /// An operator says that the clock was wrong; then it is right, or nobody knows.
    fn clock_is_reset(&mut self) -> Result<(), Died> {
        let now = self.now();
        let trust = self.random.pick(&[Trust::Trusted, Trust::Floor]);
        let to = match trust {
            Trust::Trusted => self.true_offset + i64::try_from(self.boot).unwrap(),
            // The day the program was made: no clock of it ever says less.
            Trust::Floor => PROGRAM_IS_OLDER * 1000,
        };
        self.tell(format!("the clock is reset to {to}"));
        let to = Wall::from_secs(to.div_euclid(1000));
        let decision = self.gate.decide(Input::ResetFloor { to }, now);
        let ended = self.reference.due(now);
        self.check_ended(&decision.records, &ended);
        self.gate.apply(&decision.records, now);
        self.reference.written(&decision.records, now);
        if self.commit(&decision.records, &decision.effects)? {
            self.offset = to.as_secs() * 1000 - i64::try_from(self.boot).unwrap();
            self.trust = trust;
            self.gate.checkpoint_soon(self.now());
            self.checkpoint_due = self.boot;
        }
        self.clock_was_set();
        self.due()
    }

    /// What the wall says of validity changes at once, and the kernel is compared with it.
    fn clock_was_set(&mut self) {
        self.seen.clear();
        self.kernel =
            self.gate.desired(self.now()).into_iter().map(|(mac, grant)| (mac, grant.ends)).collect();
    }

    /// What time alone has brought about.
    fn due(&mut self) -> Result<(), Died> {
        let now = self.now();
        let decision = self.gate.due(now);
        let ended = self.reference.due(now);
        self.check_ended(&decision.records, &ended);
        self.check_wear(&decision.records);
        let is_checkpoint = self.checkpoint_due <= self.boot;
        self.gate.apply(&decision.records, now);
        self.reference.written(&decision.records, now);
        let stored = self.commit(&decision.records, &decision.effects)?;
        self.gate.checkpoint_done(now);
        if is_checkpoint {
            self.checkpoint_due = self.boot + millis(LIMITS.checkpoint);
        }
        if is_checkpoint && stored {
            self.check_all_is_saved();
        }
        Ok(())
    }

    /// Commits, or fails to; returns whether it is stored.
    pub(crate) fn commit(&mut self, records: &[Record], effects: &[Effect]) -> Result<bool, Died> {
        self.point()?;
        let durable = records.iter().filter(|record| record.is_durable()).cloned().collect::<Vec<_>>();
        if !durable.is_empty() && self.random.percent(8) {
            self.tell("the commit failed".to_owned());
            self.flash.fail(&durable);
            self.gate.revert();
            self.reference = self.on_flash.clone();
            return Ok(false);
        }
        self.point().inspect_err(|_| self.flash.tear(&durable))?;
        self.flash.commit(&durable);
        self.gate.settle();
        self.on_flash = self.reference.clone();
        self.check_committed(&durable);
        self.point()?;
        for effect in effects {
            match *effect {
                Effect::Admit { mac } => {
                    let grant = self.gate.grant(mac, self.now());
                    grant.map(|grant| self.kernel.insert(mac, grant.ends));
                }
                Effect::Evict { mac } => drop(self.kernel.remove(&mac)),
                Effect::CutFlows { .. } => {}
                Effect::Regrant => self.clock_was_set(),
                Effect::KeepOut | Effect::ReadPlans => panic!("without a cloud there is none: {effect:?}"),
            }
            self.point()?;
        }
        Ok(true)
    }

    /// After a death: in the same boot, or after a power cut, sooner or later.
    pub(crate) fn rise(&mut self) {
        self.reference = self.on_flash.clone();
        let longest = self.random.pick(&[1, 10_000, HOUR, 2 * DAY]);
        let gap = self.random.within(0..longest);
        let gap = gap - gap % self.grain;
        if self.grain == 1 || self.random.percent(50) {
            self.pass(gap);
            self.tell(format!("killed, and started {gap} ms later"));
        } else {
            self.reference.power_cut(gap);
            self.on_flash.power_cut(gap);
            self.counters.clear();
            self.old_readings.clear();
            let was = i64::try_from(self.boot + gap).unwrap();
            self.boot = 1000 * self.random.within(5..60);
            self.true_offset += was - i64::try_from(self.boot).unwrap();
            self.boots += 1;
            self.tell(format!("the power was off for {gap} ms"));
        }
        self.start();
    }

    fn start(&mut self) {
        let restored = self.flash.reopen();
        for reference in [&mut self.reference, &mut self.on_flash] {
            reference.restarted(self.boot);
        }
        self.trust = Trust::Floor;
        self.offset = restored.floor.as_secs() * 1000 - i64::try_from(self.boot).unwrap();
        let plans = self.reference.plans.values().cloned().collect();
        let (gate, records) = Gate::restore(restored, plans, limits(), &boot_id(self.boots), self.now());
        self.flash.commit(&records);
        self.gate = gate;
        self.checkpoint_due = self.boot + millis(LIMITS.checkpoint);
        self.looked_up.clear();
        self.failures.clear();
        self.logins.clear();
        self.clock_was_set();
    }
}

/// A seed that failed must not be lost.
impl<F> Drop for World<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.story.join("\n"));
            println!("replay: LANGO_MODEL_SEED={} deaths: {:?}", self.seed, self.deaths);
        }
    }
}

fn limits() -> Limits {
    Limits { trial: Some(TRIAL.parse().unwrap()), ..LIMITS }
}

fn boot_id(n: u64) -> BootId {
    format!("boot-{n}").parse().unwrap()
}

fn with(mut plan: Plan, change: impl FnOnce(&mut Terms)) -> Plan {
    change(&mut plan.terms);
    plan
}

fn plans() -> Vec<Plan> {
    let plan = |name: &str, metered: u64, validity: u64, devices, bound_devices| Plan {
        terms: Terms {
            metered: (metered > 0).then(|| Duration::from_millis(metered)),
            validity: (validity > 0).then(|| Duration::from_millis(validity)),
            devices,
            bound_devices,
            ..Terms::UNLIMITED
        },
        ..Plan::unlimited(name.parse().unwrap(), PlanSource::File)
    };
    let soon = Some(Wall::from_secs(BEGINNING + 2 * 86_400));
    vec![
        plan("hour", HOUR, 0, 1, 0),
        plan("day", 0, DAY, 1, 2),
        plan("both", 2 * HOUR, 6 * HOUR, 2, 0),
        plan("family", 3 * HOUR, 2 * DAY, 3, 4),
        plan("short", 90_000, 0, 1, 1),
        plan("blink", 0, 5_000, 2, 0),
        plan("free", 0, 0, 1, 0),
        Plan { activate_by: soon, ..plan("begin", HOUR / 2, 0, 1, 0) },
        with(plan("capped", 0, 0, 2, 0), |terms| terms.data.total = Some(Bytes(1500))),
        with(plan("split", HOUR, DAY, 3, 0), |terms| {
            (terms.data.up, terms.data.down) = (Some(Bytes(400)), Some(Bytes(900)));
            terms.idle_timeout = Some(Duration::from_secs(900));
        }),
        with(plan("steady", 2 * HOUR, 0, 1, 0), |terms| {
            terms.count_while_uplink_down = true;
            terms.idle_timeout = Some(Duration::from_secs(120));
        }),
    ]
}

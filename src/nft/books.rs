//! What stands in the table for devices, and how it is changed.
//!
//! Owns: the knowledge of what was written, and the steps from there to what should be. Never: sockets.
//! Neighbours: `guest.rs` says what a device should have, `mod.rs` commits.
//!
//! A device that changes is written anew as a whole, and goes on from what its session has counted. Only
//! what is there can be deleted, and elements with a time may be gone: so they are added first as they
//! were, which does nothing if they are there. None of it shows before the transaction is complete.

use std::net::IpAddr;

use super::guest::{Counted, Kept, Pass, verdict};
use super::sets::{CAPS, CAPS_UP, CARRIED, COUNTS, DOWN, ONLINE, SPEED, TAKEN, UP, octets};
use crate::domain::{Boot, Bytes, Mac, Traffic};
use crate::ordered::{OrdMap, OrdSet};
use crate::wire::nftables::{Batch, Held, Put, State};

/// What has counted stays so much longer than the device passes, in milliseconds: to be read at the end. What
/// comes down stays longer than what goes up: so that a phone answers it and is told that it is over.
const READABLE_UP: u64 = 500;
const READABLE_DOWN: u64 = 1000;

/// All that the table holds for devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Books {
    pub(super) devices: OrdMap<Mac, Kept>,
    /// Who lives at an address.
    pub(super) homes: OrdMap<IpAddr, Mac>,
    pub(super) objects: OrdMap<String, State>,
    /// What quotas allow less until it is charged.
    held: OrdMap<String, u64>,
}

/// What happens to one device.
pub(super) struct Change<'a> {
    pub(super) mac: Mac,
    pub(super) pass: Option<&'a Pass>,
    /// What its session has counted; `None`: what the pass says.
    pub(super) counted: Option<Traffic>,
    /// Where it lives from now on.
    pub(super) homes: OrdSet<IpAddr>,
}

/// A device as it was and as it will be.
struct Step<'a> {
    mac: Mac,
    pass: Option<&'a Pass>,
    counted: Traffic,
    /// How long it stays.
    stays: Option<u64>,
    old: Option<Kept>,
    new: Option<Kept>,
}

impl Books {
    /// Writes `changes`, notes them down, and says where those devices live now.
    pub(super) fn write(&mut self, batch: &mut Batch, changes: Vec<Change<'_>>, now: Boot) -> Vec<IpAddr> {
        let steps: Vec<_> = changes.into_iter().map(|change| self.step(change, now)).collect();
        // A set at a time: what is deleted, then what is added; objects before the elements that name them.
        for step in &steps {
            step.old.iter().for_each(|old| delete_objects_of(batch, step.mac, old));
        }
        self.write_objects(batch, &steps);
        remove_timed(batch, &steps);
        for step in &steps {
            step.new.iter().for_each(|new| add_objects_of(batch, step.mac, new));
        }
        add_timed(batch, &steps);
        self.sweep_objects(batch, steps.iter().flat_map(Step::left).cloned().collect());
        steps.iter().filter_map(|step| step.new.as_ref()).flat_map(|new| new.homes.clone()).collect()
    }

    /// A device lives at `address` too.
    pub(super) fn add_home(&mut self, batch: &mut Batch, home: &NewHome<'_>, now: Boot) {
        let NewHome { mac, pass, address } = home;
        let Some((kept, stays)) = self.devices.get_mut(mac).zip(pass.stay(now)) else { return };
        kept.homes.insert(*address);
        self.homes.insert(*address, *mac);
        let kept = &*kept;
        objects_of_home(kept, *address, |set, element| batch.add_elements(set, &[element]));
        timed_of_home(kept, *address, stays, |set, element| batch.add_elements(set, &[element]));
    }

    /// Whether the limits and quotas of `pass` are as they should be.
    pub(super) fn has_objects_of(&self, pass: &Pass, mac: Mac) -> bool {
        pass.objects(mac).all(|(name, state)| {
            self.objects.get(&name).is_some_and(|known| is_like(known, &self.less(&name, state)))
        })
    }

    /// So much at least will be charged to the quota of this device: which allows so much less until then.
    pub(super) fn hold(&mut self, batch: &mut Batch, mac: Mac, Bytes(passed): Bytes) {
        let Some((name, bytes)) = self.quota_of_down(mac) else { return };
        let less = bytes.saturating_sub(passed);
        *self.held.entry(name.clone()).or_default() += bytes - less;
        self.put_object(batch, name, quota_of(less, 0));
    }

    /// So much passed that the quota of this device should have seen: it allows so much less from now on.
    pub(super) fn charge(&mut self, batch: &mut Batch, mac: Mac, Bytes(passed): Bytes) {
        let Some((name, bytes)) = self.quota_of_down(mac) else { return };
        let all = self.passed(&name).saturating_add(passed);
        let less = bytes.saturating_add(self.held.remove(&name).unwrap_or(0)).saturating_sub(passed);
        self.put_object(batch, beside(&name), quota_of(all, 0));
        self.put_object(batch, name, quota_of(less, 0));
    }

    fn quota_of_down(&self, mac: Mac) -> Option<(String, u64)> {
        let name = self.devices.get(&mac)?.home.cap.clone()?;
        match self.objects.get(&name)? {
            State::Quota { bytes, .. } => Some((name, *bytes)),
            State::Counter { .. }
            | State::ByteLimit { .. }
            | State::PacketLimit { .. }
            | State::PacketsOver { .. } => None,
        }
    }

    fn put_object(&mut self, batch: &mut Batch, name: String, state: State) {
        batch.add_object(&name, state);
        self.objects.insert(name, state);
    }

    /// What passed beside a quota, all in all.
    fn passed(&self, quota: &str) -> u64 {
        match self.objects.get(&beside(quota)) {
            Some(State::Quota { bytes, .. }) => *bytes,
            Some(_) | None => 0,
        }
    }

    /// What was bought, less what passed beside the quota.
    fn less(&self, name: &str, state: State) -> State {
        match state {
            State::Quota { bytes, used } => quota_of(bytes.saturating_sub(self.passed(name)), used),
            State::Counter { .. }
            | State::ByteLimit { .. }
            | State::PacketLimit { .. }
            | State::PacketsOver { .. } => state,
        }
    }

    /// Deletes limits and quotas that no device draws on, whoever made them.
    pub(super) fn sweep(&mut self, batch: &mut Batch) {
        self.sweep_objects(batch, self.objects.keys().cloned().collect());
    }

    fn step<'a>(&mut self, change: Change<'a>, now: Boot) -> Step<'a> {
        let Change { mac, pass, counted, homes } = change;
        let pass = pass.filter(|pass| pass.stay(now).is_some());
        let old = self.devices.remove(&mac);
        for home in old.iter().flat_map(|old| &old.homes) {
            self.homes.remove(home);
        }
        let new = pass.map(|pass| {
            let free = homes.into_iter().filter(|home| !self.homes.contains_key(home)).collect();
            pass.kept(mac, free)
        });
        if let Some(new) = &new {
            self.homes.extend(new.homes.iter().map(|home| (*home, mac)));
            self.devices.insert(mac, new.clone());
        }
        let counted = counted.or(pass.map(Pass::counted)).unwrap_or_default();
        Step { mac, pass, counted, stays: pass.and_then(|pass| pass.stay(now)).flatten(), old, new }
    }

    /// Limits and quotas that are new, or whose bytes have changed; what is used of a quota stays.
    fn write_objects(&mut self, batch: &mut Batch, steps: &[Step<'_>]) {
        let wanted = steps.iter().filter_map(|step| Some((step.mac, step.pass?)));
        for (name, state) in wanted.flat_map(|(mac, pass)| pass.objects(mac)) {
            // A new one begins with all that was used.
            let known = self.objects.get(&name).copied();
            let state = if known.is_some() { self.less(&name, state) } else { state };
            if known.is_some_and(|known| is_like(&known, &state)) {
                continue;
            }
            self.held.remove(&name);
            self.put_object(batch, name, state);
        }
    }

    /// Deletes those of `objects` that no device draws on any more.
    fn sweep_objects(&mut self, batch: &mut Batch, mut objects: OrdSet<String>) {
        if objects.is_empty() {
            return;
        }
        for used in self.devices.values().flat_map(Kept::objects) {
            objects.remove(used);
            objects.remove(&beside(used));
        }
        for name in objects.into_iter().flat_map(|name| [beside(&name), name]) {
            if let Some(state) = self.objects.remove(&name) {
                batch.delete_object(&name, state);
            }
        }
    }
}

impl Step<'_> {
    /// Limits and quotas that the device does not draw on any more.
    fn left(&self) -> impl Iterator<Item = &String> {
        let draws = |name: &String| self.new.iter().flat_map(Kept::objects).any(|other| other == name);
        self.old.iter().flat_map(Kept::objects).filter(move |name| !draws(name))
    }
}

/// An address that a device turned out to have.
pub(super) struct NewHome<'a> {
    pub(super) mac: Mac,
    pub(super) pass: &'a Pass,
    pub(super) address: IpAddr,
}

/// The kernel refuses one that says to have used more than it allows.
fn quota_of(bytes: u64, used: u64) -> State {
    State::Quota { bytes, used: used.min(bytes) }
}

/// The object that keeps what passed beside a quota: one that no packet draws on.
fn beside(quota: &str) -> String {
    format!("{quota} beside")
}

/// Whether two objects of one name differ at most in what is used.
fn is_like(a: &State, b: &State) -> bool {
    match (a, b) {
        (State::Quota { bytes: a, .. }, State::Quota { bytes: b, .. }) => a == b,
        (State::ByteLimit { a_second: a, .. }, State::ByteLimit { a_second: b, .. }) => a == b,
        _ => false,
    }
}

fn objects_of_home(kept: &Kept, home: IpAddr, mut each: impl FnMut(&'static str, Put)) {
    for (sets, object) in [(SPEED, &kept.home.speed), (CAPS, &kept.home.cap)] {
        if let Some(name) = object {
            each(sets.of(home), Put { holds: Held::Object(name.clone()), ..Put::key(&octets(home)) });
        }
    }
}

fn delete_objects_of(batch: &mut Batch, mac: Mac, kept: &Kept) {
    if kept.cap_up.is_some() {
        batch.delete_elements(CAPS_UP, &[Put::key(&mac.bytes())]);
    }
    for home in &kept.homes {
        objects_of_home(kept, *home, |set, element| {
            batch.delete_elements(set, &[Put { holds: Held::Nothing, ..element }]);
        });
    }
}

fn add_objects_of(batch: &mut Batch, mac: Mac, kept: &Kept) {
    if let Some(name) = &kept.cap_up {
        let cap = Put { holds: Held::Object(name.clone()), ..Put::key(&mac.bytes()) };
        batch.add_elements(CAPS_UP, &[cap]);
    }
    for home in &kept.homes {
        objects_of_home(kept, *home, |set, element| batch.add_elements(set, &[element]));
    }
}

/// The elements with a time: of a device, and of each address it has.
fn timed_of(
    mac: Mac,
    kept: &Kept,
    counted: Traffic,
    stays: Option<u64>,
    mut each: impl FnMut(&'static str, Put),
) {
    let readable = stays.map(|stays| stays.saturating_add(READABLE_UP));
    each(ONLINE, Put { stays, ..Put::key(&mac.bytes()) });
    each(UP, up_of(mac, kept, counted.up, readable));
    if kept.up.counts {
        let state = vec![State::Counter { bytes: counted.down.0 }];
        each(CARRIED, Put { stays: readable, state, comment: kept.name.clone(), ..Put::key(&mac.bytes()) });
    }
    for home in &kept.homes {
        timed_of_home(kept, *home, stays, &mut each);
    }
}

fn up_of(mac: Mac, kept: &Kept, counted: Bytes, stays: Option<u64>) -> Put {
    Put {
        stays,
        holds: Held::Verdict(verdict(kept.up.chain.as_deref())),
        state: kept.up.state(counted),
        comment: kept.name.clone(),
        ..Put::key(&mac.bytes())
    }
}

fn timed_of_home(kept: &Kept, home: IpAddr, stays: Option<u64>, mut each: impl FnMut(&'static str, Put)) {
    let readable = stays.map(|stays| stays.saturating_add(READABLE_DOWN));
    let counter = || vec![State::Counter { bytes: 0 }];
    let (at_once, behind) = match kept.home.counted {
        Counted::Nowhere => (Vec::new(), None),
        Counted::AtOnce => (counter(), None),
        Counted::BehindTheLimit => (Vec::new(), Some(counter())),
    };
    let named = || Put { stays: readable, comment: kept.name.clone(), ..Put::key(&octets(home)) };
    let leads = Held::Verdict(verdict(kept.home.chain.as_deref()));
    each(DOWN.of(home), Put { holds: leads, state: at_once, ..named() });
    if let Some(state) = behind {
        each(COUNTS.of(home), Put { state, ..named() });
    }
    each(TAKEN.of(home), Put { stays, ..Put::key(&octets(home)) });
}

/// Nothing of these devices goes up any more.
pub(super) fn write_shut(batch: &mut Batch, devices: &[(Mac, &Kept)]) {
    let online = devices.iter().map(|(mac, _)| Put::key(&mac.bytes()));
    let up = devices.iter().map(|(mac, kept)| up_of(*mac, kept, Bytes(0), None));
    batch.remove_elements(ONLINE, &online.collect::<Vec<_>>());
    batch.remove_elements(UP, &up.collect::<Vec<_>>());
    // From now on they are strangers, and speak for themselves.
    let homes = devices.iter().flat_map(|(_, kept)| &kept.homes).copied();
    for (set, taken) in TAKEN.split(homes) {
        batch.remove_elements(set, &taken);
    }
}

/// Elements by their set: one message a set, however many devices.
#[derive(Default)]
struct BySet(OrdMap<&'static str, Vec<Put>>);

impl BySet {
    fn put(&mut self, set: &'static str, element: Put) {
        self.0.entry(set).or_default().push(element);
    }
}

fn remove_timed(batch: &mut Batch, steps: &[Step<'_>]) {
    let mut elements = BySet::default();
    for step in steps {
        match &step.old {
            Some(old) => {
                timed_of(step.mac, old, Traffic::default(), None, |set, element| elements.put(set, element));
            }
            // They may stand there all the same: put in by somebody else, or left by who was shut.
            None => {
                elements.put(ONLINE, Put::key(&step.mac.bytes()));
                elements.put(CARRIED, Put::key(&step.mac.bytes()));
            }
        }
    }
    elements.0.iter().for_each(|(set, elements)| batch.remove_elements(set, elements));
}

fn add_timed(batch: &mut Batch, steps: &[Step<'_>]) {
    let mut elements = BySet::default();
    for step in steps {
        if let Some(new) = &step.new {
            timed_of(step.mac, new, step.counted, step.stays, |set, element| elements.put(set, element));
        }
    }
    elements.0.iter().for_each(|(set, elements)| batch.add_elements(set, elements));
}

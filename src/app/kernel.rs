//! The kernel's side of the Gate: the table, the neighbours, the flows.
//!
//! Owns: the table, and what is granted in it. Never: who may pass, or when something is committed.
//! Neighbours: `desk` says what is desired; `flows` knows which flows are cut when; `nft` and `neigh` do it.
//!
//! The kernel holds a projection of the Gate and never the truth: whatever is found there that is not
//! desired is put right, at every notification and once a minute.

mod offload;

use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc;

pub(super) use self::offload::Offload;
use super::base::{base_of, trusted};
use super::fault::Fault;
use super::flows::Flows;
use crate::clock::Clock;
use crate::config::Config;
use crate::dns;
use crate::domain::{Boot, DataCap, Effect, Gate, Grant, Mac, Now, Uplink, Usage};
use crate::neigh::Neighbours;
use crate::nft::{Base, Desired, Homes, Line, Nft, NftError, Noticed, Pass, Route, Start, Watch};
use crate::ordered::{OrdMap, OrdSet};
use crate::uplink::Report;

/// What Lango owns of the kernel.
pub(super) struct Kernel {
    nft: Nft,
    base: Base,
    flows: Flows,
    pub(super) neighbours: Rc<Neighbours>,
    /// Whether the table was as desired when last looked at.
    pub(super) intact: bool,
    /// Whether a cap is used up and nobody has counted since.
    pub(super) used_up: bool,
    /// As last looked for.
    pub(super) offload: Offload,
    /// What the table should hold since something was last done to it.
    desired: Desired,
    /// Devices that pass by configuration.
    trusted: OrdSet<Mac>,
    /// Ports at which names of the garden are reached.
    garden_ports: Vec<u16>,
    /// What was noticed of our table.
    news: mpsc::Receiver<Noticed>,
    clock: Clock,
}

impl Kernel {
    pub(super) fn open(config: &Config, clock: Clock, news: mpsc::Receiver<Noticed>) -> Result<Self, Fault> {
        let base = base_of(config);
        Ok(Self {
            nft: Nft::open().map_err(Fault::Nft)?,
            flows: Flows::open(base.mark)?,
            base,
            neighbours: Rc::new(Neighbours::open().map_err(Fault::Neigh)?),
            intact: false,
            used_up: false,
            desired: Desired::default(),
            trusted: trusted(config),
            garden_ports: config.garden_ports().into_iter().collect(),
            news,
            offload: Offload::default(),
            clock,
        })
    }

    /// Loads the closed table, unless there is one: whoever passes there goes on passing.
    pub(super) fn hold(&mut self) -> Result<(), Fault> {
        self.nft.hold(&self.base, self.clock.now().boot).map(drop).map_err(Fault::Nft)
    }

    /// Opens addresses of the garden, and lets the answer go that tells of them.
    pub(super) fn learn(&mut self, learn: dns::Learn) {
        match self.open_garden(learn.mac, &learn.addresses, learn.stays) {
            Ok(()) => {
                // It does not wait for long.
                let _ = learn.done.send(());
            }
            Err(error) => tracing::debug!(event = "garden_not_opened", %error, "the device asks again"),
        }
    }

    /// Hears of changes to our table that are not ours.
    pub(super) fn watch(&self) -> Result<Watch, Fault> {
        Watch::open(&self.nft).map_err(Fault::Nft)
    }

    /// Returns when something of our table is noticed.
    pub(super) async fn noticed(&mut self) -> Noticed {
        match self.news.recv().await {
            Some(news) => news,
            // Nobody watches any more, which ends the daemon by another way.
            None => std::future::pending().await,
        }
    }

    /// Waits for `work` and keeps the table whole meanwhile: while a slow flash takes a record, a table
    /// that somebody flushed must not stay open. What the work will grant is not granted before it is done.
    pub(super) async fn guard_while<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut used_up = false;
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                noticed = self.noticed() => match noticed {
                    Noticed::Touched => self.mend(self.clock.now()),
                    Noticed::UsedUp => used_up = true,
                }
            }
        };
        self.used_up |= used_up;
        done
    }

    /// What all sessions have counted; nothing while the table cannot be read.
    pub(super) fn usage(&mut self) -> Vec<Usage> {
        self.used_up = false;
        let usage = self.nft.usage();
        usage
            .inspect_err(|error| tracing::debug!(event = "not_counted", %error, "counted later"))
            .unwrap_or_default()
    }

    /// Hears soon of caps that are used up, if there are caps.
    pub(super) fn nudge(&mut self) {
        let is_capped = |pass: &Pass| match pass {
            Pass::Granted(grant) => grant.cap != DataCap::default(),
            Pass::Trusted => false,
        };
        if self.desired.passes.values().any(is_capped)
            && let Err(error) = self.nft.nudge()
        {
            tracing::debug!(event = "not_nudged", %error, "what is used up is seen at the next count");
        }
    }

    /// Closes the devices that `effects` will evict, and says what they have counted, to the last byte; of
    /// those that go on with something else, so far.
    pub(super) fn count_out(&mut self, effects: &[Effect]) -> Vec<Usage> {
        let (mut evicted, mut admitted) = (Vec::new(), OrdSet::new());
        for effect in effects {
            match effect {
                Effect::Evict { mac } => evicted.push(*mac),
                Effect::Admit { mac } => {
                    admitted.insert(*mac);
                }
                Effect::CutFlows { .. } | Effect::Regrant | Effect::KeepOut | Effect::ReadPlans => {}
            }
        }
        let passes_still = |mac: &Mac| admitted.contains(mac) || self.trusted.contains(mac);
        let (stays, goes): (Vec<_>, Vec<_>) = evicted.into_iter().partition(passes_still);
        let counted = self.nft.shut(&goes).and_then(|mut usages| {
            for mac in stays {
                usages.extend(self.nft.usage_of(mac)?);
            }
            Ok(usages)
        });
        // What was not read now is counted as it was last read: in the guest's favour.
        counted
            .inspect_err(|error| tracing::warn!(event = "not_counted", %error, "the last bytes are lost"))
            .unwrap_or_default()
    }

    /// Makes the table what it should be: adopts a living one, else installs it whole, at once.
    pub(super) fn heal(&mut self, grants: OrdMap<Mac, Grant>, now: Now) -> Result<Start, Fault> {
        self.desired.passes = self.passes(grants);
        self.desired.homes = self.homes(self.desired.passes.keys().copied().collect());
        self.restore(now)
    }

    fn restore(&mut self, now: Now) -> Result<Start, Fault> {
        self.base.hold(self.desired.passes.len());
        let start = self.nft.adopt_or_install(&self.base, &self.desired, now.boot).map_err(Fault::Nft);
        self.intact = start.is_ok();
        start
    }

    fn passes(&self, grants: OrdMap<Mac, Grant>) -> OrdMap<Mac, Pass> {
        let granted = grants.into_iter().filter(|(mac, _)| !self.base.blocked.contains(mac));
        let granted = granted.map(|(mac, grant)| (mac, Pass::Granted(grant)));
        granted.chain(self.trusted.iter().map(|mac| (*mac, Pass::Trusted))).collect()
    }

    /// Puts the table right while the daemon runs: says what was found, a lasting failure once. What
    /// [`Kernel::intact`] says then tells when to look again.
    pub(super) fn mend(&mut self, now: Now) {
        let was_intact = self.intact;
        match self.restore(now) {
            Ok(Start::Adopted) => {}
            Ok(Start::Installed) => {
                tracing::warn!(
                    event = "table_healed",
                    "table inet lango was not as it should be; it is whole again"
                );
            }
            Err(error) if was_intact => {
                tracing::error!(event = "table_broken", %error, "cannot put table inet lango right; trying on");
            }
            Err(_) => {}
        }
    }

    /// [`Kernel::mend`] with what is to be granted now, and whose addresses it is.
    pub(super) fn compare(&mut self, grants: OrdMap<Mac, Grant>, now: Now) {
        self.desired.passes = self.passes(grants);
        self.mend(now);
        self.settle_all(now);
    }

    /// Makes the table the one of a new configuration.
    pub(super) fn configure(&mut self, config: &Config, grants: OrdMap<Mac, Grant>, now: Now) {
        self.base = base_of(config);
        self.flows.mark_with(self.base.mark);
        self.trusted = trusted(config);
        self.garden_ports = config.garden_ports().into_iter().collect();
        if let Err(error) = self.heal(grants, now) {
            tracing::error!(event = "table_broken", %error, "cannot change table inet lango; trying on");
        }
    }

    /// While the uplink is dead, port 80 and DNS of who is online lead to the portal and the responder;
    /// while there is no way out at all, who has not paid is refused before routing.
    pub(super) fn follow_uplink(&mut self, report: &Report) {
        let line = match report.state.uplink {
            Uplink::Down => Line::Dead,
            Uplink::Up | Uplink::Unknown => Line::Alive,
        };
        let route = if report.way.is_some() { Route::Missing } else { Route::There };
        let mut done = Ok(());
        if line != self.desired.line {
            self.desired.line = line;
            done = self.nft.set_line(&self.base, line);
        }
        if route != self.desired.route {
            self.desired.route = route;
            done = done.and(self.nft.set_route(&self.base, route));
        }
        if let Err(error) = done {
            tracing::warn!(event = "change_failed", %error, "the table does not follow the uplink yet");
            self.intact = false;
        }
    }

    /// Opens addresses of the garden to a device that asked for a name of it: all of them, or none.
    fn open_garden(&mut self, mac: Mac, addresses: &[IpAddr], stays: Duration) -> Result<(), NftError> {
        self.nft.open_garden(mac, addresses, &self.garden_ports, stays)
    }

    /// A device was seen at an address: if it may pass, what it receives there is to be counted as its own.
    /// If not, nobody else lives there any more all the same, or it would be taken for a forger of who did.
    pub(super) fn seen(&mut self, mac: Mac, address: IpAddr, now: Now) {
        if is_routed(&address) {
            self.settle(&Homes::from([(mac, OrdSet::from([address]))]), now);
        }
    }

    /// Tells the table where devices live that may pass, as far as it does not know.
    fn settle_all(&mut self, now: Now) {
        let homes = self.homes(self.desired.passes.keys().copied().collect());
        if let Err(error) = self.nft.make_room(&homes, &self.desired.passes, now.boot) {
            tracing::debug!(event = "homes_unknown", %error, "put right at the next look");
        }
        self.settle(&homes, now);
    }

    fn settle(&mut self, homes: &Homes, now: Now) {
        match self.nft.settle(homes, &self.desired.passes, now.boot) {
            // As the table has it: no more than a device is let have, and none that became another's.
            Ok(moved) => {
                for mac in homes.keys().chain(&moved).filter(|mac| self.desired.passes.contains_key(mac)) {
                    self.desired.homes.insert(*mac, self.nft.homes_of(*mac));
                }
            }
            Err(error) => {
                tracing::debug!(event = "homes_unknown", %error, "put right at the next look");
            }
        }
    }

    /// Where these devices live, by the neighbour table.
    fn homes(&self, devices: OrdSet<Mac>) -> Homes {
        if devices.is_empty() {
            return Homes::new();
        }
        let all = self.neighbours.all();
        let all =
            all.inspect_err(|error| tracing::debug!(event = "neighbours_unknown", %error, "asked later"));
        let known = all.unwrap_or_default().into_iter().filter(|(mac, _)| devices.contains(mac));
        known.map(|(mac, addresses)| (mac, addresses.into_iter().filter(is_routed).collect())).collect()
    }

    /// Makes the table follow `grants` where they differ from what was granted.
    fn regrant(&mut self, grants: OrdMap<Mac, Grant>, now: Now) -> Result<(), Fault> {
        let passes = self.passes(grants);
        let gone = self.desired.passes.keys().filter(|mac| !passes.contains_key(mac)).map(|mac| (*mac, None));
        let same = |mac, pass: &Pass| self.desired.passes.get(mac).is_some_and(|old| old.asks_the_same(pass));
        let other = passes.iter().filter(|(mac, pass)| !same(mac, pass));
        let change = gone.chain(other.map(|(mac, pass)| (*mac, Some(*pass)))).collect();
        self.desired.passes = passes;
        self.nft.change(&change, &self.desired.homes, now.boot).map_err(Fault::Nft)
    }

    /// Performs `effects` with the `grants` of those who are let in; after an error the table has to be
    /// mended, the rest is done. Flows of a device in `asking` are cut later, by [`Kernel::answered`], so
    /// that its browser still gets the answer.
    pub(super) fn perform(
        &mut self,
        effects: &[Effect],
        gate: &Gate,
        asking: &OrdSet<Mac>,
        now: Now,
    ) -> Result<(), Fault> {
        let mut change: OrdMap<Mac, Option<Pass>> = OrdMap::new();
        let (mut cut, mut all) = (OrdSet::new(), false);
        for effect in effects {
            match *effect {
                Effect::Admit { mac } | Effect::Evict { mac } => {
                    change.insert(mac, self.pass_of(mac, gate, now));
                }
                Effect::CutFlows { mac } => {
                    cut.insert(mac);
                }
                Effect::Regrant => all = true,
                // The desk's.
                Effect::KeepOut | Effect::ReadPlans => {}
            }
        }
        let (admitted, gone): (OrdMap<_, _>, OrdMap<_, _>) =
            change.iter().map(|(mac, pass)| (*mac, *pass)).partition(|(_, pass)| pass.is_some());
        let homes = self.homes(admitted.keys().copied().collect());
        let shut = self.nft.shut(&gone.keys().copied().collect::<Vec<_>>());
        let mut changed = shut.and_then(|_| self.nft.change(&admitted, &homes, now.boot)).map_err(Fault::Nft);
        self.flows.admitted(admitted.keys().copied());
        self.flows.shut(gone.into_keys(), now.boot);
        for (mac, pass) in &change {
            match pass {
                Some(pass) => {
                    self.desired.passes.insert(*mac, *pass);
                    let mut known = self.nft.homes_of(*mac);
                    known.extend(homes.get(mac).into_iter().flatten().copied());
                    self.desired.homes.insert(*mac, known);
                }
                None => {
                    self.desired.passes.remove(mac);
                    self.desired.homes.remove(mac);
                }
            }
        }
        if all {
            changed = changed.and(self.regrant(gate.desired(now), now));
        }
        self.flows.cut_later(cut, &admitted.into_keys().collect(), asking, now.boot);
        changed
    }

    fn pass_of(&self, mac: Mac, gate: &Gate, now: Now) -> Option<Pass> {
        if self.trusted.contains(&mac) {
            Some(Pass::Trusted)
        } else if self.base.blocked.contains(&mac) {
            None
        } else {
            gate.grant(mac, now).map(Pass::Granted)
        }
    }

    /// The answer to `mac` is written, or its connection is gone.
    pub(super) fn answered(&mut self, mac: Mac, now: Boot) {
        self.flows.answered(mac, now);
    }

    /// When [`Kernel::cut`] has something to do.
    pub(super) fn cut_at(&self) -> Option<Boot> {
        self.flows.due()
    }

    /// Does what is due of cutting.
    pub(super) fn cut(&mut self, now: Now) {
        let passes = &self.desired.passes;
        let left = self
            .flows
            .take_left(|mac| passes.contains_key(mac), now.boot)
            .into_iter()
            .map(|mac| (mac, None))
            .collect();
        if let Err(error) = self.nft.change(&left, &Homes::new(), now.boot) {
            tracing::warn!(event = "change_failed", %error, "put right at the next look");
        }
        self.flows.cut(&self.neighbours, now.boot);
    }
}

/// Whether traffic to it may cross a router, and it is one device's.
fn is_routed(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_link_local() && !address.is_multicast(),
        IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_multicast(),
    }
}

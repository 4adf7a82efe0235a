//! The kernel's side of the Gate: the table, the neighbours, the flows.
//!
//! Owns: the table, what is granted in it, flows that wait to be cut. Never: who may pass, or when something
//! is committed. Neighbours: `desk` says what is desired; `nft` and `neigh` do it.
//!
//! The kernel holds a projection of the Gate and never the truth: whatever is found there that is not
//! desired is put right, at every notification and once a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::fault::Fault;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Boot, Effect, Gate, Grant, Mac, Now};
use crate::neigh::{Conntrack, Marked, Neighbours};
use crate::nft::{Base, Nft, Start, Watch};

/// Cuts are gathered for so long: to find the flows of a device the kernel walks through all of its own.
const GATHER_CUTS: Duration = Duration::from_millis(10);

/// What Lango owns of the kernel.
pub(super) struct Kernel {
    nft: Nft,
    base: Base,
    conntrack: Conntrack,
    pub(super) neighbours: Rc<Neighbours>,
    /// Devices some of whose flows are cut once their answer is written.
    answering: BTreeMap<Mac, Marked>,
    /// Devices some of whose flows are cut together, at `cut_at`.
    cutting: BTreeMap<Mac, Marked>,
    cut_at: Option<Boot>,
    /// Whether the table was as desired when last looked at.
    pub(super) intact: bool,
    /// What the table should hold since something was last done to it.
    granted: BTreeMap<Mac, Grant>,
    /// Somebody else has touched our table.
    touches: mpsc::Receiver<()>,
    clock: Clock,
}

impl Kernel {
    pub(super) fn open(config: &Config, clock: Clock, touches: mpsc::Receiver<()>) -> Result<Self, Fault> {
        Ok(Self {
            nft: Nft::open().map_err(Fault::Nft)?,
            base: base_of(config),
            conntrack: Conntrack::open().map_err(Fault::Neigh)?,
            neighbours: Rc::new(Neighbours::open().map_err(Fault::Neigh)?),
            answering: BTreeMap::new(),
            cutting: BTreeMap::new(),
            cut_at: None,
            intact: false,
            granted: BTreeMap::new(),
            touches,
            clock,
        })
    }

    /// Hears of changes to our table that are not ours.
    pub(super) fn watch(&self) -> Result<Watch, Fault> {
        Watch::open(&self.nft).map_err(Fault::Nft)
    }

    /// Returns when somebody else has touched our table.
    pub(super) async fn touched(&mut self) {
        if self.touches.recv().await.is_none() {
            // Nobody watches any more, which ends the daemon by another way.
            std::future::pending::<()>().await;
        }
    }

    /// Waits for `work` and keeps the table whole meanwhile: while a slow flash takes a record, a table
    /// that somebody flushed must not stay open. What the work will grant is not granted before it is done.
    pub(super) async fn guard_while<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.touched() => {
                    let granted = self.granted.clone();
                    self.mend(&granted, self.clock.now());
                }
            }
        }
    }

    /// Makes the table what it should be: adopts a living one, else installs it whole, at once.
    pub(super) fn heal(&mut self, desired: &BTreeMap<Mac, Grant>, now: Now) -> Result<Start, Fault> {
        self.base.hold(desired.len());
        let start = self.nft.adopt_or_install(&self.base, desired, now.boot).map_err(Fault::Nft);
        self.intact = start.is_ok();
        self.granted.clone_from(desired);
        start
    }

    /// [`Kernel::heal`] while the daemon runs: says what was found, a lasting failure once. What
    /// [`Kernel::intact`] says then tells when to look again.
    pub(super) fn mend(&mut self, desired: &BTreeMap<Mac, Grant>, now: Now) {
        let was_intact = self.intact;
        match self.heal(desired, now) {
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

    /// Makes the table the one of a new configuration.
    pub(super) fn configure(&mut self, config: &Config, desired: &BTreeMap<Mac, Grant>, now: Now) {
        self.base = base_of(config);
        if let Err(error) = self.heal(desired, now) {
            tracing::error!(event = "table_broken", %error, "cannot change table inet lango; trying on");
        }
    }

    /// Performs `effects`, which `gate` has settled; after an error the table has to be mended, the rest is done. Flows of a device in `asking` are cut later, by [`Kernel::answered`], so that
    /// its browser still gets the answer.
    pub(super) fn perform(
        &mut self,
        gate: &Gate,
        effects: &[Effect],
        asking: &BTreeSet<Mac>,
        now: Now,
    ) -> Result<(), Fault> {
        let mut change: BTreeMap<Mac, Option<Grant>> = BTreeMap::new();
        let mut cut = BTreeSet::new();
        for effect in effects {
            match *effect {
                Effect::Admit { mac } => {
                    change.insert(mac, gate.grant(mac, now));
                }
                Effect::Evict { mac } => {
                    change.insert(mac, None);
                }
                Effect::CutFlows { mac } => {
                    cut.insert(mac);
                }
                // Whoever performs compares the whole table afterwards.
                Effect::Regrant => {}
            }
        }
        // Of who was let in, the flows from before; of who was not, those from while it was.
        let mark = self.base.mark;
        let which = |mac: &Mac| match change.get(mac) {
            Some(Some(_)) => Marked::Without(mark),
            Some(None) | None => Marked::With(mark),
        };
        let cut: BTreeMap<_, _> = cut.into_iter().map(|mac| (mac, which(&mac))).collect();
        let changed = self.nft.change(&change, now.boot).map_err(Fault::Nft);
        for (mac, grant) in &change {
            match grant {
                Some(grant) => self.granted.insert(*mac, *grant),
                None => self.granted.remove(mac),
            };
        }
        // What is still to be cut was for the state before: in the new one it would hit the wrong flows.
        for mac in change.keys() {
            self.answering.remove(mac);
            self.cutting.remove(mac);
        }
        for (mac, which) in cut {
            if asking.contains(&mac) {
                self.answering.insert(mac, which);
            } else {
                self.cut_soon(mac, which, now.boot);
            }
        }
        changed
    }

    /// Addresses of the garden, for a device that is not online.
    pub(super) fn learn(&mut self, mac: Mac, addresses: &[IpAddr], stays: Duration) {
        let (addresses, stays) = (addresses.len(), stays.as_secs());
        tracing::debug!(event = "garden_learned", %mac, addresses, stays, "a name of the garden is answered");
    }

    /// The answer to `mac` is written, or its connection is gone.
    pub(super) fn answered(&mut self, mac: Mac, now: Boot) {
        if let Some(which) = self.answering.remove(&mac) {
            self.cut_soon(mac, which, now);
        }
    }

    fn cut_soon(&mut self, mac: Mac, which: Marked, now: Boot) {
        self.cutting.insert(mac, which);
        self.cut_at.get_or_insert(now.plus(GATHER_CUTS));
    }

    /// When [`Kernel::cut`] has something to do.
    pub(super) fn cut_at(&self) -> Option<Boot> {
        self.cut_at
    }

    /// Cuts what is waiting. A flow that outlives its session is refused packet by packet, so a failure
    /// here is no leak.
    pub(super) fn cut(&mut self) {
        self.cut_at = None;
        let cutting = std::mem::take(&mut self.cutting);
        let mark = self.base.mark;
        let done = self.neighbours.all().and_then(|known| {
            for marked in [Marked::With(mark), Marked::Without(mark)] {
                let devices = cutting.iter().filter(|(_, which)| **which == marked);
                let addresses = devices.filter_map(|(mac, _)| known.get(mac)).flatten().copied();
                self.conntrack.cut(&addresses.collect::<Vec<_>>(), marked)?;
            }
            Ok(())
        });
        if let Err(error) = done {
            let devices = cutting.len();
            tracing::warn!(event = "flows_not_cut", devices, %error, "flows of devices live on in conntrack");
        }
    }
}

fn base_of(config: &Config) -> Base {
    let gateway = &config.gateway;
    Base {
        interfaces: gateway.interfaces.clone(),
        portal_port: gateway.portal_port,
        https_port: gateway.https_port,
        mark: gateway.mark,
        max_clients: gateway.max_clients,
    }
}

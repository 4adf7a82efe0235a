//! The kernel's side of the Gate: the table, the neighbours, the flows.
//!
//! The kernel holds a projection of the Gate and never the truth: whatever is found there that is not
//! desired is put right, at every notification and once a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::fault::Fault;
use crate::config::Config;
use crate::domain::{Effect, Grant, Mac, Now};
use crate::neigh::{Conntrack, Marked, Neighbours};
use crate::nft::{Base, Nft, Start, Watch};

/// What Lango owns of the kernel.
pub(super) struct Kernel {
    nft: Nft,
    base: Base,
    conntrack: Conntrack,
    pub(super) neighbours: Rc<Neighbours>,
    /// Devices some of whose flows are cut once their answer is written.
    answering: BTreeMap<Mac, Marked>,
    /// Whether the table was as desired when last looked at.
    pub(super) intact: bool,
}

impl Kernel {
    pub(super) fn open(config: &Config) -> Result<Self, Fault> {
        Ok(Self {
            nft: Nft::open().map_err(Fault::Nft)?,
            base: base_of(config),
            conntrack: Conntrack::open().map_err(Fault::Neigh)?,
            neighbours: Rc::new(Neighbours::open().map_err(Fault::Neigh)?),
            answering: BTreeMap::new(),
            intact: false,
        })
    }

    /// Hears of changes to our table that are not ours.
    pub(super) fn watch(&self) -> Result<Watch, Fault> {
        Watch::open(&self.nft).map_err(Fault::Nft)
    }

    /// Makes the table what it should be: adopts a living one, else installs it whole, at once.
    pub(super) fn heal(&mut self, desired: &BTreeMap<Mac, Grant>, now: Now) -> Result<Start, Fault> {
        let start = self.nft.adopt_or_install(&self.base, desired, now.boot).map_err(Fault::Nft);
        self.intact = start.is_ok();
        start
    }

    /// Takes the parts of a new configuration that the table depends on.
    pub(super) fn configure(&mut self, config: &Config) {
        self.base = base_of(config);
    }

    /// Performs `effects`. Flows of a device in `asking` are cut later, by [`Kernel::answered`], so that
    /// its browser still gets the answer.
    pub(super) fn perform(
        &mut self,
        effects: &[Effect],
        asking: &BTreeSet<Mac>,
        now: Now,
    ) -> Result<(), Fault> {
        let mut change: BTreeMap<Mac, Option<Grant>> = BTreeMap::new();
        let mut cut = BTreeSet::new();
        for effect in effects {
            match *effect {
                Effect::Admit { mac, ends } => {
                    change.insert(mac, Some(Grant { ends }));
                }
                Effect::Evict { mac } => {
                    change.insert(mac, None);
                }
                Effect::CutFlows { mac } => {
                    cut.insert(mac);
                }
            }
        }
        // Of who was let in, the flows from before; of who was not, those from while it was.
        let mark = self.base.mark;
        let which = |mac: &Mac| match change.get(mac) {
            Some(Some(_)) => Marked::Without(mark),
            Some(None) | None => Marked::With(mark),
        };
        let cut: BTreeMap<_, _> = cut.into_iter().map(|mac| (mac, which(&mac))).collect();
        if !change.is_empty() {
            self.nft.change(&change, now.boot).map_err(Fault::Nft)?;
        }
        for (mac, which) in cut {
            if asking.contains(&mac) {
                self.answering.insert(mac, which);
            } else {
                self.cut(mac, which);
            }
        }
        Ok(())
    }

    /// The answer to `mac` is written, or its connection is gone.
    pub(super) fn answered(&mut self, mac: Mac) {
        if let Some(which) = self.answering.remove(&mac) {
            self.cut(mac, which);
        }
    }

    /// A flow that outlives its session is refused packet by packet, so a failure here is no leak.
    fn cut(&mut self, mac: Mac, marked: Marked) {
        let addresses = self.neighbours.addresses(mac);
        let done = addresses.and_then(|addresses| self.conntrack.cut(&addresses, marked));
        if let Err(error) = done {
            tracing::warn!(event = "flows_not_cut", device = mac.tail(), %error, "flows of a device live on in conntrack");
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

//! Flows of devices that come and go, cut when the time has come.
//!
//! Owns: whose flows are cut when, and who is leaving: nothing of it goes up any more, but what comes down
//! to it still makes its phone answer. Never: the table, or who may pass. Neighbour: `kernel`.
//!
//! All of it is a kindness: a flow that outlives its session is refused packet by packet.

use std::net::IpAddr;
use std::time::Duration;

use super::fault::Fault;
use crate::domain::{Boot, Mac};
use crate::neigh::{Conntrack, Marked, NeighError, Neighbours};
use crate::ordered::{OrdMap, OrdSet};

/// What comes down to a device that is no longer online makes its phone answer, and so learn that the
/// connection is over, for so long.
const FAREWELL: Duration = Duration::from_millis(250);
/// Cuts are gathered for so long: to find the flows of a device the kernel walks through all of its own.
const GATHER_CUTS: Duration = Duration::from_millis(10);

/// What waits to be cut.
pub(super) struct Flows {
    conntrack: Conntrack,
    /// One bit of the connection mark.
    mark: u32,
    /// Devices some of whose flows are cut once their answer is written.
    answering: OrdMap<Mac, Marked>,
    /// Devices some of whose flows are cut together, at `cut_at`.
    cutting: OrdMap<Mac, Marked>,
    cut_at: Option<Boot>,
    /// Devices of which nothing goes up any more, and to which nothing comes down from then on.
    leaving: OrdMap<Mac, Boot>,
}

impl Flows {
    pub(super) fn open(mark: u32) -> Result<Self, Fault> {
        Ok(Self {
            conntrack: Conntrack::open().map_err(Fault::Neigh)?,
            mark,
            answering: OrdMap::new(),
            cutting: OrdMap::new(),
            cut_at: None,
            leaving: OrdMap::new(),
        })
    }

    /// Flows that begin online carry `mark` from now on.
    pub(super) fn mark_with(&mut self, mark: u32) {
        self.mark = mark;
    }

    /// These devices pass again, or with something else. Flows of theirs that wait to be cut were for the
    /// state before: in the new one it would hit the wrong ones.
    pub(super) fn admitted(&mut self, devices: impl IntoIterator<Item = Mac>) {
        for mac in devices {
            self.leaving.remove(&mac);
            self.forget(mac);
        }
    }

    /// These devices are shut. Their flows are cut when their phones had time to learn that they are over.
    pub(super) fn shut(&mut self, devices: impl IntoIterator<Item = Mac>, now: Boot) {
        for mac in devices {
            self.forget(mac);
            self.leaving.insert(mac, now.plus(FAREWELL));
        }
    }

    /// Cuts the flows of `devices` soon, `asking` ones once they have their answer: of who was let in those
    /// from before, of who was not those from while it was.
    pub(super) fn cut_later(
        &mut self,
        devices: OrdSet<Mac>,
        admitted: &OrdSet<Mac>,
        asking: &OrdSet<Mac>,
        now: Boot,
    ) {
        for mac in devices {
            let which =
                if admitted.contains(&mac) { Marked::Without(self.mark) } else { Marked::With(self.mark) };
            if self.leaving.contains_key(&mac) {
                continue;
            }
            if asking.contains(&mac) {
                self.answering.insert(mac, which);
            } else {
                self.cut_soon(mac, which, now);
            }
        }
    }

    /// The answer to `mac` is written, or its connection is gone.
    pub(super) fn answered(&mut self, mac: Mac, now: Boot) {
        if let Some(which) = self.answering.remove(&mac) {
            self.cut_soon(mac, which, now);
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Boot> {
        self.leaving.values().copied().chain(self.cut_at).min()
    }

    /// Those to whom nothing comes down from now on, but who `passes` again; their flows are cut next.
    pub(super) fn take_left(&mut self, passes: impl Fn(&Mac) -> bool, now: Boot) -> OrdSet<Mac> {
        let due = self.leaving.extract_if(|_, at| *at <= now).into_iter();
        let left: OrdSet<_> = due.map(|(mac, _)| mac).filter(|mac| !passes(mac)).collect();
        let mark = self.mark;
        self.cutting.extend(left.iter().map(|mac| (*mac, Marked::With(mark))));
        if !left.is_empty() {
            self.cut_at = Some(now);
        }
        left
    }

    /// Cuts what is due.
    pub(super) fn cut(&mut self, neighbours: &Neighbours, now: Boot) {
        if self.cut_at.is_none_or(|at| at > now) {
            return;
        }
        self.cut_at = None;
        let cutting = std::mem::take(&mut self.cutting);
        let mark = self.mark;
        let done = neighbours.all().and_then(|known| {
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

    /// Of these addresses, cuts the flows that a flowtable forwards past all rules. How many there were.
    pub(super) fn cut_offloaded(&mut self, addresses: &[IpAddr]) -> Result<u32, NeighError> {
        self.conntrack.cut_offloaded(addresses)
    }

    fn cut_soon(&mut self, mac: Mac, which: Marked, now: Boot) {
        self.cutting.insert(mac, which);
        self.cut_at.get_or_insert(now.plus(GATHER_CUTS));
    }

    fn forget(&mut self, mac: Mac) {
        self.answering.remove(&mac);
        self.cutting.remove(&mac);
    }
}

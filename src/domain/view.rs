//! The Gate as others may see it: a snapshot, made after every commit and shared without a lock.

use std::time::Duration;

use super::{
    Awaits, BatchId, Boot, Bps, Bytes, Clockwork, DataCap, EntitlementId, Hint, Mac, Now, Origin, Plan,
    PlanId, SessionId, Traffic, TrialsHad, UplinkState, Wall,
};
use crate::ordered::OrdMap;

/// The kernel's side of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub session: SessionId,
    /// What it shares `cap` with.
    pub entitlement: EntitlementId,
    /// When the kernel closes it by itself; `None`: when told.
    pub ends: Option<Boot>,
    pub down: Option<Bps>,
    pub up: Option<Bps>,
    /// Of the entitlement, since it was opened.
    pub cap: DataCap,
    /// What the entitlement has used of it.
    pub spent: Traffic,
    /// What the session has used: its counters go on from here.
    pub counted: Traffic,
}

/// All sessions at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub sessions: OrdMap<Mac, SessionView>,
    pub uplink: UplinkState,
    /// Devices whose guests say to have paid, and what that waits for.
    pub waiting: OrdMap<Mac, Awaits>,
    /// What may be had for free; `None`: nothing.
    pub trial: Option<TrialView>,
    /// Nobody can be let in yet: it is not known what was sold.
    pub is_locked: bool,
}

/// The free trial.
#[derive(Clone, Debug)]
pub struct TrialView {
    pub plan: Plan,
    pub had: TrialsHad,
}

/// One device that is online.
#[derive(Clone, Debug)]
pub struct SessionView {
    pub id: SessionId,
    pub mac: Mac,
    pub entitlement: EntitlementId,
    pub plan: PlanId,
    pub origin: Origin,
    pub hint: Hint,
    pub batch: Option<BatchId>,
    pub since: Wall,
    /// When time alone ends it.
    pub ends: Option<Boot>,
    pub clockwork: Clockwork,
    /// All the time there was, for a bar: the shorter of metered and validity.
    pub whole: Option<Duration>,
    /// Of the entitlement.
    pub bytes_left: Option<Bytes>,
    pub bytes_whole: Option<Bytes>,
    /// Of this session.
    pub bytes_up: Bytes,
    pub bytes_down: Bytes,
    pub down: Option<Bps>,
    pub up: Option<Bps>,
    /// Devices online with the same entitlement, this one included.
    pub devices_online: u16,
    /// How many may be.
    pub devices: u16,
}

impl SessionView {
    /// Time left; `None`: no end.
    pub fn time_left(&self, now: Now) -> Option<Duration> {
        let paused = match self.clockwork {
            Clockwork::Runs => None,
            Clockwork::Paused { metered_left } => Some(metered_left),
        };
        self.ends.map(|ends| ends.since(now.boot)).into_iter().chain(paused).min()
    }
}

#[cfg(test)]
impl SessionView {
    /// A session of `mac` without any limit, for tests of rooms that only look.
    pub(crate) fn unlimited(mac: Mac) -> Self {
        Self {
            id: SessionId(1),
            mac,
            entitlement: EntitlementId(1),
            plan: "hour".parse().expect("a plan's name"),
            origin: Origin::Voucher,
            hint: Hint::of("4821993705"),
            batch: None,
            since: Wall::from_secs(0),
            ends: None,
            clockwork: Clockwork::Runs,
            whole: None,
            bytes_left: None,
            bytes_whole: None,
            bytes_up: Bytes(0),
            bytes_down: Bytes(0),
            down: None,
            up: None,
            devices_online: 1,
            devices: 1,
        }
    }
}

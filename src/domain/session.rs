//! One device using one entitlement, from the moment it opens to the moment it closes.

use std::time::Duration;

use super::{Acceptance, Boot, EntitlementId, Mac, Now, SessionId, Traffic, Wall};

/// A device that is online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub entitlement: EntitlementId,
    pub mac: Mac,
    /// When it opened, as far as the clock was known.
    pub since: Wall,
    /// What went through since.
    pub used: Traffic,
    /// How long it had been open at `at`. The time while the gateway was off is not in it, nor what a power cut
    /// took: it goes on from the last [`Record::BootReached`](super::Record::BootReached).
    pub lasted: Duration,
    /// A moment of this boot.
    pub at: Boot,
    /// The terms that the guest accepted last, if the operator asks for that.
    pub accepted: Option<Acceptance>,
}

impl Session {
    /// How long it has been open.
    pub fn lasted_until(&self, now: Boot) -> Duration {
        self.lasted + now.since(self.at)
    }

    pub(super) fn open(id: SessionId, entitlement: EntitlementId, mac: Mac, now: Now) -> Self {
        Self {
            id,
            entitlement,
            mac,
            since: now.wall,
            used: Traffic::default(),
            lasted: Duration::ZERO,
            at: now.boot,
            accepted: None,
        }
    }
}

/// Why a session closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The guest pressed "end on this device".
    Logout,
    /// The entitlement's time or data is used up.
    Spent,
    /// The entitlement's validity ran out.
    Expired,
    /// Another device took the place.
    Moved,
    /// The device began to use another entitlement.
    Switched,
    /// The operator or the cloud cut it.
    Kicked,
    /// The voucher was withdrawn.
    Revoked,
    /// It was paid back.
    Refunded,
    /// The device was quiet, was asked, and did not answer.
    Idle,
    /// The device was seen at two places.
    Anomaly,
}

impl Closing {
    /// The word kept in the store and told to the cloud.
    pub fn word(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Spent => "spent",
            Self::Expired => "expired",
            Self::Moved => "moved",
            Self::Switched => "switched",
            Self::Kicked => "kicked",
            Self::Revoked => "revoked",
            Self::Refunded => "refunded",
            Self::Idle => "idle",
            Self::Anomaly => "anomaly",
        }
    }
}

//! A code that was made, and what has become of it.

use super::{BatchId, CodeKey, Ending, EntitlementId, Hint, PlanId, Wall};

/// A listed code as it is stored: never the code itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    pub key: CodeKey,
    pub plan: PlanId,
    pub batch: Option<BatchId>,
    /// Last moment to begin, besides the plan's own.
    pub activate_by: Option<Wall>,
    pub made: Wall,
    pub hint: Hint,
    /// Set by the first redemption, for good.
    pub entitlement: Option<EntitlementId>,
    pub state: VoucherState,
}

/// What can be done with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoucherState {
    /// Never redeemed.
    Unused,
    /// Redeemed, with something left.
    Active,
    /// Its time or data is used up.
    Spent,
    /// Its validity ran out, or it was not begun in time.
    Expired,
    /// Withdrawn by the operator or the cloud.
    Revoked,
}

impl VoucherState {
    /// The word of the interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::Active => "active",
            Self::Spent => "spent",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl From<Ending> for VoucherState {
    fn from(how: Ending) -> Self {
        match how {
            Ending::Spent => Self::Spent,
            Ending::Expired => Self::Expired,
            Ending::Revoked => Self::Revoked,
        }
    }
}

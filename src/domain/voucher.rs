//! What a guest can redeem, and what has become of it: a code that was made here or by the cloud, a payment,
//! an account. All three are found by a keyed hash of what is typed, and open one entitlement each.

use super::{
    AccountKey, BatchId, CloudId, CodeKey, Ending, EntitlementId, Hint, Origin, PhoneTail, PlanId,
    ReferenceKey, Row, RowName, Wall,
};

/// A voucher as it is stored: never the code, the reference or the name itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The keys of all kinds are hashes with different labels, so none is two things.
    pub key: CodeKey,
    pub kind: Kind,
    /// The cloud's name of it.
    pub id: Option<CloudId>,
    /// What the guest has to know besides.
    pub proof: Option<Proof>,
    pub plan: PlanId,
    pub batch: Option<BatchId>,
    /// Last moment to begin, besides the plan's own.
    pub activate_by: Option<Wall>,
    pub made: Wall,
    pub hint: Hint,
    /// Set by the first redemption, for good. An account that was put again under a new id after that is
    /// unused once more when it has ended, and names what it opened last.
    pub entitlement: Option<EntitlementId>,
    pub state: VoucherState,
}

/// What it is that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A code.
    Voucher,
    /// The reference of a payment.
    Payment,
    /// The name of an account.
    Account,
}

impl Kind {
    /// The word of the protocol.
    pub fn word(self) -> &'static str {
        match self {
            Self::Voucher => "voucher",
            Self::Payment => "payment",
            Self::Account => "account",
        }
    }

    /// What an entitlement comes from that such a thing opens.
    pub fn origin(self) -> Origin {
        match self {
            Self::Voucher => Origin::Voucher,
            Self::Payment => Origin::Payment,
            Self::Account => Origin::Cloud,
        }
    }
}

/// What a guest has to know besides the text that finds it.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// The last digits of the phone that paid.
    Phone(PhoneTail),
    /// A PIN; its argon2id hash in its own text form.
    Pin(String),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Phone(_) => "Phone(…)",
            Self::Pin(_) => "Pin(…)",
        })
    }
}

impl Voucher {
    /// Its name towards the cloud.
    pub fn name(&self) -> RowName {
        match self.kind {
            Kind::Voucher => RowName::Voucher(self.key),
            Kind::Payment => RowName::Payment(ReferenceKey(self.key.0)),
            Kind::Account => RowName::Account(AccountKey(self.key.0)),
        }
    }

    /// Whether it was paid for again after it was redeemed: only accounts are.
    pub(super) fn is_renewed(&self) -> bool {
        self.state == VoucherState::Unused && self.entitlement.is_some()
    }

    /// A row of the cloud that arrived at `made`, as it is before anybody redeems it; `None` for a plan.
    pub fn of_row(id: Option<CloudId>, row: Row, made: Wall) -> Option<Self> {
        let (key, kind, plan) = match &row {
            Row::Plan(_) => return None,
            Row::Voucher(listed) => (listed.key, Kind::Voucher, listed.plan.clone()),
            Row::Payment(payment) => (CodeKey(payment.key.0), Kind::Payment, payment.plan.clone()),
            Row::Account(account) => (CodeKey(account.key.0), Kind::Account, account.plan.clone()),
        };
        let (proof, hint, batch, activate_by) = match row {
            Row::Plan(_) => return None,
            Row::Voucher(listed) => (None, listed.hint, listed.batch, listed.activate_by),
            Row::Payment(payment) => (payment.phone_last4.map(Proof::Phone), payment.hint, None, None),
            Row::Account(account) => (Some(Proof::Pin(account.pin_hash)), Hint::default(), None, None),
        };
        let state = VoucherState::Unused;
        Some(Self { key, kind, id, proof, plan, batch, activate_by, made, hint, entitlement: None, state })
    }
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

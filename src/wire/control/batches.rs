//! What the daemon answers of batches of vouchers, as JSON. Fields may be added, never renamed.

use serde::{Deserialize, Serialize};

use super::VouchersMade;

/// `lango voucher report`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub batches: Vec<Batch>,
    /// For each currency; vouchers without a price are in none.
    pub totals: Vec<Total>,
}

/// The vouchers of one plan in a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// `null`: made elsewhere, and of no batch.
    pub batch: Option<String>,
    pub plan: String,
    /// Of one, as the plan says it now; `null`: it has none, or is for sale no more.
    pub price: Option<String>,
    pub currency: String,
    pub vouchers: Tally,
    /// `null` without a price.
    pub worth: Option<Worth>,
    /// RFC 3339: when the first that did not top up another was begun.
    pub first_used: Option<String>,
    /// RFC 3339: when the last was.
    pub last_used: Option<String>,
}

/// All vouchers with a price in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    pub currency: String,
    pub vouchers: Tally,
    /// `null`: too large to be counted.
    pub worth: Option<Worth>,
}

/// `lango voucher reprint`; as JSON, with `done` and the vouchers instead of what was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reprinted {
    pub batch: String,
    pub plan: String,
    /// How many nobody has used: they are withdrawn, and as many new ones made.
    pub replaced: u64,
    /// `None`: nothing was done yet.
    pub made: Option<VouchersMade>,
}

/// How many there are: `made` are `unused`, `active`, `spent`, `expired` or `revoked`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub made: u64,
    pub unused: u64,
    pub active: u64,
    pub spent: u64,
    pub expired: u64,
    pub revoked: u64,
    /// A guest has begun it, whatever became of it.
    pub used: u64,
}

/// What they are worth, at the price of the plan as it is now: decimal text in major units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worth {
    pub made: String,
    pub unused: String,
    pub used: String,
}

//! What operators do to what was bought, on the control socket: which purchase is meant, and how it stands then.

use serde::{Deserialize, Serialize};

use super::TypedCode;

/// Which purchase is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meant {
    /// A code, the reference of a payment, the name of an account, or `e-77`.
    Code { code: TypedCode },
    /// One that is open.
    Session { session: String },
    /// What the device uses, or used last.
    Mac { mac: String },
}

/// `lango topup` and its like: how what was bought stands after that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// `e-77`; `null`: nobody has begun it.
    pub entitlement: Option<String>,
    pub plan: String,
    /// `unused`, `active`, `spent`, `expired` or `revoked`.
    pub state: String,
    /// Time online, of all that was bought; `null`: no limit. So are the others.
    pub metered_s: Option<u64>,
    pub metered_left_s: Option<u64>,
    /// Wall time, from first use on.
    pub validity_s: Option<u64>,
    pub validity_left_s: Option<u64>,
    /// The least of all caps.
    pub bytes: Option<u64>,
    pub bytes_left: Option<u64>,
    /// MAC addresses that are online with it.
    pub devices: Vec<String>,
    /// Of the plan, decimal text in major units; empty: it is not for sale any more.
    pub price: String,
    pub currency: String,
}

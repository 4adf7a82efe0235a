//! A person's data on the control socket: who is meant, what is stored, what was erased.

use serde::{Deserialize, Serialize};

use super::{AuditRow, TypedCode};

/// Whose data is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    Mac {
        mac: String,
    },
    /// A code, the reference of a payment, or the name of an account.
    Code {
        code: TypedCode,
    },
    /// The rest of the number never leaves the command line.
    Phone {
        last4: TypedCode,
    },
    All,
}

/// `lango export`, and the `data` of the event that answers the cloud's command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    pub devices: Vec<ExportedDevice>,
    pub entitlements: Vec<ExportedEntitlement>,
    pub sessions: Vec<ExportedSession>,
    pub claims: Vec<ExportedClaim>,
    /// What operators and the cloud did to the person's sessions and entitlements.
    pub audit: Vec<AuditRow>,
}

/// A device of the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedDevice {
    pub mac: String,
    pub online: bool,
    /// The cloud wants it kept out.
    pub blocked: bool,
}

/// Something that was bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedEntitlement {
    /// `e-77`; `null`: a payment or an account that nobody has begun.
    pub id: Option<String>,
    /// `voucher`, `payment`, `manual`, `trial` or `cloud`.
    pub origin: String,
    pub plan: String,
    pub batch: Option<String>,
    /// The last three characters of the code or reference.
    pub hint: String,
    /// Of the phone that paid.
    pub phone_last4: Option<String>,
    /// `unused`, `active`, `spent`, `expired` or `revoked`.
    pub state: String,
    /// RFC 3339.
    pub opened: Option<String>,
    pub seconds_used: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
}

/// A time that a device was online.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedSession {
    /// `s-310`.
    pub id: String,
    pub entitlement: String,
    pub mac: String,
    /// RFC 3339.
    pub since: String,
    /// RFC 3339; `null`: it goes on.
    pub closed: Option<String>,
    pub why: Option<String>,
    pub bytes_up: u64,
    pub bytes_down: u64,
    /// Version of the terms that the guest accepted; `null`: was not asked to.
    pub terms: Option<String>,
    /// RFC 3339: when.
    pub accepted: Option<String>,
}

/// A payment that the guest says to have made, under a reference of which only a keyed hash is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedClaim {
    pub mac: String,
    /// RFC 3339.
    pub since: String,
    /// What has to come: `payment`, `room`, `digits`; `nothing`: it is over, and was bridged today.
    pub awaits: String,
    /// As of a session.
    pub terms: Option<String>,
    pub accepted: Option<String>,
}

/// `lango key rotate`: of how many days the keys are wrapped anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotated {
    pub days: u64,
}

/// `lango forget`: how many of each are nobody's any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    pub devices: u64,
    /// Payments and accounts that nobody had begun included.
    pub entitlements: u64,
    pub sessions: u64,
    pub claims: u64,
}

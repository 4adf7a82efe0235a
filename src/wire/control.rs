//! What the commands and the daemon say to each other: one JSON object a line.
//!
//! Owns: requests here, `answers` and their JSON, `persons` for what is stored of one, `orders` for what was bought, and `frames`, the lines they travel as. The JSON of every
//! answer is what `--json` prints, so field names are a contract: they may be added, never renamed.
//! Never: sockets, meaning; texts are checked by whoever reads them.
//! Neighbours: `control` carries the lines, `app` answers, `cli` prints.

mod answers;
mod backups;
mod batches;
mod frames;
mod orders;
mod persons;
mod posts;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use answers::{
    Anomalies, AuditRow, AuditWhole, Check, Clock, ClockShown, Cloud, Examined, Health, Imported, Joined,
    Plan, RowError, Session, Sheet, Source, Status, Surroundings, TimeClaim, Uplink, VoucherListed,
    VoucherMade, VoucherShown, Vouchers, VouchersMade,
};
pub use backups::{BackedUp, Copied, Restored};
pub use batches::{Batch, Report, Reprinted, Tally, Total, Worth};
pub use frames::{FrameError, Lines, decode, encode};
pub use orders::{Held, Meant};
pub use persons::{
    Erased, Export, ExportedClaim, ExportedDevice, ExportedEntitlement, ExportedSession, Rotated, Whose,
};

/// Longest request, in bytes, with its line end.
pub const REQUEST_MAX: usize = 64 * 1024;
/// Longest answer, in bytes, with its line end.
pub const RESPONSE_MAX: usize = 16 * 1024 * 1024;

/// What somebody asks the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    Status,
    Sessions,
    Login {
        mac: String,
        plan: String,
    },
    Logout(Target),
    /// More of what was bought; 0: none of that.
    Topup {
        of: Meant,
        seconds: u64,
        bytes: u64,
    },
    /// Its validity ends later.
    Extend {
        of: Meant,
        seconds: u64,
    },
    /// It ends, and what was left is told.
    Refund {
        of: Meant,
        reason: Option<String>,
    },
    /// It goes to another device.
    Move {
        of: Meant,
        to: String,
    },
    /// Two become one: `kept`.
    Merge {
        kept: Meant,
        other: Meant,
    },
    VoucherNew(NewVouchers),
    VoucherShow {
        code: TypedCode,
    },
    VoucherRevoke {
        code: TypedCode,
    },
    VoucherList {
        batch: Option<String>,
    },
    /// New codes for those of a batch that nobody has used.
    VoucherReprint(Reprint),
    /// What became of the vouchers of a batch, or of all.
    VoucherReport {
        batch: Option<String>,
    },
    /// Part of a file: as many rows as fit a request.
    VoucherImport {
        rows: Vec<ImportRow>,
        /// Only says what would come of it.
        #[serde(default)]
        dry_run: bool,
    },
    PlanList,
    Doctor {
        mac: Option<String>,
    },
    Clock,
    /// The wall clock was wrong: let it go back where it belongs.
    ClockReset,
    /// The store is sealed under a new key.
    KeyRotate,
    Metrics,
    /// How it stands with the cloud.
    Sync,
    /// A whole round with the cloud, now; answered when it is over.
    SyncNow,
    Enrol(Joining),
    /// What is stored of a person.
    Export {
        whose: Whose,
    },
    /// Nothing of a person is to be stored any more.
    Forget {
        whose: Whose,
    },
    /// A copy of the store, for whoever packs it.
    Backup,
    /// What was done, and by whom.
    Audit,
    /// Whether that is all still there as it was written.
    AuditVerify,
}

/// Stands on a line of its own before requests of a session of ubus, and has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByUbus {
    /// Whose session it is; empty: that is not known.
    pub ubus: String,
}

/// A cloud to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joining {
    pub url: String,
    /// What its operator was given; good for one gateway.
    pub claim: TypedCode,
    /// PEM, to be trusted besides the usual roots.
    pub ca: Option<String>,
}

impl Joining {
    /// Of the cloud, as it is kept.
    pub fn address(&self) -> &str {
        self.url.trim_end_matches('/')
    }
}

/// Whose session is cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Target {
    Mac { mac: String },
    Session { session: String },
}

/// Vouchers to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVouchers {
    pub plan: String,
    /// 1 to [`VOUCHERS_MAX`].
    pub count: u32,
    pub prefix: Option<String>,
    pub form: Form,
}

/// Vouchers to print again, with new codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reprint {
    pub batch: String,
    /// Only those of this plan.
    pub plan: Option<String>,
    pub prefix: Option<String>,
    pub form: Form,
    /// Do it; else it is only said what would be done.
    pub confirmed: bool,
}

/// Most vouchers made by one request.
pub const VOUCHERS_MAX: u32 = 10_000;

/// Shape of codes to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Ten digits.
    Digits,
    /// Eight digits: only when the operator insists.
    WeakDigits,
    /// Eight letters and a check symbol.
    Letters,
    /// Sixteen digits that prove themselves; without a prefix.
    SelfVerifying,
}

/// A code as somebody typed it. Its `Debug` does not show it, so that no log can.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TypedCode(String);

impl TypedCode {
    /// `typed`: as it came, in any spelling.
    pub fn new(typed: String) -> Self {
        Self(typed)
    }

    /// The text, for looking it up.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedCode(…)")
    }
}

/// One row of a voucher file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRow {
    /// Where it stands in the file, from 1.
    pub line: u32,
    pub code: TypedCode,
    pub plan: String,
    pub batch: Option<String>,
    /// RFC 3339.
    pub activate_by: Option<String>,
}

/// What the daemon says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    Ok(Answer),
    Error(Failure),
}

/// The answer to the request of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Status(Box<Status>),
    Sessions(Vec<Session>),
    /// The session that was opened.
    Login(Session),
    /// The session that was closed, as it was then.
    Logout(Session),
    /// To all that is done to what was bought.
    Held(Held),
    VoucherNew(VouchersMade),
    VoucherShow(VoucherShown),
    /// The voucher as it is now.
    VoucherRevoke(VoucherShown),
    VoucherList(Vec<VoucherListed>),
    VoucherReprint(Reprinted),
    VoucherReport(Report),
    VoucherImport(Imported),
    PlanList(Vec<Plan>),
    Doctor(Box<Examined>),
    Clock(ClockShown),
    /// The clock as it is now.
    ClockReset(ClockShown),
    KeyRotate(Rotated),
    /// The text of [`exposition`](super::exposition::exposition).
    Metrics(String),
    /// To both of `sync`.
    Sync(Cloud),
    Enrol(Joined),
    Export(Box<Export>),
    Forget(Erased),
    Backup(Copied),
    Audit(Vec<AuditRow>),
    AuditVerify(AuditWhole),
}

/// Why a request was not done, for a program, for a person, and what the person can do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: Code,
    pub message: String,
    /// A sentence; empty if there is nothing to do.
    pub remedy: String,
}

impl Failure {
    /// A failure; `remedy` may be empty.
    pub fn new(code: Code, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, message: message.into(), remedy: remedy.into() }
    }
}

/// The failures that a program can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The command line or the request makes no sense.
    Usage,
    /// Not in this version.
    Unsupported,
    NoSuchPlan,
    NoSuchVoucher,
    NoSuchSession,
    /// Nothing is stored of whoever is meant.
    NoSuchPerson,
    /// The device has no session.
    NotOnline,
    /// The hotspot has as many guests as it takes.
    Full,
    /// Anything else that is refused as things stand.
    Refused,
    /// A file named on the command line cannot be read, or is not what it should be.
    BadFile,
    /// It could not be written to flash, so it was not done.
    NotStored,
    /// The trail is not as it was written.
    TrailBroken,
    /// The answer is longer than an answer may be.
    TooLarge,
    /// No daemon listens.
    Unreachable,
    /// A fault of the program.
    Internal,
    NoPermission,
    Configuration,
}

//! What the daemon answers, as JSON: what `--json` prints. Fields may be added, never renamed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `lango status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub site: String,
    pub uplink: Uplink,
    pub cloud: Cloud,
    pub clock: Clock,
    pub sessions: u64,
    pub vouchers: Vouchers,
    pub rules_intact: bool,
    pub uptime_s: u64,
    pub anomalies: Anomalies,
}

/// Whether the internet can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uplink {
    Up,
    Down,
    Unknown,
}

/// The sync with the cloud: part of `lango status`, and all of `lango sync`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cloud {
    pub configured: bool,
    /// RFC 3339: when everything was exchanged last, since the daemon started.
    pub last_success: Option<String>,
    pub cursor: Option<String>,
    /// Facts that the cloud does not have yet.
    pub outbox: u64,
    /// What is wrong; `null`: nothing.
    pub last_error: Option<String>,
    /// RFC 3339: since when something is.
    pub since: Option<String>,
    /// What to do about it; a sentence.
    pub remedy: Option<String>,
}

/// `lango enrol`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    pub site: String,
    pub url: String,
    /// Until then a daemon that runs goes on as before.
    pub restart_needed: bool,
    /// Sentences: what an operator may not expect.
    pub warnings: Vec<String>,
}

/// What the gateway knows of the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    pub trusted: bool,
    /// RFC 3339; a lower bound while not trusted.
    pub now: String,
}

/// `lango clock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockShown {
    pub trusted: bool,
    /// RFC 3339; a lower bound while not trusted.
    pub now: String,
    /// Who won the trust: `ntp` or `cloud`.
    pub source: Option<String>,
    /// RFC 3339: when.
    pub since: Option<String>,
    /// RFC 3339: what the next start knows to be reached, as it is written down.
    pub floor: String,
    /// The sources that are not believed.
    pub disbelieved: Vec<TimeClaim>,
    /// What the clock is used for, and how well that goes; sentences.
    pub good_for: Vec<String>,
}

/// What a source says of the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeClaim {
    /// `ntp` or `cloud`.
    pub source: String,
    /// RFC 3339.
    pub now: String,
}

/// Vouchers by state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouchers {
    pub unused: u64,
    pub active: u64,
    pub spent: u64,
}

/// What the guest network should not have shown, since the daemon started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomalies {
    /// Addresses claimed by a second device.
    pub addresses: u64,
    /// Devices found at two ports of a bridge.
    pub ports: u64,
    /// New devices past `new_devices_per_minute`.
    pub new_devices: u64,
}

/// One device that is online.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// `s-310`.
    pub id: String,
    pub mac: String,
    pub addresses: Vec<String>,
    pub plan: String,
    /// `voucher`, `payment`, `manual`, `trial` or `cloud`.
    pub origin: String,
    /// RFC 3339.
    pub since: String,
    pub seconds_left: Option<u64>,
    pub bytes_left: Option<u64>,
    pub bytes_up: u64,
    pub bytes_down: u64,
    pub down_bps: Option<u64>,
    pub up_bps: Option<u64>,
}

/// What was made, and what a printed sheet says besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VouchersMade {
    pub vouchers: Vec<VoucherMade>,
    /// Not part of what `--json` prints.
    pub sheet: Sheet,
}

/// A voucher with its code in full: the only time that it is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoucherMade {
    /// In groups, as it is printed.
    pub code: String,
    pub plan: String,
    pub batch: String,
}

impl fmt::Debug for VoucherMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VoucherMade({}, {}, …)", self.plan, self.batch)
    }
}

/// What stands on every voucher of a sheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    pub portal_name: String,
    /// The hotspot's.
    pub title: String,
    pub plan_title: String,
    /// Decimal text in major units; empty: not for sale.
    pub price: String,
    pub currency: String,
    /// Empty: none.
    pub support_phone: String,
}

/// `lango voucher show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoucherShown {
    pub plan: String,
    pub batch: Option<String>,
    /// `unused`, `active`, `spent`, `expired` or `revoked`.
    pub state: String,
    /// `null`: no limit.
    pub seconds_left: Option<u64>,
    /// `null`: no limit.
    pub bytes_left: Option<u64>,
    /// MAC addresses.
    pub devices: Vec<String>,
}

/// A row of `lango audit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    pub seq: u64,
    /// RFC 3339.
    pub at: String,
    /// `trusted` or `floor`.
    pub clock: String,
    /// `uid 1001 (asha), cashier`, `cloud c-17` or `gateway`.
    pub who: String,
    pub action: String,
    pub detail: String,
    /// SHA-256 over this row and the hash of the one before, in hex.
    pub hash: String,
}

/// `lango audit --verify`, of a trail that is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditWhole {
    pub rows: u64,
    /// The last one's number.
    pub last: u64,
    /// The last one's hash, to be compared with what the cloud was told.
    pub hash: String,
}

/// A row of `lango voucher list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoucherListed {
    pub id: String,
    pub plan: String,
    pub batch: Option<String>,
    pub state: String,
    /// RFC 3339.
    pub made: String,
    /// The last three characters of the code.
    pub hint: String,
}

/// `lango voucher import`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    pub added: u64,
    /// Known already.
    pub skipped: u64,
    /// The first thousand.
    pub errors: Vec<RowError>,
    /// How many there are.
    #[serde(default)]
    pub wrong: u64,
    /// Nothing was changed: it is what would come of it.
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default)]
    pub file: String,
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// Where it stands in the file, from 1.
    pub line: u32,
    /// `plan: there is no plan x; …`: the column, or `row`; what is wrong; what to do.
    pub message: String,
}

/// A row of `lango plan list`: the fields of the feed. `null`: no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub id: String,
    /// Language tag to text.
    pub title: BTreeMap<String, String>,
    pub metered_s: Option<u64>,
    pub validity_s: Option<u64>,
    pub activate_by: Option<String>,
    pub bytes: Option<u64>,
    pub bytes_up: Option<u64>,
    pub bytes_down: Option<u64>,
    pub down_bps: Option<u64>,
    pub up_bps: Option<u64>,
    pub devices: u16,
    /// 0: no limit.
    pub bound_devices: u16,
    pub idle_s: Option<u64>,
    pub count_while_uplink_down: bool,
    pub price: String,
    pub currency: String,
    pub source: Source,
}

/// Where a plan was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    File,
    Cloud,
}

/// What the daemon knows of `lango doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examined {
    pub checks: Vec<Check>,
    /// Where the command is to look itself, for what a daemon in its jail does not see.
    pub surroundings: Option<Surroundings>,
}

/// What of the gateway's system concerns the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Guest networks.
    pub interfaces: Vec<String>,
    pub state_dir: PathBuf,
    /// Who is asked for names.
    pub resolver: SocketAddr,
    pub portal_name: String,
    /// Whole names that guests reach before they pay.
    pub garden: Vec<String>,
    /// Whether the internet can be reached.
    pub online: bool,
}

/// A line of `lango doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at, in a word: `rules`, `clock`.
    pub check: String,
    pub state: Health,
    pub message: String,
    /// Empty when all is well.
    pub remedy: String,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    Ok,
    Warn,
    Fail,
}

//! What the commands and the daemon say to each other: one JSON object a line.
//!
//! Owns: requests, answers and their JSON, and the cutting of a byte stream into lines. The JSON of
//! every answer is what `--json` prints, so field names are a contract: they may be added, never renamed.
//! Never: sockets, meaning; texts are checked by whoever reads them.
//! Neighbours: `control` carries the lines, `app` answers, `cli` prints.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

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
    /// Part of a file: as many rows as fit a request.
    VoucherImport {
        rows: Vec<ImportRow>,
    },
    PlanList,
    Doctor {
        mac: Option<String>,
    },
    Metrics,
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
    Status(Status),
    Sessions(Vec<Session>),
    /// The session that was opened.
    Login(Session),
    /// The session that was closed, as it was then.
    Logout(Session),
    VoucherNew(VouchersMade),
    VoucherShow(VoucherShown),
    /// The voucher as it is now.
    VoucherRevoke(VoucherShown),
    VoucherList(Vec<VoucherListed>),
    VoucherImport(Imported),
    PlanList(Vec<Plan>),
    Doctor(Vec<Check>),
    /// The text of [`exposition`](super::exposition::exposition).
    Metrics(String),
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
    /// The answer is longer than an answer may be.
    TooLarge,
    /// No daemon listens.
    Unreachable,
    /// A fault of the program.
    Internal,
    NoPermission,
    Configuration,
}

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

/// The sync with the cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cloud {
    pub configured: bool,
    /// RFC 3339.
    pub last_success: Option<String>,
    pub cursor: Option<String>,
    /// Facts that the cloud does not have yet.
    pub outbox: u64,
}

/// What the gateway knows of the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    pub trusted: bool,
    /// RFC 3339; a lower bound while not trusted.
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
    pub errors: Vec<RowError>,
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// Where it stands in the file, from 1.
    pub line: u32,
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

/// Why bytes are no message.
#[derive(Debug)]
pub enum FrameError {
    /// The line is longer than so many bytes.
    TooLong(usize),
    Json(serde_json::Error),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(max) => write!(f, "longer than {max} bytes"),
            Self::Json(error) => write!(f, "not a message of this protocol: {error}"),
        }
    }
}

impl std::error::Error for FrameError {}

/// The line of a message, with its line end.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // JSON escapes line ends inside texts, so the only one is the one put here.
    let mut line = serde_json::to_vec(message).expect("messages have text keys and cannot fail to serialize");
    line.push(b'\n');
    line
}

/// The message of a line, with or without its line end.
pub fn decode<T: DeserializeOwned>(line: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(line).map_err(FrameError::Json)
}

/// Cuts a stream of bytes into lines, never holding more than one line may have plus what was fed last.
#[derive(Debug)]
pub struct Lines {
    bytes: Vec<u8>,
    /// How many of them are known to hold no line end.
    searched: usize,
    max: usize,
}

impl Lines {
    /// `max`: bytes of the longest line, with its end.
    pub fn new(max: usize) -> Self {
        Self { bytes: Vec::new(), searched: 0, max }
    }

    /// Appends what was read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the next line without its end; `None`: more has to be fed. After an error the stream is lost.
    pub fn take_line(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let fresh = self.bytes.get(self.searched..).unwrap_or_default();
        match fresh.iter().position(|byte| *byte == b'\n') {
            Some(at) if self.searched + at < self.max => {
                let end = self.searched + at;
                let rest = self.bytes.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.bytes, rest);
                line.truncate(end);
                self.searched = 0;
                Ok(Some(line))
            }
            None if self.bytes.len() < self.max => {
                self.searched = self.bytes.len();
                Ok(None)
            }
            Some(_) | None => Err(FrameError::TooLong(self.max)),
        }
    }

    /// Whether a line has begun.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value<T: Serialize>(message: &T) -> Value {
        serde_json::to_value(message).unwrap()
    }

    fn session() -> Session {
        Session {
            id: "s-310".to_owned(),
            mac: "02:00:00:00:00:01".to_owned(),
            addresses: vec!["192.168.9.2".to_owned()],
            plan: "hour".to_owned(),
            origin: "voucher".to_owned(),
            since: "2026-11-21T22:17:31Z".to_owned(),
            seconds_left: Some(3600),
            bytes_left: None,
            bytes_up: 1,
            bytes_down: 2,
            down_bps: Some(4_000_000),
            up_bps: None,
        }
    }

    #[test]
    fn requests_have_a_tag_and_flat_arguments() {
        let new = NewVouchers { plan: "hour".to_owned(), count: 3, prefix: None, form: Form::WeakDigits };
        let mac = || "02:00:00:00:00:01".to_owned();
        for (request, expected) in [
            (Request::Status, json!({"command": "status"})),
            (
                Request::Login { mac: mac(), plan: "hour".to_owned() },
                json!({"command": "login", "mac": "02:00:00:00:00:01", "plan": "hour"}),
            ),
            (Request::Logout(Target::Mac { mac: mac() }), json!({"command": "logout", "mac": mac()})),
            (
                Request::Logout(Target::Session { session: "s-1".to_owned() }),
                json!({"command": "logout", "session": "s-1"}),
            ),
            (
                Request::VoucherNew(new),
                json!({"command": "voucher_new", "plan": "hour", "count": 3, "prefix": null, "form": "weak_digits"}),
            ),
            (
                Request::VoucherShow { code: TypedCode::new("1".to_owned()) },
                json!({"command": "voucher_show", "code": "1"}),
            ),
            (Request::Doctor { mac: None }, json!({"command": "doctor", "mac": null})),
        ] {
            assert_eq!(value(&request), expected);
            assert_eq!(decode::<Request>(&encode(&request)).unwrap(), request);
        }
    }

    #[test]
    fn wrong_requests_are_refused() {
        for bad in [
            "",
            "status",
            "{}",
            "[]",
            r#"{"command":"nonsense"}"#,
            r#"{"command":"login","mac":"02:00:00:00:00:01"}"#,
            r#"{"command":"logout"}"#,
            r#"{"command":"logout","mac":"02:00:00:00:00:01","session":"s-1"}"#,
            r#"{"command":"voucher_new","plan":"hour","count":-1,"form":"digits"}"#,
            r#"{"command":"voucher_new","plan":"hour","count":1,"form":"roman"}"#,
            r#"{"command":"status"} x"#,
        ] {
            assert!(decode::<Request>(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers_have_the_fields_of_the_interface() {
        assert_eq!(
            value(&session()),
            json!({"id": "s-310", "mac": "02:00:00:00:00:01", "addresses": ["192.168.9.2"], "plan": "hour",
                "origin": "voucher", "since": "2026-11-21T22:17:31Z", "seconds_left": 3600, "bytes_left": null,
                "bytes_up": 1, "bytes_down": 2, "down_bps": 4_000_000, "up_bps": null})
        );
        let status = Status {
            version: "0.1.0".to_owned(),
            site: "kariakoo-01".to_owned(),
            uplink: Uplink::Unknown,
            cloud: Cloud { configured: false, last_success: None, cursor: None, outbox: 0 },
            clock: Clock { trusted: true, now: "2026-11-21T22:17:31Z".to_owned() },
            sessions: 1,
            vouchers: Vouchers { unused: 2, active: 1, spent: 0 },
            rules_intact: true,
            uptime_s: 9,
            anomalies: Anomalies { addresses: 1, ports: 2, new_devices: 3 },
        };
        assert_eq!(
            value(&status),
            json!({"version": "0.1.0", "site": "kariakoo-01", "uplink": "unknown",
                "cloud": {"configured": false, "last_success": null, "cursor": null, "outbox": 0},
                "clock": {"trusted": true, "now": "2026-11-21T22:17:31Z"}, "sessions": 1,
                "vouchers": {"unused": 2, "active": 1, "spent": 0}, "rules_intact": true, "uptime_s": 9,
                "anomalies": {"addresses": 1, "ports": 2, "new_devices": 3}})
        );
        let check = Check {
            check: "rules".to_owned(),
            state: Health::Warn,
            message: "m".to_owned(),
            remedy: String::new(),
        };
        assert_eq!(value(&check), json!({"check": "rules", "state": "warn", "message": "m", "remedy": ""}));
        let failure = Response::Error(Failure::new(Code::NoSuchPlan, "m", "r"));
        assert_eq!(
            value(&failure),
            json!({"error": {"code": "no_such_plan", "message": "m", "remedy": "r"}})
        );
        let answer = Response::Ok(Answer::Login(session()));
        assert_eq!(decode::<Response>(&encode(&answer)).unwrap(), answer);
    }

    #[test]
    fn codes_do_not_show_in_debug_texts() {
        let shown = format!("{:?}", Request::VoucherShow { code: TypedCode::new("4821993705".to_owned()) });
        let made = VoucherMade { code: "4821993705".to_owned(), plan: "p".to_owned(), batch: "b".to_owned() };
        for text in [shown, format!("{made:?}")] {
            assert!(!text.contains("4821"), "{text}");
        }
    }

    #[test]
    fn lines_come_out_as_they_went_in_however_they_are_cut() {
        let stream = b"one\ntwo\n\nthree\n";
        for step in 1..stream.len() {
            let mut lines = Lines::new(16);
            let mut out = Vec::new();
            for part in stream.chunks(step) {
                lines.feed(part);
                while let Some(line) = lines.take_line().unwrap() {
                    out.push(String::from_utf8(line).unwrap());
                }
            }
            assert_eq!(out, ["one", "two", "", "three"], "in steps of {step}");
            assert!(lines.is_empty());
        }
    }

    #[test]
    fn a_line_may_not_be_longer_than_said() {
        let mut lines = Lines::new(4);
        lines.feed(b"abc\n");
        assert_eq!(lines.take_line().unwrap(), Some(b"abc".to_vec()));
        lines.feed(b"abcd\n");
        assert!(matches!(lines.take_line(), Err(FrameError::TooLong(4))));
        let mut endless = Lines::new(4);
        endless.feed(b"abcd");
        assert!(endless.take_line().is_err());
    }
}

//! The table of commands: parsing, help and dispatch all read it.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::options::Opt;
use super::parse::{Given, usage};
use super::setup::{Setup, Wish};
use super::{Ask, Errand, Failure, Invocation, Place, Request, Run, Style, persons};
use crate::domain::{BatchId, CodeForm, Mac, PlanId, SessionId, make_code};
use crate::telemetry;
use crate::wire::control::{Code, Form, NewVouchers, Target, TypedCode, VOUCHERS_MAX};

pub(super) const DEFAULT_CONFIG: &str = "/etc/config/lango";
/// Bytes of a code as typed; every accident of typing included.
pub(super) const LONGEST_CODE: usize = 256;
pub(super) const DEFAULT_SOCKET: &str = "/var/run/lango/lango.sock";

/// One command.
pub(super) struct Command {
    pub(super) words: &'static str,
    /// What follows the words, as the help shows it.
    pub(super) usage: &'static str,
    /// How many arguments it takes besides options.
    pub(super) takes: RangeInclusive<usize>,
    pub(super) options: &'static [Opt],
    pub(super) about: &'static str,
    pub(super) example: &'static str,
    /// Makes an invocation of a command line that has only the options and as many arguments as it takes.
    pub(super) build: fn(&Given) -> Result<Invocation, Failure>,
}

const LIVE: &[Opt] = &[Opt::Json, Opt::Socket];
const STORED: &[Opt] = &[Opt::Json, Opt::Socket, Opt::Offline, Opt::Config];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        words: "run",
        usage: "[--config PATH]",
        takes: 0..=0,
        options: &[Opt::Config, Opt::Log, Opt::LogLevel],
        about: "the daemon, in the foreground",
        example: "lango run --config /etc/config/lango --log stderr",
        build: run,
    },
    Command {
        words: "check",
        usage: "[--config PATH]",
        takes: 0..=0,
        options: &[Opt::Config, Opt::Json],
        about: "read the configuration and print every error",
        example: "lango check --config /etc/config/lango",
        build: |given| Ok(Invocation::Check(given.config()?, given.style())),
    },
    Command {
        words: "hold",
        usage: "[--config PATH]",
        takes: 0..=0,
        options: &[Opt::Config],
        about: "hold guests from boot on, until the daemon starts; changes nothing where one was",
        example: "lango hold",
        build: |given| Ok(Invocation::Hold(given.config()?)),
    },
    Command {
        words: "setup",
        usage: "[--apply | --undo]",
        takes: 0..=0,
        options: &[Opt::Apply, Opt::Undo, Opt::Json, Opt::Config],
        about: "the settings of OpenWrt that a hotspot needs: shown, applied, or taken back",
        example: "lango setup --apply",
        build: setup,
    },
    Command {
        words: "status",
        usage: "",
        takes: 0..=0,
        options: LIVE,
        about: "uplink, cloud, clock, sessions, vouchers, rules",
        example: "lango status --json",
        build: |given| ask(given, Request::Status),
    },
    Command {
        words: "sessions",
        usage: "",
        takes: 0..=0,
        options: LIVE,
        about: "who is online, what is left, what is used",
        example: "lango sessions",
        build: |given| ask(given, Request::Sessions),
    },
    Command {
        words: "login",
        usage: "MAC --plan PLAN",
        takes: 1..=1,
        options: &[Opt::Plan, Opt::Json, Opt::Socket],
        about: "open a device by hand",
        example: "lango login 02:00:00:00:00:01 --plan hour",
        build: login,
    },
    Command {
        words: "logout",
        usage: "(MAC | --session ID)",
        takes: 0..=1,
        options: &[Opt::Session, Opt::Json, Opt::Socket],
        about: "cut a device or a session",
        example: "lango logout --session s-310",
        build: logout,
    },
    Command {
        words: "voucher new",
        usage: "--plan PLAN [--count N] [--prefix S] [--form digits|letters] [--weak] [--self-verifying] [--print]",
        takes: 0..=0,
        options: &[
            Opt::Plan,
            Opt::Count,
            Opt::Prefix,
            Opt::Form,
            Opt::Weak,
            Opt::SelfVerifying,
            Opt::Print,
            Opt::Json,
            Opt::Socket,
            Opt::Offline,
            Opt::Config,
        ],
        about: "make vouchers; prints CSV",
        example: "lango voucher new --plan hour --count 24 --print > vouchers.html",
        build: voucher_new,
    },
    Command {
        words: "voucher show",
        usage: "CODE",
        takes: 1..=1,
        options: STORED,
        about: "what became of a voucher",
        example: "lango voucher show '4821 9937 05'",
        build: |given| ask(given, Request::VoucherShow { code: code(given)? }),
    },
    Command {
        words: "voucher revoke",
        usage: "CODE",
        takes: 1..=1,
        options: STORED,
        about: "withdraw a voucher; who uses it is cut",
        example: "lango voucher revoke '4821 9937 05'",
        build: |given| ask(given, Request::VoucherRevoke { code: code(given)? }),
    },
    Command {
        words: "voucher list",
        usage: "[--batch B]",
        takes: 0..=0,
        options: &[Opt::Batch, Opt::Json, Opt::Socket, Opt::Offline, Opt::Config],
        about: "all vouchers, without their codes",
        example: "lango voucher list --batch B20261122-2217",
        build: |given| ask(given, Request::VoucherList { batch: given.id::<BatchId>(Opt::Batch)? }),
    },
    Command {
        words: "voucher import",
        usage: "FILE.csv",
        takes: 1..=1,
        options: STORED,
        about: "take vouchers over; first line: code,plan,batch,activate_by",
        example: "lango voucher import vouchers.csv",
        build: |given| errand(given, Errand::Import(given.word().unwrap_or_default().into())),
    },
    Command {
        words: "plan list",
        usage: "",
        takes: 0..=0,
        options: STORED,
        about: "what is for sale",
        example: "lango plan list --json",
        build: |given| ask(given, Request::PlanList),
    },
    Command {
        words: "export",
        usage: "(--mac MAC | --code CODE | --phone PHONE | --all) [--format json|csv]",
        takes: 0..=0,
        options: &[
            Opt::Mac,
            Opt::Code,
            Opt::Phone,
            Opt::All,
            Opt::Format,
            Opt::Json,
            Opt::Socket,
            Opt::Offline,
            Opt::Config,
        ],
        about: "what is stored of a person",
        example: "lango export --mac 02:00:00:00:00:01 --format csv > person.csv",
        build: |given| ask(given, persons::export(given)?),
    },
    Command {
        words: "forget",
        usage: "(--mac MAC | --code CODE | --phone PHONE | --all)",
        takes: 0..=0,
        options: &[
            Opt::Mac,
            Opt::Code,
            Opt::Phone,
            Opt::All,
            Opt::Json,
            Opt::Socket,
            Opt::Offline,
            Opt::Config,
        ],
        about: "cut a person and delete what is stored; at once, and for good",
        example: "lango forget --phone '+255 700 000417'",
        build: |given| ask(given, persons::forget(given)?),
    },
    Command {
        words: "sync",
        usage: "[--now]",
        takes: 0..=0,
        options: &[Opt::Now, Opt::Json, Opt::Socket],
        about: "how it stands with the cloud; --now: exchange everything first",
        example: "lango sync --now",
        build: |given| ask(given, if given.has(Opt::Now) { Request::SyncNow } else { Request::Sync }),
    },
    Command {
        words: "enrol",
        usage: "URL CLAIM [--ca FILE]",
        takes: 2..=2,
        options: &[Opt::Ca, Opt::Json, Opt::Socket, Opt::Offline, Opt::Config],
        about: "join a cloud; with --config PATH while no daemon runs",
        example: "lango enrol https://bos.example.net 4f07a1c2",
        build: enrol,
    },
    Command {
        words: "doctor",
        usage: "[MAC]",
        takes: 0..=1,
        options: LIVE,
        about: "what is wrong and what to do; with a MAC: why it is held or open",
        example: "lango doctor 02:00:00:00:00:01",
        build: |given| ask(given, Request::Doctor { mac: mac(given)? }),
    },
    Command {
        words: "clock",
        usage: "[reset]",
        takes: 0..=1,
        options: LIVE,
        about: "how late it is, who says so, what that is good for; reset: it was wrong",
        example: "lango clock reset",
        build: clock,
    },
    Command {
        words: "metrics",
        usage: "",
        takes: 0..=0,
        options: &[Opt::Socket],
        about: "numbers for Prometheus, as text",
        example: "lango metrics",
        build: |given| ask(given, Request::Metrics),
    },
];

/// Commands that Lango will have, and does not have yet.
pub(super) const LATER: &[&str] = &["audit", "topup", "extend", "refund", "move", "backup", "restore", "top"];

fn run(given: &Given) -> Result<Invocation, Failure> {
    let log = match given.text(Opt::Log)?.as_deref() {
        None => telemetry::Target::Auto,
        Some("stderr") => telemetry::Target::Stderr,
        Some("syslog") => telemetry::Target::Syslog,
        Some(other) => return Err(given.wrong(Opt::Log, &format!("{other:?} is neither stderr nor syslog"))),
    };
    let level = match given.text(Opt::LogLevel)?.as_deref() {
        None | Some("info") => tracing::Level::INFO,
        Some("error") => tracing::Level::ERROR,
        Some("warn") => tracing::Level::WARN,
        Some("debug") => tracing::Level::DEBUG,
        Some("trace") => tracing::Level::TRACE,
        Some(other) => return Err(given.wrong(Opt::LogLevel, &format!("{other:?} is no level"))),
    };
    Ok(Invocation::Run(Run { config: given.config()?, log, level }))
}

fn setup(given: &Given) -> Result<Invocation, Failure> {
    let wish = match (given.has(Opt::Apply), given.has(Opt::Undo)) {
        (false, false) => Wish::Show,
        (true, false) => Wish::Apply,
        (false, true) => Wish::Undo,
        (true, true) => return Err(given.usage("--apply and --undo exclude each other")),
    };
    Ok(Invocation::Setup(Setup { config: given.path(Opt::Config)?, wish, style: given.style() }))
}

fn login(given: &Given) -> Result<Invocation, Failure> {
    let plan = given.needed_id::<PlanId>(Opt::Plan)?;
    let mac = mac(given)?.ok_or_else(|| given.usage("a MAC is missing"))?;
    ask(given, Request::Login { mac, plan })
}

fn logout(given: &Given) -> Result<Invocation, Failure> {
    let target = match (mac(given)?, given.id::<SessionId>(Opt::Session)?) {
        (Some(mac), None) => Target::Mac { mac },
        (None, Some(session)) => Target::Session { session },
        (None, None) => return Err(given.usage("a MAC or --session is missing")),
        (Some(_), Some(_)) => return Err(given.usage("a MAC and --session exclude each other")),
    };
    ask(given, Request::Logout(target))
}

fn clock(given: &Given) -> Result<Invocation, Failure> {
    match given.word() {
        None => ask(given, Request::Clock),
        Some("reset") => ask(given, Request::ClockReset),
        Some(other) => Err(given.usage(&format!("{other:?} is not reset"))),
    }
}

fn voucher_new(given: &Given) -> Result<Invocation, Failure> {
    if given.has(Opt::Print) && given.has(Opt::Json) {
        return Err(given.usage("--print and --json exclude each other"));
    }
    let plan = given.needed_id::<PlanId>(Opt::Plan)?;
    if given.has(Opt::SelfVerifying) {
        for other in [Opt::Form, Opt::Weak, Opt::Prefix] {
            if given.has(other) {
                return Err(given.wrong(other, "codes that prove themselves have one form only"));
            }
        }
        let (count, form) = (count(given)?, Form::SelfVerifying);
        return ask(given, Request::VoucherNew(NewVouchers { plan, count, prefix: None, form }));
    }
    let (form, shape) = match (given.text(Opt::Form)?.as_deref(), given.has(Opt::Weak)) {
        (None | Some("digits"), false) => (Form::Digits, CodeForm::Digits),
        (None | Some("digits"), true) => (Form::WeakDigits, CodeForm::WeakDigits),
        // Letters are as strong as it takes, so there is nothing to permit.
        (Some("letters"), _) => (Form::Letters, CodeForm::Letters),
        (Some(other), _) => {
            return Err(given.wrong(Opt::Form, &format!("{other:?} is neither digits nor letters")));
        }
    };
    let prefix = given.text(Opt::Prefix)?.filter(|prefix| !prefix.is_empty());
    if let Err(error) = make_code(shape, prefix.as_deref().unwrap_or_default(), [0; 16]) {
        return Err(given.wrong(Opt::Prefix, &error.to_string()));
    }
    ask(given, Request::VoucherNew(NewVouchers { plan, count: count(given)?, prefix, form }))
}

fn enrol(given: &Given) -> Result<Invocation, Failure> {
    let mut words = given.words();
    let (url, claim) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if claim.is_empty() || claim.len() > LONGEST_CODE {
        return Err(given.usage("the claim is empty, or longer than any claim"));
    }
    let (url, claim) = (url.to_owned(), TypedCode::new(claim.to_owned()));
    let joining = Errand::Enrol { url, claim, ca: given.path(Opt::Ca)? };
    if !given.has(Opt::Config) || given.has(Opt::Offline) {
        return errand(given, joining);
    }
    if given.has(Opt::Socket) {
        return Err(given.usage("--config and --socket exclude each other"));
    }
    let place = Place::Offline(given.config()?);
    Ok(Invocation::Ask(Ask { errand: joining, place, style: given.style() }))
}

fn count(given: &Given) -> Result<u32, Failure> {
    let Some(text) = given.text(Opt::Count)? else { return Ok(1) };
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(count) if plain && (1..=VOUCHERS_MAX).contains(&count) => Ok(count),
        Ok(_) | Err(_) => {
            Err(given.wrong(Opt::Count, &format!("{text:?} is not a number from 1 to {VOUCHERS_MAX}")))
        }
    }
}

/// The argument, if there is one, in the usual spelling of a MAC.
fn mac(given: &Given) -> Result<Option<String>, Failure> {
    match given.word().map(str::parse::<Mac>) {
        None => Ok(None),
        Some(Ok(mac)) => Ok(Some(mac.to_string())),
        Some(Err(error)) => Err(given.usage(&error.to_string())),
    }
}

/// The argument as a code; the error does not repeat it.
fn code(given: &Given) -> Result<TypedCode, Failure> {
    match given.word().unwrap_or_default() {
        "" => Err(given.usage("the code is empty")),
        text if text.len() > LONGEST_CODE => Err(given.usage("the code is longer than any code")),
        text => Ok(TypedCode::new(text.to_owned())),
    }
}

fn ask(given: &Given, request: Request) -> Result<Invocation, Failure> {
    errand(given, Errand::One(request))
}

fn errand(given: &Given, errand: Errand) -> Result<Invocation, Failure> {
    let place = match (given.has(Opt::Offline), given.has(Opt::Socket), given.has(Opt::Config)) {
        (true, false, _) => Place::Offline(given.config()?),
        (true, true, _) => return Err(given.usage("--offline and --socket exclude each other")),
        (false, _, true) => return Err(given.usage("--config needs --offline")),
        (false, _, false) => Place::Socket(given.path(Opt::Socket)?.unwrap_or_else(|| DEFAULT_SOCKET.into())),
    };
    Ok(Invocation::Ask(Ask { errand, place, style: given.style() }))
}

pub(super) fn not_yet(what: &str) -> Failure {
    Failure::new(Code::Unsupported, format!("{what} is not in this version of Lango"), usage(""))
}

impl Given {
    fn style(&self) -> Style {
        if self.has(Opt::Json) {
            Style::Json
        } else if self.has(Opt::Print) {
            Style::Sheet
        } else if self.text(Opt::Format).is_ok_and(|format| format.as_deref() == Some("csv")) {
            Style::Csv
        } else {
            Style::Plain
        }
    }

    fn config(&self) -> Result<PathBuf, Failure> {
        Ok(self.path(Opt::Config)?.unwrap_or_else(|| DEFAULT_CONFIG.into()))
    }
}

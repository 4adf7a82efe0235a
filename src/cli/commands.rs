//! The table of commands: parsing, help, completion and the manual all read it.
//!
//! Owns: what a command is called, what it takes, and what is said of it. Never: what its arguments mean
//! (`invocations`). Neighbours: `options` has how each option is written.

use std::ops::RangeInclusive;

use super::invocations::{clock, code, enrol, errand_of, login, logout, mac, one, run, setup, voucher_new};
use super::options::Opt;
use super::parse::Given;
use super::{Errand, Failure, Invocation, Request, persons};
use crate::domain::BatchId;

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
        build: |given| one(given, Request::Status),
    },
    Command {
        words: "sessions",
        usage: "",
        takes: 0..=0,
        options: LIVE,
        about: "who is online, what is left, what is used",
        example: "lango sessions",
        build: |given| one(given, Request::Sessions),
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
        build: |given| one(given, Request::VoucherShow { code: code(given)? }),
    },
    Command {
        words: "voucher revoke",
        usage: "CODE",
        takes: 1..=1,
        options: STORED,
        about: "withdraw a voucher; who uses it is cut",
        example: "lango voucher revoke '4821 9937 05'",
        build: |given| one(given, Request::VoucherRevoke { code: code(given)? }),
    },
    Command {
        words: "voucher list",
        usage: "[--batch B]",
        takes: 0..=0,
        options: &[Opt::Batch, Opt::Json, Opt::Socket, Opt::Offline, Opt::Config],
        about: "all vouchers, without their codes",
        example: "lango voucher list --batch B20261122-2217",
        build: |given| one(given, Request::VoucherList { batch: given.id::<BatchId>(Opt::Batch)? }),
    },
    Command {
        words: "voucher import",
        usage: "FILE.csv",
        takes: 1..=1,
        options: STORED,
        about: "take vouchers over; first line: code,plan,batch,activate_by",
        example: "lango voucher import vouchers.csv",
        build: |given| errand_of(given, Errand::Import(given.word().unwrap_or_default().into())),
    },
    Command {
        words: "plan list",
        usage: "",
        takes: 0..=0,
        options: STORED,
        about: "what is for sale",
        example: "lango plan list --json",
        build: |given| one(given, Request::PlanList),
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
        build: |given| one(given, persons::export(given)?),
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
        build: |given| one(given, persons::forget(given)?),
    },
    Command {
        words: "sync",
        usage: "[--now]",
        takes: 0..=0,
        options: &[Opt::Now, Opt::Json, Opt::Socket],
        about: "how it stands with the cloud; --now: exchange everything first",
        example: "lango sync --now",
        build: |given| one(given, if given.has(Opt::Now) { Request::SyncNow } else { Request::Sync }),
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
        build: |given| one(given, Request::Doctor { mac: mac(given)? }),
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
        build: |given| one(given, Request::Metrics),
    },
];

/// Commands that Lango will have, and does not have yet.
pub(super) const LATER: &[&str] = &["audit", "topup", "extend", "refund", "move", "backup", "restore", "top"];

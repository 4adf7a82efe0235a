//! The commands as seen from a terminal.
//!
//! Owns: the command line, what is printed, and the exit code of every outcome.
//! Never: what a command means; that is the daemon's, or without one `app`'s, which get a `Request`.
//! Neighbours: `wire::control` has requests and answers, `control` carries them.
//! Within: `commands` and `options` the one table, `parse` reads a command line by it, `invocations` says what it asks
//! for, `help`, `completion` and `man` print the table, `ask`, `backup` and `check` do a command, `print` shows answers, `sheet` prints vouchers, `stock` tells of batches, `csv`
//! and `import` read files of them, `persons` what is stored of one, `screen` is `lango status`, `order` that of sessions, `doctor` what it sees itself, `top` is live on a `terminal`, `rpcd` is the way from LuCI, `setup` changes the
//! settings of the system.

mod ask;
mod backup;
mod bought;
mod check;
mod commands;
mod completion;
mod csv;
mod doctor;
mod help;
mod import;
mod invocations;
mod man;
mod options;
mod order;
mod parse;
mod persons;
mod print;
mod rpcd;
mod screen;
mod setup;
mod sheet;
mod stock;
mod terminal;
mod top;
mod words;

use std::path::PathBuf;

use self::order::Order;
use crate::telemetry;
use crate::wire::control::{Failure, Request, TypedCode};

pub use ask::{ask, refuse, say};
pub use backup::{Pack, Restore, restore};
pub use check::check;
pub use parse::{Refused, parse};
pub use rpcd::{is_plugin, plugin};
pub use setup::{Setup, setup};
pub use top::{Top, top};

/// What a command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// To be printed: a help text, or the version.
    Say(String),
    Run(Run),
    /// Read the configuration at this path and say what is wrong.
    Check(PathBuf, Style),
    /// Close the guest networks of the configuration at this path.
    Hold(PathBuf),
    Setup(Setup),
    Ask(Ask),
    Restore(Restore),
    Top(Top),
}

/// How to run the daemon.
#[derive(Debug)]
pub struct Run {
    pub config: PathBuf,
    pub log: telemetry::Target,
    pub level: tracing::Level,
}

/// Something to ask the daemon, or to do without one.
#[derive(Debug)]
pub struct Ask {
    errand: Errand,
    place: Place,
    style: Style,
}

#[derive(Debug)]
enum Errand {
    One(Request),
    /// Who is online, in this order.
    Sessions(Order),
    /// The numbers for Prometheus, into a file.
    Metrics(PathBuf),
    /// A file of vouchers, in as many requests as it takes.
    Import {
        path: PathBuf,
        dry_run: bool,
    },
    /// The state in one file.
    Backup(backup::Target),
    /// Join a cloud whose issuer may be that of a PEM file.
    Enrol {
        url: String,
        claim: TypedCode,
        ca: Option<PathBuf>,
    },
}

#[derive(Debug)]
enum Place {
    Socket(PathBuf),
    /// On the store that this configuration names, while no daemon runs.
    Offline(PathBuf),
}

/// In what form the answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For a person; vouchers as CSV.
    Plain,
    Json,
    /// Vouchers as an HTML page to be printed.
    Sheet,
    /// A person's data as a table.
    Csv,
}

//! What a command line asks for, once its command is known.
//!
//! Owns: what arguments and options mean, and which of them exclude each other. Never: asks anybody.
//! Neighbours: `commands` names what is here, `parse` has told words and options apart.

use std::path::PathBuf;

use super::options::Opt;
use super::order::{Key, Order};
use super::parse::Given;
use super::setup::{Setup, Wish};
use super::{Ask, Errand, Failure, Invocation, Place, Request, Run, Style};
use crate::domain::{BatchId, CodeForm, Mac, PlanId, SessionId, make_code};
use crate::telemetry;
use crate::wire::control::{Form, NewVouchers, Reprint, Target, TypedCode, VOUCHERS_MAX};

const DEFAULT_CONFIG: &str = "/etc/config/lango";
const DEFAULT_SOCKET: &str = "/var/run/lango/lango.sock";
/// Bytes of a code as typed; every accident of typing included.
pub(super) const LONGEST_CODE: usize = 256;

pub(super) fn run(given: &Given) -> Result<Invocation, Failure> {
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

pub(super) fn setup(given: &Given) -> Result<Invocation, Failure> {
    let wish = match (given.has(Opt::Apply), given.has(Opt::Undo)) {
        (false, false) => Wish::Show,
        (true, false) => Wish::Apply,
        (false, true) => Wish::Undo,
        (true, true) => return Err(given.usage("--apply and --undo exclude each other")),
    };
    Ok(Invocation::Setup(Setup { config: given.path(Opt::Config)?, wish, style: given.style() }))
}

pub(super) fn sessions(given: &Given) -> Result<Invocation, Failure> {
    let key = match given.text(Opt::Sort)?.map(|name| (Key::named(&name), name)) {
        None => None,
        Some((Some(key), _)) => Some(key),
        Some((None, name)) => return Err(given.wrong(Opt::Sort, &format!("{name:?} is no order"))),
    };
    match (key, given.has(Opt::Reverse)) {
        (None, false) => one(given, Request::Sessions),
        (key, reversed) => errand_of(given, Errand::Sessions(Order { key, reversed })),
    }
}

pub(super) fn metrics(given: &Given) -> Result<Invocation, Failure> {
    match given.path(Opt::File)? {
        None => one(given, Request::Metrics),
        Some(path) => errand_of(given, Errand::Metrics(path)),
    }
}

pub(super) fn login(given: &Given) -> Result<Invocation, Failure> {
    let plan = given.needed_id::<PlanId>(Opt::Plan)?;
    let mac = mac(given)?.ok_or_else(|| given.usage("a MAC is missing"))?;
    one(given, Request::Login { mac, plan })
}

pub(super) fn logout(given: &Given) -> Result<Invocation, Failure> {
    let target = match (mac(given)?, given.id::<SessionId>(Opt::Session)?) {
        (Some(mac), None) => Target::Mac { mac },
        (None, Some(session)) => Target::Session { session },
        (None, None) => return Err(given.usage("a MAC or --session is missing")),
        (Some(_), Some(_)) => return Err(given.usage("a MAC and --session exclude each other")),
    };
    one(given, Request::Logout(target))
}

pub(super) fn clock(given: &Given) -> Result<Invocation, Failure> {
    match given.word() {
        None => one(given, Request::Clock),
        Some("reset") => one(given, Request::ClockReset),
        Some(other) => Err(given.usage(&format!("{other:?} is not reset"))),
    }
}

pub(super) fn completion(given: &Given) -> Result<Invocation, Failure> {
    match given.word() {
        Some("bash") => Ok(Invocation::Say(super::completion::bash())),
        Some("zsh") => Ok(Invocation::Say(super::completion::zsh())),
        Some(other) => Err(given.usage(&format!("{other:?} is neither bash nor zsh"))),
        None => Err(given.usage("the shell is missing")),
    }
}

pub(super) fn voucher_new(given: &Given) -> Result<Invocation, Failure> {
    if given.has(Opt::Print) && given.has(Opt::Json) {
        return Err(given.usage("--print and --json exclude each other"));
    }
    let plan = given.needed_id::<PlanId>(Opt::Plan)?;
    let (form, prefix) = shape_of(given)?;
    one(given, Request::VoucherNew(NewVouchers { plan, count: count(given)?, prefix, form }))
}

pub(super) fn reprint(given: &Given) -> Result<Invocation, Failure> {
    if given.has(Opt::Print) && given.has(Opt::Json) {
        return Err(given.usage("--print and --json exclude each other"));
    }
    let (batch, plan) = (given.needed_id::<BatchId>(Opt::Batch)?, given.id::<PlanId>(Opt::Plan)?);
    let (form, prefix) = shape_of(given)?;
    let confirmed = given.has(Opt::Yes);
    one(given, Request::VoucherReprint(Reprint { batch, plan, prefix, form, confirmed }))
}

/// The form of new codes, and what begins them.
fn shape_of(given: &Given) -> Result<(Form, Option<String>), Failure> {
    if given.has(Opt::SelfVerifying) {
        for other in [Opt::Form, Opt::Weak, Opt::Prefix] {
            if given.has(other) {
                return Err(given.wrong(other, "codes that prove themselves have one form only"));
            }
        }
        return Ok((Form::SelfVerifying, None));
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
    Ok((form, prefix))
}

pub(super) fn import(given: &Given) -> Result<Invocation, Failure> {
    let path = given.word().unwrap_or_default().into();
    errand_of(given, Errand::Import { path, dry_run: given.has(Opt::DryRun) })
}

pub(super) fn enrol(given: &Given) -> Result<Invocation, Failure> {
    let mut words = given.words();
    let (url, claim) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if claim.is_empty() || claim.len() > LONGEST_CODE {
        return Err(given.usage("the claim is empty, or longer than any claim"));
    }
    let (url, claim) = (url.to_owned(), TypedCode::new(claim.to_owned()));
    let joining = Errand::Enrol { url, claim, ca: given.path(Opt::Ca)? };
    if !given.has(Opt::Config) || given.has(Opt::Offline) {
        return errand_of(given, joining);
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
pub(super) fn mac(given: &Given) -> Result<Option<String>, Failure> {
    match given.word().map(str::parse::<Mac>) {
        None => Ok(None),
        Some(Ok(mac)) => Ok(Some(mac.to_string())),
        Some(Err(error)) => Err(given.usage(&error.to_string())),
    }
}

/// The argument as a code; the error does not repeat it.
pub(super) fn code(given: &Given) -> Result<TypedCode, Failure> {
    match given.word().unwrap_or_default() {
        "" => Err(given.usage("the code is empty")),
        text if text.len() > LONGEST_CODE => Err(given.usage("the code is longer than any code")),
        text => Ok(TypedCode::new(text.to_owned())),
    }
}

pub(super) fn one(given: &Given, request: Request) -> Result<Invocation, Failure> {
    errand_of(given, Errand::One(request))
}

pub(super) fn errand_of(given: &Given, errand: Errand) -> Result<Invocation, Failure> {
    let place = match (given.has(Opt::Offline), given.has(Opt::Socket), given.has(Opt::Config)) {
        (true, false, _) => Place::Offline(given.config()?),
        (true, true, _) => return Err(given.usage("--offline and --socket exclude each other")),
        (false, _, true) => return Err(given.usage("--config needs --offline")),
        (false, _, false) => Place::Socket(given.socket()?),
    };
    Ok(Invocation::Ask(Ask { errand, place, style: given.style() }))
}

impl Given {
    pub(super) fn style(&self) -> Style {
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

    pub(super) fn socket(&self) -> Result<PathBuf, Failure> {
        Ok(self.path(Opt::Socket)?.unwrap_or_else(|| DEFAULT_SOCKET.into()))
    }

    pub(super) fn config(&self) -> Result<PathBuf, Failure> {
        Ok(self.path(Opt::Config)?.unwrap_or_else(|| DEFAULT_CONFIG.into()))
    }
}

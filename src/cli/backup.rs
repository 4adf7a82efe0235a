//! `lango backup` and `lango restore`, as seen from a terminal.
//!
//! Owns: where a backup is written, the passphrase, and what is said of both. Never: what is in one (`app`).

use std::fs;
use std::path::{Path, PathBuf};

use super::ask::{fail, printed, stray};
use super::invocations::errand_of;
use super::options::Opt;
use super::parse::Given;
use super::words::size;
use super::{Errand, Failure, Invocation, Style, print};
use crate::process::Exit;
use crate::telemetry::clean;
use crate::wire::control::{Answer, BackedUp, Code, Copied, Restored};

/// Bytes of a passphrase, at most.
const LONGEST: usize = 1024;

/// Where a backup goes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) file: PathBuf,
    /// The file of the passphrase.
    pub(super) secret: Option<PathBuf>,
    /// What is there may be replaced.
    pub(super) force: bool,
}

/// A backup to be put in the place of what there is.
#[derive(Debug)]
pub struct Restore {
    config: PathBuf,
    file: PathBuf,
    secret: Option<PathBuf>,
    style: Style,
}

/// Packs what was copied into a file, by a passphrase or without.
pub type Pack = fn(&Copied, &Path, Option<&str>) -> Result<BackedUp, Failure>;

pub(super) fn backup(given: &Given) -> Result<Invocation, Failure> {
    let file = given.word().unwrap_or_default().into();
    let (secret, force) = (given.path(Opt::PassphraseFile)?, given.has(Opt::Force));
    errand_of(given, Errand::Backup(Target { file, secret, force }))
}

pub(super) fn restoration(given: &Given) -> Result<Invocation, Failure> {
    let file = given.word().unwrap_or_default().into();
    let (config, secret) = (given.config()?, given.path(Opt::PassphraseFile)?);
    Ok(Invocation::Restore(Restore { config, file, secret, style: given.style() }))
}

/// Asks for a copy by `ask`, and packs it.
pub(super) fn write(
    target: &Target,
    ask: &mut dyn FnMut() -> Result<Answer, Failure>,
    pack: Pack,
) -> Result<BackedUp, Failure> {
    if !target.force && target.file.exists() {
        let message = format!("{} is there already", target.file.display());
        return Err(Failure::new(Code::BadFile, message, "name another file, or replace it with --force"));
    }
    let secret = target.secret.as_deref().map(passphrase).transpose()?;
    let Answer::Backup(copied) = ask()? else { return Err(stray()) };
    pack(&copied, &target.file, secret.as_deref())
}

pub(super) fn show(done: &BackedUp, style: Style) -> Exit {
    let BackedUp { file, bytes, sealed, made, site } = done;
    let guard = if *sealed { "only the passphrase opens it" } else { "keep it as safe as the device itself" };
    let line = format!("{file}: {}, site {site} as of {made}; {guard}", size(*bytes));
    say(&line, done, style)
}

/// Restores by `restore`, which gets the paths of the configuration and of the backup, and the passphrase.
pub fn restore(
    how: &Restore,
    restore: impl Fn(&Path, &Path, Option<&str>) -> Result<Restored, Failure>,
) -> Exit {
    let secret = how.secret.as_deref().map(passphrase).transpose();
    match secret.and_then(|secret| restore(&how.config, &how.file, secret.as_deref())) {
        Err(failure) => fail(&failure, how.style),
        Ok(done) => {
            let Restored { made, site, device, trail: _, unreadable_days } = &done;
            let forgotten = match unreadable_days {
                0 => String::new(),
                days => format!(
                    "its device.key opens nothing of {days} day(s), whose guests count as forgotten; "
                ),
            };
            let line = format!(
                "site {site} is as of {made}, and {device} towards the cloud; {forgotten}codes redeemed since are \
                 unused again, until a cloud takes them back; start the daemon: /etc/init.d/lango start"
            );
            say(&line, &done, how.style)
        }
    }
}

fn say<T: serde::Serialize>(line: &str, done: &T, style: Style) -> Exit {
    printed(|out| {
        match style {
            Style::Json => print::json(done, out)?,
            Style::Plain | Style::Sheet | Style::Csv => writeln!(out, "{}", clean(line))?,
        }
        Ok(Exit::Done)
    })
}

/// The text of a file, without its line end.
fn passphrase(path: &Path) -> Result<String, Failure> {
    let bad = |why: &str| {
        let remedy = "--passphrase-file takes a file with a line of 8 to 1024 bytes";
        Failure::new(Code::BadFile, format!("{}: {why}", path.display()), remedy)
    };
    let text = fs::read_to_string(path).map_err(|error| bad(&error.to_string()))?;
    let line = text.trim_end_matches(['\r', '\n']);
    if (8..=LONGEST).contains(&line.len()) && !line.contains('\n') {
        Ok(line.to_owned())
    } else {
        Err(bad("is no passphrase"))
    }
}

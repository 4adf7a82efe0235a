//! `lango setup`: the settings of OpenWrt around a hotspot, proposed, applied and undone.
//!
//! Owns: the order of doing it, what an operator is shown, and the file by which it is undone. Never: what is
//! missing (`plan`, `guests`), where it stands (`settings`), or how it is changed (`uci`).
//!
//! What is staged is read back before it is committed: either all of it is there, or nothing is changed.

mod guests;
mod plan;
mod settings;
mod uci;

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::plan::{Plan, plan};
use self::settings::Settings;
use self::uci::Uci;
use super::ask::{fail, printed};
use super::{Failure, Style, print};
use crate::process::Exit;
use crate::wire::control::Code;

/// What somebody wants of the settings.
#[derive(Debug)]
pub struct Setup {
    /// The configuration of Lango, if it is not in its usual place.
    pub(super) config: Option<PathBuf>,
    pub(super) wish: Wish,
    pub(super) style: Style,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Show,
    Apply,
    Undo,
}

/// What is shown of it.
#[derive(Debug, Serialize)]
struct Report {
    changes: Vec<Shown>,
    /// Sentences: what only the operator can do.
    notes: Vec<String>,
    applied: bool,
    /// Commands that put it to use.
    next: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Shown {
    why: String,
    /// As `uci batch` takes them.
    commands: Vec<String>,
}

/// What takes back all that was applied, the last first.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Undo {
    commands: Vec<String>,
}

const IN_USE: [&str; 2] = ["reload_config", "/etc/init.d/lango start"];
const OUT_OF_USE: [&str; 2] = ["/etc/init.d/lango stop", "reload_config"];
const UNDO: &str = "setup-undo.json";

/// Shows, applies or undoes the settings of a hotspot.
pub fn setup(setup: &Setup) -> Exit {
    let uci = Uci::beside(setup.config.as_deref());
    let done = match setup.wish {
        Wish::Show => uci.settings().and_then(|settings| Ok(report(&planned(&settings)?, false))),
        Wish::Apply => apply(&uci),
        Wish::Undo => undo(&uci),
    };
    match done {
        Err(failure) => fail(&failure, setup.style),
        Ok(report) => printed(|out| show(&report, setup, out).map(|()| Exit::Done)),
    }
}

fn apply(uci: &Uci) -> Result<Report, Failure> {
    let settings = uci.settings()?;
    let plan = planned(&settings)?;
    nothing_pending(uci)?;
    let commands: Vec<_> = plan.changes.iter().flat_map(|change| change.step.commands()).collect();
    let packages = packages_of(&commands);
    let path = undo_file(&settings);
    let former = read_undo(&path)?;
    let mut taken_back: Vec<_> = plan.changes.iter().rev().map(|change| change.step.undo()).collect();
    taken_back.extend(former.iter().flat_map(|undo| undo.commands.iter().cloned()));
    if !plan.changes.is_empty() {
        uci.stage(&commands)?;
        let whole =
            uci.settings().and_then(|staged| planned(&staged)).is_ok_and(|rest| rest.changes.is_empty());
        let kept = if whole { write_undo(&path, &Undo { commands: taken_back }) } else { Ok(()) };
        if !whole || kept.is_err() {
            uci.revert(&packages)?;
            kept?;
            return Err(Failure::new(
                Code::Internal,
                "uci did not take all of it, so nothing is changed",
                "",
            ));
        }
        uci.commit(&packages)?;
    }
    Ok(report(&plan, true))
}

fn undo(uci: &Uci) -> Result<Report, Failure> {
    let path = undo_file(&uci.settings()?);
    let Some(undo) = read_undo(&path)? else {
        let why = format!("nothing was set up: there is no {}", path.display());
        return Err(Failure::new(Code::Refused, why, "'lango setup' shows what is missing"));
    };
    nothing_pending(uci)?;
    uci.stage(&undo.commands)?;
    uci.commit(&packages_of(&undo.commands))?;
    fs::remove_file(&path).map_err(|error| file_failure(&path, &error))?;
    let changes = vec![Shown { why: "what was set up is taken back".to_owned(), commands: undo.commands }];
    Ok(Report { changes, notes: Vec::new(), applied: true, next: OUT_OF_USE.to_vec() })
}

fn planned(settings: &Settings) -> Result<Plan, Failure> {
    plan(settings).map_err(|refusal| Failure::new(Code::Refused, refusal.why, refusal.remedy))
}

/// What somebody else has begun is not committed along.
fn nothing_pending(uci: &Uci) -> Result<(), Failure> {
    match uci.pending()?.as_slice() {
        [] => Ok(()),
        pending => {
            let why = format!("there are changes of {} that are not committed", pending.join(", "));
            Err(Failure::new(Code::Refused, why, "save or revert them first: in LuCI, or with 'uci commit'"))
        }
    }
}

fn report(plan: &Plan, applied: bool) -> Report {
    let changes = plan.changes.iter();
    let changes =
        changes.map(|change| Shown { why: change.why.to_owned(), commands: change.step.commands() });
    Report { changes: changes.collect(), notes: plan.notes.clone(), applied, next: IN_USE.to_vec() }
}

/// `network` of `set network.guest=…`.
fn packages_of(commands: &[String]) -> Vec<String> {
    let targets = commands.iter().filter_map(|command| command.split_once(' ').map(|(_, target)| target));
    let packages = targets.filter_map(|target| target.split_once('.')).map(|(package, _)| package.to_owned());
    let mut packages = packages.collect::<Vec<_>>();
    packages.sort();
    packages.dedup();
    packages
}

fn undo_file(settings: &Settings) -> PathBuf {
    Path::new(&settings.of_gateway("state_dir")).join(UNDO)
}

/// Root does what stands there, so it has to be root's: the daemon's user may write in that directory.
fn read_undo(path: &Path) -> Result<Option<Undo>, Failure> {
    let open = || -> io::Result<Undo> {
        let file = File::open(path)?;
        if file.metadata()?.uid() != 0 {
            return Err(io::Error::new(ErrorKind::InvalidData, "somebody but root has written it"));
        }
        Ok(serde_json::from_reader(file)?)
    };
    match open() {
        Ok(undo) => Ok(Some(undo)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_failure(path, &error)),
    }
}

fn write_undo(path: &Path, undo: &Undo) -> Result<(), Failure> {
    let unfinished = path.with_extension("new");
    let put = || -> io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        if let Err(error) = fs::remove_file(&unfinished)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        // Never through a link that is there.
        let mut file = File::create_new(&unfinished)?;
        file.write_all(&serde_json::to_vec(undo)?)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    put().map_err(|error| file_failure(path, &error))
}

fn file_failure(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Code::NotStored,
        format!("{}: {error}", path.display()),
        "it is needed to undo; nothing is changed",
    )
}

fn show(report: &Report, setup: &Setup, out: &mut dyn Write) -> io::Result<()> {
    if setup.style == Style::Json {
        return print::json(report, out);
    }
    for Shown { why, commands } in &report.changes {
        writeln!(out, "# {why}")?;
        commands.iter().try_for_each(|command| writeln!(out, "uci {command}"))?;
        writeln!(out)?;
    }
    report.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))?;
    match setup.wish {
        _ if report.changes.is_empty() => writeln!(out, "nothing to do: all of it is there"),
        Wish::Show => writeln!(out, "'lango setup --apply' does this, and --undo takes it back"),
        Wish::Apply | Wish::Undo => writeln!(out, "done; to put it to use: {}", report.next.join("; ")),
    }
}

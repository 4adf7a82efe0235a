//! The help texts, from the table of commands.
//!
//! Owns: their form, and what is said of a command's exit codes, for `man` as well. Never: a command's words.
//! Neighbours: `commands` and `options` have the words, `completion` and `man` print the same table.

use super::commands::{COMMANDS, Command};
use super::options::{Opt, Spelling};
use crate::process::Exit;

/// `lango --help`.
pub(super) fn general() -> String {
    let head = "Lango, the gateway of a pay-as-you-go Wi-Fi hotspot\n\nUsage: lango COMMAND [OPTIONS]\n";
    let foot = "\n'lango COMMAND --help' explains a command, 'lango --version' says which Lango this is.\n\
                Exit codes: 0 done, 1 refused or not found, 2 usage, 69 daemon not reachable,\n\
                70 internal, 77 no permission, 78 configuration.\n";
    format!("{head}\nCommands:\n{}{foot}", listed(|_| true))
}

/// `lango voucher --help`.
pub(super) fn group(name: &str) -> String {
    let members = listed(|command| command.words.split_once(' ').is_some_and(|(group, _)| group == name));
    format!("Usage: lango {name} COMMAND [OPTIONS]\n\nCommands:\n{members}")
}

/// `lango status --help`.
pub(super) fn command(command: &Command) -> String {
    let options = command.options.iter().map(|opt| opt.spelling());
    let mut options = options.map(|spelling| (written(&spelling), spelling.about)).collect::<Vec<_>>();
    options.push(("--help".to_owned(), "print this"));
    format!(
        "{}\n\nUsage: {}\n\nOptions:\n{}\nExample:\n  {}\n\nExit codes:\n{}",
        command.about,
        usage(command),
        columns(&options),
        command.example,
        columns(&exits(command).map(|(exit, why)| ((exit as u8).to_string(), why)).collect::<Vec<_>>())
    )
}

/// A command with all that may follow it.
pub(super) fn usage(command: &Command) -> String {
    format!("lango {} {}", command.words, command.usage).trim_end().to_owned()
}

/// `--config PATH`
pub(super) fn written(Spelling { name, value, about: _ }: &Spelling) -> String {
    format!("--{name} {}", value.unwrap_or_default()).trim_end().to_owned()
}

/// How a command may end, and when.
pub(super) fn exits(command: &Command) -> impl Iterator<Item = (Exit, &'static str)> {
    let takes = |opt| command.options.contains(&opt);
    let works = !command.options.is_empty();
    let all = [
        (true, Exit::Done, "done"),
        (!command.refused.is_empty(), Exit::Refused, command.refused),
        (true, Exit::Usage, "the command line makes no sense"),
        (takes(Opt::Socket), Exit::Unreachable, "the daemon is not reachable"),
        (works, Exit::Internal, "a fault of the program or the system"),
        (works, Exit::NoPermission, "no permission"),
        (takes(Opt::Config), Exit::Configuration, "the configuration has errors"),
    ];
    all.into_iter().filter(|(may, ..)| *may).map(|(_, exit, why)| (exit, why))
}

fn listed(which: impl Fn(&Command) -> bool) -> String {
    let commands = COMMANDS.iter().filter(|command| which(command));
    columns(&commands.map(|command| (command.words.to_owned(), command.about)).collect::<Vec<_>>())
}

fn columns(rows: &[(String, &str)]) -> String {
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    rows.iter().map(|(left, right)| format!("  {left:width$}  {right}\n")).collect()
}

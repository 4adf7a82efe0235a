//! The help texts, from the table of commands.

use super::commands::{COMMANDS, Command};

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
    let spellings = command.options.iter().map(|opt| opt.spelling());
    let mut rows = spellings
        .map(|spelling| {
            let value = spelling.value.map(|value| format!(" {value}")).unwrap_or_default();
            (format!("--{}{value}", spelling.name), spelling.about)
        })
        .collect::<Vec<_>>();
    rows.push(("--help".to_owned(), "print this"));
    let gap = if command.usage.is_empty() { "" } else { " " };
    format!(
        "{}\n\nUsage: lango {}{gap}{}\n\nOptions:\n{}\nExample:\n  {}\n",
        command.about,
        command.words,
        command.usage,
        columns(&rows),
        command.example
    )
}

fn listed(which: impl Fn(&Command) -> bool) -> String {
    let commands = COMMANDS.iter().filter(|command| which(command));
    columns(&commands.map(|command| (command.words.to_owned(), command.about)).collect::<Vec<_>>())
}

fn columns(rows: &[(String, &str)]) -> String {
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    rows.iter().map(|(left, right)| format!("  {left:width$}  {right}\n")).collect()
}

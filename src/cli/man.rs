//! The manual, from the table of commands, as roff.
//!
//! Owns: its form, and the few paragraphs around the commands. Never: a command's words.
//! Neighbours: `commands` and `options` have the words, `help` says the same on the terminal.

use std::fmt::Write;

use super::commands::{COMMANDS, Command};
use super::help::{exits, usage, written};

/// `lango man`: the page for man(1).
pub(super) fn page() -> String {
    let mut page = format!(".TH LANGO 8 2026-11-22 \"lango {}\"\n{HEAD}", env!("CARGO_PKG_VERSION"));
    for command in COMMANDS {
        // Writing to a text cannot fail.
        let _ = section(command, &mut page);
    }
    page + FOOT
}

const HEAD: &str = ".SH NAME
lango \\- gateway of a pay\\-as\\-you\\-go Wi\\-Fi hotspot
.SH SYNOPSIS
.B lango
.I COMMAND
.RI [ OPTIONS ]
.SH DESCRIPTION
Lango holds every unpaid device of a guest network at a captive portal, takes vouchers and payments, and opens the
firewall of the kernel for a device for as long as was paid. The daemon is
.BR \"lango run\" ;
the other commands ask it over its control socket, or work on the store while it does not run. Options may stand before
or behind arguments. With
.B \\-\\-json
a failure is printed as {\"error\": {\"code\", \"message\", \"remedy\"}}.
.SH COMMANDS
";

const FOOT: &str = ".SH ENVIRONMENT
.TP
.B NO_COLOR
no colour on a terminal
.SH FILES
.TP
.I /etc/config/lango
the configuration
.TP
.I /etc/lango/lango.db
vouchers, sessions, and what is left of them
.TP
.I /var/run/lango/lango.sock
the control socket
";

fn section(command: &Command, page: &mut String) -> std::fmt::Result {
    writeln!(page, ".SS {}\n{}.", plain(&usage(command)), plain(command.about))?;
    for spelling in command.options.iter().map(|opt| opt.spelling()) {
        writeln!(page, ".TP\n.B {}\n{}", plain(&written(&spelling)), plain(spelling.about))?;
    }
    writeln!(page, ".PP\nExample:\n.PP\n.nf\n{}\n.fi\n.PP", plain(command.example))?;
    let exits = exits(command).map(|(exit, why)| format!("{} {}", exit as u8, plain(why)));
    writeln!(page, "Exit codes: {}.", exits.collect::<Vec<_>>().join("; "))
}

/// Text that roff takes for nothing else.
fn plain(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq")
}

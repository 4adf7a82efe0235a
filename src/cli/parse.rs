//! Reads a command line by the table of commands. Options may stand anywhere.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::Arg;

use super::commands::{COMMANDS, Command, LATER, Opt, not_yet};
use super::words::clean;
use super::{Failure, Invocation, Style, help};
use crate::wire::control::Code;

/// A command line that makes no sense, or asks for what this version does not have.
#[derive(Debug)]
pub struct Refused {
    pub(super) failure: Failure,
    pub(super) style: Style,
}

/// Reads the arguments, without the name of the program.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, Refused> {
    let args = args.into_iter().collect::<Vec<_>>();
    // Whoever asked for JSON gets it, wherever else the command line is wrong.
    let style = if args.iter().any(|arg| arg == "--json") { Style::Json } else { Style::Plain };
    split(args).and_then(resolve).map_err(|failure| Refused { failure, style })
}

/// What was on the command line of a command.
pub(super) struct Given {
    /// The words of the command; empty before it is known.
    command: &'static str,
    words: Vec<String>,
    options: Vec<(Opt, Option<OsString>)>,
}

impl Given {
    pub(super) fn has(&self, opt: Opt) -> bool {
        self.options.iter().any(|(given, _)| *given == opt)
    }

    /// The first argument.
    pub(super) fn word(&self) -> Option<&str> {
        self.words.first().map(String::as_str)
    }

    pub(super) fn path(&self, opt: Opt) -> Result<Option<PathBuf>, Failure> {
        match self.value(opt) {
            Some(path) if path.is_empty() => Err(self.wrong(opt, "the path is empty")),
            path => Ok(path.map(PathBuf::from)),
        }
    }

    pub(super) fn text(&self, opt: Opt) -> Result<Option<String>, Failure> {
        match self.value(opt).map(|value| value.to_str()) {
            Some(None) => Err(self.wrong(opt, "the value is not UTF-8")),
            text => Ok(text.flatten().map(str::to_owned)),
        }
    }

    /// The value as it is written after parsing it as an id.
    pub(super) fn id<T: FromStr<Err: Display> + Display>(&self, opt: Opt) -> Result<Option<String>, Failure> {
        match self.text(opt)?.map(|text| text.parse::<T>()) {
            Some(Err(error)) => Err(self.wrong(opt, &error.to_string())),
            id => Ok(id.and_then(Result::ok).map(|id| id.to_string())),
        }
    }

    pub(super) fn needed_id<T: FromStr<Err: Display> + Display>(&self, opt: Opt) -> Result<String, Failure> {
        let missing = || self.usage(&format!("--{} is missing", opt.spelling().name));
        self.id::<T>(opt)?.ok_or_else(missing)
    }

    /// Something is wrong with the value of `opt`.
    pub(super) fn wrong(&self, opt: Opt, why: &str) -> Failure {
        self.usage(&format!("--{}: {why}", opt.spelling().name))
    }

    /// Something is wrong with the command line.
    pub(super) fn usage(&self, why: &str) -> Failure {
        Failure::new(Code::Usage, why, usage(self.command))
    }

    fn value(&self, opt: Opt) -> Option<&OsString> {
        self.options.iter().find(|(given, _)| *given == opt).and_then(|(_, value)| value.as_ref())
    }
}

/// Where the usage of a command is explained.
pub(super) fn usage(command: &str) -> String {
    let gap = if command.is_empty() { "" } else { " " };
    format!("see 'lango {command}{gap}--help'")
}

/// What somebody wants instead of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Command,
    Help,
    Version,
}

/// Tells words, options and their values apart.
fn split(args: Vec<OsString>) -> Result<(Wish, Given), Failure> {
    let mut given = Given { command: "", words: Vec::new(), options: Vec::new() };
    let mut wish = Wish::Command;
    let mut parser = lexopt::Parser::from_args(args);
    loop {
        let arg = match parser.next() {
            Ok(None) => return Ok((wish, given)),
            Ok(Some(arg)) => arg,
            Err(error) => return Err(given.usage(&clean(&error.to_string()))),
        };
        let opt = match arg {
            Arg::Value(word) => match word.into_string() {
                Ok(word) => {
                    given.words.push(word);
                    continue;
                }
                Err(_) => return Err(given.usage("an argument is not UTF-8")),
            },
            Arg::Short('h') | Arg::Long("help") => {
                wish = Wish::Help;
                continue;
            }
            Arg::Short('V') | Arg::Long("version") => {
                wish = Wish::Version;
                continue;
            }
            Arg::Long(name) => match Opt::ALL.into_iter().find(|opt| opt.spelling().name == name) {
                Some(opt) => opt,
                None => return Err(unknown(&given, &format!("--{name}"))),
            },
            Arg::Short(letter) => return Err(unknown(&given, &format!("-{letter}"))),
        };
        if given.has(opt) {
            return Err(given.wrong(opt, "given twice"));
        }
        let value = match opt.spelling().value {
            Some(what) => Some(value_of(&mut parser, &given, opt, what)?),
            None => None,
        };
        given.options.push((opt, value));
    }
}

/// The value that follows `opt`; another option is none.
fn value_of(parser: &mut lexopt::Parser, given: &Given, opt: Opt, what: &str) -> Result<OsString, Failure> {
    if let Some(attached) = parser.optional_value() {
        return Ok(attached);
    }
    match parser.value() {
        Ok(value) if !value.as_encoded_bytes().starts_with(b"--") => Ok(value),
        Ok(_) | Err(_) => Err(given.wrong(opt, &format!("the value is missing ({what})"))),
    }
}

fn unknown(given: &Given, option: &str) -> Failure {
    // Commands of later versions have options that this one does not know.
    match later(given) {
        Some(command) => not_yet(&format!("'lango {command}'")),
        None => given.usage(&format!("unknown option {}", clean(option))),
    }
}

fn later(given: &Given) -> Option<&'static str> {
    LATER.iter().find(|later| given.word() == Some(later)).copied()
}

/// Finds the command and lets it read its arguments and options.
fn resolve((wish, mut given): (Wish, Given)) -> Result<Invocation, Failure> {
    if wish == Wish::Version {
        return Ok(Invocation::Say(concat!("lango ", env!("CARGO_PKG_VERSION"), "\n").to_owned()));
    }
    let Some(command) = COMMANDS.iter().find(|command| is_called(command, &given.words)) else {
        return no_command(wish, &given);
    };
    if wish == Wish::Help {
        return Ok(Invocation::Say(help::command(command)));
    }
    given.command = command.words;
    given.words.drain(..command.words.split(' ').count());
    if let Some((opt, _)) = given.options.iter().find(|(opt, _)| !command.options.contains(opt)) {
        return Err(given.usage(&format!("--{} is no option of this command", opt.spelling().name)));
    }
    if given.words.len() < *command.takes.start() {
        return Err(given.usage(&format!("an argument is missing ({})", command.usage)));
    }
    if given.words.len() > *command.takes.end() {
        let usage = if command.usage.is_empty() { "none" } else { command.usage };
        return Err(given.usage(&format!("too many arguments ({usage}); put quotes around spaces")));
    }
    (command.build)(&given)
}

/// The help for a group of commands or for all of them, or why there is no such command.
fn no_command(wish: Wish, given: &Given) -> Result<Invocation, Failure> {
    if let Some(command) = later(given) {
        return Err(not_yet(&format!("'lango {command}'")));
    }
    let names = COMMANDS.iter().filter_map(|command| command.words.split_once(' '));
    let members = names.filter(|(group, _)| given.word() == Some(group)).map(|(_, name)| name);
    let members = members.collect::<Vec<_>>().join(", ");
    match (given.words.as_slice(), members.as_str()) {
        ([], _) if wish == Wish::Help => Ok(Invocation::Say(help::general())),
        ([], _) => Err(given.usage("a command is missing")),
        ([name, ..], "") => Err(given.usage(&format!("unknown command {name:?}"))),
        ([group, ..], _) if wish == Wish::Help => Ok(Invocation::Say(help::group(group))),
        ([group], _) => Err(given.usage(&format!("'{group}' is followed by one of: {members}"))),
        ([group, name, ..], _) => {
            Err(given.usage(&format!("unknown command {name:?}; '{group}' is followed by one of: {members}")))
        }
    }
}

fn is_called(command: &Command, words: &[String]) -> bool {
    let mut given = words.iter();
    command.words.split(' ').all(|word| given.next().is_some_and(|given| given == word))
}

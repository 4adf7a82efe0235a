//! Reads a command line by the table of commands. Options may stand anywhere.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::Arg;

use super::commands::{COMMANDS, Command};
use super::options::Opt;
use super::{Failure, Invocation, Style, help};
use crate::telemetry::clean;
use crate::wire::control::Code;

/// A command line that makes no sense.
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

    /// The arguments.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
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
    given.usage(&format!("unknown option {}", clean(option)))
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

#[cfg(test)]
mod tests {
    use super::super::{Ask, Errand, Place};
    use super::*;
    use crate::wire::control::{Form, Meant, NewVouchers, Request, Target, TypedCode, Whose};

    const MAC: &str = "02:00:00:00:00:01";

    /// `line` is split at spaces; `_` stands for a space inside an argument.
    fn args(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(|arg| arg.replace('_', " ").into()).collect()
    }

    fn asked(line: &str) -> Ask {
        match parse(args(line)) {
            Ok(Invocation::Ask(ask)) => ask,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn request(line: &str) -> Request {
        match asked(line).errand {
            Errand::One(request) => request,
            other @ (Errand::Sessions(_)
            | Errand::Metrics(_)
            | Errand::Import { .. }
            | Errand::Backup(_)
            | Errand::Enrol { .. }) => {
                panic!("{line}: {other:?}")
            }
        }
    }

    fn new(count: u32, prefix: Option<&str>, form: Form) -> Request {
        let prefix = prefix.map(str::to_owned);
        Request::VoucherNew(NewVouchers { plan: "hour".to_owned(), count, prefix, form })
    }

    #[test]
    fn good_command_lines_become_their_request() {
        let login = Request::Login { mac: MAC.to_owned(), plan: "hour".to_owned() };
        let code = || TypedCode::new("4821 9937 05".to_owned());
        let phone = Whose::Phone { last4: TypedCode::new("0417".to_owned()) };
        for (line, expected) in [
            ("status", Request::Status),
            ("sessions", Request::Sessions),
            ("login 02:00:00:00:00:01 --plan hour", login.clone()),
            ("login --plan hour 02-00-00-00-00-01", login.clone()),
            ("login --plan=hour --json 02:00:00:00:00:01", login.clone()),
            ("--plan hour login 02:00:00:00:00:01", login.clone()),
            ("--json --plan hour login -- 02:00:00:00:00:01", login),
            ("logout 02:00:00:00:00:01", Request::Logout(Target::Mac { mac: MAC.to_owned() })),
            ("logout --session s-310", Request::Logout(Target::Session { session: "s-310".to_owned() })),
            ("logout --session 310", Request::Logout(Target::Session { session: "s-310".to_owned() })),
            ("voucher new --plan hour", new(1, None, Form::Digits)),
            ("voucher new --plan hour --count 10000", new(10_000, None, Form::Digits)),
            ("voucher new --plan hour --form digits", new(1, None, Form::Digits)),
            ("voucher new --plan hour --self-verifying --count 2", new(2, None, Form::SelfVerifying)),
            ("voucher new --plan hour --form letters", new(1, None, Form::Letters)),
            ("voucher new --plan hour --form digits --weak", new(1, None, Form::WeakDigits)),
            ("voucher new --weak --plan hour --prefix K2", new(1, Some("K2"), Form::WeakDigits)),
            ("voucher new --plan hour --prefix=", new(1, None, Form::Digits)),
            ("voucher show 4821_9937_05", Request::VoucherShow { code: code() }),
            ("voucher --json revoke 4821_9937_05", Request::VoucherRevoke { code: code() }),
            ("voucher list", Request::VoucherList { batch: None }),
            ("voucher list --batch B12", Request::VoucherList { batch: Some("B12".to_owned()) }),
            ("plan list", Request::PlanList),
            ("metrics", Request::Metrics),
            ("sync", Request::Sync),
            ("sync --now", Request::SyncNow),
            ("export --mac 02-00-00-00-00-01", Request::Export { whose: Whose::Mac { mac: MAC.to_owned() } }),
            (
                "export --code 4821_9937_05 --format csv",
                Request::Export { whose: Whose::Code { code: code() } },
            ),
            ("forget --code 4821_9937_05", Request::Forget { whose: Whose::Code { code: code() } }),
            ("forget --phone +255_700_000417", Request::Forget { whose: phone.clone() }),
            ("forget --phone=0417 --json", Request::Forget { whose: phone }),
            ("forget --all", Request::Forget { whose: Whose::All }),
            ("doctor", Request::Doctor { mac: None }),
            ("doctor 02:00:00:00:00:01", Request::Doctor { mac: Some(MAC.to_owned()) }),
        ] {
            assert_eq!(request(line), expected, "{line}");
        }
    }

    #[test]
    fn what_was_bought_is_named_by_whatever_is_at_hand() {
        let code = || TypedCode::new("4821 9937 05".to_owned());
        for (line, expected) in [
            (
                "topup 4821_9937_05 --time 1h --data 500MB",
                Request::Topup { of: Meant::Code { code: code() }, seconds: 3600, bytes: 500_000_000 },
            ),
            (
                "topup --mac 02-00-00-00-00-01 --data 1KiB",
                Request::Topup { of: Meant::Mac { mac: MAC.to_owned() }, seconds: 0, bytes: 1024 },
            ),
            (
                "extend --session 310 --by 2d",
                Request::Extend { of: Meant::Session { session: "s-310".to_owned() }, seconds: 172_800 },
            ),
            (
                "refund 4821_9937_05 --reason no_signal",
                Request::Refund { of: Meant::Code { code: code() }, reason: Some("no signal".to_owned()) },
            ),
            (
                "move 4821_9937_05 02-00-00-00-00-01",
                Request::Move { of: Meant::Code { code: code() }, to: MAC.to_owned() },
            ),
            (
                "move 02:00:00:00:00:01 --session 310",
                Request::Move { of: Meant::Session { session: "s-310".to_owned() }, to: MAC.to_owned() },
            ),
            (
                "merge 4821_9937_05 02-00-00-00-00-01",
                Request::Merge {
                    kept: Meant::Code { code: code() },
                    other: Meant::Mac { mac: MAC.to_owned() },
                },
            ),
            (
                "merge s-310 310",
                Request::Merge {
                    kept: Meant::Session { session: "s-310".to_owned() },
                    other: Meant::Code { code: TypedCode::new("310".to_owned()) },
                },
            ),
        ] {
            assert_eq!(request(line), expected, "{line}");
        }
    }

    #[test]
    fn options_say_where_and_how() {
        for (line, place) in [
            ("status", "Socket(\"/var/run/lango/lango.sock\")"),
            ("status --socket /tmp/s", "Socket(\"/tmp/s\")"),
            ("plan list --offline", "Offline(\"/etc/config/lango\")"),
            ("--offline --config /tmp/c voucher list", "Offline(\"/tmp/c\")"),
        ] {
            assert_eq!(format!("{:?}", asked(line).place), place, "{line}");
        }
        for (line, place) in [
            ("enrol https://a.b c", "Socket(\"/var/run/lango/lango.sock\")"),
            ("enrol https://a.b c --config /c", "Offline(\"/c\")"),
            ("enrol https://a.b c --offline", "Offline(\"/etc/config/lango\")"),
        ] {
            assert_eq!(format!("{:?}", asked(line).place), place, "{line}");
        }
        assert!(matches!(asked("status --socket /tmp/s").place, Place::Socket(_)));
        assert_eq!(asked("status --json").style, Style::Json);
        assert_eq!(asked("voucher new --plan hour --print").style, Style::Sheet);
        assert_eq!(asked("export --all --format csv").style, Style::Csv);
        assert_eq!(asked("export --all --format json").style, Style::Plain);
        assert_eq!(asked("sessions").style, Style::Plain);
        assert!(
            matches!(asked("voucher import a.csv").errand, Errand::Import { path, dry_run: false } if path.ends_with("a.csv"))
        );
    }

    #[test]
    fn the_daemon_and_the_check_take_their_options() {
        let Ok(Invocation::Run(run)) = parse(args("run --config /c --log syslog --log-level debug")) else {
            panic!("not run");
        };
        assert_eq!((run.config.as_path(), run.level), ("/c".as_ref(), tracing::Level::DEBUG));
        assert_eq!(run.log, crate::telemetry::Target::Syslog);
        let Ok(Invocation::Check(path, Style::Plain)) = parse(args("check")) else { panic!("not check") };
        assert_eq!(path.as_path(), "/etc/config/lango");
    }

    #[test]
    fn bad_command_lines_say_what_is_wrong() {
        for (line, why) in [
            ("", "a command is missing"),
            ("--json", "a command is missing"),
            ("frobnicate", "unknown command \"frobnicate\""),
            ("Status", "unknown command \"Status\""),
            ("voucher", "'voucher' is followed by one of: new, show, revoke, list, report, reprint, import"),
            ("voucher make", "unknown command \"make\"; 'voucher' is"),
            ("plan", "'plan' is followed by one of: list"),
            ("show voucher", "unknown command \"show\""),
            ("status now", "too many arguments"),
            ("status --frob", "unknown option --frob"),
            ("status -x", "unknown option -x"),
            ("status --json=1", "unexpected argument for option '--json'"),
            ("status --json --json", "--json: given twice"),
            ("status --plan hour", "--plan is no option of this command"),
            ("status --offline", "--offline is no option of this command"),
            ("status --socket", "--socket: the value is missing (PATH)"),
            ("status --socket --json", "--socket: the value is missing (PATH)"),
            ("status --socket=", "--socket: the path is empty"),
            ("sessions --sort up", "--sort: \"up\" is no order"),
            ("top --json", "--json is no option of this command"),
            ("metrics --file=", "--file: the path is empty"),
            ("completion fish", "\"fish\" is neither bash nor zsh"),
            ("run --json", "--json is no option of this command"),
            ("run --log journal", "--log: \"journal\" is neither stderr nor syslog"),
            ("run --log-level loud", "--log-level: \"loud\" is no level"),
            ("run /etc/config/lango", "too many arguments"),
            ("check --config", "--config: the value is missing"),
            ("login", "an argument is missing (MAC --plan PLAN)"),
            ("login 02:00:00:00:00:01", "--plan is missing"),
            ("login 02:00:00:00:00 --plan hour", "\"02:00:00:00:00\" is not the MAC address"),
            ("login ff:ff:ff:ff:ff:ff --plan hour", "is not the MAC address"),
            ("login 02:00:00:00:00:01 --plan a/b", "--plan: \"a/b\" is not the name of a plan"),
            ("login 02:00:00:00:00:01 02:00:00:00:00:02 --plan hour", "too many arguments"),
            ("logout", "a MAC or --session is missing"),
            ("logout 02:00:00:00:00:01 --session s-1", "a MAC and --session exclude each other"),
            ("logout --session x", "--session: \"x\" is not a session"),
            ("voucher new", "--plan is missing"),
            ("voucher new --plan hour --count 0", "--count: \"0\" is not a number from 1 to 10000"),
            ("voucher new --plan hour --count 10001", "is not a number from 1 to 10000"),
            ("voucher new --plan hour --count +5", "is not a number from 1 to 10000"),
            ("voucher new --plan hour --count -5", "is not a number from 1 to 10000"),
            ("voucher new --plan hour --count many", "is not a number from 1 to 10000"),
            ("voucher new --plan hour --count 99999999999", "is not a number from 1 to 10000"),
            ("voucher new --plan hour --form roman", "--form: \"roman\" is neither digits nor letters"),
            ("voucher new --plan hour --prefix TOOLONGX", "--prefix: a prefix has at most 6 symbols"),
            ("voucher new --plan hour --prefix OIL", "--prefix: 'O' cannot be in a prefix"),
            ("voucher new --plan hour --print --json", "--print and --json exclude each other"),
            ("enrol https://bos.example.net", "an argument is missing (URL CLAIM"),
            ("enrol https://bos.example.net a b", "too many arguments"),
            ("enrol https://bos.example.net c --config /c --socket /s", "exclude each other"),
            ("voucher new --plan hour --self-verifying --weak", "--weak: codes that prove themselves"),
            ("voucher new --plan hour --self-verifying --prefix A", "--prefix: codes that prove themselves"),
            ("voucher new hour", "too many arguments"),
            ("voucher show", "an argument is missing (CODE)"),
            ("voucher show 4821 9937 05", "put quotes around spaces"),
            ("voucher list --batch a_b", "--batch: \"a b\" is not the name of a batch"),
            ("voucher import", "an argument is missing (FILE.csv [--dry-run])"),
            ("voucher list --config /c", "--config needs --offline"),
            ("voucher list --offline --socket /s", "--offline and --socket exclude each other"),
            ("doctor me", "\"me\" is not the MAC address"),
        ] {
            refused_for(line, why);
        }
    }

    fn refused_for(line: &str, why: &str) {
        let failure = parse(args(line)).unwrap_err().failure;
        assert_eq!(failure.code, Code::Usage, "{line}");
        assert!(failure.message.contains(why), "{line}: {}", failure.message);
        assert!(failure.remedy.starts_with("see 'lango "), "{line}: {}", failure.remedy);
    }

    #[test]
    fn a_person_is_named_once() {
        for (line, why) in [
            ("export", "one of --mac, --code, --phone and --all is missing"),
            ("forget", "one of --mac, --code, --phone and --all is missing"),
            ("forget --all --mac 02:00:00:00:00:01", "exclude each other"),
            ("forget --code 1 --phone 0417", "exclude each other"),
            ("forget --mac me", "--mac: \"me\" is not the MAC address"),
            ("forget --phone 41", "--phone: takes a phone number, or its last four digits"),
            ("forget --code=", "--code: the code is empty"),
            ("forget 4821993705", "too many arguments"),
            ("forget --all --format csv", "--format is no option of this command"),
            ("export --all --format xml", "--format: \"xml\" is neither json nor csv"),
            ("export --all --format csv --json", "exclude each other"),
        ] {
            refused_for(line, why);
        }
    }

    #[test]
    fn a_code_is_never_repeated_by_an_error() {
        for line in [
            "voucher show 4821 9937 05",
            "voucher revoke 4821993705 x",
            "voucher show 4821993705 --batch b",
            "forget --code 4821993705 --all",
            "export --phone 4821x",
        ] {
            let failure = parse(args(line)).unwrap_err().failure;
            assert!(!failure.message.contains("4821"), "{}", failure.message);
        }
    }

    #[test]
    fn every_command_has_a_help_with_its_options_and_an_example() {
        let said = |line: &str| match parse(args(line)) {
            Ok(Invocation::Say(text)) => text,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(said("--version"), "lango 0.1.0\n");
        let general = said("--help");
        for command in COMMANDS {
            let help = said(&format!("{} --help", command.words));
            assert!(general.contains(command.words) && help.contains(command.example));
            for opt in command.options {
                let option = format!("--{}", opt.spelling().name);
                assert!(help.contains(&option), "{}", command.words);
                // What most commands take is not repeated by each usage.
                let common = [Opt::Json, Opt::Socket, Opt::Offline, Opt::Config, Opt::Log, Opt::LogLevel];
                assert!(
                    common.contains(opt) || command.usage.contains(&option),
                    "{}: {option}",
                    command.words
                );
            }
            let example =
                command.example.strip_prefix("lango ").unwrap().replace("'4821 9937 05'", "4821_9937_05");
            let example = example.split(" > ").next().unwrap();
            assert!(parse(args(example)).is_ok(), "{example}");
        }
        assert!(said("voucher --help").contains("voucher import"));
    }
}

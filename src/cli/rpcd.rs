//! The plugin of rpcd: what LuCI and `ubus call lango METHOD` come by.
//!
//! Owns: the methods, their arguments, and the one JSON object that each answers with.
//! Never: what a method means: each is a command, read by `parse` as if somebody had typed it.
//!
//! rpcd runs `PATH list` at its start, which must not wait for anything, and `PATH call METHOD` with the arguments
//! as JSON on stdin. It ignores the exit code and stderr, takes only an object, and lets no answer through that is
//! longer than a message of ubus.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::ask::{fail, failure_of, printed, run, unanswered};
use super::{Errand, Failure, Invocation, Place, Request, Style, parse, print, sheet};
use crate::control::{Client, ClientError};
use crate::process::Exit;
use crate::wire::control::{Answer, Code, REQUEST_MAX};

/// The folder of rpcd's plugins is called so, wherever it is.
const FOLDER: &str = "rpcd";

/// How long rpcd may wait for an answer that is only read.
const READING: Duration = Duration::from_secs(3);
/// As long for one that is on flash first; a page of LuCI waits 20 s.
const WRITING: Duration = Duration::from_secs(15);

/// Rows of an answer, at most: 1 MiB is the longest message of ubus.
const ROWS_MAX: usize = 1000;
/// Vouchers of a sheet, at most, for the same reason.
const SHEET_MAX: u32 = 96;

/// What rpcd says besides the arguments: whose session it is.
const SESSION: &str = "ubus_rpc_session";

type Arguments = &'static [(&'static str, Kind)];

/// One method.
struct Method {
    name: &'static str,
    /// The command that it is.
    words: &'static str,
    takes: Arguments,
    /// What the rows are called of a command that prints an array.
    rows: &'static str,
    patience: Duration,
}

/// Of what type an argument is, and where it stands on a command line.
#[derive(Clone, Copy)]
enum Kind {
    /// A text, behind the options.
    Word,
    /// An option with a text.
    Text,
    /// An option with a number.
    Number,
    /// An option without a value.
    Flag,
}

const METHODS: &[Method] = &[
    read("status", "status", &[], ""),
    read("sessions", "sessions", &[], "sessions"),
    write("login", "login", &[("mac", Kind::Word), ("plan", Kind::Text)], ""),
    write("logout", "logout", &[("mac", Kind::Word), ("session", Kind::Text)], ""),
    write(
        "voucher_new",
        "voucher new",
        &[
            ("plan", Kind::Text),
            ("count", Kind::Number),
            ("prefix", Kind::Text),
            ("form", Kind::Text),
            ("weak", Kind::Flag),
            ("self_verifying", Kind::Flag),
            ("print", Kind::Flag),
        ],
        "vouchers",
    ),
    read("voucher_show", "voucher show", &[("code", Kind::Word)], ""),
    write("voucher_revoke", "voucher revoke", &[("code", Kind::Word)], ""),
    read("voucher_list", "voucher list", &[("batch", Kind::Text)], "vouchers"),
    read("plans", "plan list", &[], "plans"),
    read("doctor", "doctor", &[("mac", Kind::Word)], "checks"),
];

/// What changes nothing.
const fn read(name: &'static str, words: &'static str, takes: Arguments, rows: &'static str) -> Method {
    Method { name, words, takes, rows, patience: READING }
}

const fn write(name: &'static str, words: &'static str, takes: Arguments, rows: &'static str) -> Method {
    Method { patience: WRITING, ..read(name, words, takes, rows) }
}

/// Whether the program was started by this name as a plugin of rpcd.
pub fn is_plugin(program: &OsStr) -> bool {
    Path::new(program).parent().and_then(Path::file_name).is_some_and(|folder| folder == FOLDER)
}

/// Does what rpcd asks by the arguments that follow the name. Behind the method, options of its command may stand.
pub fn plugin(args: impl IntoIterator<Item = OsString>) -> Exit {
    let mut args = args.into_iter();
    let verb = args.next().unwrap_or_default();
    let method = args.next().and_then(|method| method.into_string().ok());
    match (verb.to_str(), method) {
        (Some("list"), None) => say(&signature()),
        (Some("call"), Some(method)) => say(&answer(&method, args, io::stdin().lock())),
        (_, _) => fail(&Failure::new(Code::Usage, "rpcd says list, or call METHOD", ""), Style::Plain),
    }
}

fn say(value: &Value) -> Exit {
    printed(|out| print::json(value, out).map(|()| Exit::Done))
}

/// The methods, with an example of each argument, which tells its type.
fn signature() -> Value {
    let example = |kind| match kind {
        Kind::Word | Kind::Text => json!(""),
        Kind::Number => json!(0),
        Kind::Flag => json!(false),
    };
    let arguments = |method: &Method| {
        method.takes.iter().map(|(name, kind)| ((*name).to_owned(), example(*kind))).collect()
    };
    METHODS.iter().map(|method| (method.name.to_owned(), Value::Object(arguments(method)))).collect()
}

/// The answer to a call, or why there is none; an object either way.
fn answer(method: &str, options: impl Iterator<Item = OsString>, given: impl Read) -> Value {
    called(method, options, given).unwrap_or_else(|failure| json!({"error": failure}))
}

fn called(name: &str, options: impl Iterator<Item = OsString>, given: impl Read) -> Result<Value, Failure> {
    let method = METHODS.iter().find(|method| method.name == name);
    let method = method.ok_or_else(|| usage(format!("unknown method {name:?}")))?;
    let given = arguments(given)?;
    let user = if method.patience == WRITING { user_of(&given) } else { String::new() };
    let line = command_line(method, options, &given)?;
    let ask = match parse(line) {
        Ok(Invocation::Ask(ask)) => ask,
        Ok(
            Invocation::Say(_)
            | Invocation::Run(_)
            | Invocation::Check(..)
            | Invocation::Hold(_)
            | Invocation::Top(_)
            | Invocation::Restore(_)
            | Invocation::Setup(_),
        ) => {
            return Err(usage("the method has no such options".to_owned()));
        }
        Err(refused) => return Err(refused.failure),
    };
    let Place::Socket(path) = ask.place else {
        return Err(usage("a method asks the daemon".to_owned()));
    };
    bounded(&ask.errand, ask.style)?;
    let mut client = match Client::connect(&path) {
        Ok(client) => client.within(method.patience).by_ubus(user),
        Err(error @ ClientError::NotRunning(..)) if name == "status" => return Ok(not_running(&error)),
        Err(error) => return Err(failure_of(&error)),
    };
    let answer =
        run(ask.errand, REQUEST_MAX, &mut |request| client.ask(&request).unwrap_or_else(unanswered))?;
    let mut object = object(method, &answer);
    if let (Answer::VoucherNew(made), Style::Sheet) = (&answer, ask.style) {
        let mut html = Vec::new();
        // Writing to a vector cannot fail.
        let _ = sheet::write(made, &mut html);
        object.insert("html".to_owned(), String::from_utf8_lossy(&html).into());
    }
    if let Answer::Status(_) = answer {
        object.insert("running".to_owned(), true.into());
    }
    Ok(Value::Object(object))
}

/// The object on stdin; nothing at all is one without arguments.
fn arguments(given: impl Read) -> Result<Map<String, Value>, Failure> {
    let mut bytes = Vec::new();
    let read = given.take(REQUEST_MAX as u64).read_to_end(&mut bytes);
    if read.is_ok() && bytes.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        // The error is not repeated: it may hold a code.
        Ok(_) | Err(_) => Err(usage("the arguments are no JSON object".to_owned())),
    }
}

/// Who has logged in to the session that the call is of, for the trail; empty: nobody knows.
fn user_of(given: &Map<String, Value>) -> String {
    let Some(Value::String(session)) = given.get(SESSION) else { return String::new() };
    let asked = json!({SESSION: session, "keys": ["username"]}).to_string();
    #[expect(clippy::disallowed_methods, reason = "a command for operators, not the daemon")]
    let mut ubus = Command::new("ubus");
    ubus.args(["-S", "-t", "2", "call", "session", "get", &asked]).stdin(Stdio::null()).stderr(Stdio::null());
    let said = ubus.output().map(|output| output.stdout).unwrap_or_default();
    let said: Value = serde_json::from_slice(&said).unwrap_or_default();
    said["values"]["username"].as_str().unwrap_or_default().to_owned()
}

/// The command line that says the same.
fn command_line(
    method: &Method,
    options: impl Iterator<Item = OsString>,
    given: &Map<String, Value>,
) -> Result<Vec<OsString>, Failure> {
    let mut line: Vec<_> = method.words.split(' ').map(OsString::from).chain(options).collect();
    let mut words = vec![OsString::from("--")];
    for (name, value) in given.iter().filter(|(name, _)| *name != SESSION) {
        let kind = method.takes.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| usage(format!("unknown argument {name:?}")))?;
        let option = name.replace('_', "-");
        match (kind, value) {
            // As a form leaves them that nobody has filled.
            (_, Value::Null) | (Kind::Flag, Value::Bool(false)) => {}
            (_, Value::String(text)) if text.is_empty() => {}
            (Kind::Word, Value::String(text)) => words.push(text.into()),
            (Kind::Text | Kind::Number, Value::String(text)) => {
                line.push(format!("--{option}={text}").into())
            }
            (Kind::Number, Value::Number(number)) => line.push(format!("--{option}={number}").into()),
            (Kind::Flag, Value::Bool(true)) => line.push(format!("--{option}").into()),
            (_, _) => return Err(usage(format!("argument {name:?} is of another type"))),
        }
    }
    line.extend(words);
    Ok(line)
}

/// Refuses what would be done, and then be too long to be told.
fn bounded(errand: &Errand, style: Style) -> Result<(), Failure> {
    let Errand::One(Request::VoucherNew(wish)) = errand else { return Ok(()) };
    let most = if style == Style::Sheet { SHEET_MAX } else { u32::try_from(ROWS_MAX).unwrap_or(u32::MAX) };
    if wish.count <= most {
        return Ok(());
    }
    let why =
        format!("{} vouchers are more than {most}, which is the most that are made at once here", wish.count);
    Err(Failure::new(Code::Usage, why, "make them in parts, or with 'lango voucher new'"))
}

fn object(method: &Method, answer: &Answer) -> Map<String, Value> {
    match print::value(answer) {
        Value::Object(object) => object,
        Value::Array(mut rows) => {
            // The last ones were made last.
            let left_out = rows.len().saturating_sub(ROWS_MAX);
            rows.drain(..left_out);
            [(method.rows.to_owned(), rows.into()), ("left_out".to_owned(), left_out.into())]
                .into_iter()
                .collect()
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            [("text".to_owned(), other)].into_iter().collect()
        }
    }
}

fn not_running(error: &ClientError) -> Value {
    let Failure { message, remedy, .. } = failure_of(error);
    json!({"running": false, "version": env!("CARGO_PKG_VERSION"), "message": message, "remedy": remedy})
}

fn usage(why: String) -> Failure {
    Failure::new(Code::Usage, why, "see the methods with 'ubus -v list lango'")
}

#[cfg(test)]
mod tests {
    use super::super::Ask;
    use super::*;
    use crate::wire::control::{Form, NewVouchers, Target, TypedCode};

    fn method(name: &str) -> &'static Method {
        METHODS.iter().find(|method| method.name == name).unwrap()
    }

    fn request(name: &str, given: Value) -> Result<(Request, Style), Failure> {
        let Value::Object(given) = given else { panic!("no object") };
        match parse(command_line(method(name), std::iter::empty(), &given)?) {
            Ok(Invocation::Ask(Ask { errand: Errand::One(request), style, .. })) => Ok((request, style)),
            Ok(other) => panic!("{name}: {other:?}"),
            Err(refused) => Err(refused.failure),
        }
    }

    #[test]
    fn calls_become_the_requests_of_the_commands() {
        let mac = "02:00:00:00:00:01".to_owned();
        let code = TypedCode::new("--4821 9937 05".to_owned());
        let vouchers = |count, prefix: Option<&str>, form| {
            Request::VoucherNew(NewVouchers {
                plan: "hour".to_owned(),
                count,
                prefix: prefix.map(str::to_owned),
                form,
            })
        };
        for (name, given, expected) in [
            ("status", json!({}), Request::Status),
            ("status", json!({"ubus_rpc_session": "5e55"}), Request::Status),
            ("sessions", json!({}), Request::Sessions),
            (
                "login",
                json!({"plan": "hour", "mac": "02-00-00-00-00-01"}),
                Request::Login { mac: mac.clone(), plan: "hour".to_owned() },
            ),
            ("logout", json!({"mac": mac, "session": ""}), Request::Logout(Target::Mac { mac: mac.clone() })),
            (
                "logout",
                json!({"session": "s-310", "mac": null}),
                Request::Logout(Target::Session { session: "s-310".to_owned() }),
            ),
            ("voucher_new", json!({"plan": "hour"}), vouchers(1, None, Form::Digits)),
            (
                "voucher_new",
                json!({"plan": "hour", "count": 24, "prefix": "K2", "form": "digits", "weak": true}),
                vouchers(24, Some("K2"), Form::WeakDigits),
            ),
            (
                "voucher_new",
                json!({"plan": "hour", "count": "2", "self_verifying": true, "print": false}),
                vouchers(2, None, Form::SelfVerifying),
            ),
            ("voucher_show", json!({"code": "--4821 9937 05"}), Request::VoucherShow { code: code.clone() }),
            ("voucher_revoke", json!({"code": "--4821 9937 05"}), Request::VoucherRevoke { code }),
            ("voucher_list", json!({"batch": "B12"}), Request::VoucherList { batch: Some("B12".to_owned()) }),
            ("plans", json!({}), Request::PlanList),
            ("doctor", json!({"mac": mac}), Request::Doctor { mac: Some(mac.clone()) }),
        ] {
            assert_eq!(request(name, given).unwrap().0, expected, "{name}");
        }
        let printed = request("voucher_new", json!({"plan": "hour", "print": true})).unwrap();
        assert_eq!(printed.1, Style::Sheet);
    }

    #[test]
    fn calls_that_make_no_sense_are_refused_and_repeat_no_code() {
        for (name, given, why) in [
            ("status", json!({"now": true}), "unknown argument \"now\""),
            ("login", json!({"mac": "02:00:00:00:00:01"}), "--plan is missing"),
            ("login", json!({"mac": "--json", "plan": "hour"}), "is not the MAC address"),
            ("login", json!({"mac": "02:00:00:00:00:01", "plan": "--socket=/tmp/s"}), "--plan: "),
            ("voucher_new", json!({"plan": "hour", "count": -1}), "--count: "),
            ("voucher_new", json!({"plan": "hour", "count": 1.5}), "--count: "),
            ("voucher_new", json!({"plan": ["hour"]}), "argument \"plan\" is of another type"),
            ("voucher_new", json!({"plan": "hour", "weak": "yes"}), "argument \"weak\" is of another type"),
            ("voucher_show", json!({"code": 4_821_993_705_u64}), "argument \"code\" is of another type"),
            ("voucher_show", json!({}), "an argument is missing"),
        ] {
            let failure = request(name, given).unwrap_err();
            assert_eq!(failure.code, Code::Usage, "{name}");
            assert!(
                failure.message.contains(why) && !failure.message.contains("4821"),
                "{}",
                failure.message
            );
        }
    }

    #[test]
    fn it_is_a_plugin_by_the_folder_that_it_stands_in() {
        for (name, expected) in [
            ("/usr/libexec/rpcd/lango", true),
            ("rpcd/lango", true),
            ("/usr/sbin/lango", false),
            ("lango", false),
            ("/usr/sbin/rpcd", false),
            ("", false),
        ] {
            assert_eq!(is_plugin(name.as_ref()), expected, "{name}");
        }
    }
}

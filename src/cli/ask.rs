//! Does a command: asks, prints the answer, and tells how it ended.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use super::screen::Paint;
use super::{Ask, Errand, Failure, Pack, Place, Refused, Request, Style, backup, doctor, import, print};
use crate::control::{Client, ClientError};
use crate::process::Exit;
use crate::telemetry::clean;
use crate::wire::control::{Answer, Code, Joining, REQUEST_MAX, Response};

/// Bytes of a part of a file when there is no socket that limits it: each opens the store anew.
const OFFLINE_PART: usize = 1 << 20;

/// Asks the daemon, or without one `offline`, which gets the path of the configuration. What was copied for a backup,
/// `pack` makes a file of.
pub fn ask(ask: Ask, offline: impl Fn(&Path, Request) -> Response, pack: Pack) -> Exit {
    if let Errand::Backup(target) = &ask.errand {
        let mut copy = || done(Errand::One(Request::Backup), &ask.place, &offline);
        return match backup::write(target, &mut copy, pack) {
            Ok(done) => backup::show(&done, ask.style),
            Err(failure) => fail(&failure, ask.style),
        };
    }
    match done(ask.errand, &ask.place, offline) {
        Ok(answer) => printed(|out| print::answer(&answer, ask.style, Paint::of_stdout(), out)),
        Err(failure) => fail(&failure, ask.style),
    }
}

fn done(
    errand: Errand,
    place: &Place,
    offline: impl Fn(&Path, Request) -> Response,
) -> Result<Answer, Failure> {
    match place {
        Place::Socket(path) => match Client::connect(path) {
            Ok(mut client) => {
                run(errand, REQUEST_MAX, &mut |request| client.ask(&request).unwrap_or_else(unanswered))
            }
            Err(error) => Err(failure_of(&error)),
        },
        Place::Offline(config) => run(errand, OFFLINE_PART, &mut |request| offline(config, request)),
    }
}

/// Prints why a command line was refused.
pub fn refuse(refused: &Refused) -> Exit {
    let exit = fail(&refused.failure, refused.style);
    if refused.style == Style::Json && refused.failure.code == Code::Usage {
        // A person may be reading as well as a program.
        complain(&refused.failure);
    }
    exit
}

/// Prints a text.
pub fn say(text: &str) -> Exit {
    printed(|out| out.write_all(text.as_bytes()).map(|()| Exit::Done))
}

/// Does an errand by requests of at most `max` bytes.
pub(super) fn run(
    errand: Errand,
    max: usize,
    ask: &mut dyn FnMut(Request) -> Response,
) -> Result<Answer, Failure> {
    let mut answer = |request| match ask(request) {
        Response::Ok(answer) => Ok(answer),
        Response::Error(failure) => Err(failure),
    };
    match errand {
        Errand::One(request) => answer(request).map(doctor::examined),
        Errand::Sessions(order) => {
            let mut answer = answer(Request::Sessions)?;
            if let Answer::Sessions(sessions) = &mut answer {
                order.apply(sessions);
            }
            Ok(answer)
        }
        Errand::Metrics(path) => {
            let Answer::Metrics(text) = answer(Request::Metrics)? else { return Err(stray()) };
            replace(&path, &text).map(|()| Answer::Metrics(String::new()))
        }
        Errand::Enrol { url, claim, ca } => {
            let ca = ca.map(|path| pem(&path)).transpose()?;
            answer(Request::Enrol(Joining { url, claim, ca }))
        }
        Errand::Backup(_) => answer(Request::Backup),
        Errand::Import { path, dry_run } => import::run(&path, dry_run, max, &mut answer),
    }
}

/// The certificates of a file.
fn pem(path: &Path) -> Result<String, Failure> {
    let bad = |why: &str| {
        Failure::new(Code::BadFile, format!("{}: {why}", path.display()), "--ca takes certificates, as PEM")
    };
    let text = fs::read_to_string(path).map_err(|error| bad(&error.to_string()))?;
    if text.len() > REQUEST_MAX / 2 { Err(bad("is too long")) } else { Ok(text) }
}

/// Writes `text` to `path`, so that whoever reads it meanwhile finds the whole of what was there before. What is not
/// finished has another ending, by which the collector of node-exporter passes over it.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.new", std::process::id()));
    let put = || {
        // Never through a link that is there.
        File::create_new(&unfinished)?.write_all(text.as_bytes())?;
        fs::rename(&unfinished, path)
    };
    put().map_err(|error| {
        // It may never have been there.
        let _ = fs::remove_file(&unfinished);
        let remedy = "--file takes a file in a folder that you may write to";
        Failure::new(Code::BadFile, format!("{}: {error}", path.display()), remedy)
    })
}

/// What came is the answer to something else.
pub(super) fn stray() -> Failure {
    Failure::new(Code::Internal, "the answer is not to this request", "")
}

pub(super) fn unanswered(error: ClientError) -> Response {
    Response::Error(failure_of(&error))
}

pub(super) fn failure_of(error: &ClientError) -> Failure {
    let (code, remedy) = match error {
        ClientError::NotRunning(..) => {
            (Code::Unreachable, "start it with '/etc/init.d/lango start', or name another with --socket PATH")
        }
        ClientError::Denied(_) => (Code::NoPermission, "run the command as root or as the daemon's user"),
        ClientError::Lost(..) => (Code::Unreachable, "see the log of the daemon, and try again"),
        ClientError::Garbled(..) => (Code::Internal, "restart the daemon; is it another version than this?"),
    };
    Failure::new(code, error.to_string(), remedy)
}

pub(super) fn fail(failure: &Failure, style: Style) -> Exit {
    match style {
        Style::Json => {
            let exit = exit_of(failure.code);
            printed(|out| print::failure_as_json(failure, out).map(|()| exit))
        }
        Style::Plain | Style::Sheet | Style::Csv => {
            complain(failure);
            exit_of(failure.code)
        }
    }
}

fn complain(failure: &Failure) {
    let gap = if failure.remedy.is_empty() { "" } else { "; " };
    // A configuration may have many errors, each on a line of its own.
    let text = format!("{}{gap}{}", failure.message, failure.remedy);
    let text = text.lines().map(|line| format!("lango: {}\n", clean(line))).collect::<String>();
    // Without a stderr, the exit code is all there is to say.
    drop(io::stderr().write_all(text.as_bytes()));
}

/// Runs `write` on stdout. Who reads only the head of an answer is content with it.
pub(super) fn printed(write: impl FnOnce(&mut dyn Write) -> io::Result<Exit>) -> Exit {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|exit| out.flush().map(|()| exit)) {
        Ok(exit) => exit,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            complain(&Failure::new(Code::Internal, format!("the answer cannot be written: {error}"), ""));
            Exit::Internal
        }
    }
}

fn exit_of(code: Code) -> Exit {
    match code {
        Code::Usage => Exit::Usage,
        Code::Unsupported
        | Code::NoSuchPlan
        | Code::NoSuchVoucher
        | Code::NoSuchSession
        | Code::NoSuchPerson
        | Code::NotOnline
        | Code::Full
        | Code::Refused
        | Code::BadFile
        | Code::TrailBroken
        | Code::TooLarge => Exit::Refused,
        Code::Unreachable => Exit::Unreachable,
        Code::NotStored | Code::Internal => Exit::Internal,
        Code::NoPermission => Exit::NoPermission,
        Code::Configuration => Exit::Configuration,
    }
}

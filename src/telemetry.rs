//! Where log lines go: stderr or syslog.
//!
//! What syslog does not take goes to stderr instead, and an error goes to both: whoever starts the daemon by
//! hand, or from a script, sees why it ended.
//! Owns: the form of a line, its length, the escaping of what strangers put into it, and how often one thing is said
//! (`repeats`).
//! Never: what is said; no line holds a code, reference or phone, and whoever logs sees to that.
//! Spans are not kept: every event says all that it means.

mod repeats;

use std::fmt;
use std::io::{self, IsTerminal, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{SetGlobalDefaultError, Subscriber, set_global_default};
use tracing::{Event, Level, Metadata, dispatcher};

use self::repeats::Repeats;
use crate::clock::boottime;
use crate::domain::Boot;

const DEV_LOG: &str = "/dev/log";
/// Bytes of a line: logd of OpenWrt and RFC 3164 take no more.
const LONGEST: usize = 1024;
/// Facility "daemon".
const FACILITY: u8 = 3 << 3;

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Stderr if it is a terminal, else syslog.
    Auto,
    Stderr,
    /// With stderr for errors, and for what syslog does not take.
    Syslog,
}

/// From now on, events up to `level` are written to `target`. Once in a process.
pub fn start(target: Target, level: Level) -> Result<(), SetGlobalDefaultError> {
    let to_stderr = match target {
        Target::Auto => io::stderr().is_terminal(),
        Target::Stderr => true,
        Target::Syslog => false,
    };
    // Without a socket there is no syslog; a process that has no file descriptors left will not get far.
    let sink = match Syslog::new(Path::new(DEV_LOG)) {
        Ok(syslog) if !to_stderr => Sink::Syslog(syslog),
        Ok(_) | Err(_) => Sink::Stderr,
    };
    set_global_default(Log { sink, level, repeats: Mutex::default() })
}

/// Says how much was left out of what was said too often, where its minute is over. Every other line does so too; this
/// is for when there is none.
pub fn tell_left_out() {
    dispatcher::get_default(|dispatch| {
        if let Some(log) = dispatch.downcast_ref::<Log>() {
            log.tell_left_out(boottime());
        }
    });
}

struct Log {
    sink: Sink,
    level: Level,
    repeats: Mutex<Repeats<Place>>,
}

/// Where in the program something is said: what an event of this name was first said at.
#[derive(Clone)]
struct Place {
    from: &'static Metadata<'static>,
    event: String,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.from.callsite() == other.from.callsite()
    }
}

impl Log {
    fn tell_left_out(&self, now: Boot) {
        let over = self.repeats.lock().unwrap_or_else(PoisonError::into_inner).over(now);
        for (Place { from, event }, times) in over {
            let text = format!("said more often than is logged event=left_out of={event} times={times}");
            self.write(*from.level(), &text);
        }
    }

    /// Whether this may be said now. What is asked for line by line, for looking into something, always may.
    fn admits(&self, event: &Event<'_>, name: &str, now: Boot) -> bool {
        let from = event.metadata();
        if *from.level() > Level::INFO {
            return true;
        }
        let place = Place { from, event: name.to_owned() };
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner).admit(&place, now)
    }

    fn write(&self, level: Level, text: &str) {
        let also_here = match &self.sink {
            Sink::Stderr => true,
            Sink::Syslog(syslog) => !syslog.send(level, text) || level == Level::ERROR,
        };
        if also_here {
            // Where nobody reads there is nobody to tell.
            drop(writeln!(io::stderr(), "{}: {text}", word(level)));
        }
    }
}

enum Sink {
    Stderr,
    Syslog(Syslog),
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level))
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let now = boottime();
        self.tell_left_out(now);
        if self.admits(event, &line.event, now) {
            self.write(*event.metadata().level(), line.text());
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// RFC 3164 without time and host, which the receiver knows better: `<prio>lango[pid]: text`.
struct Syslog {
    socket: UnixDatagram,
    path: PathBuf,
    lost: AtomicU64,
}

impl Syslog {
    fn new(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // A stuck log daemon must not stop the gateway.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path: path.to_owned(), lost: AtomicU64::new(0) })
    }

    /// Addressed anew each time, so that a restart of the log daemon goes unnoticed. What it does not take
    /// is counted, and told with the next line that it takes. Returns whether it took this one.
    fn send(&self, level: Level, text: &str) -> bool {
        let severity = match level {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        let mut line = format!("<{}>lango[{}]: {text}", FACILITY | severity, std::process::id());
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            line = format!("{line} lines_lost={lost}");
        }
        let taken = self.socket.send_to(line.as_bytes(), &self.path).is_ok();
        if taken {
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

/// `message key=value key="a value"`, cut at [`LONGEST`].
#[derive(Default)]
struct Line {
    /// Its name, by which operators and their programs know it.
    event: String,
    message: String,
    fields: String,
}

impl Line {
    fn text(&mut self) -> &str {
        let fields = if self.message.is_empty() { self.fields.trim_start() } else { &self.fields };
        self.message.push_str(fields);
        if self.message.len() > LONGEST {
            self.message.truncate(self.message.floor_char_boundary(LONGEST - '…'.len_utf8()));
            self.message.push('…');
        }
        &self.message
    }

    fn put(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            push_escaped(&mut self.message, value, "");
            return;
        }
        if field.name() == "event" {
            push_escaped(&mut self.event, value, "");
        }
        self.fields.push(' ');
        self.fields.push_str(field.name());
        self.fields.push('=');
        if value.is_empty() || value.contains([' ', '=', '"']) {
            self.fields.push('"');
            push_escaped(&mut self.fields, value, "\"\\");
            self.fields.push('"');
        } else {
            push_escaped(&mut self.fields, value, "");
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }
}

/// A text that may come from anywhere, safe on one line of a log or a terminal.
pub fn clean(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    push_escaped(&mut line, text, "");
    line
}

/// Appends `text` so that it stays on its line and shows what it is: control characters, and those that
/// turn the direction of text, become escapes, and so does what is in `also`.
fn push_escaped(line: &mut String, text: &str, also: &str) {
    for symbol in text.chars() {
        let turns =
            matches!(symbol, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if symbol.is_control() || turns || also.contains(symbol) {
            line.extend(symbol.escape_default());
        } else {
            line.push(symbol);
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;

    use super::*;

    fn log(path: &Path, level: Level) -> Log {
        Log { sink: Sink::Syslog(Syslog::new(path).unwrap()), level, repeats: Mutex::default() }
    }

    /// What arrives at a log socket while `say` runs.
    fn heard(level: Level, say: impl FnOnce()) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let log = log(&path, level);
        with_default(log, say);
        let mut lines = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(count) = socket.recv(&mut buffer) {
            lines.push(String::from_utf8(buffer[..count].to_vec()).unwrap());
        }
        lines
    }

    #[test]
    fn a_line_has_priority_name_pid_message_and_fields() {
        let lines = heard(Level::INFO, || {
            tracing::info!(site = "kariakoo-01", guests = 3, path = %"/etc/a b", "serving");
            tracing::warn!(none = "", "uplink {}", "down");
            tracing::error!(event = "no message");
            tracing::debug!("not heard");
        });
        let pid = std::process::id();
        assert_eq!(
            lines,
            [
                format!("<30>lango[{pid}]: serving site=kariakoo-01 guests=3 path=\"/etc/a b\""),
                format!("<28>lango[{pid}]: uplink down none=\"\""),
                format!("<27>lango[{pid}]: event=\"no message\""),
            ]
        );
    }

    #[test]
    fn what_is_said_too_often_is_counted_and_the_rest_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut lines = Vec::new();
        // The socket holds few lines, so each is taken at once.
        let mut take = || {
            let mut line = [0; 4096];
            if let Ok(count) = socket.recv(&mut line) {
                lines.push(String::from_utf8_lossy(&line[..count]).into_owned());
            }
        };
        with_default(log(&path, Level::DEBUG), || {
            for _ in 0..200 {
                tracing::warn!(event = "table_healed", "again");
                take();
                tracing::debug!("looked into");
                take();
            }
            tracing::error!(event = "store_failed", "once");
            take();
            dispatcher::get_default(|dispatch| {
                let later = boottime().plus(std::time::Duration::from_secs(61));
                dispatch.downcast_ref::<Log>().unwrap().tell_left_out(later);
            });
            take();
        });
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!((count(": again"), count("looked into"), count("store_failed")), (20, 200, 1));
        let last = lines.last().unwrap();
        assert!(
            last.starts_with("<28>") && last.ends_with("event=left_out of=table_healed times=180"),
            "{last}"
        );
    }

    #[test]
    fn strangers_cannot_forge_lines() {
        let hostile = "x\n<0>kernel: \u{1b}[31m\"panic\" \u{202e}\\";
        let lines = heard(Level::INFO, || tracing::info!(name = hostile, "said {}", "a\r\nb\0\u{9b}"));
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert!(
            line.ends_with(r#": said a\r\nb\u{0}\u{9b} name="x\n<0>kernel: \u{1b}[31m\"panic\" \u{202e}\\""#),
            "{line}"
        );
    }

    #[test]
    fn strangers_cannot_steer_a_terminal() {
        assert_eq!(clean("a\u{1b}[2J\nb\u{9b}ü\u{202e}"), r"a\u{1b}[2J\nb\u{9b}ü\u{202e}");
    }

    #[test]
    fn lines_are_cut_between_characters() {
        let lines = heard(Level::INFO, || tracing::info!(long = "ü".repeat(2000), "m"));
        let (_, text) = lines[0].split_once(": ").unwrap();
        assert!((LONGEST - 2..=LONGEST).contains(&text.len()), "{}", text.len());
        assert!(text.ends_with("ü…"), "{text}");
    }

    #[test]
    fn what_could_not_be_logged_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = log(&path, Level::INFO);
        let mut line = [0; 4096];
        with_default(log, || {
            tracing::info!("into the void");
            tracing::info!("into the void");
            let socket = UnixDatagram::bind(&path).unwrap();
            for (said, end) in [("back", ": back lines_lost=2"), ("on", ": on")] {
                tracing::info!("{said}");
                let count = socket.recv(&mut line).unwrap();
                assert!(line[..count].ends_with(end.as_bytes()), "{:?}", str::from_utf8(&line[..count]));
            }
        });
    }
}

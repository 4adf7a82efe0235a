//! `lango top`: who uses the line now.
//!
//! Owns: rates, from the counters of two readings, and the frame that shows them. Never: asks for more than
//! `sessions`, once a frame. Neighbours: `terminal` has the screen, `words` the units, `clock` says how long it was
//! between two readings.

use std::cmp::Reverse;
use std::path::PathBuf;
use std::time::Duration;

use super::ask::{fail, failure_of, say, stray};
use super::order::used;
use super::terminal::Terminal;
use super::words::{duration, rate, size};
use super::{Failure, Request, Style};
use crate::clock::Clock;
use crate::control::Client;
use crate::domain::Boot;
use crate::process::Exit;
use crate::telemetry::clean;
use crate::wire::control::{Answer, Code, Response, Session};

/// How long the daemon may be silent: meanwhile no key is heard.
const PATIENCE: Duration = Duration::from_secs(5);
/// Until the first rates are shown.
const FIRST: Duration = Duration::from_secs(1);
/// From one frame to the next.
const PAUSE: Duration = Duration::from_secs(2);

/// Which daemon's guests, and how often.
#[derive(Debug)]
pub struct Top {
    pub(super) socket: PathBuf,
    /// One frame as text, and no more.
    pub(super) once: bool,
}

/// Shows who uses the line, until somebody ends it.
pub fn top(top: &Top) -> Exit {
    let frames = Client::connect(&top.socket).map_err(|error| failure_of(&error));
    let frames =
        frames.map(|client| Frames { client: client.within(PATIENCE), clock: Clock::new(), last: None });
    let ended = if top.once { frames.and_then(once) } else { frames.and_then(live) };
    ended.unwrap_or_else(|failure| fail(&failure, Style::Plain))
}

fn once(mut frames: Frames) -> Result<Exit, Failure> {
    frames.next()?;
    std::thread::sleep(FIRST);
    let lines = frames.next()?;
    let text = lines.into_iter().map(|line| line + "\n").collect::<String>();
    Ok(say(&text))
}

fn live(mut frames: Frames) -> Result<Exit, Failure> {
    // The daemon is asked before the screen is taken, so that its refusal stays to be read.
    let mut lines = frames.next()?;
    let broken = |error: std::io::Error| {
        Failure::new(
            Code::Internal,
            format!("the terminal cannot be used: {error}"),
            "'lango top --once' needs none",
        )
    };
    let mut terminal = Terminal::take().map_err(broken)?;
    let mut pause = FIRST;
    loop {
        terminal.show(lines).map_err(broken)?;
        if terminal.ended_within(pause).map_err(broken)? {
            return Ok(Exit::Done);
        }
        (lines, pause) = (frames.next()?, PAUSE);
    }
}

/// A connection to the daemon, and what it said last.
struct Frames {
    client: Client,
    clock: Clock,
    last: Option<(Boot, Vec<Session>)>,
}

impl Frames {
    /// The lines of the next frame; the first one knows no rates.
    fn next(&mut self) -> Result<Vec<String>, Failure> {
        let sessions = match self.client.ask(&Request::Sessions).map_err(|error| failure_of(&error))? {
            Response::Ok(Answer::Sessions(sessions)) => sessions,
            Response::Error(failure) => return Err(failure),
            Response::Ok(_) => return Err(stray()),
        };
        let now = self.clock.now().boot;
        let last = self.last.take();
        let since = last.as_ref().map(|(at, before)| (now.since(*at), before.as_slice()));
        let lines = frame(&sessions, since);
        self.last = Some((now, sessions));
        Ok(lines)
    }
}

/// How fast a session is: down, up, in bits a second.
type Speed = (u64, u64);

/// Who is fastest comes first; `before`: the last reading, and how long it is ago. The daemon has both by MAC.
fn frame(sessions: &[Session], before: Option<(Duration, &[Session])>) -> Vec<String> {
    let mut rows = sessions.iter().map(|session| (speed(session, before), session)).collect::<Vec<_>>();
    rows.sort_by_key(|((down, up), session)| (Reverse(down.saturating_add(*up)), Reverse(used(session))));
    let total =
        |of: fn(&Speed) -> u64| rate(rows.iter().map(|(speed, _)| of(speed)).fold(0, u64::saturating_add));
    let (down, up) = (total(|(down, _)| *down), total(|(_, up)| *up));
    let mut lines = vec![
        format!("{} online, {down} down, {up} up", rows.len()),
        String::new(),
        line(["MAC", "PLAN", "DOWN", "UP", "USED", "TIME LEFT", "DATA LEFT"].map(str::to_owned)),
    ];
    lines.extend(rows.iter().map(|((down, up), session)| {
        line([
            session.mac.clone(),
            session.plan.clone(),
            rate(*down),
            rate(*up),
            size(used(session)),
            session.seconds_left.map_or_else(|| "-".to_owned(), duration),
            session.bytes_left.map_or_else(|| "-".to_owned(), size),
        ])
    }));
    lines
}

fn speed(session: &Session, before: Option<(Duration, &[Session])>) -> Speed {
    let Some((ago, before)) = before else { return (0, 0) };
    // Who came since began with nothing.
    let was = before.binary_search_by(|was| was.mac.cmp(&session.mac)).ok().and_then(|at| before.get(at));
    let was = was.filter(|was| was.id == session.id);
    let bps = |is: u64, was: Option<u64>| {
        let bits = u128::from(is.saturating_sub(was.unwrap_or(0))) * 8000;
        u64::try_from(bits / ago.as_millis().max(1)).unwrap_or(u64::MAX)
    };
    (
        bps(session.bytes_down, was.map(|was| was.bytes_down)),
        bps(session.bytes_up, was.map(|was| was.bytes_up)),
    )
}

/// One line, as wide as 78 letters.
fn line([mac, plan, down, up, used, time, data]: [String; 7]) -> String {
    let (mac, plan) = (clean(&mac), clean(&plan).chars().take(11).collect::<String>());
    format!("{mac:17} {plan:11} {down:>10} {up:>10} {used:>6} {time:>11} {data:>9}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::session;
    use super::*;

    #[test]
    fn rates_are_what_was_counted_between_two_readings() {
        let before = [session("s-1", Some(60), 0, 1_000_000), session("s-2", None, 0, 0)];
        let now = [
            session("s-1", Some(58), 250_000, 2_000_000),
            session("s-2", None, 0, 0),
            session("s-3", None, 0, 2_000_000),
        ];
        let lines = frame(&now, Some((Duration::from_secs(2), &before)));
        let expected = "\
3 online, 12 Mbit/s down, 1 Mbit/s up

MAC               PLAN              DOWN         UP   USED   TIME LEFT DATA LEFT
02:00:00:00:00:03 hour          8 Mbit/s    0 bit/s   2 MB           -         -
02:00:00:00:00:01 hour          4 Mbit/s   1 Mbit/s 2.2 MB        58 s         -
02:00:00:00:00:02 hour           0 bit/s    0 bit/s    0 B           -         -";
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn a_first_reading_has_no_rates_and_a_counter_that_went_back_none_either() {
        let one = [session("s-1", Some(86_399), 5, 9_000_000)];
        assert!(frame(&one, None).first().unwrap().starts_with("1 online, 0 bit/s down, 0 bit/s up"));
        let less = [session("s-1", Some(60), 0, 1)];
        assert!(
            frame(&less, Some((Duration::ZERO, &one))).first().unwrap().contains("0 bit/s down, 0 bit/s up")
        );
        assert_eq!(frame(&[], None).len(), 3);
    }

    #[test]
    fn a_line_fits_a_terminal_whatever_a_plan_is_called() {
        let mut long = session("s-1", Some(86_399), u64::MAX, u64::MAX);
        (long.plan, long.bytes_left) = ("a\u{1b}[2J".repeat(20), Some(999_999_999));
        let lines = frame(&[long], Some((Duration::from_millis(1), &[])));
        assert!(lines.iter().all(|line| line.chars().count() <= 80 && !line.contains('\u{1b}')), "{lines:?}");
    }
}

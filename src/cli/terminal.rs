//! A terminal that is taken for a while, and left as it was.
//!
//! Owns: its settings, the few sequences that every terminal knows, which lines have to be written anew, and the keys
//! and signals that end it. Never: what is shown. Neighbours: `top` shows its frames here, `process` takes the signals.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::process::EndSignals;

/// The second screen, without a cursor, and back.
const TAKE: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";
/// Of a terminal that does not say.
const USUAL: (usize, usize) = (80, 24);

/// The terminal, from `take` until it is dropped.
pub(super) struct Terminal {
    before: Termios,
    signals: EndSignals,
    size: (usize, usize),
    shown: Vec<String>,
}

impl Terminal {
    /// Takes the terminal that stdin and stdout are.
    pub(super) fn take() -> io::Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(io::Error::new(ErrorKind::Unsupported, "there is none"));
        }
        let before = tcgetattr(io::stdin())?;
        let signals = EndSignals::take()?;
        let mut keys = before.clone();
        // Ctrl-C comes as a key then; Ctrl-Z would leave the second screen up.
        keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Now, &keys)?;
        let terminal = Self { before, signals, size: (0, 0), shown: Vec::new() };
        put(TAKE)?;
        Ok(terminal)
    }

    /// Shows as many of `lines` as there is room for, and writes only those that have changed: the line to the
    /// operator may be slow.
    pub(super) fn show(&mut self, lines: Vec<String>) -> io::Result<()> {
        let size = tcgetwinsize(io::stdout()).map(|size| (size.ws_col.into(), size.ws_row.into()));
        let size = size.ok().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or(USUAL);
        if size != self.size {
            (self.size, self.shown) = (size, Vec::new());
            put("\u{1b}[2J")?;
        }
        let lines = fitted(lines, size);
        let text = changes(&self.shown, &lines);
        self.shown = lines;
        put(&text)
    }

    /// Waits for `pause`; true as soon as somebody wants to end it.
    pub(super) fn ended_within(&mut self, pause: Duration) -> io::Result<bool> {
        let stdin = io::stdin();
        let mut ready = [
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        let pause = PollTimeout::try_from(pause).unwrap_or(PollTimeout::ZERO);
        match poll(&mut ready, pause) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let [keys, signals] = ready.map(|one| one.any().unwrap_or(false));
        let ends =
            |typed: &[u8]| typed.is_empty() || typed.iter().any(|key| [b'q', b'Q', CTRL_C].contains(key));
        let mut typed = [0; 64];
        let mut read =
            || rustix::io::read(&stdin, &mut typed).map(|count| typed.get(..count).is_none_or(ends));
        // Any other key brings the next frame.
        Ok(signals || (keys && read()?))
    }
}

const CTRL_C: u8 = 3;

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = put(LEAVE);
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}

fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What a screen of that size has room for. A line in the last column would make some terminals begin a new one.
fn fitted(mut lines: Vec<String>, (columns, rows): (usize, usize)) -> Vec<String> {
    if let Some(hidden) = lines.len().checked_sub(rows).filter(|hidden| *hidden > 0) {
        lines.truncate(rows.saturating_sub(1));
        lines.push(format!("and {} more", hidden + 1));
    }
    lines.iter().map(|line| line.chars().take(columns).collect()).collect()
}

/// What turns a screen that shows `old` into one that shows `new`.
fn changes(old: &[String], new: &[String]) -> String {
    let mut text = String::new();
    for (row, line) in new.iter().enumerate().filter(|(row, line)| old.get(*row) != Some(line)) {
        // Cleared first: behind the last column there is nothing to clear.
        text.push_str(&format!("\u{1b}[{};1H\u{1b}[2K{line}", row + 1));
    }
    if new.len() < old.len() {
        text.push_str(&format!("\u{1b}[{};1H\u{1b}[J", new.len() + 1));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn only_lines_that_changed_are_written_anew() {
        assert_eq!(changes(&lines("a b c"), &lines("a x c")), "\u{1b}[2;1H\u{1b}[2Kx");
        assert_eq!(changes(&lines("a b c"), &lines("a")), "\u{1b}[2;1H\u{1b}[J");
        assert_eq!(changes(&[], &lines("a")), "\u{1b}[1;1H\u{1b}[2Ka");
        assert_eq!(changes(&lines("a"), &lines("a")), "");
    }

    #[test]
    fn a_frame_is_cut_to_the_screen_and_says_how_much_is_cut() {
        assert_eq!(fitted(lines("abcdef b c"), (4, 3)), ["abcd", "b", "c"]);
        assert_eq!(fitted(lines("a b c d"), (80, 2)), ["a", "and 3 more"]);
        assert!(fitted(lines("a b"), (1, 1)).len() == 1);
    }
}

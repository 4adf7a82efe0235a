//! The process itself: how it ends and what it is told by signals.
//!
//! Owns: the exit codes of the interface, the panic hook, SIGHUP, SIGTERM and SIGINT, the limit of open files; in
//! `privileges`, whose process it is; in `seal`, what it may ask of the kernel, by the lists of `calls`;
//! in `accounts`, who else is on this system.
//! Never: what to do about them; that is `app`'s.

mod accounts;
mod calls;
mod privileges;
mod seal;

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGTERM};
use nix::sys::signalfd::SignalFd;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

pub use accounts::Accounts;
pub use privileges::{Owner, become_user, confine, give, is_root, make_over};
pub use seal::{is_sealed, seal};

/// How a command ends, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    /// Refused, or not found.
    Refused = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// No daemon listens.
    Unreachable = 69,
    /// A fault of the program or the system.
    Internal = 70,
    NoPermission = 77,
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Makes a panic in any task or thread end the whole process, loudly, also where the distribution builds
/// with unwinding: a daemon that lost one of its tasks must not go on half alive.
pub fn abort_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("no message");
        if tracing::dispatcher::has_been_set() {
            tracing::error!(event = "fault", at = place, what, "fault in the program");
        } else {
            // A command writes no log; nothing can be done if stderr is gone too.
            drop(writeln!(io::stderr(), "lango: fault in the program at {place}: {what}"));
        }
        std::process::abort();
    }));
}

/// Lets the process hold as many files open as the system allows it: every guest at the door is one.
pub fn raise_file_limit() -> io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// What ends a command that has something to put back first: SIGINT, SIGTERM and SIGHUP, to be polled for.
#[derive(Debug)]
pub struct EndSignals(SignalFd);

impl EndSignals {
    /// Takes them over from the system's defaults, for this thread.
    pub fn take() -> io::Result<Self> {
        let signals = SigSet::from_iter([SIGINT, SIGTERM, SIGHUP]);
        signals.thread_block()?;
        Ok(Self(SignalFd::new(&signals)?))
    }
}

impl AsFd for EndSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What the system tells the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGTERM or SIGINT.
    Stop,
}

/// The signals, from the moment of `listen` on; none is lost before the first `next`.
#[derive(Debug)]
pub struct Signals {
    hangup: Stream,
    terminate: Stream,
    interrupt: Stream,
}

impl Signals {
    /// Takes the signals over from the system's defaults. Needs a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one. Stop goes before reload.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}

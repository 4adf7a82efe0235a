//! A guest's stream as hyper sees it: the same bytes, with the heads watched and the progress noted.
//!
//! A head that must not be parsed is never handed on; the reading fails instead, and `connection` writes
//! the page. hyper's own answers to what it cannot parse are bare, so they are withheld for a page too.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::framing::{BadHead, Framing, Seen};
use super::tls::Channel;
use crate::captive::Notice;
use crate::clock::Clock;
use crate::domain::Boot;

/// For a handshake, for a head to be complete, and between two requests.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// For a request as a whole, its response included.
const REQUEST_TIME: Duration = Duration::from_secs(15);

/// How far a connection has come with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// TLS is not agreed upon yet.
    Handshake,
    /// Nothing of the next request is here yet.
    Waiting,
    /// Its head is coming in.
    Head,
    /// It is being answered; the body may still come in.
    Busy,
    /// The response goes out.
    Writing,
}

/// What is known of a connection while it lasts; shared with all who watch it.
#[derive(Debug)]
pub(super) struct Progress {
    clock: Clock,
    stage: Cell<Stage>,
    since: Cell<Boot>,
    fault: Cell<Option<Notice>>,
    is_last: Cell<bool>,
    /// Told when the connection shall make room for others.
    pub(super) given_up: Notify,
}

impl Progress {
    /// Of a connection that begins.
    pub(super) fn new(clock: Clock) -> Self {
        let since = Cell::new(clock.now().boot);
        let (stage, fault, is_last) = (Cell::new(Stage::Waiting), Cell::default(), Cell::default());
        Self { clock, stage, since, fault, is_last, given_up: Notify::new() }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// Since when the connection waits for a request, or since when that came in.
    pub(super) fn since(&self) -> Boot {
        self.since.get()
    }

    /// Whether nobody is being answered.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage.get(), Stage::Handshake | Stage::Waiting | Stage::Head)
    }

    /// The head is complete.
    pub(super) fn begin(&self) {
        self.stage.set(Stage::Busy);
    }

    /// The response is ready to be written.
    pub(super) fn answered(&self) {
        self.stage.set(Stage::Writing);
    }

    /// Whether the connection must end after this request.
    pub(super) fn is_last(&self) -> bool {
        self.is_last.get()
    }

    /// Why no further request can be read, if so.
    pub(super) fn fault(&self) -> Option<Notice> {
        self.fault.get()
    }

    /// Returns when the connection has used up its time.
    pub(super) async fn overdue(&self) {
        loop {
            let limit = if self.is_idle() { HEAD_TIME } else { REQUEST_TIME };
            let left = self.since.get().plus(limit).since(self.clock.now().boot);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    pub(super) fn stage_begins(&self, stage: Stage) {
        self.stage.set(stage);
        self.since.set(self.clock.now().boot);
    }
}

/// The watched stream.
pub(super) struct Wire {
    stream: Channel,
    framing: Framing,
    progress: Rc<Progress>,
}

impl Wire {
    pub(super) fn new(stream: Channel, progress: Rc<Progress>) -> Self {
        Self { stream, framing: Framing::new(), progress }
    }

    pub(super) fn into_stream(self) -> Channel {
        self.stream
    }

    /// Notes what came in; `Err`: nothing of it may be handed on.
    fn look_at(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> io::Result<()> {
        let seen = self.framing.see(buf.filled().get(before..).unwrap_or_default());
        self.progress.is_last.set(self.framing.is_last());
        match seen {
            Seen::Good { head } => {
                if head && self.progress.stage() == Stage::Waiting {
                    self.progress.stage_begins(Stage::Head);
                }
                Ok(())
            }
            Seen::Bad { good, why } => {
                self.progress.fault.set(Some(match why {
                    BadHead::TooLarge => Notice::TooLarge,
                    BadHead::UnclearLength => Notice::Malformed,
                }));
                buf.set_filled(before + good);
                if good > 0 { Ok(()) } else { Err(refused()) }
            }
        }
    }

    /// Whether what hyper writes is its own bare answer to a request it could not parse.
    fn is_bare_answer(&self) -> bool {
        let bare = self.progress.is_idle();
        if bare && self.progress.fault().is_none() {
            self.progress.fault.set(Some(Notice::Malformed));
        }
        bare
    }
}

fn refused() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.progress.fault().is_some() {
            return Poll::Ready(Err(refused()));
        }
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        Poll::Ready(self.look_at(buf, before))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_bare_answer() {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.progress.stage() == Stage::Writing {
            self.progress.stage_begins(Stage::Waiting);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

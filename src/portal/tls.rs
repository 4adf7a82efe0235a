//! A guest's stream: the socket as it is, or TLS over it; and the handshake that comes first.
//!
//! One type for both, so that everything behind it (the server, the watched heads, the deadlines) exists once.
//! Never: which certificate is shown (`certificate`), or whose handshake may begin (`handshakes`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::Visit;
use super::connections::{Holder, Seat};
use super::wire::Stage;
use crate::captive::Door;

/// What a guest sends and gets.
pub(super) enum Channel {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// The channel over `stream`, once the handshake is done that the door asks for. `None`: there is none, for
/// whatever reason; TLS itself has told the guest, if it was to be told.
pub(super) async fn channel(
    stream: TcpStream,
    visit: &Visit,
    seat: &Seat,
    holder: Holder,
) -> Option<Channel> {
    match visit.by() {
        Door::Plain => Some(Channel::Plain(stream)),
        Door::Secure => {
            let progress = &visit.progress;
            progress.stage_begins(Stage::Handshake);
            seat.shakes_hands(holder);
            let secured = tokio::select! {
                secured = shake_hands(stream, visit, holder) => secured,
                () = progress.overdue() => None,
                () = progress.given_up.notified() => None,
            };
            progress.stage_begins(Stage::Waiting);
            secured
        }
    }
}

async fn shake_hands(stream: TcpStream, visit: &Visit, holder: Holder) -> Option<Channel> {
    let context = &visit.context;
    let wait = context.handshakes.admit(holder, context.clock.now().boot)?;
    tokio::time::sleep(wait).await;
    let shown = context.shown.borrow().clone()?;
    let stream = TlsAcceptor::from(shown.config()).accept(stream).await.ok()?;
    Some(Channel::Secure(Box::new(stream)))
}

impl AsyncRead for Channel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Secure(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Secure(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

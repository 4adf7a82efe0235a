//! Questions over TCP, on one guest interface: what did not fit into a datagram, or was refused there.
//!
//! A connection lasts a few seconds, whatever it does. When there are too many, of one device or of all,
//! the oldest makes room.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Responder;
use super::answer::{Origin, Transport};
use super::bounds::Asker;
use crate::domain::Mac;
use crate::ordered::OrdMap;

/// A connection, from its beginning to its end.
const LASTS: Duration = Duration::from_secs(5);
/// Connections of all devices, and of each.
const ALL: usize = 64;
const EACH: usize = 4;
/// No question is longer.
const LONGEST: usize = 2048;
/// Rest after a failure that only time heals, such as no more file descriptors.
const REST: Duration = Duration::from_millis(50);

/// The connections that are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Seats(Rc<Taken>);

#[derive(Debug, Default)]
struct Taken {
    by: RefCell<OrdMap<u64, Guest>>,
    next: Cell<u64>,
}

/// Who has a connection, once that is known.
#[derive(Debug)]
struct Guest {
    device: Option<Mac>,
    given_up: Rc<Notify>,
}

/// Answers for ever, but for a broken socket.
pub(super) async fn serve(responder: &Rc<Responder>, listener: TcpListener, interface: u32) -> io::Error {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let seat = responder.seats.enter();
                tokio::task::spawn_local(run(Rc::clone(responder), stream, interface, seat));
            }
            Err(error) => match error.raw_os_error() {
                Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EOPNOTSUPP) => return error,
                // The guest was gone before it was let in.
                Some(libc::ECONNABORTED | libc::EINTR | libc::EPERM | libc::EPROTO) => {}
                Some(_) | None => sleep(REST).await,
            },
        }
    }
}

async fn run(responder: Rc<Responder>, mut stream: TcpStream, interface: u32, seat: Seat) {
    // However it ends, the guest asks again.
    let _ = timeout(LASTS, async {
        tokio::select! {
            _ = converse(&responder, &mut stream, interface, &seat) => {}
            () = seat.given_up.notified() => {}
        }
    })
    .await;
}

async fn converse(
    responder: &Rc<Responder>,
    stream: &mut TcpStream,
    interface: u32,
    seat: &Seat,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let peer = stream.peer_addr()?.ip().to_canonical();
    let origin = Origin { interface, peer, local: stream.local_addr()?.ip().to_canonical() };
    seat.belongs_to(responder.device(origin).await);
    loop {
        let length = usize::from(stream.read_u16().await?);
        if length > LONGEST {
            return Ok(());
        }
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await?;
        if !responder.admit(Asker::Address(origin.peer)) {
            return Ok(());
        }
        let Some(answer) = responder.respond(message, origin, Transport::Tcp).await else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), &*answer].concat()).await?;
    }
}

/// A connection's place; free again when dropped.
#[derive(Debug)]
struct Seat {
    taken: Rc<Taken>,
    id: u64,
    given_up: Rc<Notify>,
}

impl Seats {
    /// A place for a new connection; if there is none, the oldest has to go.
    fn enter(&self) -> Seat {
        let taken = Rc::clone(&self.0);
        let id = taken.next.replace(taken.next.get() + 1);
        let given_up = Rc::new(Notify::new());
        taken.by.borrow_mut().insert(id, Guest { device: None, given_up: Rc::clone(&given_up) });
        taken.make_room(ALL, |_| true);
        Seat { taken, id, given_up }
    }
}

impl Seat {
    /// The connection is this device's: its oldest goes if it has too many.
    fn belongs_to(&self, device: Option<Mac>) {
        if let Some(guest) = self.taken.by.borrow_mut().get_mut(&self.id) {
            guest.device = device;
        }
        self.taken.make_room(EACH, |of| of == device);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.by.borrow_mut().remove(&self.id);
    }
}

impl Taken {
    fn make_room(&self, most: usize, whose: impl Fn(Option<Mac>) -> bool) {
        let mut by = self.by.borrow_mut();
        let own: Vec<u64> = by.iter().filter(|(_, guest)| whose(guest.device)).map(|(id, _)| *id).collect();
        for id in own.iter().take(own.len().saturating_sub(most)) {
            if let Some(guest) = by.remove(id) {
                guest.given_up.notify_one();
            }
        }
    }
}

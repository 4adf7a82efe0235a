//! Questions over UDP, on one guest interface.
//!
//! An answer leaves from the address that the question came to: for any other the guest would not know it
//! again. A socket that is bound to no address has to be told that for each datagram.

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::Responder;
use super::answer::{Origin, Transport};
use super::bounds::Asker;

/// No question is longer.
const LONGEST: usize = 2048;
/// Rest after a failure that only time heals.
const REST: Duration = Duration::from_millis(50);

/// Where a datagram came from, to which of our addresses, and its length.
struct Arrival {
    from: SockaddrStorage,
    to: Local,
    length: usize,
}

/// The gateway's end of a datagram, as the kernel names it and wants it named.
#[derive(Clone, Copy)]
enum Local {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

/// Answers for ever, but for a broken socket.
pub(super) async fn serve(responder: &Rc<Responder>, socket: UdpSocket, interface: u32) -> io::Error {
    if let Err(error) = tell_addresses(&socket) {
        return error;
    }
    let socket = Rc::new(socket);
    let mut buffer = [0; LONGEST];
    loop {
        match socket.async_io(Interest::READABLE, || receive(&socket, &mut buffer)).await {
            Ok(Some(arrival)) => take(responder, &socket, &buffer, &arrival, interface).await,
            // Too long, or from no address.
            Ok(None) => {}
            Err(error) => match error.raw_os_error() {
                Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EOPNOTSUPP) => return error,
                Some(_) | None => tokio::time::sleep(REST).await,
            },
        }
    }
}

/// Answers at once what can be, and goes on with the rest beside. What goes on beside is bounded: it waits
/// in one of the responder's places. What is too much costs next to nothing.
async fn take(
    responder: &Rc<Responder>,
    socket: &Rc<UdpSocket>,
    buffer: &[u8],
    arrival: &Arrival,
    interface: u32,
) {
    let Arrival { from, to, length } = *arrival;
    let (Some(peer), Some(message)) = (address_of(&from), buffer.get(..length)) else { return };
    if !responder.admit(Asker::Address(peer)) {
        return;
    }
    let message = message.to_vec();
    let origin = Origin { interface, peer, local: to.address() };
    let (responder, socket) = (Rc::clone(responder), Rc::clone(socket));
    let mut work = Box::pin(async move {
        if let Some(answer) = responder.respond(message, origin, Transport::Udp).await {
            // Who does not get it asks again.
            let _ = send(&socket, &answer, &from, to);
        }
    });
    if poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await.is_pending() {
        tokio::task::spawn_local(work);
    }
}

/// From now on the kernel tells of each datagram to which address it came.
fn tell_addresses(socket: &UdpSocket) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => setsockopt(socket, Ipv4PacketInfo, &true)?,
        // Of IPv4 too, in IPv6 clothes.
        SocketAddr::V6(_) => setsockopt(socket, Ipv6RecvPacketInfo, &true)?,
    }
    Ok(())
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<Arrival>> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo);
    let flags = MsgFlags::MSG_DONTWAIT;
    let received = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let whole = !received.flags.contains(MsgFlags::MSG_TRUNC);
    let to = received.cmsgs()?.find_map(local);
    let (Some(from), Some(to), true) = (received.address, to, whole) else { return Ok(None) };
    Ok(Some(Arrival { from, to, length: received.bytes }))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the kernel may tell more than was asked for")]
fn local(message: ControlMessageOwned) -> Option<Local> {
    match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(Local::V4(info)),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(Local::V6(info)),
        _ => None,
    }
}

fn send(socket: &UdpSocket, answer: &[u8], to: &SockaddrStorage, from: Local) -> nix::Result<usize> {
    let parts = [IoSlice::new(answer)];
    let control = match &from {
        Local::V4(info) => ControlMessage::Ipv4PacketInfo(info),
        Local::V6(info) => ControlMessage::Ipv6PacketInfo(info),
    };
    let flags = MsgFlags::MSG_DONTWAIT;
    match sendmsg(socket.as_raw_fd(), &parts, &[control], flags, Some(to)) {
        // The kernel tells here what befell an earlier answer.
        Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH) => {
            sendmsg(socket.as_raw_fd(), &parts, &[control], flags, Some(to))
        }
        sent => sent,
    }
}

impl Local {
    fn address(self) -> IpAddr {
        match self {
            // In the order of the network already.
            Self::V4(info) => IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()),
            Self::V6(info) => IpAddr::from(info.ipi6_addr.s6_addr).to_canonical(),
        }
    }
}

fn address_of(peer: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = peer.as_sockaddr_in().map(|peer| IpAddr::from(peer.ip()));
    v4.or_else(|| peer.as_sockaddr_in6().map(|peer| IpAddr::from(peer.ip()).to_canonical()))
}

//! The netlink socket under `nft`, `neigh` and `uplink`: requests and their answers, one datagram at a time.
//!
//! Owns: the socket, its sequence numbers, its buffers. Never: what the messages say (`wire`).
//! Requests block, for microseconds: the kernel answers while it takes the request. The time-out is for
//! an answer that got lost, so that the daemon never hangs on it.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockname, recv, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::{setsockopt_impl, sockopt_impl};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::wire::netlink::{self, Message, Part, Refusal};

/// Longer than any datagram the kernel makes for a dump (32 KiB) or a notification.
const LONGEST: usize = 64 * 1024;
const ANSWER_LOST: i64 = 5;
/// Notifications that may wait: a flush of a full table is told in one go.
const NEWS_BUFFER: usize = 1024 * 1024;
/// No notification takes less of it.
const SMALLEST: usize = 64;

sockopt_impl!(
    /// Answers to refused requests say why.
    ExtendedAck,
    SetOnly,
    libc::SOL_NETLINK,
    libc::NETLINK_EXT_ACK,
    bool
);
sockopt_impl!(
    /// Answers to refused requests do not repeat the request.
    CapAck,
    SetOnly,
    libc::SOL_NETLINK,
    libc::NETLINK_CAP_ACK,
    bool
);

/// What became of a request.
pub enum Outcome {
    Done,
    /// What was listed changed while it was listed: ask again.
    Torn,
    /// Refused, by the message with this sequence number.
    Refused(u32, Refusal),
}

/// A socket for requests.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    port: u32,
    sequence: u32,
    room: usize,
    buffer: Vec<u8>,
}

impl Socket {
    /// A socket of this netlink family.
    pub fn open(family: SockProtocol) -> Result<Self> {
        let fd = open(family, 0, SockFlag::empty())?;
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::seconds(ANSWER_LOST))?;
        setsockopt(&fd, ExtendedAck, &true)?;
        setsockopt(&fd, CapAck, &true)?;
        let port = getsockname::<NetlinkAddr>(fd.as_raw_fd())?.pid();
        Ok(Self { fd, port, sequence: 0, room: 0, buffer: vec![0; LONGEST] })
    }

    /// The port by which notifications name this socket.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// The first of `count` fresh sequence numbers.
    pub fn numbers(&mut self, count: u32) -> u32 {
        if self.sequence.checked_add(count).is_none() {
            self.sequence = 0;
        }
        let first = self.sequence + 1;
        self.sequence += count;
        first
    }

    /// Sends `request` as one datagram, whose messages bear numbers from `first` on, and hands the content
    /// of the answer to `each` until it is acknowledged, refused or complete.
    pub fn request(
        &mut self,
        request: &[u8],
        first: u32,
        mut each: impl FnMut(Message<'_>),
    ) -> Result<Outcome> {
        self.send(request)?;
        let mut torn = false;
        loop {
            let length = receive(self.fd.as_raw_fd(), &mut self.buffer)?;
            for message in netlink::messages(self.buffer.get(..length).unwrap_or_default()) {
                // Left over from an earlier request that was refused more than once.
                if message.sequence < first || message.sequence > self.sequence {
                    continue;
                }
                torn |= message.flags & netlink::DUMP_INTERRUPTED != 0;
                match message.part() {
                    Some(Part::Content(message)) => {
                        each(message);
                        // One answer to one question: no acknowledgement follows.
                        if message.flags & netlink::MULTI == 0 && !asks_for_more(request) {
                            return Ok(Outcome::Done);
                        }
                    }
                    Some(Part::Done) if torn => return Ok(Outcome::Torn),
                    Some(Part::Done | Part::Acknowledged) => return Ok(Outcome::Done),
                    Some(Part::Refused(refusal)) => return Ok(Outcome::Refused(message.sequence, refusal)),
                    None => return Err(Error::from(ErrorKind::InvalidData)),
                }
            }
        }
    }

    fn send(&mut self, request: &[u8]) -> Result<()> {
        // A transaction is one datagram, and 5,000 elements are more than the default buffer takes.
        if request.len() > self.room {
            let room = request.len().saturating_mul(2).max(256 * 1024);
            setsockopt(&self.fd, sockopt::SndBufForce, &room)?;
            self.room = room / 2;
        }
        let sent =
            retry(|| sendto(self.fd.as_raw_fd(), request, &NetlinkAddr::new(0, 0), MsgFlags::empty()))?;
        if sent == request.len() { Ok(()) } else { Err(Error::from(ErrorKind::WriteZero)) }
    }
}

/// Whether the last message of `request` is answered by an acknowledgement or a dump.
fn asks_for_more(request: &[u8]) -> bool {
    let flags = netlink::messages(request).last().map_or(0, |message| message.flags);
    flags & (netlink::ACK | netlink::DUMP) != 0
}

/// A socket on which the kernel tells what changed.
#[derive(Debug)]
pub struct News {
    fd: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

/// What came.
pub enum Heard<'a> {
    Messages(&'a [u8]),
    /// The kernel had more to tell than the buffer holds: anything may have changed.
    Lost,
}

impl News {
    /// Subscribes to `groups`, a mask: group `n` is bit `n - 1`. Within a tokio runtime only.
    pub fn open(family: SockProtocol, groups: u32) -> Result<Self> {
        let fd = open(family, groups, SockFlag::SOCK_NONBLOCK)?;
        setsockopt(&fd, sockopt::RcvBufForce, &NEWS_BUFFER)?;
        #[expect(
            deprecated,
            reason = "an OwnedFd that is never replaced fulfils what its successor asks for"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self { fd, buffer: vec![0; LONGEST] })
    }

    /// The next datagram. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Result<Heard<'_>> {
        let length = loop {
            let mut ready = self.fd.readable().await?;
            let fd = self.fd.as_raw_fd();
            match receive(fd, &mut self.buffer) {
                Ok(length) => break length,
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    empty(fd, &mut self.buffer);
                    return Ok(Heard::Lost);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => return Err(error),
            }
        };
        Ok(Heard::Messages(self.buffer.get(..length).unwrap_or_default()))
    }
}

fn open(family: SockProtocol, groups: u32, flags: SockFlag) -> Result<OwnedFd> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, family)?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(fd)
}

fn receive(fd: RawFd, buffer: &mut [u8]) -> Result<usize> {
    Ok(retry(|| recv(fd, buffer, MsgFlags::empty()))?)
}

/// Reads away what waits. Once it has dropped something, the kernel drops everything, without a word, until
/// the buffer is empty: whoever reads anew before that misses what changes meanwhile.
fn empty(fd: RawFd, buffer: &mut [u8]) {
    let full = NEWS_BUFFER / SMALLEST;
    for _ in 0..full {
        if receive(fd, buffer).is_err() {
            break;
        }
    }
}

fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

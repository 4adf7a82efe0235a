//! A packet socket on one guest interface that hears one device's answers in one protocol and nothing else.
//!
//! Owns: the socket, and the filter in the kernel that keeps all other traffic away from it. Never: what is
//! asked, or how often. Neighbours: `mod.rs` asks, `frames.rs` reads.

use std::io;
use std::net::IpAddr;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket};
use nix::{setsockopt_impl, sockopt_impl};
use pnet_datalink::{Channel, ChannelType, Config, DataLinkReceiver, DataLinkSender, NetworkInterface};
use pnet_packet::ethernet::EtherTypes;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::frames::claimed;
use crate::domain::Mac;

/// Longer than any answer; what is cut off is not read.
const LONGEST: usize = 256;
/// Frames read before others get their turn.
const AT_ONCE: usize = 64;

sockopt_impl!(
    /// A program that says which frames the socket hears.
    AttachFilter,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_ATTACH_FILTER,
    libc::sock_fprog
);

/// In what a device is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Arp,
    NeighbourDiscovery,
}

/// The socket.
pub(super) struct Line {
    to: Box<dyn DataLinkSender>,
    from: Box<dyn DataLinkReceiver>,
    /// The same socket, to be woken by.
    ready: AsyncFd<OwnedFd>,
    device: Mac,
}

/// A packet socket that hears nothing yet. Needs CAP_NET_RAW.
pub(super) fn silent_socket() -> io::Result<OwnedFd> {
    Ok(socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?)
}

impl Line {
    /// Within a tokio runtime only.
    pub(super) fn open(link: &NetworkInterface, protocol: Protocol, device: Mac) -> io::Result<Self> {
        let fd = silent_socket()?;
        let mut filter = answers_of(device, protocol);
        let length = u16::try_from(filter.len()).unwrap_or(0);
        setsockopt(&fd, AttachFilter, &libc::sock_fprog { len: length, filter: filter.as_mut_ptr() })?;
        let ready = fd.try_clone()?;
        let ethertype = match protocol {
            Protocol::Arp => EtherTypes::Arp,
            Protocol::NeighbourDiscovery => EtherTypes::Ipv6,
        };
        // The socket is a raw one, so frames go and come whole; "layer 3" only names what it is bound to.
        let config = Config {
            channel_type: ChannelType::Layer3(ethertype.0),
            promiscuous: false,
            socket_fd: Some(fd.into_raw_fd()),
            read_buffer_size: LONGEST,
            write_buffer_size: 0,
            // Never waits in there.
            read_timeout: Some(Duration::ZERO),
            write_timeout: Some(Duration::ZERO),
            ..Config::default()
        };
        let Channel::Ethernet(to, from) = pnet_datalink::channel(link, config)? else {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        };
        #[expect(
            deprecated,
            reason = "an OwnedFd that is never replaced fulfils what its successor asks for"
        )]
        let ready = AsyncFd::with_interest(ready, Interest::READABLE)?;
        Ok(Self { to, from, ready, device })
    }

    /// Sends `frame`; one that gets lost on the way out is as good as one lost on the air.
    pub(super) fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        match self.to.send_to(frame, None) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(error)) if is_loss(&error) => Ok(()),
            Some(Err(error)) => Err(error),
        }
    }

    /// Returns when the device has said that it has one of `addresses`.
    pub(super) async fn answer(&mut self, addresses: &[IpAddr]) -> io::Result<()> {
        loop {
            let mut ready = self.ready.readable().await?;
            for _ in 0..AT_ONCE {
                match self.from.next() {
                    Ok(frame) => {
                        if claimed(frame, self.device).is_some_and(|address| addresses.contains(&address)) {
                            return Ok(());
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if is_loss(&error) => {
                        ready.clear_ready();
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

/// Nothing to read, no room to write, or nobody there to write to.
fn is_loss(error: &io::Error) -> bool {
    let gone = [Errno::ENETDOWN, Errno::ENXIO, Errno::ENODEV, Errno::ENOBUFS];
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
        || error.raw_os_error().is_some_and(|code| gone.contains(&Errno::from_raw(code)))
}

const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// A program of the classic packet filter: frames from `device` that are ARP replies or neighbour
/// advertisements. Every step loads what stands at an offset of the frame and compares it.
fn answers_of(device: Mac, protocol: Protocol) -> Vec<libc::sock_filter> {
    let [a, b, c, d, e, f] = device.bytes();
    let mut steps = vec![
        (LOAD_WORD, 6, u32::from_be_bytes([a, b, c, d])),
        (LOAD_HALF, 10, u32::from(u16::from_be_bytes([e, f]))),
    ];
    match protocol {
        Protocol::Arp => steps.push((LOAD_HALF, 20, 2)),
        Protocol::NeighbourDiscovery => steps.extend([(LOAD_BYTE, 20, 58), (LOAD_BYTE, 54, 136)]),
    }
    let mut program = Vec::with_capacity(2 * steps.len() + 2);
    let mut left = steps.len();
    for (load, offset, wanted) in steps {
        left -= 1;
        program.push(libc::sock_filter { code: load, jt: 0, jf: 0, k: offset });
        // On a mismatch over the steps that are left, and over the step that keeps the frame.
        let over = u8::try_from(2 * left + 1).unwrap_or(u8::MAX);
        program.push(libc::sock_filter { code: JUMP_IF_EQUAL, jt: 0, jf: over, k: wanted });
    }
    for keep in [u32::MAX, 0] {
        program.push(libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: keep });
    }
    program
}

//! Listens whether the internet talks to us or to a guest, and whether somebody waits for it to.
//!
//! Owns: a packet socket on the uplink device. Never: what is in a packet but its two addresses.
//! One packet from beyond is proof enough for some seconds, and the socket is closed meanwhile: where there
//! is traffic it costs next to nothing, where there is none nobody is woken.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, setsockopt, socket, sockopt,
};
use nix::{setsockopt_impl, sockopt_impl};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::near::Near;
use super::path::Device;
use crate::clock::Clock;
use crate::domain::Boot;
use crate::wire::ip::{ENOUGH, ends};

/// How long a packet from beyond is proof enough.
const REST: Duration = Duration::from_secs(4);
/// A question that has no answer after so long is worth a probe.
const ANSWER_DUE: Duration = Duration::from_secs(1);
/// So many packets in a row that say nothing, and listening pauses: some links are full of them.
const NOISE: u32 = 256;
const PAUSE: Duration = Duration::from_secs(1);
/// Room for some hundred small packets; what does not fit is nothing new.
const ROOM: usize = 64 * 1024;

/// How the kernel marks packets for this host, and those that leave it.
const FOR_US: u8 = 0;
const LEAVING: u8 = 4;

sockopt_impl!(
    /// Packets that leave are not shown.
    IgnoreLeaving,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_IGNORE_OUTGOING,
    bool
);

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sound {
    /// A packet from beyond the link.
    Voice,
    /// Packets went beyond the link from then on, and nothing has come since.
    NoAnswer { asked: Boot },
    /// It cannot be listened to.
    Deaf,
}

/// Listens on one device.
#[derive(Debug)]
pub(super) struct Ear {
    device: Device,
    clock: Clock,
    state: State,
}

#[derive(Debug)]
enum State {
    Resting { until: Boot },
    Listening { socket: Tap, asked: Option<Boot> },
    Deaf,
}

impl Ear {
    /// Listens from now on.
    pub(super) fn on(device: Device, clock: Clock) -> Self {
        let state = State::Resting { until: clock.now().boot };
        Self { device, clock, state }
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// The next sound; nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Sound {
        loop {
            let now = self.clock.now().boot;
            match &mut self.state {
                State::Deaf => std::future::pending().await,
                State::Resting { until } => {
                    tokio::time::sleep(until.since(now)).await;
                    match Tap::open(&self.device) {
                        Ok(socket) => self.state = State::Listening { socket, asked: None },
                        Err(error) => {
                            tracing::warn!(event = "uplink_unheard", %error, "the uplink is judged by probes alone");
                            self.state = State::Deaf;
                            return Sound::Deaf;
                        }
                    }
                }
                State::Listening { socket, asked } => {
                    let due = asked.map(|asked| asked.plus(ANSWER_DUE).since(now));
                    let packet = tokio::select! {
                        packet = socket.next() => packet,
                        () = wait(due) => {
                            // That nobody answers is known from now on, until somebody does.
                            let asked = asked.take().unwrap_or(now);
                            socket.ignore_leaving();
                            return Sound::NoAnswer { asked };
                        }
                    };
                    let asked_first = asked.is_none();
                    match packet {
                        Packet::Leaving if asked_first => *asked = Some(self.clock.now().boot),
                        Packet::Leaving => socket.ignore_leaving(),
                        Packet::Noise => self.rest(PAUSE),
                        Packet::Voice => {
                            self.rest(REST);
                            return Sound::Voice;
                        }
                    }
                }
            }
        }
    }

    fn rest(&mut self, span: Duration) {
        let until = self.clock.now().boot.plus(span);
        let before = std::mem::replace(&mut self.state, State::Resting { until });
        if let State::Listening { socket, .. } = before {
            socket.close();
        }
    }
}

async fn wait(span: Option<Duration>) {
    match span {
        Some(span) => tokio::time::sleep(span).await,
        None => std::future::pending().await,
    }
}

/// A packet, as far as it matters.
enum Packet {
    Voice,
    Leaving,
    /// Many that say nothing.
    Noise,
}

/// The packets of a device, both ways.
#[derive(Debug)]
struct Tap {
    fd: AsyncFd<OwnedFd>,
    device: Device,
    near: Near,
    noise: u32,
}

impl Tap {
    fn open(device: &Device) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Packet, SockType::Datagram, flags, SockProtocol::EthAll)?;
        setsockopt(&fd, sockopt::RcvBuf, &ROOM)?;
        let link = getifaddrs()?
            .filter(|one| one.interface_name == device.name)
            .find_map(|one| one.address?.as_link_addr().copied())
            .ok_or(Errno::ENODEV)?;
        bind(fd.as_raw_fd(), &link)?;
        #[expect(
            deprecated,
            reason = "an OwnedFd that is never replaced fulfils what its successor asks for"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self { fd, device: device.clone(), near: Near::look(), noise: 0 })
    }

    async fn next(&mut self) -> Packet {
        loop {
            let Ok(mut ready) = self.fd.readable().await else { return Packet::Noise };
            let mut start = [0; ENOUGH];
            match recvfrom::<LinkAddr>(self.fd.as_raw_fd(), &mut start) {
                Ok((length, Some(link))) => {
                    let packet = self.tell(start.get(..length).unwrap_or_default(), &link);
                    if let Some(packet) = packet {
                        return packet;
                    }
                }
                Ok((_, None)) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => ready.clear_ready(),
                // The device went away, which is told by others.
                Err(_) => return Packet::Noise,
            }
        }
    }

    fn tell(&mut self, start: &[u8], link: &LinkAddr) -> Option<Packet> {
        let is_ours = u32::try_from(link.ifindex()) == Ok(self.device.index);
        let beyond = |near: &Near| match (ends(start)?, link.pkttype()) {
            ((from, _), FOR_US) if near.is_beyond(from) => Some(Packet::Voice),
            ((_, to), LEAVING) if near.is_beyond(to) => Some(Packet::Leaving),
            _ => None,
        };
        if is_ours && beyond(&self.near).is_some() {
            // The gateway's addresses may have changed.
            self.near = Near::look();
            if let Some(packet) = beyond(&self.near) {
                return Some(packet);
            }
        }
        self.noise += 1;
        (self.noise > NOISE).then_some(Packet::Noise)
    }

    fn ignore_leaving(&self) {
        // In vain before Linux 4.20; then it only costs more.
        let _ = setsockopt(&self.fd, IgnoreLeaving, &true);
    }

    /// Closing takes the kernel some milliseconds, which nobody should wait for.
    fn close(self) {
        let fd = self.fd.into_inner();
        drop(tokio::task::spawn_blocking(move || drop(fd)));
    }
}

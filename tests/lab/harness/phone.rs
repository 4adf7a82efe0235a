//! A phone: a device on the guest network with a MAC and addresses of its own.
//!
//! It may have a namespace to itself, or be one of a crowd that shares one; its sockets leave through its
//! own device in both cases. Offers what a phone does: TCP, UDP, HTTP. The forms are in `browser.rs`.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::socket::sockopt::{BindToDevice, ReceiveTimeout, SendTimeout};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, connect, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::http::{self, Request, Response};
use super::netns::Netns;
use super::wait_until;
use super::world::{ECHO, GREETING, HTTP, UDP_ECHO, World};

/// How long a phone waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// How long a guest looks at a page that does not come: the portal may have to ask elsewhere.
const PAGE: Duration = Duration::from_secs(6);

/// One device.
#[derive(Clone, Debug)]
pub(crate) struct Phone {
    pub(crate) space: Arc<Netns>,
    pub(crate) device: String,
    pub(crate) mac: String,
    pub(crate) v4: IpAddr,
    pub(crate) v6: IpAddr,
}

/// How an attempt to reach something ended, and when.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: io::Result<()>,
    pub(crate) took: Duration,
}

impl Outcome {
    /// Whether it was refused at once, as a held phone must see it, rather than left to wait.
    pub(crate) fn refused_fast(&self) -> bool {
        let refused = [
            ErrorKind::ConnectionRefused,
            ErrorKind::ConnectionReset,
            ErrorKind::HostUnreachable,
            ErrorKind::NetworkUnreachable,
            ErrorKind::PermissionDenied,
        ];
        let kind = self.result.as_ref().err().map(io::Error::kind);
        kind.is_some_and(|kind| refused.contains(&kind)) && self.took < Duration::from_millis(200)
    }
}

impl Phone {
    /// Gives its IPv6 address up for another one, and waits until it can be asked for it.
    pub(crate) fn take_address(&mut self, new: Ipv6Addr) {
        self.space.ip(&format!("addr del {}/64 dev eth0\naddr add {new}/64 dev eth0 nodad", self.v6));
        let [.., high, middle, low] = new.octets();
        let last = u16::from_be_bytes([middle, low]);
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(high), last).to_string();
        wait_until("the phone to join the group of its address", Duration::from_secs(2), || {
            self.space.must("ip", &["maddr", "show", "dev", "eth0"]).contains(&group)
        });
        self.v6 = new.into();
    }

    /// Connects; gives up after [`PATIENCE`].
    pub(crate) fn tcp(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.space.enter(|| self.tcp_here(to))
    }

    /// As [`Self::tcp`], for a thread that is in the phone's namespace already.
    pub(crate) fn tcp_here(&self, to: SocketAddr) -> io::Result<TcpStream> {
        Ok(TcpStream::from(self.socket(SockType::Stream, to)?))
    }

    /// A datagram socket connected to `to`, so that refusals are seen.
    pub(crate) fn udp(&self, to: SocketAddr) -> io::Result<UdpSocket> {
        self.space.enter(|| self.udp_here(to))
    }

    /// As [`Self::udp`], for a thread that is in the phone's namespace already.
    pub(crate) fn udp_here(&self, to: SocketAddr) -> io::Result<UdpSocket> {
        Ok(UdpSocket::from(self.socket(SockType::Datagram, to)?))
    }

    /// Tries a TCP connection and an echo over it.
    pub(crate) fn try_tcp(&self, to: SocketAddr) -> Outcome {
        use std::io::{Read, Write};
        self.timed(|| {
            let mut stream = self.tcp_here(to)?;
            stream.write_all(b"ping")?;
            stream.read_exact(&mut [0; 4])
        })
    }

    /// Sends a datagram and waits for it to come back.
    pub(crate) fn try_udp(&self, to: SocketAddr) -> Outcome {
        self.timed(|| {
            let socket = self.udp_here(to)?;
            socket.send(b"ping")?;
            socket.recv(&mut [0; 4]).map(|_| ())
        })
    }

    /// Whether the world's page, its echo and its datagrams all come, over IPv4 and IPv6.
    pub(crate) fn is_open(&self, world: &World) -> bool {
        let page = |to| self.get(to, "world.test", "/").is_ok_and(|page| page.body == GREETING);
        world.both(HTTP).into_iter().all(page)
            && world.both(ECHO).into_iter().all(|to| self.try_tcp(to).result.is_ok())
            && world.both(UDP_ECHO).into_iter().all(|to| self.try_udp(to).result.is_ok())
    }

    /// Asserts that nothing of the world is reached, over IPv4 or IPv6, and that the phone is told at once.
    pub(crate) fn assert_held(&self, world: &World) {
        for to in world.both(ECHO) {
            let outcome = self.try_tcp(to);
            assert!(outcome.refused_fast(), "TCP to {to} of a held phone: {outcome:?}");
        }
        for to in world.both(UDP_ECHO) {
            let outcome = self.try_udp(to);
            assert!(outcome.refused_fast(), "UDP to {to} of a held phone: {outcome:?}");
        }
        for to in world.both(HTTP) {
            let page = self.get(to, "world.test", "/").expect("an answer on port 80");
            assert_eq!(page.status, 302, "port 80 of {to}: {page:?}");
        }
    }

    /// One GET over a connection of its own.
    pub(crate) fn get(&self, to: SocketAddr, host: &str, path: &str) -> io::Result<Response> {
        self.send(to, &Request::get(host, path))
    }

    /// One request over a connection of its own.
    pub(crate) fn send(&self, to: SocketAddr, request: &Request) -> io::Result<Response> {
        self.space.enter(|| self.send_here(to, request))
    }

    /// As [`Self::send`], for a thread that is in the phone's namespace already.
    pub(crate) fn send_here(&self, to: SocketAddr, request: &Request) -> io::Result<Response> {
        let mut stream = self.tcp_here(to)?;
        stream.set_read_timeout(Some(PAGE))?;
        http::exchange(&mut stream, request)
    }

    fn timed(&self, attempt: impl FnOnce() -> io::Result<()> + Send) -> Outcome {
        self.space.enter(|| {
            let from = Instant::now();
            let result = attempt();
            Outcome { result, took: from.elapsed() }
        })
    }

    fn socket(&self, kind: SockType, to: SocketAddr) -> io::Result<OwnedFd> {
        let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let fd = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
        let patience = TimeVal::milliseconds(i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX));
        setsockopt(&fd.as_fd(), SendTimeout, &patience)?;
        setsockopt(&fd.as_fd(), ReceiveTimeout, &patience)?;
        setsockopt(&fd.as_fd(), BindToDevice, &self.device.clone().into())?;
        match to {
            SocketAddr::V4(to) => {
                connect(fd.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(*to.ip(), to.port())))?
            }
            SocketAddr::V6(to) => {
                connect(fd.as_raw_fd(), &SockaddrIn6::from(SocketAddrV6::new(*to.ip(), to.port(), 0, 0)))?;
            }
        }
        Ok(fd)
    }
}

//! A tap on a cable: every frame that comes out at its end, as it is on the wire.
//!
//! Whether something leaked is asked here and not of a server, which never sees what it has no port for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimeout};
use nix::sys::socket::{MsgFlags, SockProtocol, recv, setsockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::netns::Netns;
use super::packet::{TCP, UDP};
use super::raw::{IPV4, IPV6, packet_socket};
use super::wait_until;

/// What came, in the order of its coming.
type Frames = Arc<Mutex<Vec<Frame>>>;

/// Listens until it is dropped.
pub(crate) struct Tap {
    frames: Frames,
    stop: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Tap {
    /// On `device`, for what others send there.
    pub(crate) fn on(space: &Arc<Netns>, device: &str) -> Self {
        let (socket, own) = packet_socket(space, device, Some(SockProtocol::EthAll));
        setsockopt(&socket, RcvBufForce, &(16 << 20)).expect("root");
        setsockopt(&socket, ReceiveTimeout, &TimeVal::milliseconds(20)).expect("a socket");
        let (frames, stop) = (Frames::default(), Arc::new(AtomicBool::new(false)));
        let (seen, ended) = (Arc::clone(&frames), Arc::clone(&stop));
        let listener = space.spawn(move || {
            let mut frame = vec![0; 70_000];
            while !ended.load(Ordering::Relaxed) {
                let Ok(count) = recv(socket.as_raw_fd(), &mut frame, MsgFlags::empty()) else { continue };
                if frame[6..12] != own {
                    seen.lock().expect("readers do not panic").push(Frame(frame[..count].to_vec()));
                }
            }
        });
        Self { frames, stop, listener: Some(listener) }
    }

    /// What came so far.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        self.frames.lock().expect("the listener does not panic").clone()
    }

    /// Whether a frame that came holds `mark`.
    pub(crate) fn saw(&self, mark: &[u8]) -> bool {
        self.frames.lock().expect("the listener does not panic").iter().any(|frame| frame.holds(mark))
    }

    /// Waits for a frame that holds `mark`.
    pub(crate) fn wait_for(&self, mark: &[u8]) {
        let what = format!("{} on a tap", mark.escape_ascii());
        wait_until(&what, Duration::from_secs(5), || self.saw(mark));
    }

    /// Forgets what came.
    pub(crate) fn clear(&self) {
        self.forget(|_| true);
    }

    /// Forgets such frames of those that came.
    pub(crate) fn forget(&self, such: impl Fn(&Frame) -> bool) {
        self.frames.lock().expect("the listener does not panic").retain(|frame| !such(frame));
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

/// One frame.
#[derive(Clone)]
pub(crate) struct Frame(Vec<u8>);

/// Who wrote to whom, in an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parties {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    /// Of IPv6 the first next header.
    pub(crate) protocol: u8,
    /// Of TCP and UDP: from and to.
    pub(crate) ports: Option<(u16, u16)>,
}

impl Frame {
    /// Whether it holds `mark` anywhere.
    pub(crate) fn holds(&self, mark: &[u8]) -> bool {
        self.0.windows(mark.len()).any(|part| part == mark)
    }

    /// Who wrote to whom; `None` where it is no IP packet.
    pub(crate) fn parties(&self) -> Option<Parties> {
        let packet = self.0.get(14..)?;
        let ethertype = u16::from_be_bytes([self.0[12], self.0[13]]);
        let (from, to, protocol, header): (IpAddr, IpAddr, u8, usize) = match ethertype {
            IPV4 => {
                let address = |at| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
                (address(12)?.into(), address(16)?.into(), packet[9], usize::from(packet[0] & 15) * 4)
            }
            IPV6 => {
                let address = |at| Some(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?));
                (address(8)?.into(), address(24)?.into(), packet[6], 40)
            }
            _ => return None,
        };
        let ports = packet.get(header..header + 4).filter(|_| [TCP, UDP].contains(&protocol));
        let ports = ports.map(|p| (u16::from_be_bytes([p[0], p[1]]), u16::from_be_bytes([p[2], p[3]])));
        Some(Parties { from, to, protocol, ports })
    }

    /// What follows the header of Ethernet.
    pub(crate) fn content(&self) -> &[u8] {
        &self.0[14..]
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?} {}", self.parties(), self.content().escape_ascii())
    }
}

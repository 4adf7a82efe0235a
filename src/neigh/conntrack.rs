//! Cuts the open flows of a device, so that what it begins next is decided anew.
//!
//! Owns: the socket to conntrack. Never: which devices are cut, or when; that is `app`'s.
//! Without this a redirected connection goes on seeing the portal after login, and a download goes on
//! until the guest's next packet after the end.

use std::net::IpAddr;

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

use super::NeighError;
use crate::netlink::{Outcome, Socket};
use crate::ordered::OrdSet;
pub use crate::wire::conntrack::Marked;
use crate::wire::conntrack::{self, Family, Flow};

/// The flows of this network namespace.
#[derive(Debug)]
pub struct Conntrack {
    socket: Socket,
}

impl Conntrack {
    /// A connection to the kernel. Needs CAP_NET_ADMIN.
    pub fn open() -> Result<Self, NeighError> {
        let socket = Socket::open(SockProtocol::NetlinkNetFilter)
            .map_err(|error| NeighError::Socket { doing: "opening it for conntrack", error })?;
        Ok(Self { socket })
    }

    /// Deletes the flows that have one of these addresses at an end, before or after translation, and that
    /// are `marked` so; no address, no deletion. How many there were.
    ///
    /// The mark tells flows that began while the device was online. Without it, those that a phone begins
    /// right after it was let in, or sent back to the portal, would be cut with the others.
    pub fn cut(&mut self, addresses: &[IpAddr], marked: Marked) -> Result<u32, NeighError> {
        self.cut_those(addresses, marked, |_| true)
    }

    /// Of these addresses, deletes the flows that a flowtable forwards past all rules. How many there were.
    pub fn cut_offloaded(&mut self, addresses: &[IpAddr]) -> Result<u32, NeighError> {
        self.cut_those(addresses, Marked::Either, Flow::is_offloaded)
    }

    fn cut_those(
        &mut self,
        addresses: &[IpAddr],
        marked: Marked,
        which: impl Fn(&Flow) -> bool,
    ) -> Result<u32, NeighError> {
        let addresses: OrdSet<_> = addresses.iter().map(IpAddr::to_canonical).collect();
        let mut cut = 0;
        for (family, asked) in [
            (Family::Ipv4, addresses.iter().any(IpAddr::is_ipv4)),
            (Family::Ipv6, addresses.iter().any(IpAddr::is_ipv6)),
        ] {
            let flows = if asked { self.flows(family, marked, &addresses)? } else { Vec::new() };
            for flow in flows.iter().filter(|flow| which(flow)) {
                cut += self.delete(flow)?;
            }
        }
        Ok(cut)
    }

    fn flows(
        &mut self,
        family: Family,
        marked: Marked,
        addresses: &OrdSet<IpAddr>,
    ) -> Result<Vec<Flow>, NeighError> {
        let doing = "to list flows";
        let mut flows = Vec::new();
        let number = self.socket.numbers(1);
        let outcome = self.socket.request(&conntrack::list(family, marked, number), number, |message| {
            flows.extend(conntrack::flow(&message).filter(|flow| flow.touches(addresses)));
        });
        match outcome {
            Ok(Outcome::Done | Outcome::Torn) => Ok(flows),
            Ok(Outcome::Refused(_, refusal)) => Err(NeighError::Refused { doing, refusal }),
            Err(error) => Err(NeighError::Socket { doing, error }),
        }
    }

    /// One if it was there.
    fn delete(&mut self, flow: &Flow) -> Result<u32, NeighError> {
        let doing = "to delete a flow";
        let number = self.socket.numbers(1);
        match self.socket.request(&conntrack::delete(flow, number), number, |_| {}) {
            Ok(Outcome::Done | Outcome::Torn) => Ok(1),
            Ok(Outcome::Refused(_, refusal)) if refusal.code == Errno::ENOENT as i32 => Ok(0),
            Ok(Outcome::Refused(_, refusal)) => Err(NeighError::Refused { doing, refusal }),
            Err(error) => Err(NeighError::Socket { doing, error }),
        }
    }
}

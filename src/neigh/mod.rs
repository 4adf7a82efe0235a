//! Who is behind an address: the kernel's neighbour table, never anything a guest says.
//!
//! Owns: the routing socket (neighbours, probes), in `watch.rs` and `link.rs` the news of it, and in
//! `conntrack.rs` the deletion of flows. Never: who may be online. IPv4 and IPv6 alike; an IPv4 address in
//! IPv6 clothes is the IPv4 address.

mod conntrack;
mod link;
mod own;
mod watch;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

pub use conntrack::{Conntrack, Marked};
pub use link::LinkWatch;
pub use own::own_addresses;
pub use watch::{NeighbourNews, NeighbourWatch, Place, Sighting};

use crate::domain::Mac;
use crate::netlink::{Outcome, Socket};
use crate::ordered::OrdMap;
use crate::wire::neighbour;
use crate::wire::netlink::{Message, Refusal};

/// Pauses between looks at a neighbour that was probed: a second in all, which is how long the kernel
/// waits before it asks again.
const PAUSES: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 489];

/// What went wrong between us and the kernel.
#[derive(Debug)]
pub enum NeighError {
    /// The socket failed while `doing`.
    Socket { doing: &'static str, error: io::Error },
    /// The kernel refused.
    Refused { doing: &'static str, refusal: Refusal },
}

impl fmt::Display for NeighError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket { doing, error } => write!(f, "netlink socket, {doing}: {error}"),
            Self::Refused { doing, refusal } => write!(f, "the kernel refused {doing}: {refusal}"),
        }
    }
}

impl std::error::Error for NeighError {}

/// The neighbour table of this network namespace.
#[derive(Debug)]
pub struct Neighbours {
    socket: RefCell<Socket>,
}

impl Neighbours {
    /// A connection to the kernel.
    pub fn open() -> Result<Self, NeighError> {
        let socket = Socket::open(SockProtocol::NetlinkRoute)
            .map_err(|error| NeighError::Socket { doing: "opening it for neighbours", error })?;
        Ok(Self { socket: RefCell::new(socket) })
    }

    /// The device that has this address on this interface, if it is known.
    pub fn lookup(&self, ifindex: u32, address: IpAddr) -> Result<Option<Mac>, NeighError> {
        let address = address.to_canonical();
        let mut found = None;
        let request = |number| neighbour::get(ifindex, address, number);
        self.ask("to look up a neighbour", request, |message| {
            let entry = neighbour::neighbour(message);
            let entry = entry.filter(|entry| entry.ifindex == ifindex && entry.address == address);
            found = found.or(entry.and_then(device));
        })?;
        Ok(found)
    }

    /// The device that has this address on this interface; if it is not known, it is asked for on the
    /// link, for at most a second.
    pub async fn resolve(&self, ifindex: u32, address: IpAddr) -> Result<Option<Mac>, NeighError> {
        if let Some(mac) = self.lookup(ifindex, address)? {
            return Ok(Some(mac));
        }
        let request = |number| neighbour::probe(ifindex, address.to_canonical(), number);
        self.ask("to probe a neighbour", request, |_| {})?;
        for pause in PAUSES {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if let Some(mac) = self.lookup(ifindex, address)? {
                return Ok(Some(mac));
            }
        }
        Ok(None)
    }

    /// All addresses that a device is known to have, on any interface.
    pub fn addresses(&self, mac: Mac) -> Result<Vec<IpAddr>, NeighError> {
        Ok(self.all()?.remove(&mac).unwrap_or_default())
    }

    /// All devices that are known, with their addresses on any interface.
    pub fn all(&self) -> Result<OrdMap<Mac, Vec<IpAddr>>, NeighError> {
        let mut all: OrdMap<Mac, Vec<IpAddr>> = OrdMap::new();
        for Sighting { mac, address, .. } in self.sightings()? {
            all.entry(mac).or_default().push(address);
        }
        Ok(all)
    }

    /// All that is known, address by address.
    pub fn sightings(&self) -> Result<Vec<Sighting>, NeighError> {
        let mut all = Vec::new();
        self.ask("to list neighbours", neighbour::list, |message| all.extend(Sighting::of(message)))?;
        Ok(all)
    }

    /// A neighbour that does not exist gives an empty answer.
    fn ask(
        &self,
        doing: &'static str,
        request: impl FnOnce(u32) -> Vec<u8>,
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<(), NeighError> {
        let mut socket = self.socket.borrow_mut();
        let number = socket.numbers(1);
        match socket.request(&request(number), number, |message| each(&message)) {
            Ok(Outcome::Refused(_, refusal)) if refusal.code != Errno::ENOENT as i32 => {
                Err(NeighError::Refused { doing, refusal })
            }
            // A list of neighbours that changed meanwhile is as good as one that will change.
            Ok(Outcome::Done | Outcome::Torn | Outcome::Refused(..)) => Ok(()),
            Err(error) => Err(NeighError::Socket { doing, error }),
        }
    }
}

fn device(entry: neighbour::Neighbour) -> Option<Mac> {
    entry.mac.filter(|mac| mac != &[0; 6]).map(Mac::new)
}

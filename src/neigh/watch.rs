//! The news of neighbours: which device was seen with which address, and at which port of a bridge.
//!
//! Owns: the subscription. Never: what a change means. The kernel tells of every change of every device,
//! and drops what nobody fetches: whoever listens may take its time, and reads anew what it lost.

use std::net::IpAddr;
use std::time::Duration;

use nix::sys::socket::SockProtocol;

use super::{NeighError, device};
use crate::domain::Mac;
use crate::netlink::{Heard, News};
use crate::wire::neighbour::{self, NEIGHBOURS};
use crate::wire::netlink::{self, Message};

/// A device with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub mac: Mac,
    pub address: IpAddr,
    /// Index of the interface.
    pub interface: u32,
    /// How long ago the device last proved that it has the address, by an answer or in a flow. Whoever
    /// only claims it, in a question of its own, has proved nothing.
    pub proved: Option<Duration>,
}

/// A device at a port of a bridge where it was not before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub mac: Mac,
    /// Indexes of the port and of its bridge.
    pub port: u32,
    pub bridge: u32,
    /// On a bridge that tells VLANs apart.
    pub vlan: Option<u16>,
}

/// One piece of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourNews {
    Seen(Sighting),
    Moved(Place),
    /// There was more to tell than anybody fetched; [`super::Neighbours::sightings`] tells how things are.
    Lost,
}

/// A subscription to the changes of neighbours.
#[derive(Debug)]
pub struct NeighbourWatch {
    news: News,
}

impl NeighbourWatch {
    /// Listens from now on. Within a tokio runtime only.
    pub fn open() -> Result<Self, NeighError> {
        let news = News::open(SockProtocol::NetlinkRoute, NEIGHBOURS)
            .map_err(|error| NeighError::Socket { doing: "subscribing to neighbours", error })?;
        Ok(Self { news })
    }

    /// What changed next; may be nothing of interest. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Result<Vec<NeighbourNews>, NeighError> {
        let heard = self.news.next().await;
        match heard.map_err(|error| NeighError::Socket { doing: "listening for neighbours", error })? {
            Heard::Lost => Ok(vec![NeighbourNews::Lost]),
            Heard::Messages(bytes) => {
                Ok(netlink::messages(bytes).filter_map(|message| news(&message)).collect())
            }
        }
    }
}

impl Sighting {
    pub(super) fn of(message: &Message<'_>) -> Option<Self> {
        let entry = neighbour::neighbour(message)?;
        Some(Self {
            mac: device(entry)?,
            address: entry.address,
            interface: entry.ifindex,
            proved: entry.proved,
        })
    }
}

fn news(message: &Message<'_>) -> Option<NeighbourNews> {
    if let Some(sighting) = Sighting::of(message) {
        return Some(NeighbourNews::Seen(sighting));
    }
    let neighbour::Placed { mac, port, bridge, vlan } = neighbour::placed(message)?;
    Some(NeighbourNews::Moved(Place { mac: Mac::new(mac), port, bridge, vlan }))
}

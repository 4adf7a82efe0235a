//! Whether a device that is quiet is still there: asked on the link, in ARP and neighbour discovery.
//!
//! Owns: the tries and their times, how many probes run at once, and in `line.rs` the packet sockets, which
//! live only as long as a probe. Never: who is asked, or what an answer means for a session.
//! Neighbours: `app` asks; `neigh` knows the addresses.
//!
//! A phone that saves power sleeps for a few tenths of a second at a time, so it gets three tries in three
//! seconds: two to itself, which cost the others no air time, the last to all.

mod frames;
mod line;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use pnet_datalink::{MacAddr, NetworkInterface};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::frames::{Cast, arp_request, solicitation};
use self::line::{Line, Protocol, silent_socket};
use crate::domain::Mac;

/// Devices asked at the same time; the others wait for their turn.
const AT_ONCE: usize = 32;
const TRIES: [Cast; 3] = [Cast::Device, Cast::Device, Cast::Group];
/// How long an answer to one try may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Addresses of one device that are asked for, per family.
const ADDRESSES: usize = 8;

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The device itself has answered.
    Here,
    /// It has not, or nobody could ask it: no address of it is known, the interface is down.
    Silent,
}

/// Asks devices whether they are there.
#[derive(Debug)]
pub struct Presence {
    turns: Semaphore,
}

impl Presence {
    /// Needs CAP_NET_RAW, which is found out here and not when the first device is asked.
    pub fn open() -> io::Result<Self> {
        silent_socket()?;
        Ok(Self { turns: Semaphore::new(AT_ONCE) })
    }

    /// Asks `device` for `addresses` on the interface with this index, for three seconds at most. Within a
    /// tokio runtime only; nothing is left of it if the future is dropped.
    pub async fn probe(&self, interface: u32, device: Mac, addresses: &[IpAddr]) -> io::Result<Answer> {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        let Some(link) = pnet_datalink::interfaces().into_iter().find(|link| link.index == interface) else {
            return Ok(Answer::Silent);
        };
        let Some(mut lines) = Lines::open(&link, device, addresses)? else { return Ok(Answer::Silent) };
        for cast in TRIES {
            lines.ask(cast)?;
            if let Ok(answered) = timeout(PATIENCE, lines.answer(addresses)).await {
                return answered.map(|()| Answer::Here);
            }
        }
        Ok(Answer::Silent)
    }
}

/// The ways to one device.
struct Lines {
    own: MacAddr,
    device: Mac,
    arp: Option<(Line, Vec<(Ipv4Addr, Ipv4Addr)>)>,
    discovery: Option<(Line, Ipv6Addr, Vec<Ipv6Addr>)>,
}

impl Lines {
    /// `None`: there is nothing to ask, or nothing to ask from.
    fn open(link: &NetworkInterface, device: Mac, addresses: &[IpAddr]) -> io::Result<Option<Self>> {
        let Some(own) = link.mac else { return Ok(None) };
        let from_to = v4(addresses).filter_map(|to| Some((source_v4(link, to)?, to)));
        let from_to: Vec<_> = from_to.take(ADDRESSES).collect();
        let v6: Vec<_> = v6(addresses).take(ADDRESSES).collect();
        let line = |protocol| Line::open(link, protocol, device);
        let arp = if from_to.is_empty() { None } else { Some((line(Protocol::Arp)?, from_to)) };
        let discovery = match source_v6(link).filter(|_| !v6.is_empty()) {
            None => None,
            Some(from) => Some((line(Protocol::NeighbourDiscovery)?, from, v6)),
        };
        let none = arp.is_none() && discovery.is_none();
        Ok((!none).then_some(Self { own, device, arp, discovery }))
    }

    fn ask(&mut self, cast: Cast) -> io::Result<()> {
        if let Some((line, from_to)) = &mut self.arp {
            for (from, to) in from_to {
                line.send(&arp_request((self.own, *from), self.device, *to, cast))?;
            }
        }
        if let Some((line, from, addresses)) = &mut self.discovery {
            for to in addresses {
                line.send(&solicitation((self.own, *from), self.device, *to, cast))?;
            }
        }
        Ok(())
    }

    async fn answer(&mut self, addresses: &[IpAddr]) -> io::Result<()> {
        let arp = self.arp.as_mut().map(|(line, _)| line);
        let discovery = self.discovery.as_mut().map(|(line, ..)| line);
        tokio::select! {
            answered = answer_on(arp, addresses) => answered,
            answered = answer_on(discovery, addresses) => answered,
        }
    }
}

/// Never returns if there is no line.
async fn answer_on(line: Option<&mut Line>, addresses: &[IpAddr]) -> io::Result<()> {
    match line {
        Some(line) => line.answer(addresses).await,
        None => std::future::pending().await,
    }
}

fn v4(addresses: &[IpAddr]) -> impl Iterator<Item = Ipv4Addr> {
    addresses.iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    })
}

fn v6(addresses: &[IpAddr]) -> impl Iterator<Item = Ipv6Addr> {
    addresses.iter().filter_map(|address| match address {
        IpAddr::V6(address) => Some(*address),
        IpAddr::V4(_) => None,
    })
}

/// Our address in the network of `to`; some phones answer nobody else.
fn source_v4(link: &NetworkInterface, to: Ipv4Addr) -> Option<Ipv4Addr> {
    let near = link.ips.iter().filter(|network| network.contains(IpAddr::V4(to)));
    near.chain(&link.ips).find_map(|network| match network.ip() {
        IpAddr::V4(own) => Some(own),
        IpAddr::V6(_) => None,
    })
}

/// Our link-local address, else another one: the answer comes over the link in any case.
fn source_v6(link: &NetworkInterface) -> Option<Ipv6Addr> {
    let own = link.ips.iter().filter_map(|network| match network.ip() {
        IpAddr::V6(own) => Some(own),
        IpAddr::V4(_) => None,
    });
    own.min_by_key(|own| !own.is_unicast_link_local())
}
